"""One holder at a time: leases, their fencing numbers, and holders that died or were suspended."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from spapi_async import Application, LeaseHeldError, LeaseLostError
from spapi_async._core.clock import SystemClock
from spapi_async.emulator import Emulator
from spapi_async.workflows.orders import (
    Checkpoint,
    OrderDatabase,
    OrderPage,
    SellerWaits,
    SyncEvent,
    sync_orders,
)
from spapi_async.workflows.orders._lease import LEASE, is_gone, new_holder

pytest_plugins = ("sync_fixtures",)

NOW = datetime(2026, 2, 1, tzinfo=UTC)


class LeapingClock(SystemClock):
    """A clock that moves at once for short pauses, as of a sync that waits for a lease.

    Renewals stay as far apart as usual: if those moved it as well, the lease could end before the sync first asks for
    it.
    """

    __slots__ = ("ahead",)

    def __init__(self) -> None:
        self.ahead = 0.0

    def time(self) -> float:
        return super().time() + self.ahead

    async def sleep(self, seconds: float) -> None:
        if seconds >= LEASE.total_seconds() / 3:
            await super().sleep(seconds)
            return
        self.ahead += seconds
        await asyncio.sleep(0)


LATER = NOW + LEASE + timedelta(seconds=1)


async def test_a_stream_has_one_holder(database_url: str) -> None:
    """The second one's error has the holder and the time of its end; other streams and sellers are free."""
    async with OrderDatabase(database_url) as database:
        mine = await database.hold("s", "o", "me", now=NOW)
        with pytest.raises(LeaseHeldError, match="held by me until 2026-02-01 00:01:00") as refusal:
            await database.hold("s", "o", "you", now=NOW)
        assert (refusal.value.holder, refusal.value.expires_at) == ("me", NOW + LEASE)
        assert (refusal.value.seller, refusal.value.stream) == ("s", "o")
        for seller, stream in (("s", "p"), ("t", "o")):
            assert (await database.hold(seller, stream, "you", now=NOW)).fencing == 1
        await database.release(mine, now=NOW)
        assert (await database.hold("s", "o", "you", now=NOW)).fencing == mine.fencing + 1


async def test_a_clock_set_back_holds_nobody_up(database_url: str) -> None:
    """A lease lasts a minute by the clock as it is now, unless it is renewed; one that was given back is free."""
    earlier = NOW - timedelta(hours=1)
    async with OrderDatabase(database_url) as database:
        given_back = await database.hold("s", "o", "me", now=NOW)
        await database.release(given_back, now=NOW)
        assert (await database.hold("s", "o", "killed", now=NOW)).fencing == given_back.fencing + 1
        with pytest.raises(LeaseHeldError) as refusal:
            await database.hold("s", "o", "you", now=earlier)
        assert refusal.value.expires_at == earlier + LEASE
        await database.renew("killed", now=earlier + LEASE / 2)
        for seconds in (31, 89):
            with pytest.raises(LeaseHeldError):
                await database.hold("s", "o", "you", now=earlier + timedelta(seconds=seconds))
        assert (await database.hold("s", "o", "you", now=earlier + timedelta(seconds=91))).fencing == 3
        await database.release(given_back, now=NOW)  # whose it is no more
        yours = await database.hold("s", "o", "you", now=NOW)
        await database.release(yours, now=NOW)
        assert await database.hold("s", "o", "me", now=earlier)
        await database.hold("s", "p", "killed", now=NOW)
        for seconds in (0, 59):
            with pytest.raises(LeaseHeldError):
                await database.hold("s", "p", "you", now=earlier + timedelta(seconds=seconds))
        assert await database.hold("s", "p", "you", now=earlier + timedelta(seconds=61))


async def test_a_holder_that_was_replaced_cannot_write(database_url: str) -> None:
    """Its page is refused completely: orders, checkpoint and changes."""
    place = Checkpoint(seller="s", stream="o", last_updated_after=NOW)
    async with OrderDatabase(database_url) as database:
        sleeper = await database.hold("s", "o", "sleeper", now=NOW)
        other = await database.hold("s", "o", "other", now=LATER)
        page = OrderPage(seller="s", rows=(), checkpoint=place, at=LATER, lease=sleeper)
        with pytest.raises(LeaseLostError, match="taken over"):
            await database.store(page)
        assert await database.checkpoint("s", "o") is None
        await database.renew("sleeper", now=LATER)
        with pytest.raises(LeaseHeldError):
            await database.hold("s", "o", "sleeper", now=LATER + timedelta(seconds=1))
        await database.release(sleeper, now=LATER)  # a lease of another holder is not released
        with pytest.raises(LeaseHeldError):
            await database.hold("s", "o", "third", now=LATER)
        await database.store(OrderPage(seller="s", rows=(), checkpoint=place, at=LATER, lease=other))
        assert await database.checkpoint("s", "o") == place


async def test_a_holder_whose_lease_ended_without_a_successor_may_write(database_url: str) -> None:
    """No other process has used the stream, and the page renews the lease."""
    place = Checkpoint(seller="s", stream="o", last_updated_after=NOW)
    async with OrderDatabase(database_url) as database:
        mine = await database.hold("s", "o", "me", now=NOW)
        await database.store(OrderPage(seller="s", rows=(), checkpoint=place, at=LATER, lease=mine))
        with pytest.raises(LeaseHeldError):
            await database.hold("s", "o", "you", now=LATER + LEASE / 2)


async def test_renewing_keeps_all_leases_of_a_holder(database_url: str) -> None:
    """One statement does, for any number of sellers."""
    async with OrderDatabase(database_url) as database:
        for seller in "abc":
            await database.hold(seller, "o", "me", now=NOW)
        await database.renew("me", now=NOW + LEASE / 2)
        for seller in "abc":
            with pytest.raises(LeaseHeldError):
                await database.hold(seller, "o", "you", now=LATER)


def output_of(program: str) -> str:
    """What a Python program prints."""
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip()


async def test_a_released_lease_is_not_renewed(database_url: str) -> None:
    """A process that works on another stream leaves this one to others, or acquires it again."""
    async with OrderDatabase(database_url) as database:
        given_back = await database.hold("s", "o", "me", now=NOW)
        await database.hold("s", "p", "me", now=NOW)
        await database.release(given_back, now=NOW)
        await database.renew("me", now=NOW)
        again = await database.hold("s", "o", "me", now=NOW)
        assert again.fencing == given_back.fencing + 1
        await database.release(again, now=NOW)
        await database.renew("me", now=NOW)
        assert (await database.hold("s", "o", "you", now=NOW)).holder == "you"


@pytest.mark.parametrize("holder", ["", "me"])
def test_a_holder_of_another_machine_is_not_replaced_early(holder: str) -> None:
    """Only one that has certainly ended is replaced before its lease is over."""
    assert not is_gone(holder)


async def test_a_holder_of_this_machine_that_has_ended_is_replaced_at_once(database_url: str) -> None:
    """A killed process is not waited for; a holder elsewhere is."""
    program = "from spapi_async.workflows.orders._lease import new_holder; print(new_holder())"
    ended = await asyncio.to_thread(output_of, program)
    assert is_gone(ended)
    assert not is_gone(new_holder())
    elsewhere = ended.rpartition(":")[0] + ":" + "0" * 16
    assert not is_gone(elsewhere)
    async with OrderDatabase(database_url) as database:
        first = await database.hold("s", "o", ended, now=NOW)
        assert (await database.hold("s", "o", "me", now=NOW)).fencing == first.fencing + 1
        await database.hold("t", "o", elsewhere, now=NOW)
        with pytest.raises(LeaseHeldError):
            await database.hold("t", "o", "me", now=NOW)


def test_a_zombie_process_counts_as_ended() -> None:
    """A container's first process may never wait for its children, so that a killed worker's id stays taken."""
    program = (
        "import time; from spapi_async.workflows.orders._lease import new_holder; "
        "print(new_holder(), flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            holder = process.stdout.readline().strip()
            assert not is_gone(holder)
        finally:
            process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and was not waited for
        assert is_gone(holder)


@pytest.mark.parametrize("holder", ["", "no process", "host:notanumber:abc", "host:1"])
def test_a_holder_with_another_form_of_name_is_waited_for(holder: str) -> None:
    """Whether it has ended cannot be known."""
    assert not is_gone(holder)


async def test_a_second_sync_names_the_holder_and_a_third_waits(sqlite_url: str) -> None:
    """The holder's orders do not change; with wait=True the sync starts when the lease is over."""
    clock = LeapingClock()
    events: list[SyncEvent] = []
    async with (
        Emulator(orders=30, rate_scale=1e6) as emulator,
        Application("app", "secret", endpoint=emulator.url) as app,
        OrderDatabase(sqlite_url) as database,
    ):
        seller = app.selling_partner("Atzr|x", region="NA", seller_id="A1")
        now = datetime.fromtimestamp(clock.time(), UTC)
        await database.hold(seller.name, "orders_2026_01_01", "elsewhere:1:0", now=now)
        report = await sync_orders([seller], database)
        (result,) = report.failed
        assert isinstance(result.error, LeaseHeldError)
        assert result.error.holder == "elsewhere:1:0"
        assert await database.counts() == (0, 0)
        report = await sync_orders([seller], database, clock=clock, wait=True, progress=events.append)
        assert report.failed == ()
        assert (await database.counts())[0] == 30
    waits = [event for event in events if isinstance(event, SellerWaits)]
    assert [(event.seller, event.holder) for event in waits] == [("A1@na", "elsewhere:1:0")]
    assert clock.time() > now.timestamp() + LEASE.total_seconds()


async def test_a_sync_releases_its_lease_at_its_end(sqlite_url: str) -> None:
    """The next one need not wait."""
    async with (
        Emulator(orders=5, rate_scale=1e6) as emulator,
        Application("app", "secret", endpoint=emulator.url) as app,
    ):
        seller = app.selling_partner("Atzr|x", region="NA")
        for _ in range(2):
            assert (await sync_orders([seller], sqlite_url)).failed == ()
