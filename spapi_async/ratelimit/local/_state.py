"""The state of buckets as bytes, for a restarted process. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from spapi_async.errors import ConfigurationError
from spapi_async.ratelimit._adaptation import LEARNED_FOR
from spapi_async.ratelimit._bucket import NEVER, TokenBucket
from spapi_async.ratelimit._conversion import ages_of_bucket, enlarged, tokens_of_window
from spapi_async.ratelimit._meter import Meter
from spapi_async.ratelimit._window import SlidingLog

__all__ = ["BucketState", "pack", "restore", "state_of", "unpack"]


class BucketState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One bucket at the moment of saving.

    ``key`` is the operation and the payer, or the operation, application and region of a shared bucket; a rule adds two
    parts. ``age`` is the time since the 429 from which ``rate`` and ``burst`` were learned; None if they are the
    announced ones.
    ``ages`` are those of the requests in a window of ``seconds``; a 429 keeps the window closed for ``blocked`` more
    seconds. ``gone`` is the age of the latest request that was pushed out of it.
    ``widest`` is the largest burst that a rule has had. ``others`` are the rule's other forms (``_conversion.py``).
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
    gone: float | None = None
    widest: float = 0.0
    others: list[BucketState] = []

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
            gone=None if self.gone is None else self.gone + elapsed,
            others=[other.later(elapsed) for other in self.others],
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
    forms = [form for state in saved.buckets for form in (state, *state.others)]
    if any(min(form.rate, form.announced, form.burst) <= 0 for form in forms):
        raise ConfigurationError("not a saved limiter state: a rate or a burst is not above zero")
    return [state.later(now - saved.saved_at) for state in saved.buckets]


def state_of(meter: Meter, now: float) -> BucketState:
    """The state of a limit for a later run."""
    key, adaptation = meter.charge.key, meter.adaptation
    state = _form_of(key, meter.counter, now)
    others = [_form_of(key, form, now) for form in meter.forms]
    if adaptation is None:
        return msgspec.structs.replace(state, others=others)
    return msgspec.structs.replace(
        state,
        announced=adaptation.announced,
        rate=adaptation.rate,
        burst=adaptation.burst,
        age=None if adaptation.calm else now - adaptation.event_at,
        widest=meter.widest if meter.widest > adaptation.burst else 0.0,
        others=others,
    )


def _form_of(key: tuple[str, ...], counter: TokenBucket | SlidingLog, now: float) -> BucketState:
    tokens, rate = counter.tokens(now), counter.rate
    state = BucketState(key=key, tokens=tokens, announced=rate, rate=rate, burst=counter.burst)
    if isinstance(counter, TokenBucket):
        return state
    return msgspec.structs.replace(
        state,
        ages=counter.state(now),
        blocked=counter.blocked(now),
        seconds=counter.seconds,
        gone=now - counter.gone if counter.gone > -NEVER else None,
    )


def restore(meter: Meter, state: BucketState, now: float) -> None:
    """Give a new limit the state from an earlier run."""
    forms = [state, *state.others]
    bucket = next((form for form in forms if not form.is_window), None)
    # Of two windows, one goes back as far as both.
    log = max((form for form in forms if form.is_window), key=lambda form: (form.seconds, form.burst), default=None)
    blocked = max(form.blocked for form in forms)
    if isinstance(meter.counter, SlidingLog):
        _restore_window(meter, meter.counter, bucket, log, now)
        meter.counter.block(now + blocked)
        return
    tokens = _restore_bucket(meter, meter.counter, bucket or _first_bucket(meter, state, log), now)
    if blocked > 0:
        meter.counter.set_tokens(min(tokens, 1 - blocked * meter.counter.rate), now)
    if log is not None:
        meter.forms = (_log_of(log, now),)


def _restore_window(
    meter: Meter, counter: SlidingLog, bucket: BucketState | None, log: BucketState | None, now: float
) -> None:
    requests, seconds = counter.requests, counter.seconds
    if log is None:
        assert bucket is not None
        log = _first_log(bucket, requests, seconds)
    ages = enlarged(log.ages, int(log.burst), log.gone, requests, seconds)
    log = msgspec.structs.replace(log, ages=ages, burst=max(log.burst, requests), seconds=max(log.seconds, seconds))
    _refill(counter, ages, log.gone, now)
    if (log.burst, log.seconds) != (requests, seconds):
        meter.forms = (_log_of(log, now),)
    if bucket is not None:
        form = TokenBucket(bucket.rate, bucket.burst, now)
        form.set_tokens(min(bucket.tokens, bucket.burst), now)
        meter.forms = (*meter.forms, form)


def _log_of(state: BucketState, now: float) -> SlidingLog:
    log = SlidingLog(int(state.burst), state.seconds or NEVER)
    _refill(log, state.ages, state.gone, now)
    log.block(now + state.blocked)
    return log


def _refill(log: SlidingLog, ages: list[float], gone: float | None, now: float) -> None:
    log.restore(ages, now)
    if gone is not None:
        log.gone = now - gone


def _first_log(bucket: BucketState, requests: int, seconds: float) -> BucketState:
    tokens, widest = min(bucket.tokens, bucket.burst), max(bucket.widest, bucket.burst)
    ages = ages_of_bucket(tokens, bucket.rate, widest, requests, seconds)
    return msgspec.structs.replace(bucket, burst=float(max(requests, len(ages))), ages=ages, seconds=seconds, age=None)


def _first_bucket(meter: Meter, state: BucketState, log: BucketState | None) -> BucketState:
    adaptation = meter.adaptation
    assert adaptation is not None
    assert log is not None
    inside = sum(age < (state.seconds or NEVER) for age in state.ages)
    known = [age for age in log.ages if age < (log.seconds or NEVER)]
    tokens = tokens_of_window(known, state.burst - inside, 0.0, adaptation.rate, adaptation.burst)
    return BucketState(
        key=state.key, tokens=tokens, announced=adaptation.rate, rate=adaptation.rate, burst=adaptation.burst
    )


def _restore_bucket(meter: Meter, counter: TokenBucket, state: BucketState, now: float) -> float:
    adaptation = meter.adaptation
    assert adaptation is not None
    age = NEVER if state.age is None else state.age
    lowered = age < LEARNED_FOR
    # No header states the rate of other limits: it is the rule's current rate, not the one at the time of saving.
    announced = state.announced if meter.charge.kind == "plan" else adaptation.published
    adaptation.restore(
        announced=announced,
        rate=state.rate * (announced / state.announced) if lowered else announced,
        burst=state.burst if lowered else adaptation.burst,
        event_at=now - age,
    )
    meter.calm = adaptation.calm
    counter.set_rate(adaptation.rate, now)
    counter.set_burst(adaptation.burst, now)
    tokens = min(state.tokens, adaptation.burst)
    counter.set_tokens(tokens, now)
    meter.widest = max(meter.widest, state.burst, state.widest)
    return tokens
