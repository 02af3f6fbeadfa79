"""The script that runs inside Redis, and the two messages that it and a process exchange."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from typing import Any

import msgspec

from spapi_async._core.operation import UsagePlan

__all__ = [
    "SCRIPT",
    "SCRIPT_SHA",
    "BucketState",
    "Feedback",
    "Reply",
    "Request",
    "SharedState",
    "bucket_keys",
    "parse_key",
    "plan_fields",
]

SCRIPT = files(__package__).joinpath("_script.lua").read_text(encoding="utf-8")
SCRIPT_SHA = hashlib.sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()  # the name that EVALSHA goes by


class Feedback(msgspec.Struct, kw_only=True):
    """What happened to a bucket's tokens since the last feedback; applied once, however often it is sent.

    Attributes:
        used, back: leased tokens that were spent, and that return unspent.
        credit: tokens granted to waiters that return unspent.
        spent: tokens spent while Redis was away.
        rate: the rate in Amazon's header when it differs from the one known, or 0.
        hits, hit_at: 429s, and the server's time at which the last of those requests was admitted.
    """

    seq: int
    used: int = 0
    back: int = 0
    credit: int = 0
    spent: int = 0
    rate: float = 0.0
    hits: int = 0
    hit_at: float = 0.0

    @property
    def urgent(self) -> bool:
        """Others gain from hearing it now; mere use can wait for the next exchange."""
        return bool(self.back or self.credit or self.spent or self.rate or self.hits)

    def __bool__(self) -> bool:
        return self.used > 0 or self.urgent


class Request(msgspec.Struct, kw_only=True):
    """What a process says and asks about one bucket.

    Attributes:
        me: the process; n: number of the request; lost: first earlier request whose reply never came, or 0.
        known, fresh: marker of the server's memory as the process knows it, and one to use if there is none.
        jitter, horizon: seconds by which a request may arrive late, and for which tokens are sold ahead.
        clear, slowest: server's time before which every request of this process has been answered (0: not known),
            and the longest that one of them took lately, in seconds.
        rate, burst, app_rate, app_burst: the published plan; 0 where there is no application bucket.
        known_rate, known_announced: what the process believes, in case the server forgot.
        waiting: calls that wait and have no token in sight, by priority.
        prefetch: tokens wanted for calls that are expected.
        expected: calls that will probably come within eight horizons.
        predict: 1 to be told who else waits. bye: 1 when the process leaves.
    """

    me: str
    n: int
    lost: int
    known: str
    fresh: str
    jitter: float
    clear: float
    slowest: float
    horizon: float
    rate: float
    burst: float
    app_rate: float
    app_burst: float
    known_rate: float
    known_announced: float
    waiting: tuple[int, int, int]
    prefetch: int
    expected: int
    predict: int
    bye: int
    feedback: list[Feedback]


class Reply(msgspec.Struct, kw_only=True):
    """What the server answers.

    Attributes:
        delays: when each granted token may be used, in seconds from now, and whether it is on lease.
        lease: seconds for which leased tokens may be kept.
        crowded: whether calls wait elsewhere, or urgent ones are about: no more should be asked for than is needed.
        poll: seconds after which to ask again, or -1 when every wish was granted and nobody else waits.
        others: calls waiting in each other process, by priority (only when asked for).
        level, pace, capacity: tokens, tokens a second really handed out, most tokens kept.
    """

    now: float
    stale: int = 0
    delays: list[tuple[float, bool]] = []
    lease: float = 0.0
    crowded: int = 0
    poll: float = -1.0
    marker: str = ""
    processes: int = 1
    shared_processes: int = 1
    level: float = 0.0
    rate: float = 0.0
    announced: float = 0.0
    burst: float = 0.0
    pace: float = 0.0
    capacity: float = 0.0
    admitted: int = 0
    throttled: int = 0
    others: list[tuple[int, int, int]] = []
    app_level: float = 0.0
    app_rate: float = 0.0
    app_burst: float = 0.0
    app_pace: float = 0.0
    app_capacity: float = 0.0
    app_admitted: int = 0


class _Entry(msgspec.Struct):
    """A process's part of a bucket's state: calls waiting by priority, when it will ask again."""

    c: tuple[int, int, int] = (0, 0, 0)
    q: float = 0.0


class BucketState(msgspec.Struct):
    """A bucket as the script keeps it; the fields that a snapshot shows."""

    k: float
    t: float
    r: float
    a: float
    z: float
    adm: int
    thr: int
    p: dict[str, _Entry] | list[_Entry] = {}


class SharedState(msgspec.Struct):
    """What all accounts of one operation share, as the script keeps it."""

    m: str
    app: BucketState | None = None


def plan_fields(plan: UsagePlan) -> dict[str, Any]:
    """The fields of a request that tell the published plan."""
    app_rate = plan.application_rate or 0.0
    app_burst = float(plan.application_burst or max(1.0, app_rate))
    return {"rate": plan.rate, "burst": plan.burst, "app_rate": app_rate, "app_burst": app_burst}


def bucket_keys(prefix: str, application: str, region: str, operation: str, account: str) -> tuple[str, str]:
    """The two keys of a call; the part in braces is the hash tag, which puts both in one slot of a Redis Cluster."""
    tag = f"{application}:{region}:{operation}".replace("{", "(").replace("}", ")")
    return f"{prefix}:{{{tag}}}:{account}", f"{prefix}:{{{tag}}}:"


def parse_key(key: str) -> tuple[str, str, str, str] | None:
    """Application, region, operation and account (empty: the shared key) of a key; None for a key of another kind."""
    _, opened, rest = key.partition(":{")
    tag, closed, account = rest.partition("}:")
    parts = tag.rsplit(":", 2)
    if not opened or not closed or len(parts) != 3:
        return None
    return parts[0], parts[1], parts[2], account
