"""The state of buckets as bytes, for a restarted process. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from spapi_async.errors import ConfigurationError
from spapi_async.ratelimit._adaptation import LEARNED_FOR
from spapi_async.ratelimit._bucket import NEVER
from spapi_async.ratelimit._conversion import ages_of_bucket, tokens_of_window
from spapi_async.ratelimit._meter import Meter
from spapi_async.ratelimit._window import SlidingLog

__all__ = ["BucketState", "pack", "restore", "state_of", "unpack"]


class BucketState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One bucket at the moment of saving.

    ``key`` is the operation and the payer, or the operation, application and region of a shared bucket; a rule adds two
    parts. ``age`` is the time since the 429 from which ``rate`` and ``burst`` were learned; None if they are the
    announced ones.
    ``ages`` are those of the requests in a window of ``seconds``; a 429 keeps the window closed for ``blocked`` more
    seconds.
    """

    key: tuple[str, ...]
    tokens: float
    announced: float
    rate: float
    burst: float
    age: float | None = None
    ages: list[float] = []
    blocked: float = 0.0
    seconds: float = 0.0

    @property
    def is_window(self) -> bool:
        """Whether it is a window's state; early versions did not save the length of the window."""
        return bool(self.seconds or self.ages)

    def later(self, seconds: float) -> BucketState:
        """The same bucket after this time without calls."""
        elapsed = max(seconds, 0.0)
        tokens = self.tokens + elapsed * self.rate
        return msgspec.structs.replace(
            self,
            tokens=tokens,
            age=None if self.age is None else self.age + elapsed,
            ages=[age + elapsed for age in self.ages],
            blocked=max(self.blocked - elapsed, 0.0),
        )


class _Saved(msgspec.Struct, frozen=True):
    version: int
    saved_at: float
    buckets: list[BucketState]


STATE_VERSION = 1


def pack(states: Iterable[BucketState], saved_at: float) -> bytes:
    """States as JSON; ``saved_at`` is the wall clock."""
    return msgspec.json.encode(_Saved(STATE_VERSION, saved_at, list(states)))


def unpack(data: bytes, now: float) -> list[BucketState]:
    """The states as of ``now``, by the wall clock. If the clock was set back, no time is taken to have passed."""
    try:
        saved = msgspec.json.decode(data, type=_Saved)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"not a saved limiter state: {error}") from None
    if saved.version != STATE_VERSION:
        raise ConfigurationError(
            f"the limiter state has version {saved.version}, but this library reads {STATE_VERSION}"
        )
    if any(min(state.rate, state.announced, state.burst) <= 0 for state in saved.buckets):
        raise ConfigurationError("not a saved limiter state: a rate or a burst is not above zero")
    return [state.later(now - saved.saved_at) for state in saved.buckets]


def state_of(meter: Meter, now: float) -> BucketState:
    """The state of a limit for a later run."""
    counter, adaptation = meter.counter, meter.adaptation
    if isinstance(counter, SlidingLog) or adaptation is None:
        assert isinstance(counter, SlidingLog)
        return BucketState(
            key=meter.charge.key,
            tokens=counter.tokens(now),
            announced=counter.rate,
            rate=counter.rate,
            burst=counter.burst,
            ages=counter.state(now),
            blocked=counter.blocked(now),
            seconds=counter.seconds,
        )
    return BucketState(
        key=meter.charge.key,
        tokens=counter.tokens(now),
        announced=adaptation.announced,
        rate=adaptation.rate,
        burst=adaptation.burst,
        age=None if adaptation.calm else now - adaptation.event_at,
    )


def restore(meter: Meter, state: BucketState, now: float) -> None:
    """Give a new limit the state from an earlier run."""
    counter, adaptation = meter.counter, meter.adaptation
    if isinstance(counter, SlidingLog) or adaptation is None:
        assert isinstance(counter, SlidingLog)
        ages = state.ages
        if not state.is_window:
            tokens = min(state.tokens, state.burst)
            ages = ages_of_bucket(tokens, state.rate, state.burst, counter.requests, counter.seconds)
        counter.restore(ages, now)
        counter.block(now + state.blocked)
        return
    if state.is_window:
        ages = [age for age in state.ages if age < (state.seconds or NEVER)]
        tokens = tokens_of_window(ages, int(state.burst), state.blocked, adaptation.rate, adaptation.burst)
        counter.set_tokens(tokens, now)
        return
    lowered = state.age is not None and state.age < LEARNED_FOR
    # No header states the rate of other limits: it is the rule's current rate, not the one at the time of saving.
    announced = state.announced if meter.charge.kind == "plan" else adaptation.published
    adaptation.restore(
        announced=announced,
        rate=state.rate * (announced / state.announced) if lowered else announced,
        burst=state.burst if lowered else adaptation.burst,
        event_at=now - (state.age or 0.0),
    )
    counter.set_rate(adaptation.rate, now)
    counter.set_burst(adaptation.burst, now)
    counter.set_tokens(min(state.tokens, adaptation.burst), now)
