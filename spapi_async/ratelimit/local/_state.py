"""What a restarted process should know of the buckets, as bytes. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from spapi_async.errors import ConfigurationError
from spapi_async.ratelimit._adaptation import MEMORY, Adaptation
from spapi_async.ratelimit._bucket import TokenBucket

__all__ = ["BucketState", "pack", "restore", "unpack"]


class BucketState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One bucket at the moment of saving.

    ``key`` is the operation and the account's digest, or the operation, application and region of a shared bucket.
    ``age`` is the time since the 429 that taught ``rate`` and ``burst``; None if they are the announced ones.
    """

    key: tuple[str, ...]
    tokens: float
    announced: float
    rate: float
    burst: float
    age: float | None = None

    def later(self, seconds: float) -> BucketState:
        """The same bucket when this much time has passed with no call."""
        elapsed = max(seconds, 0.0)
        tokens = self.tokens + elapsed * self.rate
        return msgspec.structs.replace(self, tokens=tokens, age=None if self.age is None else self.age + elapsed)


class _Saved(msgspec.Struct, frozen=True):
    version: int
    saved_at: float
    buckets: list[BucketState]


VERSION = 1


def pack(states: Iterable[BucketState], saved_at: float) -> bytes:
    """States as JSON; ``saved_at`` is the wall clock."""
    return msgspec.json.encode(_Saved(VERSION, saved_at, list(states)))


def unpack(data: bytes, now: float) -> list[BucketState]:
    """The states as they are by now; ``now`` is the wall clock. A clock that went back counts as no time passed."""
    try:
        saved = msgspec.json.decode(data, type=_Saved)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"not a saved limiter state: {error}") from None
    if saved.version != VERSION:
        raise ConfigurationError(f"a limiter state of version {saved.version}, this is version {VERSION}")
    if any(min(state.rate, state.announced, state.burst) <= 0 for state in saved.buckets):
        raise ConfigurationError("not a saved limiter state: a rate or a burst is not above zero")
    return [state.later(now - saved.saved_at) for state in saved.buckets]


def restore(bucket: TokenBucket, adaptation: Adaptation, state: BucketState, now: float) -> None:
    """Give a new bucket what an earlier run knew of it."""
    lowered = state.age is not None and state.age < MEMORY
    adaptation.restore(
        announced=state.announced,
        rate=state.rate if lowered else state.announced,
        burst=state.burst if lowered else adaptation.burst,
        event_at=now - (state.age or 0.0),
    )
    bucket.set_rate(adaptation.rate, now)
    bucket.set_burst(adaptation.burst, now)
    bucket.set_tokens(min(state.tokens, adaptation.burst), now)
