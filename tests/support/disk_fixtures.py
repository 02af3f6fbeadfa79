"""A disk that is full."""

from __future__ import annotations

import resource
from collections.abc import Iterator

import pytest

__all__ = ["small_files"]


@pytest.fixture
def small_files() -> Iterator[None]:
    """No file may become larger than 100 KB, as if the disk were full; on Linux only, other systems end the process."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
