"""The next request, and a request under way: its keys, and the seller whose quota it uses."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from spapi_async._core.caller import Caller
from spapi_async._core.options import CallOptions, Priority
from spapi_async.auth._lwa import is_transient
from spapi_async.errors import SPAPIError
from spapi_async.workflows._refusal import refuses_seller
from spapi_async.workflows.lookups._queue import Ask, Part

K = TypeVar("K")

__all__ = ["WORTH_A_SINGLE", "Departure", "Flight", "Lane", "absence", "current", "nothing", "shared_options"]

_PRIORITIES = tuple(Priority)  # the value of each is its index

WORTH_A_SINGLE = 0.05
"""Seconds until the batch's next token from which a request for one item is worth its processor time."""

_OUTAGE_SECONDS = 10.0  # without the seller for which Login with Amazon gave no token; its calls would fail at once


class Lane(NamedTuple):
    """The seller that can call an operation first, and in how many seconds."""

    caller: Caller
    seconds: float


class Departure(NamedTuple):
    """The next request: when, by which seller, whether by the single operation, and which asks it takes."""

    at: float
    caller: Caller
    single: bool
    take: Callable[[], Part]


class Flight:
    """A request under way."""

    __slots__ = ("begun", "caller", "part", "single", "task", "wanted")

    def __init__(self, caller: Caller, part: Part, *, single: bool) -> None:
        self.caller = caller
        self.part = part
        self.single = single
        self.wanted = len(part.asks)
        self.begun = False
        self.task: asyncio.Task[None] | None = None


def absence(error: SPAPIError) -> float:
    """Seconds for which other sellers take over from one whose call failed: for ever if it was refused."""
    if is_transient(error):
        return _OUTAGE_SECONDS
    return math.inf if refuses_seller(error) else 0.0


def current(ask: Ask[K]) -> Ask[K]:
    """The ask that this one was merged into, or itself."""
    while ask.merged is not None:
        ask = ask.merged
    return ask


def shared_options(asks: Sequence[Ask[K]], now: float, timeout: float | None) -> CallOptions:
    """The options of a request for all of them: the most urgent priority, the shortest ``max_wait``."""
    latest = [
        moment for ask in asks if ask.latest for waiter, moment in ask.latest.items() if not waiter.done()
    ]  # without the callers that have left
    return CallOptions(
        priority=_PRIORITIES[min([ask.priority for ask in asks])],
        max_wait=max(min(latest) - now, 0.0) if latest else None,
        timeout=timeout,
    )


def nothing() -> Part:
    """An empty part."""
    return Part([], [])
