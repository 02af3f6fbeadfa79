"""Runs the script inside Redis with the arguments that a process would give."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import redis

from spapi_async.ratelimit.shared._store import LimitSpec, Reply, Request
from spapi_async.ratelimit.shared.redis._script import SCRIPT

MEMORY = "spapi:{application:na:tests_v0.get_thing}:"
KEYS = (f"{MEMORY}seller@na", MEMORY)

VIRTUAL = SCRIPT.replace("redis.call('TIME')", "{ARGV[2], 0}")


class Speaker:
    """Runs the script as a process of that name would.

    Args:
        clock: the server's time, for a test that lets it pass; without one it is what it is.
    """

    def __init__(self, url: str, clock: Callable[[], float] | None = None) -> None:
        self.client: Any = redis.Redis.from_url(url)
        self.clock = clock
        self.heard = 0  # bytes of the last reply

    def ask(
        self,
        n: int,
        *,
        me: str = "me",
        rate: float = 0.01,
        burst: int = 10,
        more: dict[str, LimitSpec] | None = None,
        **changes: Any,
    ) -> Reply:
        """Send one request.

        Arguments left out are those of a process with one call waiting. ``more`` are limits beside the plan of ``rate``
        and ``burst``, by a name for their keys.
        """
        more = more or {}
        plan = LimitSpec(kind="plan", rate=rate, burst=burst)
        request = Request(
            me=me, kind="", former=0, n=n, lost=0, known="", fresh=f"{me}{n}", jitter=0.0, clear=0.0, slowest=0.0,
            landed=0.0, horizon=0.1, limits=[plan, *more.values()], known_rate=rate, known_announced=rate,
            waiting=(0, 1, 0), prefetch=0, expected=0, predict=0, bye=0, feedback=[],
        )  # fmt: skip
        payload = msgspec.msgpack.encode(msgspec.structs.replace(request, **changes))
        keys = (*KEYS, *(f"{KEYS[0]}|{name}" for name in more))
        if self.clock is None:
            answer = self.client.eval(SCRIPT, len(keys), *keys, payload)
        else:
            answer = self.client.eval(VIRTUAL, len(keys), *keys, payload, repr(self.clock()))
        self.heard = len(answer)
        return msgspec.msgpack.decode(answer, type=Reply, strict=False)

    def close(self) -> None:
        self.client.close()
