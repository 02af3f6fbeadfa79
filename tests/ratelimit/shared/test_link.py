"""The link to a store: batches, outages, recovery. The store is a fake under the test's control."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from types import SimpleNamespace
from typing import Any

import pytest
from fake_store import FakeStore, limiter, take
from insides import lanes_of, link_of, task_of
from redis_worker import make_account
from virtual_time import VirtualClock, virtual_time

from spapi_async.errors import ConnectionFailedError
from spapi_async.ratelimit.shared._link import Link, LinkState
from spapi_async.ratelimit.shared._store import Outage, Reply


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


@virtual_time
async def test_an_unused_link_closes_without_an_exchange() -> None:
    """It has nothing to give back."""
    store = FakeStore()
    link = Link(store, clock=VirtualClock(), meanwhile="", attend=print, on_down=print, on_up=print)
    await link.aclose(lambda: [(("k",), None)], 1.0)  # type: ignore[list-item]
    assert (link.state, store.log) == (LinkState.CLOSED, ["disconnect"])
    assert not link.submit(None)  # type: ignore[arg-type]


class Participant:
    """One that only counts its exchanges."""

    keys: tuple[str, ...] = ("k",)

    def __init__(self) -> None:
        self.replies = 0

    def request(self) -> Any:
        return SimpleNamespace(limits=(), feedback=(), waiting=(), prefetch=0)

    def absorb(self, reply: Reply) -> None:
        self.replies += 1

    def lost(self) -> None:
        self.replies -= 1


def link_to(store: FakeStore) -> Link:
    """A link with nobody who acts on what happens."""
    return Link(
        store, clock=VirtualClock(), meanwhile="m", attend=lambda _: None, on_down=lambda: None, on_up=lambda: None
    )


@virtual_time
async def test_a_batch_has_a_bounded_size() -> None:
    """Of three hundred exchanges, and of as many final requests."""
    store = FakeStore()
    link = link_to(store)
    participants = [Participant() for _ in range(300)]
    for each in participants:
        assert link.submit(each)
    await asyncio.sleep(1)
    assert [each.replies for each in participants] == [1] * 300
    await link.aclose(lambda: [(each.keys, each.request()) for each in participants], 1.0)
    assert [len(batch) for batch in store.batches] == [128, 128, 44] * 2


@virtual_time
async def test_no_exchange_waits_for_a_store_to_return(caplog: pytest.LogCaptureFixture) -> None:
    """What is needed then is another question."""
    caplog.set_level(logging.CRITICAL)
    store = FakeStore()
    link = link_to(store)
    store.broken = Outage("gone")
    asked, pending, late = Participant(), Participant(), Participant()
    link.submit(asked)
    await asyncio.sleep(0.005)
    link.submit(pending)
    await asyncio.sleep(1)
    assert (link.down, link.reason) == (True, "still gone")
    assert not link.submit(late)
    store.broken = None
    await asyncio.sleep(2)
    assert (link.down, link.reason) == (False, "")
    assert [each.replies for each in (asked, pending, late)] == [-1, 0, 0]
    await link.aclose(list, 1.0)


@virtual_time
async def test_an_outage_is_logged_once_whatever_the_number_of_loops(caplog: pytest.LogCaptureFixture) -> None:
    """Its end, too."""
    caplog.set_level(logging.WARNING)
    store = FakeStore()
    link = link_to(store)
    store.broken = Outage("gone")
    for _ in range(3):
        link.submit(Participant())
        await asyncio.sleep(0.05)
        await link.aclose(list, 1.0)
        link = link.renewed("me")
    store.broken = None
    for _ in range(2):
        link.submit(Participant())
        await asyncio.sleep(0.05)
    messages = [record.message for record in caplog.records if record.name == "spapi_async.ratelimit"]
    assert messages == [
        "a store cannot be used (gone): until it can, m",
        "a store is back: rate limits are shared again",
    ]
    await link.aclose(list, 1.0)


@virtual_time
async def test_a_link_that_was_closed_during_an_outage_stays_closed(caplog: pytest.LogCaptureFixture) -> None:
    """Also if the exchange under way fails then."""
    caplog.set_level(logging.CRITICAL)
    store = FakeStore()
    link = link_to(store)
    store.swallows, store.broken = True, Outage("gone")
    link.submit(Participant())
    await asyncio.sleep(0.005)
    await link.aclose(list, 1.0)
    assert link.state is LinkState.CLOSED


@virtual_time
async def test_cancelled_work_is_not_resumed_at_once() -> None:
    """A loop that ends cancels every task, and would leave a new one behind."""
    link = link_to(FakeStore())
    participant = Participant()
    link.submit(participant)
    await asyncio.sleep(0.005)
    task = task_of(link)
    assert task is not None
    task.cancel()
    await asyncio.sleep(0.005)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    await asyncio.sleep(1)
    assert participant.replies == 0  # one was lost, one came
    await link.aclose(list, 1.0)
