"""The journal keeps the guarantees of a store, on either database, for any number of processes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from fake_jobs import REQUEST, FakeAmazon
from insides import engine_of

from spapi_async import Application
from spapi_async._core.journal import Entry, Stage
from spapi_async.errors import ConfigurationError
from spapi_async.workflows.journal import Journal
from spapi_async.workflows.orders import OrderDatabase
from spapi_async.workflows.runs import Runs
from spapi_async.workflows.runs._steps import claimed, closed, known

NOW = float(int(time.time()))

pytest_plugins = ("sync_fixtures",)


@pytest.fixture
async def journal(database_url: str) -> AsyncIterator[Journal]:
    """A journal on each database in turn."""
    async with Journal(database_url) as opened:
        yield opened


def entry(name: str = "1", **facts: object) -> Entry:
    """An entry of a made-up request."""
    made = Entry(id=name, seller="A1@na", kind="report", fingerprint="f", request="{}", planned_at=NOW)
    return msgspec.structs.replace(made, **facts)


async def test_an_entry_comes_back_as_it_was(journal: Journal) -> None:
    """Every field is equal, at every stage."""
    planned = await journal.add(entry())
    waiting = known(claimed(planned, NOW + 0.25), "77", made=True)
    assert await journal.swap(planned, waiting)
    assert await journal.get("1") == waiting
    assert await journal.get("2") is None


async def test_one_run_of_a_request_is_open(journal: Journal) -> None:
    """The second to add it gets the first one's entry; once that is closed, its own."""
    first = await journal.add(entry("1"))
    assert await journal.add(entry("2")) == first
    assert await journal.add(entry("3", seller="B2@eu")) != first
    assert await journal.swap(first, closed(first))
    assert (await journal.add(entry("4"))).id == "4"


async def test_of_two_changes_to_one_version_the_first_counts(journal: Journal) -> None:
    """The second one is told that it was too late."""
    planned = await journal.add(entry())
    assert await journal.swap(planned, claimed(planned, 1.0))
    assert not await journal.swap(planned, closed(planned))
    kept = await journal.get("1")
    assert kept is not None
    assert kept.stage is Stage.SENDING


async def test_a_job_belongs_to_one_entry(journal: Journal) -> None:
    """Two that look for a lost request at once cannot both adopt its job, but can share it on purpose."""
    one, other = await journal.add(entry("1")), await journal.add(entry("2", fingerprint="g"))
    assert await journal.swap(one, known(one, "77", made=True))
    assert not await journal.swap(other, known(other, "77", made=True))
    assert await journal.swap(other, known(other, "77", made=False))
    assert await journal.made("A1@na", "report", ["76", "77"]) == {"77"}
    assert await journal.made("B2@eu", "report", ["77"]) == frozenset()


async def test_the_recent_runs_of_a_request_are_found(journal: Journal) -> None:
    """Closed ones are included, newest first, and older ones are not."""
    for at in (1, 2, 3):
        old = await journal.add(entry(str(at), planned_at=NOW + at))
        await journal.swap(old, closed(old))
    found = await journal.recent("A1@na", "report", "f", since=NOW + 2)
    assert [each.id for each in found] == ["3", "2"]


async def test_the_open_runs_are_listed(journal: Journal) -> None:
    """They are of all sellers or of one, oldest first."""
    done = await journal.add(entry("1"))
    await journal.swap(done, closed(done))
    await journal.add(entry("2", planned_at=NOW + 5))
    await journal.add(entry("3", seller="B2@eu"))
    assert [each.id for each in await journal.unfinished()] == ["3", "2"]
    assert [each.id for each in await journal.unfinished(seller="A1@na", kind="report")] == ["2"]
    assert await journal.unfinished(kind="feed") == []


async def test_old_entries_are_deleted(database_url: str) -> None:
    """It happens when the first entry is added, and each hour after."""
    async with Journal(database_url) as journal:
        await journal.add(entry("old", planned_at=NOW - 31 * 86400))
    async with Journal(database_url, keep=timedelta(days=30)) as journal:
        await journal.add(entry("new", fingerprint="g", planned_at=time.time()))
        assert [each.id for each in await journal.unfinished()] == ["new"]


async def test_a_run_can_be_forgotten(journal: Journal) -> None:
    """The same request is then a new one."""
    await journal.add(entry("1"))
    assert await journal.forget("1")
    assert not await journal.forget("1")
    assert (await journal.add(entry("2"))).id == "2"


async def test_a_journal_may_share_the_database_of_an_order_sync(database_url: str) -> None:
    """It uses only its own table."""
    async with OrderDatabase(database_url) as database, Journal(database_url) as journal:
        await journal.add(entry())
        assert await database.counts() == (0, 0)


async def test_many_processes_plan_one_run(database_url: str) -> None:
    """Twenty journals on one database at once give one entry and one request."""
    amazon = FakeAmazon(takes=0.0)
    amazon.clock = _RealClock()  # type: ignore[assignment]
    journals = [Journal(database_url) for _ in range(20)]
    runs = [Runs(amazon, each, seller="A1@na", place="here", clock=amazon.clock) for each in journals]
    try:
        planned = await asyncio.gather(*[each.plan(REQUEST) for each in runs])
        assert len({run.entry.id for run in planned}) == 1
        assert set(await asyncio.gather(*[run.requested() for run in planned])) == {"1"}
        assert len(amazon.sent_at) == 1
    finally:
        for each in journals:
            await each.aclose()


def test_one_journal_serves_one_loop_after_another(tmp_path: Path) -> None:
    """A task queue that runs a loop for each task can keep it."""
    journal = Journal(f"sqlite:///{tmp_path / 'runs.db'}")

    async def once(name: str) -> None:
        await journal.add(entry(name, fingerprint=name))
        await journal.aclose()

    asyncio.run(once("1"))
    asyncio.run(once("2"))


@pytest.mark.parametrize("url", ["mysql://host/name", "runs.db", "sqlite:////no/such/folder/runs.db"])
async def test_an_invalid_journal_url_is_refused(url: str) -> None:
    """Nothing is sent."""
    with pytest.raises(ConfigurationError):
        await Journal(url).open()


def test_a_password_is_not_shown() -> None:
    """It is neither in the repr nor, if it is in the query of the URL, in errors."""
    assert "hunter2" not in repr(Journal("postgresql://me:hunter2@host/name"))
    assert "hunter2" not in repr(Journal("postgresql://me@host/name?password=hunter2"))


def test_a_url_is_not_a_journal() -> None:
    """The error says what is."""
    with pytest.raises(ConfigurationError, match="Journal"):
        Application("app", "secret", journal="sqlite:///runs.db")  # type: ignore[arg-type]


async def test_an_application_closes_its_journal(tmp_path: Path) -> None:
    """It also closes its limiter and its token store."""
    journal = Journal(f"sqlite:///{tmp_path / 'runs.db'}")
    async with Application("app", "secret", journal=journal):
        await journal.open()
        assert engine_of(journal) is not None
    assert engine_of(journal) is None


class _RealClock:
    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def time(self) -> float:
        return 1e9 + asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(min(seconds, 0.05))
