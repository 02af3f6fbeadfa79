"""Warnings about operations that Amazon removes: one for each operation and process.

A warning points at the line that called the method or made the iterator. It is issued at the call, not when the
coroutine runs, which may be anywhere. The library's own workflows are not warned.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import sys
import warnings
from collections.abc import Callable
from types import MethodType
from typing import Any, TypeVar, cast

from spapi_async._core.operation import Operation

__all__ = ["SPAPIDeprecationWarning", "makes_coroutine", "warn_of_removal", "warns_of_removal"]

F = TypeVar("F", bound=Callable[..., Any])


class SPAPIDeprecationWarning(DeprecationWarning):
    """Amazon has removed the called operation, or has announced that it will remove it."""


def warns_of_removal(operation: Operation[Any]) -> Callable[[F], F]:
    """Decorates the methods of an operation that Amazon takes away."""

    def decorate(method: F) -> F:
        warning = _WarningMethod(method)
        warning.operation = operation
        return cast("F", functools.update_wrapper(warning, method))

    return decorate


class _WarningMethod(functools.partial[Any]):
    """A method that warns when it is called; a coroutine function by itself could only warn when it is awaited.

    It is a partial, because inspect and asyncio unwrap partials: a coroutine function is still recognised as one.
    """

    operation: Operation[Any]

    def __call__(self, /, *arguments: Any, **options: Any) -> Any:
        warn_of_removal(self.operation)
        return self.func(*arguments, **options)

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        return self if instance is None else MethodType(self, instance)


def warn_of_removal(operation: Operation[Any]) -> None:
    """Warn the caller of the function that calls this one, unless the caller is the library or was warned before."""
    if operation.name in warned:
        return
    caller = sys._getframe(2)  # noqa: SLF001 - what the warnings module itself uses
    if caller.f_globals.get("__name__", "").partition(".")[0] == _PACKAGE:
        return
    warned.add(operation.name)
    warnings.warn(_message(operation), SPAPIDeprecationWarning, stacklevel=3)


_PACKAGE = __name__.partition(".")[0]
warned: set[str] = set()


def _message(operation: Operation[Any]) -> str:
    if operation.removal is not None:
        text = f"Amazon removes {operation.name} on {operation.removal}"
    elif operation.status == "removed":
        text = f"Amazon has removed {operation.name}; it may answer 404 or 410"
    else:
        text = f"Amazon has deprecated {operation.name}"
    return f"{text}; use {operation.successor} instead" if operation.successor else text


def makes_coroutine(function: F) -> F:
    """Tells asyncio, and from Python 3.12 on inspect, that calling a plain function makes a coroutine."""
    if sys.version_info >= (3, 12):
        return inspect.markcoroutinefunction(function)
    function._is_coroutine = asyncio.coroutines._is_coroutine  # type: ignore[attr-defined] # noqa: SLF001
    return function
