"""Data Kiosk: a query is requested once, waited for and read as rows."""

from __future__ import annotations

import asyncio
import json
import runpy
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from killed_command import HELD, KilledCommand
from kiosk_queries import QUERY, products_sold
from order_databases import CREDENTIALS

from spapi_async import (
    Application,
    BadRequestError,
    ConfigurationError,
    DecodeError,
    OutcomeUnknownError,
    QueryCancelledError,
    QueryFatalError,
    SellingPartner,
)
from spapi_async._core.journal import RunStore
from spapi_async.cli.application import run as run_command
from spapi_async.emulator import Emulator
from spapi_async.workflows.data_kiosk import QueryRun
from spapi_async.workflows.journal import Journal
from spapi_async.workflows.runs import explanation_of

pytest_plugins = ("sync_fixtures", "run_fixtures")
pytestmark = pytest.mark.usefixtures("quick_polls")

CREATE = "data_kiosk_2023_11_15.create_query"


def query(outcome: str = "") -> str:
    """A query that ends like this in the emulator."""
    return f"{QUERY} # {f'emulatorOutcome_{outcome}' if outcome else ''}"


@asynccontextmanager
async def seller_of(endpoint: str, journal: RunStore | None = None) -> AsyncIterator[SellingPartner]:
    """A seller of an application of its own, as a separate process would have it."""
    async with Application("app", "secret", endpoint=endpoint, journal=journal) as app:
        yield app.selling_partner("Atzr|seller", region="NA")


@asynccontextmanager
async def emulated(journal: RunStore | None = None) -> AsyncIterator[tuple[Emulator, SellingPartner]]:
    """An emulator that answers queries at once, and a seller on it."""
    async with (
        Emulator(processing=0.0, orders=60, throttle=False) as emulator,
        seller_of(emulator.url, journal) as seller,
    ):
        yield emulator, seller


def queries_made(emulator: Emulator) -> int:
    """How many queries there are."""
    return sum(len(list(seller.jobs.newest_first("query"))) for seller in emulator.world.sellers)


async def rows_of(run: QueryRun) -> list[Any]:
    """The rows of all pages."""
    return [row async for row in run.rows()]


class Units(msgspec.Struct, rename="camel"):
    """Units of one product."""

    units_ordered: int


class Row(msgspec.Struct):
    """The fields of a row that a program reads."""

    sku: str
    sales: Units


async def test_rows_of_all_pages_come_as_one_stream() -> None:
    """Each further page is a new query with the token of the one before."""
    async with emulated() as (emulator, seller):
        async with seller.data_kiosk.download(query("PAGED")) as rows:
            found = [row async for row in rows]
        units = {(row["marketplaceId"], row["sku"]): row["sales"]["unitsOrdered"] for row in found}
        assert units == products_sold(emulator)
        assert len(found) == len(units)
        assert queries_made(emulator) == 3
        async with seller.data_kiosk.download(query("PAGED"), Row) as typed:
            assert {type(row) async for row in typed} == {Row}
        assert queries_made(emulator) == 6


async def test_two_readers_of_a_query_do_not_need_each_other(tmp_path: Path) -> None:
    """Amazon refuses the next page to one of them, while the other waits to request the same page."""
    journal = Journal(f"sqlite:///{tmp_path}/runs.db")
    async with emulated(journal) as (emulator, seller):
        runs = [await seller.data_kiosk.request(query("PAGED")) for _ in range(2)]
        await runs[0].wait()
        emulator.faults({"operation": CREATE, "status": 400, "delay": 0.5})
        found = await asyncio.gather(*[rows_of(run) for run in runs], return_exceptions=True)
    assert [type(each) for each in found if isinstance(each, Exception)] == [BadRequestError]
    assert next(len(each) for each in found if isinstance(each, list)) == len(products_sold(emulator))


async def test_a_query_without_data_has_no_rows() -> None:
    """The query is DONE without a document."""
    async with emulated() as (_, seller), seller.data_kiosk.download(query("EMPTY")) as rows:
        assert [row async for row in rows] == []


async def test_a_query_that_fails_says_why() -> None:
    """The error has the messages of its error document, and its id."""
    async with emulated() as (emulator, seller):
        with pytest.raises(QueryFatalError, match="asked to fail this query") as fatal:
            async with seller.data_kiosk.download(query("FATAL")):
                pass
        assert fatal.value.query_id
        with pytest.raises(QueryCancelledError):
            async with seller.data_kiosk.download(query("CANCELLED")):
                pass
        assert queries_made(emulator) == 2
        with pytest.raises(QueryFatalError):
            await (await seller.data_kiosk.request(query("FATAL"))).wait()
        assert queries_made(emulator) == 3  # its error had been raised


@pytest.mark.parametrize(
    ("document", "explanation"),
    [
        (b'{"errors":[{"message":"one"},{"message":"two"},7]}', "one; two"),
        (b'{"errors":"odd"}', '{"errors":"odd"}'),
        (b"\xff <html> ", "\ufffd <html>"),
        (b"", ""),
    ],
)
def test_an_error_document_is_read_as_far_as_it_goes(document: bytes, explanation: str) -> None:
    """Amazon may write anything into it."""
    assert explanation_of(document) == explanation


async def test_a_row_that_is_not_of_the_type_is_named() -> None:
    """The rows before it are handed out."""

    class Other(msgspec.Struct):
        sku: int

    async with emulated() as (_, seller), seller.data_kiosk.download(query(), Other) as rows:
        with pytest.raises(DecodeError):
            _ = [row async for row in rows]


async def read_thirty_and_fail(seller: SellingPartner) -> None:
    """Fail on the second page."""
    read = 0
    async with seller.data_kiosk.download(query("PAGED")) as rows:
        async for _ in rows:
            read += 1
            if read == 60:  # of some 90
                raise ZeroDivisionError


async def test_the_same_query_is_made_once_until_its_rows_were_read(database_url: str) -> None:
    """Another process reads it and its pages too; after the block, the same query is a new one."""
    async with emulated() as (emulator, _):
        async with seller_of(emulator.url, Journal(database_url)) as seller:
            with pytest.raises(ZeroDivisionError):
                await read_thirty_and_fail(seller)
            assert queries_made(emulator) == 2
        async with seller_of(emulator.url, Journal(database_url)) as seller:
            async with seller.data_kiosk.download(query("PAGED")) as rows:
                assert len([row async for row in rows]) == len(products_sold(emulator))
            assert queries_made(emulator) == 3
            await seller.data_kiosk.request(query("PAGED"))
            assert queries_made(emulator) == 4


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_lost_reply_makes_no_second_query(moment: str, sqlite_url: str) -> None:
    """The query is found by its text, whatever Amazon's white space; it is sent again only if it was not made."""
    async with emulated(Journal(sqlite_url)) as (emulator, seller):
        emulator.faults({"operation": CREATE, "disconnect": moment})
        async with seller.data_kiosk.download(f"  {query()}\n") as rows:
            assert len([row async for row in rows]) == len(products_sold(emulator))
        assert queries_made(emulator) == 1


@pytest.mark.usefixtures("impatient")
async def test_of_two_queries_that_fit_a_lost_one_none_is_taken(sqlite_url: str) -> None:
    """Another client made the same just before, perhaps another page of it. The error names both."""
    async with emulated(Journal(sqlite_url)) as (emulator, seller), seller_of(emulator.url) as another:
        theirs = await another.data_kiosk.request(query())
        emulator.faults({"operation": CREATE, "disconnect": "after"})
        with pytest.raises(OutcomeUnknownError, match=theirs.query_id):
            await seller.data_kiosk.request(query())
        assert queries_made(emulator) == 2


async def test_invalid_queries_are_refused_before_they_are_sent() -> None:
    """They are empty, or longer than 8,000 characters without white space."""
    async with emulated() as (emulator, seller):
        for text, words in (("", "empty"), (" \n", "empty"), ("x" * 8001, "8,001 characters")):
            with pytest.raises(ConfigurationError, match=words):
                await seller.data_kiosk.request(text)
        assert queries_made(emulator) == 0
        assert (await seller.data_kiosk.request(query() + " " * 9000)).query_id


class Download(KilledCommand):
    """``spapi-async kiosk`` on an emulator."""

    def __init__(self, emulator: Emulator, folder: Path) -> None:
        self.out = folder / "rows.jsonl"
        file = folder / "query.graphql"
        file.write_text(query("PAGED"), encoding="utf-8")
        words = ["kiosk", str(file), "--endpoint", emulator.url, "--out", str(self.out)]
        super().__init__(emulator, [*words, "--journal", f"sqlite:///{folder / 'runs.db'}"])

    def finish(self) -> None:
        """Continue to the end: the emulator has one query for each page, and every row is there once."""
        process = self.start()
        _, complaint = process.communicate(timeout=120)
        said = f"{self.out}: {len(products_sold(self.emulator)):,} rows\n"
        assert (process.returncode, complaint.decode()) == (0, said)
        rows = [json.loads(line) for line in self.out.read_text(encoding="utf-8").splitlines()]
        made = [job for seller in self.emulator.world.sellers for job in seller.jobs.newest_first("query")]
        assert sorted(job.facts["page"] for job in made) == list(range(1, len(made) + 1))
        assert len(rows) == len(products_sold(self.emulator))
        assert not Path(f"{self.out}.part").exists()


@pytest.mark.parametrize("point", HELD)
@pytest.mark.spapi_emulator(throttle=False, orders=60)
def test_killed_during_create_query(spapi_emulator: Emulator, tmp_path: Path, point: str) -> None:
    """The next process looks for the query, and sends it again only if it was never made."""
    rule, held = HELD[point]
    download = Download(spapi_emulator, tmp_path)
    spapi_emulator.faults({"operation": CREATE, **rule})
    download.kill_when(lambda: held(spapi_emulator, CREATE))
    download.finish()


@pytest.mark.parametrize("kill_at", ["waiting before", "finished before", "closed before"])
@pytest.mark.spapi_emulator(throttle=False, orders=60)
def test_killed_at_a_change_of_the_journal(spapi_emulator: Emulator, tmp_path: Path, kill_at: str) -> None:
    """It is between a reply and its commit, or between the file and the end of the run."""
    download = Download(spapi_emulator, tmp_path)
    process = download.start(kill_at)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    download.finish()


def test_kiosk_refuses_a_missing_or_unreadable_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is sent."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe")
    for path in (tmp_path / "missing", binary):
        assert run_command(["kiosk", str(path), "--out", "x", "--emulator"]) == 2
        assert "cannot read" in capsys.readouterr().err


def test_the_kiosk_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """It prints typed rows of a query."""
    runpy.run_path(str(Path(__file__).parents[3] / "examples/data_kiosk/data_kiosk.py"), run_name="__main__")
    assert "units of" in capsys.readouterr().out
