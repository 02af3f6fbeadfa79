"""How a kind of fault is written: one function from the good reply to bytes on the wire.

A fault gets the right reply and a random number generator, and returns steps: bytes to send, seconds
to pause, ``HANG_UP``, ``RESET`` or ``SILENCE``. ``REFUSALS`` are replies that say that nothing was done.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any, NamedTuple

__all__ = [
    "ABSENT",
    "FAULTS",
    "HANG_UP",
    "REFUSALS",
    "RESET",
    "SILENCE",
    "Good",
    "Step",
    "WhileIdle",
    "answers",
    "fault",
    "plain_reply",
    "text_of",
    "transforms",
    "whole",
]


class Good(NamedTuple):
    """The right reply: its content, the key of its list if it is a page, and additional headers."""

    status: int
    content: dict[str, Any]
    wrapper: str | None = None
    list_key: str | None = None


class WhileIdle(NamedTuple):
    """Bytes without a request, sent if no further request is under way, which could not be told apart."""

    data: bytes


HANG_UP, RESET, SILENCE = object(), object(), object()
Step = bytes | float | object
Fault = Callable[[Good, random.Random], list[Step]]

FAULTS: dict[str, Fault] = {}
REFUSALS: set[str] = set()
"""Kinds by which the server says that it did nothing (a 4xx, or errors alone)."""
ABSENT: set[str] = set()
"""Kinds that leave a page without its list: on a first page that may mean that nothing was found."""


def fault(*names: str, refusal: bool = False, absent: bool = False) -> Callable[[Fault], Fault]:
    """Register a fault."""

    def register(function: Fault) -> Fault:
        name = names[0] if names else function.__name__
        assert name not in FAULTS
        FAULTS[name] = function
        if refusal:
            REFUSALS.add(name)
        if absent:
            ABSENT.add(name)
        return function

    return register


def plain_reply(body: bytes, status: int | str = 200, *headers: str, length: int | str | None = None) -> bytes:
    """Return a well-formed reply; each argument can make one part of it wrong."""
    lines = [
        f"HTTP/1.1 {status} Whatever",
        f"Content-Length: {len(body) if length is None else length}",
        "Content-Type: application/json",
        "x-amzn-RequestId: r-1",
        "x-amzn-RateLimit-Limit: 100000.0",
        *headers,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def text_of(good: Good) -> bytes:
    return json.dumps(good.content).encode()


def whole(good: Good) -> bytes:
    return plain_reply(text_of(good), good.status)


def answers(name: str, body: bytes, status: int | None = None, *headers: str, **kinds: bool) -> None:
    """Register a fault that answers with this body, whatever the request."""
    FAULTS[name] = lambda good, _: [plain_reply(body, status or good.status, *headers)]
    if kinds.get("refusal"):
        REFUSALS.add(name)
    if kinds.get("absent"):
        ABSENT.add(name)


def transforms(name: str, change: Callable[[Good, random.Random], bytes], *headers: str) -> None:
    """Register a fault that changes the good body."""
    FAULTS[name] = lambda good, rng: [plain_reply(change(good, rng), good.status, *headers)]
