"""The script inside Redis, spoken to as a process would."""

from __future__ import annotations

from typing import Any

import msgspec
import redis

from spapi_async.ratelimit.shared.redis._script import SCRIPT, Reply, Request, bucket_keys

KEYS = bucket_keys("spapi", "application", "na", "tests_v0.get_thing", "seller@na")


class Speaker:
    """Runs the script as a process of that name would."""

    def __init__(self, url: str) -> None:
        self._client: Any = redis.Redis.from_url(url)

    def ask(self, n: int, *, me: str = "me", **changes: Any) -> Reply:
        """Send one request; what is not said is what a process with one call waiting would say."""
        request = Request(
            me=me, n=n, lost=0, known="", fresh=f"{me}{n}", jitter=0.0, clear=0.0, slowest=0.0, horizon=0.1, rate=0.01,
            burst=10, app_rate=0, app_burst=0, known_rate=0.01, known_announced=0.01, waiting=(0, 1, 0), prefetch=0,
            expected=0, predict=0, bye=0, feedback=[],
        )  # fmt: skip
        payload = msgspec.msgpack.encode(msgspec.structs.replace(request, **changes))
        return msgspec.msgpack.decode(self._client.eval(SCRIPT, 2, *KEYS, payload), type=Reply, strict=False)

    def close(self) -> None:
        self._client.close()
