"""What leaves next, and what is under way: one request, whose quota pays for it, and who waits for its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from spapi_async._core.caller import Caller
from spapi_async.workflows.lookups._queue import Ask, Part

K = TypeVar("K")

__all__ = ["WORTH_A_SINGLE", "Departure", "Flight", "Lane", "current", "nothing"]

WORTH_A_SINGLE = 0.05
"""Seconds to the batch's next token below which a request for one item is not worth its cost in processor time."""


class Lane(NamedTuple):
    """The seller whose quota for an operation is at hand first, and in how many seconds."""

    caller: Caller
    seconds: float


class Departure(NamedTuple):
    """The next request: when, whose, whether by the operation for one, and what is then to be taken from the queue."""

    at: float
    caller: Caller
    single: bool
    take: Callable[[], Part]


class Flight:
    """A request under way."""

    __slots__ = ("caller", "part", "single", "task", "wanted")

    def __init__(self, caller: Caller, part: Part, *, single: bool) -> None:
        self.caller = caller
        self.part = part
        self.single = single
        self.wanted = len(part.asks)
        self.task: asyncio.Task[None] | None = None


def current(ask: Ask[K]) -> Ask[K]:
    """The ask that this one was merged into, or itself."""
    while ask.merged is not None:
        ask = ask.merged
    return ask


def nothing() -> Part:
    """A part that asks for nothing."""
    return Part([], [])
