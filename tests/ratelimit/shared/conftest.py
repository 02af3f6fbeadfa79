"""The process that most tests of shared limits look at."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from one_process import Process


@pytest.fixture
def process() -> Iterator[Process]:
    """A process that knows nothing yet."""
    process = Process()
    yield process
    process.loop.close()
