"""When one lane asks the store, and what it makes of the reply."""

from __future__ import annotations

import asyncio
import itertools
import weakref
from typing import Any

import pytest

from spapi_async.ratelimit.shared._exchange import Exchange, Need, Phase
from spapi_async.ratelimit.shared._settings import LaneSettings
from spapi_async.ratelimit.shared._store import LimitState, Reply

SETTINGS = LaneSettings(
    me="me", lease_seconds=1.0, jitter=0.0, number=itertools.count(1).__next__, now=lambda: 0.0, shares={}
)


def reply(**facts: Any) -> Reply:
    """A reply of a store whose clock shows 500 s."""
    plan = LimitState(level=1.0, rate=1.0, announced=1.0, burst=1, pace=1.0, capacity=1.0)
    return Reply(**{"now": 500.0, "lease": 4.0, "marker": "m", "limits": [plan], **facts})


@pytest.fixture
def exchange() -> Exchange:
    """No request was sent yet."""
    return Exchange(SETTINGS)


def test_a_lease_runs_from_when_its_request_was_composed(exchange: Exchange) -> None:
    """The store counts from an earlier time than the reply's; a process must not use tokens that have returned."""
    exchange.composed(10.0, 1, unproven=False)
    leased, granted = exchange.received(reply(delays=[(0.5, True), (0.5, False)]), 13.0, SETTINGS)
    assert (leased.expires, leased.at, leased.idle_at, leased.booked) == (14.0, 13.5, 14.5, 500.5)
    assert granted.expires == float("inf")


def test_the_clocks_are_compared_by_the_quickest_reply(exchange: Exchange) -> None:
    """The store's clock is ahead by less than what any reply shows; the last one shows the least that it can be."""
    assert (exchange.store_time(20.0), exchange.store_time_at_most(20.0)) == (0.0, 0.0)
    for sent, received, now in ((10.0, 13.0, 500.0), (14.0, 14.1, 502.0), (16.0, 19.0, 505.0)):
        exchange.composed(sent, 0, unproven=False)
        exchange.received(reply(now=now), received, SETTINGS)
    assert exchange.store_time(20.0) == 506.0
    assert exchange.store_time_at_most(20.0) == 508.0


def test_all_needs_are_kept_until_a_request_is_composed(exchange: Exchange) -> None:
    """That satisfies all of them."""
    exchange.poll_at = 7.0
    exchange.ask_again(Need.HURRY)
    exchange.ask_again(Need.NEWS)
    assert exchange.needs == Need.HURRY | Need.NEWS
    assert exchange.poll_at == float("-inf")
    exchange.composed(1.0, 0, unproven=False)
    assert exchange.needs == Need.NONE


@pytest.mark.parametrize(("poll", "news", "poll_at"), [(2.0, False, 15.0), (0.0, False, 13.0), (2.0, True, None)])
def test_the_store_says_when_to_ask_again(exchange: Exchange, poll: float, news: bool, poll_at: float | None) -> None:
    """Unless something has happened since the request that it could not know."""
    exchange.composed(10.0, 0, unproven=False)
    if news:
        exchange.ask_again(Need.NEWS)
    exchange.received(reply(poll=poll), 13.0, SETTINGS)
    assert exchange.poll_at == (float("-inf") if poll_at is None else poll_at)


def test_the_use_of_leased_tokens_is_reported_when_the_lease_ends(exchange: Exchange) -> None:
    """At that moment: a timer is set for it."""
    exchange.composed(10.0, 0, unproven=False)
    exchange.received(reply(), 13.0, SETTINGS)
    assert not exchange.is_news_due(17.0)
    exchange.outbox.feedback().used += 1
    assert exchange.report_at == 17.0
    assert [exchange.is_news_due(now) for now in (16.9, 17.0)] == [False, True]
    exchange.outbox.feedback().hits += 1
    assert exchange.is_news_due(13.0)


@pytest.mark.parametrize(
    ("ahead", "delays", "waits"),
    [(3, [], True), (3, [(0.0, False)], True), (3, [(0.0, False), (0.0, True)], False), (0, [], False)],
    ids=["none", "none for expected calls", "one", "none requested"],
)
def test_a_store_without_tokens_to_spare_is_not_asked_at_every_call(
    exchange: Exchange, ahead: int, delays: list[tuple[float, bool]], waits: bool
) -> None:
    """For a quarter of a lease, if none of those requested for expected calls came."""
    exchange.composed(10.0, ahead, unproven=False)
    exchange.received(reply(delays=delays), 13.0, SETTINGS)
    assert exchange.prefetch_at == (13.25 if waits else float("-inf"))


@pytest.mark.parametrize(
    ("guessed", "granted", "unproven"), [(True, True, True), (True, False, False), (False, True, False)]
)
def test_a_grant_is_unproven_if_it_rests_on_a_guess(
    exchange: Exchange, guessed: bool, granted: bool, unproven: bool
) -> None:
    """Without a token nothing has to be proven."""
    exchange.composed(10.0, 0, unproven=guessed)
    exchange.received(reply(delays=[(0.0, False)] if granted else []), 13.0, SETTINGS)
    assert exchange.unproven is unproven


def test_a_store_that_is_away_stays_away_when_a_late_reply_comes(exchange: Exchange) -> None:
    """It is back when it answers a probe, and is asked at once then."""
    seen = []
    for step in (exchange.submitted, exchange.leave, exchange.submitted, exchange.lost, exchange.come_back):
        exchange.poll_at = 99.0
        step()
        seen.append(exchange.phase)
    assert seen == [Phase.ASKED, Phase.AWAY, Phase.AWAY, Phase.AWAY, Phase.QUIET]
    assert exchange.poll_at == float("-inf")
    exchange.composed(10.0, 0, unproven=False)
    assert exchange.phase is Phase.ASKED


async def test_the_end_of_an_exchange_is_announced_once(exchange: Exchange) -> None:
    """However it ends, and not to those who have stopped waiting."""
    for end in (exchange.lost, exchange.leave, lambda: exchange.received(reply(), 13.0, SETTINGS)):
        over, cancelled = exchange.next_over(), exchange.next_over()
        cancelled.cancel()
        assert not over.done()
        end()
        assert over.done()


async def test_nothing_is_kept_of_those_who_waited_for_the_end_of_an_exchange(exchange: Exchange) -> None:
    """There may be a million exchanges."""
    over = exchange.next_over()
    exchange.lost()
    kept = weakref.ref(over)
    del over
    assert kept() is None


def test_the_end_of_an_exchange_is_not_announced_in_a_closed_loop(exchange: Exchange) -> None:
    """It could not run the callbacks."""

    async def listen() -> asyncio.Future[None]:
        over = exchange.next_over()
        over.add_done_callback(lambda _: None)
        return over

    over = asyncio.run(listen())
    exchange.lost()
    assert not over.done()
