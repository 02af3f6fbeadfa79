"""The error inside an exception group."""

from __future__ import annotations

from typing import TypeVar, overload

__all__ = ["first_of"]

E = TypeVar("E", bound=BaseException)


@overload
def first_of(error: BaseExceptionGroup[E]) -> E: ...
@overload
def first_of(error: BaseException) -> BaseException: ...
def first_of(error: BaseException) -> BaseException:
    """The first error of an exception group, however deeply nested; any other error itself."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
