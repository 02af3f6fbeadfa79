"""A rule that changes from a bucket into a window or back: what is kept, in the library and in the script."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from redis_speaker import KEYS, Speaker
from rule_stores import InProcess

from spapi_async.ratelimit import Bucket, Window
from spapi_async.ratelimit._bucket import TokenBucket
from spapi_async.ratelimit._conversion import ages_of_bucket, enlarged, tokens_of_window
from spapi_async.ratelimit._window import SlidingLog
from spapi_async.ratelimit.shared._store import LimitSpec

HOUR = 3600.0


@given(
    tokens=st.floats(-3, 8),
    rate=st.sampled_from([0.0005, 0.01, 1.0]),
    requests=st.integers(1, 12),
)
@example(tokens=8.0, rate=0.0005, requests=12)
@example(tokens=0.0, rate=1.0, requests=4)
def test_a_window_made_of_a_bucket_admits_no_more_than_either(tokens: float, rate: float, requests: int) -> None:
    """Each place opens when the bucket would have had a token, spent ones after a window."""
    bucket, window = TokenBucket(rate, 8.0, 0.0), SlidingLog(requests, HOUR)
    bucket.set_tokens(tokens, 0.0)
    window.restore(ages_of_bucket(tokens, rate, 8.0, requests, HOUR), 0.0)
    spent = min(8 - tokens, requests)
    assert window.tokens(0.0) <= max(requests - spent + 1e-6, 0)
    for number in range(1, requests + 1):
        assert window.delay(0.0, number) >= min(bucket.delay(0.0, number), HOUR) - 1e-6


def test_all_that_a_bucket_spent_is_in_the_window_made_of_it() -> None:
    """More than the window holds is kept for a later larger one, but a debt does not fill the memory."""
    ages = ages_of_bucket(0.0, 0.01, 5.0, 4, HOUR)
    narrow, wide = SlidingLog(4, HOUR), SlidingLog(6, HOUR)
    narrow.restore(ages, 0.0)
    wide.restore(narrow.state(1.0), 1.0)
    assert (narrow.tokens(0.0), wide.tokens(1.0)) == (-1.0, 1.0)
    assert narrow.delay(1.0) == HOUR - 1
    assert len(ages_of_bucket(-1e12, 0.01, 5.0, 4, HOUR)) == 1000
    assert len(ages_of_bucket(-1e12, 0.01, 5.0, 2000, HOUR)) == 2000


def test_only_a_window_wider_than_any_before_takes_what_it_lacks_to_have_been_sent() -> None:
    """One as wide as before has lost nothing, and in a short one, what was lost has expired."""
    assert enlarged([20.0, 10.0], 2, 30.0, 5, HOUR) == [30.0, 30.0, 30.0, 20.0, 10.0]
    assert enlarged([10.0], 2, 30.0, 2, HOUR) == [10.0]
    assert enlarged([20.0, 10.0], 2, 30.0, 5, 30.0) == [20.0, 10.0]
    assert enlarged([20.0, 10.0], 2, None, 5, HOUR) == [20.0, 10.0]


@given(ages=st.lists(st.floats(0, HOUR - 1), max_size=6), rate=st.sampled_from([0.0005, 0.01, 1.0]))
@example(ages=[0.0, 0.0, 0.0], rate=1.0)
@example(ages=[], rate=0.01)
@example(ages=[3000.0, 10.0, 10.0], rate=0.001)
def test_a_bucket_made_of_a_window_has_what_its_requests_left(ages: list[float], rate: float) -> None:
    """It is as if it had always been a bucket, and never has more than was left of the window."""
    bucket = TokenBucket(rate, 5.0, -HOUR)
    for age in sorted(ages, reverse=True):
        bucket.set_tokens(max(bucket.tokens(-age) - 1, 0), -age)
    tokens = tokens_of_window(ages, 6 - len(ages), 0.0, rate, 5.0)
    assert tokens == pytest.approx(min(bucket.tokens(0.0), 6 - len(ages)), abs=1e-6)


def test_a_bucket_made_of_a_window_closed_by_a_429_is_empty() -> None:
    """The next request leaves when the window would have opened."""
    bucket = TokenBucket(0.01, 5.0, 0.0)
    bucket.set_tokens(tokens_of_window([], 4, 900.0, 0.01, 5.0), 0.0)
    assert bucket.delay(0.0) == pytest.approx(900.0)


def test_a_bucket_that_only_counts_runs_into_no_debt() -> None:
    """It would have refused what it has no token for; a debt that it has already stays."""
    bucket = TokenBucket(0.5, 2.0, 0.0)
    for moment, left in ((0.0, 1.0), (1.0, 0.5), (1.0, 0.0), (1.0, 0.0)):
        bucket.count(moment)
        assert bucket.tokens(moment) == left
    bucket.set_tokens(-1.0, 1.0)
    bucket.count(1.0)
    assert bucket.tokens(1.0) == -1.0


def kept(speaker: Speaker, state: dict[str, Any], spec: LimitSpec) -> Any:
    """How the script reads a limit that was stored like this."""
    speaker.ask(1, more={"rule": LimitSpec(kind="rule", rate=1.0, burst=1)}, waiting=(0, 0, 0))
    common = {"adm": 9, "thr": 2, "p": {}, "cut": 0, "i": "rule"}
    speaker.client.set(f"{KEYS[0]}|rule", msgspec.msgpack.encode({**common, **state}))
    return speaker.ask(2, more={"rule": spec}, waiting=(0, 0, 0)).limits[1]


@pytest.mark.parametrize("tokens", [-1.5, 0.0, 2.5, 8.0])
@pytest.mark.parametrize("requests", [4, 12])
def test_the_script_makes_the_same_window_of_a_bucket(redis_url: str, tokens: float, requests: int) -> None:
    """The entries are the same; admitted and refused requests are still counted."""
    speaker = Speaker(redis_url)
    state = {"k": tokens, "t": time.time(), "r": 0.01, "a": 0.01, "b": 8, "z": 8}
    window = kept(speaker, state, LimitSpec(kind="rule", rate=requests / HOUR, burst=requests, seconds=HOUR))
    ages = ages_of_bucket(tokens, 0.01, 8.0, requests, HOUR)
    assert [-start for start in window.starts] == pytest.approx(ages, abs=30)
    assert (window.admitted, window.throttled, window.seconds) == (9, 2, HOUR)
    speaker.close()


@pytest.mark.parametrize("ages", [[], [0.0, 0.0, 0.0], [3000.0, 700.0, 10.0], [4000.0, 10.0], [9.0] * 5, [9.0] * 9])
@pytest.mark.parametrize("blocked", [0.0, 500.0])
def test_the_script_makes_the_same_bucket_of_a_window(redis_url: str, ages: list[float], blocked: float) -> None:
    """The level is the same."""
    speaker = Speaker(redis_url)
    now = time.time()
    log = [now - age for age in ages]
    state = {"w": HOUR, "b": 4, "log": log, "block": now + blocked if blocked else 0}
    bucket = kept(speaker, state, LimitSpec(kind="rule", rate=0.001, burst=5))
    inside = [age for age in ages if age < HOUR]
    assert bucket.level == pytest.approx(tokens_of_window(inside, 4 - len(inside), blocked, 0.001, 5.0), abs=0.05)
    assert (bucket.admitted, bucket.throttled) == (9, 2)
    speaker.close()


VERSIONS = {
    **{f"window of {number}": (number, HOUR) for number in (4, 6)},
    **{f"bucket of {number}": (number, 0.0) for number in (3, 5)},
}


def chains() -> Iterator[tuple[str, ...]]:
    """Four versions in turn, each different from the one before."""
    for chain in itertools.product(VERSIONS, repeat=4):
        if all(one != following for one, following in itertools.pairwise(chain)):
            yield chain


together = pytest.mark.parametrize("wanted", [(9, 9, 9, 9), (1, 9, 9, 9), (2, 9, 9, 9), (4, 1, 9, 9)])


@together
def test_versions_of_a_rule_together_admit_no_more_than_the_widest(wanted: tuple[int, ...]) -> None:
    """In any order, they admit six where one holds six."""
    for chain in chains():
        store, passed = InProcess(), 0
        for name, number in zip(chain, wanted, strict=True):
            size, seconds = VERSIONS[name]
            store.use(Window(size, seconds) if seconds else Bucket(size / (10 * HOUR), size))
            passed += sum(store.take() for _ in range(number))
        assert passed <= max(VERSIONS[name][0] for name in chain), chain


@together
def test_versions_in_redis_together_admit_no_more_than_the_widest(redis_url: str, wanted: tuple[int, ...]) -> None:
    """So do processes that each use at once what they are granted."""
    speaker = Speaker(redis_url)
    for chain in chains():
        speaker.client.flushall()
        passed = 0
        for turn, (name, number) in enumerate(zip(chain, wanted, strict=True)):
            burst, seconds = VERSIONS[name]
            rule = LimitSpec(kind="rule", rate=burst / (10 * HOUR), burst=burst, seconds=seconds)
            reply = speaker.ask(1, me=f"process {turn}", burst=100, more={"rule": rule}, waiting=(0, number, 0))
            passed += sum(delay < 60 for delay, _ in reply.delays)
        assert passed <= max(VERSIONS[name][0] for name in chain), chain
    speaker.close()
