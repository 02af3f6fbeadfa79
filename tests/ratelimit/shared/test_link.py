"""The link to a store: batches, outages, recovery. The store is a fake under the test's control."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Sequence
from typing import Any

import pytest
from insides import lanes_of, link_of, task_of
from redis_worker import make_account, make_operation
from virtual_time import VirtualClock, virtual_time

from spapi_async._core.options import Priority
from spapi_async.errors import ConnectionFailedError
from spapi_async.ratelimit.shared._limiter import SharedRateLimiter
from spapi_async.ratelimit.shared._link import Link, LinkState
from spapi_async.ratelimit.shared._store import LimitState, Outage, Reply, Request

PLAN = make_operation(10.0, 10)


class FakeStore:
    """Grants every request in full, unless it is broken."""

    label = "a store"
    round_trips = 0

    def __init__(self) -> None:
        self.broken: BaseException | None = None
        self.swallows = False
        self.announced: float | None = None
        self.batches: list[list[Request]] = []
        self.log: list[str] = []
        self.asked: list[str] = []

    def keys(self, charges: Sequence[Any], application: str, region: str, name: str) -> tuple[str, ...]:
        return (name, "memory", *(charge.key[-1] for charge in charges[1:]))

    async def exchange(self, calls: Sequence[tuple[tuple[str, ...], Request]]) -> list[Reply]:
        self.log.append("exchange")
        self.batches.append([request for _, request in calls])
        self.asked += [keys[0] for keys, _ in calls]
        try:
            await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            if not self.swallows:
                raise
        if self.broken is not None:
            raise self.broken
        return [self._answer(request) for _, request in calls]

    def _answer(self, request: Request) -> Reply:
        for feedback in request.feedback:
            self.announced = feedback.rate or self.announced
        states = [
            LimitState(
                level=5.0,
                rate=each.rate,
                announced=self.announced or each.rate,
                burst=each.burst,
                pace=each.rate,
                capacity=each.burst,
            )
            for each in request.limits
        ]
        granted = [(0.0, False)] * sum(request.waiting)
        return Reply(now=1000.0, delays=granted, lease=4.0, marker="m", limits=states)

    async def probe(self) -> None:
        self.log.append("probe")
        if self.broken is not None:
            raise Outage("still gone")

    async def snapshots(self) -> tuple[()]:
        return ()

    def renewed(self, me: str) -> FakeStore:
        return self

    async def disconnect(self) -> None:
        self.log.append("disconnect")


def limiter(store: FakeStore, **options: Any) -> SharedRateLimiter:
    """A limiter that shares through this store."""
    settings: dict[str, Any] = {
        "on_outage": "local", "processes": 1, "lease_seconds": 1.0, "timeout": 1.0, "jitter": 0.0, "rules": (),
        "clock": VirtualClock(), "observers": (), **options,
    }  # fmt: skip
    return SharedRateLimiter(store, me="me", **settings)


async def take(shared: SharedRateLimiter, seller: str = "one") -> Any:
    """A permit."""
    return await shared.acquire(PLAN, make_account(seller), priority=Priority.NORMAL, max_wait=None)


@virtual_time
async def test_a_batch_gathers_while_another_is_under_way() -> None:
    """Ten sellers that need tokens meanwhile cost one more round trip."""
    store = FakeStore()
    shared = limiter(store)
    first = asyncio.create_task(take(shared, "first"))
    await asyncio.sleep(0.001)
    await asyncio.gather(first, *(take(shared, str(number)) for number in range(10)))
    assert [len(batch) for batch in store.batches] == [1, 10]
    await shared.aclose()


@virtual_time
@pytest.mark.parametrize("mistake", [Outage("full"), RuntimeError("a mistake of ours")])
async def test_a_failed_exchange_counts_as_lost(mistake: Exception, caplog: pytest.LogCaptureFixture) -> None:
    """Calls continue with this process's share, and the next request names the lost one."""
    caplog.set_level(logging.CRITICAL)
    store = FakeStore()
    shared = limiter(store)
    store.broken = mistake
    assert (await take(shared)).waited < 1.0
    states = [link_of(shared).state]
    store.broken = None
    await asyncio.sleep(2)
    states.append(link_of(shared).state)
    assert states == [LinkState.DOWN, LinkState.UP]
    lost, after = store.batches[0][0], store.batches[1][0]
    assert after.lost == lost.n
    await shared.aclose()


@virtual_time
async def test_a_connection_that_failed_is_not_used_again(caplog: pytest.LogCaptureFixture) -> None:
    """It could still deliver an old reply, so it is closed before the next request."""
    caplog.set_level(logging.CRITICAL)
    store = FakeStore()
    shared = limiter(store)
    store.broken = Outage("silent")
    await take(shared)
    await asyncio.sleep(0)
    store.broken = None
    await asyncio.sleep(1)
    assert store.log[:3] == ["exchange", "disconnect", "probe"]
    await shared.aclose()


@virtual_time
async def test_every_lane_reports_when_the_store_returns(caplog: pytest.LogCaptureFixture) -> None:
    """Lanes with nothing new report too, in case the store lost its state; shares of the outage are not spent."""
    caplog.set_level(logging.CRITICAL)
    store = FakeStore()
    shared = limiter(store)
    for seller in ("one", "two"):
        (await take(shared, seller)).observe(200, None)
    store.broken = Outage("gone")
    with pytest.raises(ConnectionFailedError):
        await shared.refresh()
    await take(shared, "one")
    store.broken, store.batches, store.asked = None, [], []
    await asyncio.sleep(2)
    assert set(store.asked) == {make_account(seller).name for seller in ("one", "two")}
    assert sum(feedback.spent for batch in store.batches for request in batch for feedback in request.feedback) == 1
    assert all(not lane.shares for lane in lanes_of(shared).values())
    await shared.aclose()


@virtual_time
async def test_pauses_between_probes_grow_to_a_second(caplog: pytest.LogCaptureFixture) -> None:
    """The outage is logged once, not with every probe."""
    caplog.set_level(logging.WARNING)
    store = FakeStore()
    shared = limiter(store)
    store.broken = Outage("gone")
    await take(shared)
    await asyncio.sleep(10)
    assert 10 <= store.log.count("probe") <= 14
    assert len([record for record in caplog.records if "cannot be used" in record.message]) == 1
    await shared.aclose()


@virtual_time
@pytest.mark.parametrize(
    ("on_outage", "meanwhile"),
    [("local", "this process spends its own part of each quota"), ("raise", "calls are refused")],
)
async def test_an_outage_is_logged_when_it_begins_and_ends(
    on_outage: str, meanwhile: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The line at its beginning says what happens meanwhile."""
    store = FakeStore()
    shared = limiter(store, on_outage=on_outage)
    store.broken = Outage("gone")
    with contextlib.suppress(ConnectionFailedError):
        await take(shared)
    await asyncio.sleep(5)
    store.broken = None
    await asyncio.sleep(2)
    assert [record.message for record in caplog.records if record.name == "spapi_async.ratelimit"] == [
        f"a store cannot be used (gone): until it can, {meanwhile}",
        "a store is back: rate limits are shared again",
    ]
    await shared.aclose()


@virtual_time
async def test_an_idle_link_has_no_task() -> None:
    """A loop that ends has nothing to cancel; the next exchange starts a task."""
    store = FakeStore()
    shared = limiter(store)
    for _ in range(2):
        (await take(shared)).observe(200, None)
        await asyncio.sleep(10)
        assert task_of(link_of(shared)) is None
        assert asyncio.all_tasks() == {asyncio.current_task()}
    await shared.aclose()


@virtual_time
async def test_a_batch_whose_task_is_cancelled_is_sent_again() -> None:
    """The new request names the lost one."""
    store = FakeStore()
    shared = limiter(store)
    call = asyncio.create_task(take(shared))
    await asyncio.sleep(0.005)
    task = task_of(link_of(shared))
    assert task is not None
    task.cancel()
    async with asyncio.timeout(5):
        await call
    (lost,), (after,) = store.batches
    assert after.lost == lost.n
    await shared.aclose()


@virtual_time
async def test_a_cancellation_that_the_store_swallows_ends_the_task() -> None:
    """Some client libraries lose one; the remaining work is done by another task."""
    store = FakeStore()
    shared = limiter(store)
    call = asyncio.create_task(take(shared))
    await asyncio.sleep(0.005)
    task = task_of(link_of(shared))
    assert task is not None
    store.swallows = True
    another = asyncio.create_task(take(shared, "two"))
    await asyncio.sleep(0.001)
    task.cancel()
    await call
    await asyncio.sleep(0.001)
    assert (task.done(), another.done()) == (True, False)
    await another
    await shared.aclose()


def test_a_forked_process_has_another_name_and_the_rates_of_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its first request reports what Amazon announced to the parent, in case the store has forgotten."""
    store = FakeStore()
    shared = limiter(store, clock=None)

    async def learn() -> None:
        (await take(shared)).observe(200, 3.0)
        await shared.refresh()

    asyncio.run(learn())
    monkeypatch.setattr(os, "getpid", lambda: 1)
    store.batches = []
    asyncio.run(take(shared))
    ((request,),) = store.batches
    assert request.me.startswith("1-")
    assert (request.known_announced, request.known) == (3.0, "m")


@virtual_time
async def test_a_permit_counts_once() -> None:
    """A second report or a release after the first changes nothing."""
    store = FakeStore()
    shared = limiter(store)
    permit, another = await take(shared), await take(shared)
    permit.release()
    permit.observe(429, None)
    permit.release()
    another.observe(200, None)
    another.observe(429, None)
    (lane,) = lanes_of(shared).values()
    assert (lane.in_flight, lane.throttled) == (0, 0)
    assert "closed" in repr(permit)
    await shared.aclose()


@virtual_time
async def test_a_forecast_counts_the_calls_that_are_asked_about() -> None:
    """With five tokens and ten more each second, the fifth call may leave now, the sixth in a tenth of a second."""
    shared = limiter(FakeStore())
    (await take(shared)).observe(200, None)
    await shared.refresh()
    for count, wait in ((1, 0.0), (5, 0.0), (6, 0.1), (10, 0.5)):
        assert shared.forecast(PLAN, make_account("one"), count=count) == pytest.approx(wait)
    await shared.aclose()


@virtual_time
async def test_an_unused_link_closes_without_an_exchange() -> None:
    """It has nothing to give back."""
    store = FakeStore()
    link = Link(store, clock=VirtualClock(), meanwhile="", attend=print, on_down=print, on_up=print)
    await link.aclose(lambda: [(("k",), None)], 1.0)  # type: ignore[list-item]
    assert (link.state, store.log) == (LinkState.CLOSED, ["disconnect"])
    assert not link.submit(None)  # type: ignore[arg-type]


@virtual_time
async def test_closing_gives_the_tokens_of_every_lane_back() -> None:
    """Leased and granted tokens that were not used go back."""
    store = FakeStore()
    shared = limiter(store)
    for seller in ("one", "two"):
        (await take(shared, seller)).release()
    store.batches = []
    await shared.aclose()
    assert [request.bye for batch in store.batches for request in batch] == [1, 1]
