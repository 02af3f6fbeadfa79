"""A rule of which versions follow each other, in any order and by turns, beside a model that remembers every call.

The standard, for both stores. A call made under a window needs fewer than its ``requests`` calls in its last
``seconds``, whichever version let them through. One made under a bucket needs a token in a bucket of the largest burst
that the rule has had: every call takes a token, if there is one, and what flows in does so at the rate in force. What
the rule's first window or bucket, or a window longer than any before, cannot know is left out (``enforce``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from hypothesis import example, given, settings
from hypothesis import strategies as st
from rule_stores import START, InProcess, InRedis, Limit, Store

from spapi_async.ratelimit import Bucket, Window

Step = tuple[int, int, int]
"""Seconds that pass, the version in force then, and the calls that try."""

MINUTE, HOUR = 60.0, 3600.0
WINDOWS = [Window(2, MINUTE), Window(4, HOUR), Window(6, HOUR), Window(6, MINUTE), Window(3, 2 * HOUR)]
BUCKETS = [Bucket(0.001, 5), Bucket(0.001, 3), Bucket(0.01, 8), Bucket(0.1, 2)]


class Model:
    """Every call, and how full the widest bucket would be."""

    def __init__(self) -> None:
        self.calls: list[float] = []  # those that a window can know of
        self.longest = 0.0
        self.widest = self.used = self.rate = 0.0
        self.at = START

    def pass_to(self, now: float) -> None:
        self.used = max(self.used - (now - self.at) * self.rate, 0.0)
        self.at = now

    def enforce(self, limit: Limit, now: float) -> None:
        """From now on this version is in force."""
        if isinstance(limit, Bucket):
            if not self.widest:
                # As if it had been there as long as anybody remembers.
                moment, used = START, 0.0
                for call in self.calls:
                    if call > now - self.longest:
                        used = max(used - (call - moment) * limit.rate, 0.0)
                        used, moment = min(used + 1, limit.burst), call
                self.used = max(used - (now - moment) * limit.rate, 0.0)
            self.widest, self.rate = max(self.widest, limit.burst), limit.rate
        elif not self.longest:
            # What the bucket has not got back yet.
            spent = math.ceil(self.used - 1e-6)
            self.calls = self.calls[max(len(self.calls) - spent, 0) :]
            self.longest = limit.seconds
        elif limit.seconds > self.longest:
            self.calls = [call for call in self.calls if call > now - self.longest]
            self.longest = limit.seconds

    def allows(self, limit: Limit, now: float) -> bool:
        if isinstance(limit, Bucket):
            return self.widest - self.used >= 1 - 1e-6
        return sum(call > now - limit.seconds for call in self.calls) < limit.requests

    def call(self, now: float) -> None:
        self.calls.append(now)
        self.used = min(self.used + 1, self.widest)


def follow(store: Store, model: Model, versions: Sequence[Limit], steps: Sequence[Step], *, exactly: bool) -> None:
    """Let calls try step by step; what passes must be allowed and, if ``exactly``, what is allowed must pass."""
    for pause, version, tries in steps:
        limit = versions[version % len(versions)]
        store.now += pause
        model.pass_to(store.now)
        store.use(limit)
        model.enforce(limit, store.now)
        refusals = 0
        for _ in range(tries):
            if refusals == 2:
                break  # a third try at the same moment would say no more
            allowed = model.allows(limit, store.now)
            passed = store.take()
            assert allowed or not passed, (limit, steps)
            assert passed or not (exactly and allowed), (limit, steps)
            if passed:
                model.call(store.now)
            else:
                refusals += 1
    for limit in versions:
        # Alone, every version lets a call through as soon as it would if everything had been spent just now.
        store.use(limit)
        store.now += limit.seconds if isinstance(limit, Window) else 1 / limit.rate
        assert store.take(), (limit, steps)


pauses = st.sampled_from([0, 1, 30, 61, 200, 1000, 3000, 3601, 8000])
steps = st.lists(st.tuples(pauses, st.integers(0, 3), st.integers(0, 9)), min_size=2, max_size=8)
any_versions = st.lists(st.sampled_from([*WINDOWS, *BUCKETS]), min_size=2, max_size=4)
one_bucket = st.tuples(st.sampled_from(BUCKETS), st.sampled_from(WINDOWS), st.sampled_from(WINDOWS))


@settings(max_examples=100)
@given(versions=any_versions, steps=steps)
@example(versions=[Window(4, HOUR), Window(2, MINUTE)], steps=[(0, 0, 4), (61, 1, 1), (61, 0, 1)])
@example(versions=[Bucket(0.001, 5), Bucket(0.001, 3), Window(6, HOUR)], steps=[(0, 0, 5), (0, 1, 1), (0, 2, 9)])
def test_no_call_passes_that_the_rule_in_force_forbids(versions: list[Limit], steps: list[Step]) -> None:
    """Whatever versions there were before, however often they take turns; and none of them stays shut."""
    follow(InProcess(), Model(), versions, steps, exactly=False)


def test_no_call_passes_in_redis_that_the_rule_in_force_forbids(redis_url: str) -> None:
    """The same."""
    store = InRedis(redis_url)

    @settings(max_examples=40)
    @given(versions=any_versions, steps=steps)
    @example(versions=[Window(4, HOUR), Window(2, MINUTE)], steps=[(0, 0, 4), (61, 1, 1), (61, 0, 1)])
    @example(versions=[Bucket(0.001, 5), Bucket(0.001, 3), Window(6, HOUR)], steps=[(0, 0, 5), (0, 1, 1), (0, 2, 9)])
    @example(versions=[Bucket(0.001, 5), Bucket(0.01, 8)], steps=[(0, 1, 8), (0, 0, 0), (200, 0, 0), (200, 1, 1)])
    def check(versions: list[Limit], steps: list[Step]) -> None:
        follow(store.new(), Model(), versions, steps, exactly=False)

    check()
    store.close()


ALL_KNOWN = [(0, 0, 0), (0, 1, 0), (0, 2, 0), (20_000, 0, 0)]


@settings(max_examples=100)
@given(versions=one_bucket, steps=steps)
def test_versions_that_were_there_before_the_first_call_count_exactly(
    versions: tuple[Limit, ...], steps: list[Step]
) -> None:
    """One that returns lets through all that it would have if it had been there all the time."""
    follow(InProcess(), Model(), versions, [*ALL_KNOWN, *steps], exactly=True)


def test_versions_that_were_there_before_the_first_call_count_exactly_in_redis(redis_url: str) -> None:
    """The same."""
    store = InRedis(redis_url)

    @settings(max_examples=40)
    @given(versions=one_bucket, steps=steps)
    def check(versions: tuple[Limit, ...], steps: list[Step]) -> None:
        follow(store.new(), Model(), versions, [*ALL_KNOWN, *steps], exactly=True)

    check()
    store.close()


def widen(store: Store) -> None:
    """Let a narrow window lose all but two of five calls, 10 s apart, before a wider one comes into force."""
    store.use(Window(2, HOUR))
    store.use(Bucket(0.001, 5))
    store.now += 20_000
    for _ in range(5):
        assert store.take()
        store.now += 10
    store.use(Window(6, HOUR))
    assert not store.take()
    store.now += HOUR - 29
    assert [store.take() for _ in range(5)] == [True] * 4 + [False]


def test_what_a_wider_window_lacks_was_sent_with_the_last_call_that_was_lost() -> None:
    """All its places but two are free again a window after the third of five calls."""
    widen(InProcess())


def test_what_a_wider_window_in_redis_lacks_was_sent_with_the_last_call_that_was_lost(redis_url: str) -> None:
    """The same."""
    store = InRedis(redis_url)
    widen(store)
    store.close()
