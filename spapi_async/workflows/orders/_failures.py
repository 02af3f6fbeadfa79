"""The failures of tasks that work together, as callers expect them: without exception groups."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar, cast

__all__ = ["first_of", "ungrouped"]

E = TypeVar("E", bound=BaseException)


def first_of(failures: BaseExceptionGroup[E]) -> E:
    """The first error of an exception group."""
    first = failures.exceptions[0]
    return first_of(cast("BaseExceptionGroup[E]", first)) if isinstance(first, BaseExceptionGroup) else first


@contextmanager
def ungrouped() -> Iterator[None]:
    """Around a task group: raise the first failure, which ended the others, instead of a group."""
    try:
        yield
    except BaseExceptionGroup as failures:
        raise first_of(failures) from None
