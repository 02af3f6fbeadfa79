"""Failed calls of a sync: which one ends it, and whether Amazon refuses for good."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from spapi_async._core.failures import first_of
from spapi_async.errors import ForbiddenError, NotFoundError, SPAPIError

__all__ = ["is_refused", "ungrouped"]

_GONE = 410


@contextmanager
def ungrouped() -> Iterator[None]:
    """Around a task group: raise the first failure, which ended the others, instead of a group."""
    try:
        yield
    except BaseExceptionGroup as failures:
        raise first_of(failures) from None


def is_refused(error: SPAPIError) -> bool:
    """Whether Amazon has removed a source or refuses it to this seller, so that retrying is useless."""
    return isinstance(error, ForbiddenError | NotFoundError) or error.status == _GONE
