"""A crawl writes each identifier once, whatever stops it."""

from __future__ import annotations

import asyncio
import errno
import sqlite3
import threading
import time
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from crawl_outputs import TARGETS, do_not_wait_for_locks, rows
from raw_server import raw_server, reply

from spapi_async import (
    Application,
    ClosedError,
    ConfigurationError,
    Event,
    ForbiddenError,
    LWAError,
    Marketplace,
    NotFoundError,
    RateLimitWaitError,
    ServerError,
    SPAPIError,
)
from spapi_async.emulator import Emulator
from spapi_async.emulator.data.products import product_at
from spapi_async.workflows.bulk import CrawlProgress, crawl
from spapi_async.workflows.bulk._crawl import Run
from spapi_async.workflows.bulk._fan_out import Done, Failed
from spapi_async.workflows.bulk._journal import FOUND, MISSING, Entry, Journal, Key
from spapi_async.workflows.bulk._json_lines import JsonLines
from spapi_async.workflows.bulk._parquet import Parquet

ASINS = [product_at(0, number).asin for number in range(300)]


def text(name: str) -> str:
    """The content of a file."""
    return Path(name).read_text(encoding="utf-8")


def write(name: str, content: str) -> None:
    """Write a file as another program would."""
    Path(name).write_text(content, encoding="utf-8")


def files() -> list[str]:
    """The files in the current folder."""
    return [each.name for each in Path().iterdir()]


def make_link(name: str, to: str, *, makes_folder: bool = True) -> None:
    """A link to a file that does not exist yet, in another folder."""
    if makes_folder:
        Path(to).parent.mkdir()
    Path(name).symlink_to(to)


def content(link: str, folder: str) -> tuple[bool, list[str]]:
    """Whether this is a link, and the files of a folder."""
    return Path(link).is_symlink(), [each.name for each in Path(folder).iterdir()]


def move_within_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse to move a file into another folder, as if that were on another disk."""
    replace = Path.replace

    def within(self: Path, target: Path) -> Path:
        if self.resolve().parent != target.resolve().parent:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", within)


def make_others(folder: str, device: str) -> None:
    """A folder and a device that is always full."""
    Path(folder).mkdir()
    Path(device).symlink_to("/dev/full")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The current folder, which is the test's own."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("target", TARGETS)
async def test_each_identifier_is_written_once(target: str) -> None:
    """It has Amazon's JSON as it came; found, not found and failed identifiers are counted separately."""
    async with Emulator(rate_scale=50) as emulator, Application("id", "secret", endpoint=emulator.url) as app:
        seller = app.selling_partner("Atzr|1", marketplace="US")
        given = [*ASINS, "B000000000", "not an ASIN", *ASINS[:50]]
        report = await crawl("catalog", [seller], given, target, included_data=("summaries", "images"))
        again = await crawl("catalog", [seller], given, target, included_data=("summaries", "images"))
        plain = await seller.catalog_items_2022_04_01.get_catalog_item(
            ASINS[0], marketplace_ids=[Marketplace.US], included_data=["summaries", "images"]
        )
    assert (report.found, report.missing, report.failed, report.skipped) == (300, 1, 1, 50)
    assert (again.found, again.skipped) == (0, 352)
    found = rows(target)
    assert sorted(row[0] for row in found) == sorted(ASINS)
    item = next(row[2] for row in found if row[0] == ASINS[0])
    assert item["summaries"][0]["itemName"] == (plain.summaries or [])[0].item_name
    assert item["images"][0]["images"][0]["link"].startswith("https://")


async def test_a_clock_that_is_set_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """A crawl takes as long as it takes, and its pace is what it was."""
    real, seen = time.time, list[CrawlProgress]()

    def set_back(_: Event) -> None:
        monkeypatch.setattr(time, "time", lambda: real() - 86_400)

    options: dict[str, Any] = {"observers": [set_back]}
    async with Emulator(rate_scale=50) as emulator, Application("id", "s", endpoint=emulator.url, **options) as app:
        seller = app.selling_partner("Atzr|1", marketplace="US")
        report = await crawl("catalog", [seller], ASINS, "items.jsonl", progress=seen.append)
    assert 0 < report.seconds < 600
    assert 0.5 < seen[-1].rate < 1e6


async def test_an_identifier_under_way_is_not_requested_twice() -> None:
    """Its second line is read long before the first has been written."""
    async with Emulator(rate_scale=50) as emulator, Application("id", "secret", endpoint=emulator.url) as app:
        seller = app.selling_partner("Atzr|1", marketplace="US")
        report = await crawl("catalog", [seller], ASINS * 2, "items.jsonl")
    assert (report.found, report.skipped) == (300, 300)


async def test_missing_and_failed_identifiers_are_listed_separately() -> None:
    """They are in files beside the output, or in views of the database."""
    async with Emulator(rate_scale=50) as emulator, Application("id", "secret", endpoint=emulator.url) as app:
        seller = app.selling_partner("Atzr|1", marketplace="US")
        for target in ("items.jsonl", "sqlite:///items.db"):
            await crawl("catalog", [seller], ["B000000000", "bad", ASINS[0]], target)
    assert "B000000000" in text("items.not-found.jsonl")
    assert "is not an ASIN" in text("items.failed.jsonl")
    database = sqlite3.connect("items.db")
    assert [row[0] for row in database.execute("SELECT identifier FROM not_found")] == ["B000000000"]
    assert [row[0] for row in database.execute("SELECT identifier FROM failed")] == ["bad"]
    database.close()


@pytest.mark.parametrize("target", TARGETS)
async def test_older_answers_are_fetched_again(target: str) -> None:
    """They replace the old ones, so that each identifier is there once."""
    async with Emulator(rate_scale=100) as emulator, Application("id", "secret", endpoint=emulator.url) as app:
        seller = app.selling_partner("Atzr|1", marketplace="US")
        await crawl("catalog", [seller], ASINS, target)
        fresh = await crawl("catalog", [seller], ASINS, target, older_than=timedelta(days=7))
        stale = await crawl("catalog", [seller], ASINS[:100], target, older_than=timedelta(0))
        last = await crawl("catalog", [seller], [*ASINS, product_at(0, 999).asin], target)
    assert (fresh.found, stale.found, last.found) == (0, 100, 1)
    assert sorted(row[0] for row in rows(target)) == sorted([*ASINS, product_at(0, 999).asin])


@pytest.mark.parametrize("target", TARGETS[:2])
async def test_a_link_to_the_output_is_followed(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file to which it leads gets every item, also when it is replaced by a file without old rows."""
    make_link(target, f"folder/{target}")
    move_within_folders(monkeypatch)
    async with Emulator(rate_scale=100) as emulator, Application("id", "secret", endpoint=emulator.url) as app:
        seller = app.selling_partner("Atzr|1", marketplace="US")
        for asins in (ASINS[:40], ASINS[:10]):
            await crawl("catalog", [seller], asins, target, older_than=timedelta(0))
            assert sorted(row[0] for row in rows(f"folder/{target}")) == sorted(ASINS[:40])
            assert content(target, "folder") == (True, [target])


@pytest.mark.parametrize("target", TARGETS)
async def test_an_item_stays_if_its_next_look_up_fails_and_goes_if_it_no_longer_exists(target: str) -> None:
    """Amazon's trouble says nothing about the item, which is looked up again when its result is old enough."""
    *others, last = ASINS[:5]
    again = timedelta(0)

    async def look_up(asins: list[str], older_than: timedelta | None = None, **data: Any) -> tuple[int, int, int]:
        async with Emulator(rate_scale=50, **data) as emulator, Application("id", "s", endpoint=emulator.url) as app:
            seller = app.selling_partner("Atzr|1", marketplace="US")
            report = await crawl("catalog", [seller], asins, target, older_than=older_than)
        return report.found, report.missing, report.failed

    assert await look_up([*others, last]) == (5, 0, 0)
    assert await look_up([*others, last], again, refused_asins=frozenset({last})) == (4, 0, 1)
    assert await look_up([last], again, refused_asins=frozenset({last})) == (0, 0, 1)
    assert sorted(row[0] for row in rows(target)) == sorted([*others, last])
    assert await look_up([last], again, products=4) == (0, 1, 0)
    assert sorted(row[0] for row in rows(target)) == sorted(others)


async def test_failures_are_retried_only_on_request() -> None:
    """A search that Amazon refused is such a failure."""
    bad = ASINS[3]
    async with (
        Emulator(rate_scale=50, refused_asins=frozenset({bad})) as emulator,
        Application("id", "secret", endpoint=emulator.url) as app,
    ):
        seller = app.selling_partner("Atzr|1", marketplace="US")
        first = await crawl("catalog", [seller], ASINS, "items.jsonl")
        second = await crawl("catalog", [seller], ASINS, "items.jsonl")
        third = await crawl("catalog", [seller], ASINS, "items.jsonl", retry_failed=True)
    assert (first.found, first.failed) == (299, 1)
    assert (second.skipped, third.skipped, third.failed) == (300, 299, 1)


async def test_several_marketplaces_are_crawled_separately() -> None:
    """An identifier is looked up in each of them."""
    async with Emulator(rate_scale=50) as emulator, Application("id", "secret", endpoint=emulator.url) as app:
        seller = app.selling_partner("Atzr|1", region="na")
        report = await crawl("catalog", [seller], ASINS[:30], "items.jsonl", marketplaces=["US", "CA"])
        with pytest.raises(ConfigurationError, match="marketplaces"):
            await crawl("catalog", [seller], ASINS[:30], "other.jsonl")
    assert report.found == 60
    assert len({row[:2] for row in rows("items.jsonl")}) == 60


async def test_sellers_look_up_what_is_in_their_region() -> None:
    """A marketplace is looked up by sellers of its region; one without such a seller is refused before any request."""
    async with Emulator(rate_scale=50) as emulator, Application("id", "secret", endpoint=emulator.url) as app:
        sellers = [app.selling_partner("Atzr|1", marketplace="US"), app.selling_partner("Atzr|2", marketplace="DE")]
        report = await crawl("catalog", sellers, ASINS[:30], "items.jsonl", marketplaces=["US", "DE"])
        with pytest.raises(ConfigurationError, match="JP is in region FE"):
            await crawl("catalog", sellers, ASINS[:30], "other.jsonl", marketplaces=["US", "JP"])
        alone = await crawl("catalog", sellers, ASINS[:30], "german.jsonl", marketplaces=["DE"])
    assert (report.found, report.failed, alone.found) == (60, 0, 30)


@pytest.mark.parametrize("target", TARGETS)
async def test_an_item_with_invalid_utf8_is_written(target: str) -> None:
    """One reply with a broken byte stops no crawl."""
    item = b'{"asin":"%b","summaries":[{"marketplaceId":"ATVPDKIKX0DER","itemName":"T\xff"}]}' % ASINS[0].encode()

    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        is_token = request.startswith(b"POST /auth")
        token = b'{"access_token":"Atza|1","expires_in":3600,"token_type":"bearer"}'
        writer.write(reply(token if is_token else b'{"items":[' + item + b"]}"))
        await writer.drain()

    async with raw_server(answer) as server, Application("id", "secret", endpoint=server.url) as app:
        seller = app.selling_partner("Atzr|1", marketplace="US")
        report = await crawl("catalog", [seller], [ASINS[0]], target)
    assert report.found == 1
    assert [row[0] for row in rows(target)] == [ASINS[0]]


@pytest.mark.parametrize("kind", ["pricing", "fees", "listings", "inventory"])
async def test_every_kind_can_be_crawled(kind: str) -> None:
    """The output has Amazon's JSON of each kind."""
    async with Emulator(rate_scale=100) as emulator, Application("id", "secret", endpoint=emulator.url) as app:
        seller = app.selling_partner("Atzr|1", marketplace="US", seller_id="A1")
        listings = seller.listings_items_2021_08_01.iter_listings_items(
            "A1", marketplace_ids=[Marketplace.US], page_size=20
        )
        skus = [listing.sku async for listing in listings]
        given = {"pricing": ASINS[:25], "fees": [f"{asin},19.99" for asin in ASINS[:25]]}.get(kind, skus)
        report = await crawl(kind, [seller], given, "items.jsonl")
        with pytest.raises(ConfigurationError, match="one seller"):
            await crawl(kind, [seller, seller], given, "other.jsonl")
    got = rows("items.jsonl")
    assert report.failed == 0
    assert report.found == len(got) >= 20
    key = {"pricing": "ASIN", "fees": "FeesEstimateIdentifier", "listings": "sku", "inventory": "sellerSku"}[kind]
    assert all(key in (item[0] if isinstance(item, list) else item) for _, _, item in got)


@pytest.mark.parametrize("target", TARGETS)
async def test_a_cancelled_crawl_keeps_its_results(target: str) -> None:
    """The next run continues from there."""
    async with Emulator(rate_scale=4) as emulator, Application("id", "secret", endpoint=emulator.url) as app:
        seller = app.selling_partner("Atzr|1", marketplace="US")
        running = asyncio.ensure_future(crawl("catalog", [seller], ASINS, target))
        while (
            emulator.stats()["operations"].get("catalog_items_2022_04_01.search_catalog_items", {}).get("requests", 0)
            < 5
        ):
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.1)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        report = await crawl("catalog", [seller], ASINS, target)
    assert 0 < report.found < 300
    assert sorted(row[0] for row in rows(target)) == sorted(ASINS)


async def test_a_full_disk_stops_a_crawl_cleanly(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error is raised, written rows stay, and the next run continues."""
    original, calls = JsonLines.write, 0

    def write(self: JsonLines, entries: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 2:
            self._file.write(b'{"half a li')
            raise OSError(errno.ENOSPC, "No space left on device")
        return original(self, entries)

    monkeypatch.setattr(JsonLines, "write", write)
    monkeypatch.setattr(JsonLines, "rows", 50)
    async with Emulator(rate_scale=50) as emulator, Application("id", "secret", endpoint=emulator.url) as app:
        seller = app.selling_partner("Atzr|1", marketplace="US")
        with pytest.raises(OSError, match="No space left"):
            await crawl("catalog", [seller], ASINS, "items.jsonl")
        await crawl("catalog", [seller], ASINS, "items.jsonl")
    assert sorted(row[0] for row in rows("items.jsonl")) == sorted(ASINS)


async def test_a_revoked_grant_ends_the_crawl() -> None:
    """No identifier is marked as failed because of it, and the next run requests them all."""
    async with Emulator(rate_scale=50) as emulator, Application("id", "secret", endpoint=emulator.url) as app:
        with pytest.raises(LWAError):
            await crawl("catalog", [app.selling_partner("gone", marketplace="US")], ASINS, "items.jsonl")
        good = app.selling_partner("Atzr|1", marketplace="US")
        assert (await crawl("catalog", [good], ASINS, "items.jsonl")).found == 300


async def test_progress_says_how_long_the_quota_needs() -> None:
    """It uses the limiter's forecast for the identifiers that are left."""
    seen: list[CrawlProgress] = []
    async with Emulator(rate_scale=10) as emulator, Application("id", "secret", endpoint=emulator.url) as app:
        seller = app.selling_partner("Atzr|1", marketplace="US")
        await crawl("catalog", [seller], ASINS, "items.jsonl", total=300, progress=seen.append)
    assert seen[-1].done == 300
    assert seen[-1].seconds_left == 0.0
    assert all(each.rate > 0 for each in seen)


async def test_an_output_that_is_not_the_crawls_own_is_refused() -> None:
    """Another kind, other data, a file without its journal and a missing folder are refused."""
    async with Emulator(rate_scale=50) as emulator, Application("id", "secret", endpoint=emulator.url) as app:
        seller = app.selling_partner("Atzr|1", marketplace="US")
        await crawl("catalog", [seller], ASINS[:5], "items.jsonl")
        with pytest.raises(ConfigurationError, match="belongs to a crawl of catalog"):
            await crawl("pricing", [seller], ASINS[:5], "items.jsonl")
        write("mine.jsonl", "{}\n")
        make_others("folder.jsonl", "device.jsonl")
        for target in ("folder.jsonl", "device.jsonl"):
            with pytest.raises(ConfigurationError, match="not a file"):
                await crawl("catalog", [seller], ASINS[:5], target)
        with pytest.raises(ConfigurationError, match="do not match"):
            await crawl("catalog", [seller], ASINS[:5], "mine.jsonl")
        make_link("lost.parquet", "nowhere/items.parquet", makes_folder=False)
        for target in ("items.csv", "nowhere/items.jsonl", "lost.parquet", "postgresql://x"):
            with pytest.raises(ConfigurationError):
                await crawl("catalog", [seller], ASINS[:5], target)
        with pytest.raises(ConfigurationError, match="no crawl of 'orders'"):
            await crawl("orders", [seller], ASINS[:5], "items.jsonl")


@pytest.mark.parametrize("concurrency", [0, -1])
async def test_a_concurrency_below_one_is_refused(concurrency: int) -> None:
    """Nothing has been written by then."""
    async with Application("id", "secret") as app:
        seller = app.selling_partner("Atzr|1", marketplace="US")
        with pytest.raises(ConfigurationError, match=f"1 or more, not {concurrency}"):
            await crawl("catalog", [seller], [], "items.jsonl", concurrency=concurrency)
    assert files() == []


@pytest.mark.parametrize("target", TARGETS[:2])
async def test_an_output_that_another_crawl_uses_is_refused(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says so. The other crawl continues, and after it the output can be used."""
    do_not_wait_for_locks(monkeypatch)
    reads, go_on = asyncio.Event(), asyncio.Event()

    async def held_back() -> AsyncIterator[str]:
        reads.set()
        await go_on.wait()
        for asin in ASINS[:5]:
            yield asin

    async with Emulator(rate_scale=50) as emulator, Application("id", "secret", endpoint=emulator.url) as app:
        seller = app.selling_partner("Atzr|1", marketplace="US")
        other = asyncio.create_task(crawl("catalog", [seller], held_back(), target))
        await reads.wait()
        for _ in range(2):
            with pytest.raises(ConfigurationError, match=rf"^{target}\.journal is in use, probably by another crawl"):
                await crawl("catalog", [seller], ASINS[:5], target)
        go_on.set()
        assert (await other).found == 5
        assert (await crawl("catalog", [seller], ASINS[:6], target)).found == 1
    assert sorted(row[0] for row in rows(target)) == sorted(ASINS[:6])


@pytest.mark.parametrize("absent", ["everything", "items", "crawl_state"])
async def test_a_database_that_another_program_locks_is_refused(absent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says so, whatever the crawl must write there first: the file, the table or the kind of the crawl."""
    do_not_wait_for_locks(monkeypatch)
    async with Emulator(rate_scale=50) as emulator, Application("id", "secret", endpoint=emulator.url) as app:
        seller = app.selling_partner("Atzr|1", marketplace="US")
        with closing(sqlite3.connect("items.db", isolation_level=None)) as other:
            if absent != "everything":
                await crawl("catalog", [seller], ASINS[:1], "sqlite:///items.db")
                other.execute(f"DELETE FROM {absent}" if absent == "crawl_state" else "DROP TABLE items")
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(ConfigurationError, match=r"^items\.db is in use, by a program that writes to it: wait"):
                await crawl("catalog", [seller], ASINS[:5], "sqlite:///items.db")
            other.execute("ROLLBACK")
        assert (await crawl("catalog", [seller], ASINS[:5], "sqlite:///items.db")).found


async def test_the_event_loop_runs_while_a_crawl_waits_for_a_lock() -> None:
    """Here it is what releases the lock."""
    async with Emulator(rate_scale=50) as emulator, Application("id", "secret", endpoint=emulator.url) as app:
        seller = app.selling_partner("Atzr|1", marketplace="US")
        with closing(sqlite3.connect("items.db", isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            crawling = asyncio.create_task(crawl("catalog", [seller], ASINS[:5], "sqlite:///items.db"))
            await asyncio.sleep(0)  # the crawl begins
            other.execute("ROLLBACK")
            assert (await crawling).found == 5


async def test_a_crawl_cancelled_while_it_opens_its_journal_closes_it(connections: list[sqlite3.Connection]) -> None:
    """The thread that opens it is awaited first."""
    async with Emulator() as emulator, Application("id", "secret", endpoint=emulator.url) as app:
        seller = app.selling_partner("Atzr|1", marketplace="US")
        crawling = asyncio.create_task(crawl("catalog", [seller], ASINS[:5], "items.jsonl"))
        await asyncio.sleep(0)
        crawling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await crawling
    (connection,) = connections
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.total_changes  # noqa: B018


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> list[sqlite3.Connection]:
    """The databases that were opened."""
    opened: list[sqlite3.Connection] = []
    connect = sqlite3.connect

    def connected(*arguments: Any, **options: Any) -> sqlite3.Connection:
        opened.append(connect(*arguments, **options))
        return opened[-1]

    monkeypatch.setattr(sqlite3, "connect", connected)
    return opened


async def test_a_journal_that_cannot_be_used_is_closed(connections: list[sqlite3.Connection]) -> None:
    """So it is if another crawl has locked it: Python 3.13 warns of a database that was not closed."""
    write("items.jsonl.journal", "this is not a database")
    async with Emulator() as emulator, Application("id", "secret", endpoint=emulator.url) as app:
        seller = app.selling_partner("Atzr|1", marketplace="US")
        with pytest.raises(ConfigurationError, match=r"cannot use items\.jsonl\.journal as the journal of a crawl"):
            await crawl("catalog", [seller], ASINS[:5], "items.jsonl")
    (connection,) = connections
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.total_changes  # noqa: B018


@pytest.mark.parametrize("error", [ServerError("down", status=503), LWAError("down", code="slow_down", status=429)])
def test_two_hundred_failures_in_a_row_end_a_crawl(error: SPAPIError) -> None:
    """One answer in between, found or not, restarts the count."""
    run = Run(None, None, total=None, seconds_for=float, progress=None)  # type: ignore[arg-type]
    key = Key("a", "US")
    down = Failed(key, error)
    for answer in (Done(key, b"{}"), Failed(key, NotFoundError("no", status=404))):
        for _ in range(199):
            run.entry(down)
        assert run.entry(answer).status in {FOUND, MISSING}
    for _ in range(199):
        run.entry(down)
    with pytest.raises(type(error)):
        run.entry(down)


@pytest.mark.parametrize("error", [RateLimitWaitError("max_wait"), ClosedError("closed"), ForbiddenError("no")])
def test_an_error_that_says_nothing_about_its_identifier_ends_the_crawl(error: SPAPIError) -> None:
    """If it were recorded as a failure, later runs would leave the identifier out."""
    run = Run(None, None, total=None, seconds_for=float, progress=None)  # type: ignore[arg-type]
    with pytest.raises(type(error)):
        run.entry(Failed(Key("a", "US"), error))


class Disk:
    """Sink and journal of a run; from the second question on, what is due is said when the test allows it."""

    rows = 1

    def __init__(self) -> None:
        self.written: list[str] = []
        self.asked = 0
        self.answers = threading.Event()

    def due(self, keys: list[Key], **_: Any) -> list[Key]:
        self.asked += 1
        if self.asked > 1:
            self.answers.wait(60)
        return keys

    def write(self, entries: Any) -> tuple[list[None], dict[str, int]]:
        self.written += [entry.key.identifier for entry in entries]
        return [None] * len(entries), {}

    def record(self, *_: Any) -> None:
        """Recorded with what was written."""


async def test_a_result_that_waits_for_the_journal_is_written_on_cancellation() -> None:
    """Its quota is spent. It waited behind a question to the journal about due identifiers."""
    disk: Any = Disk()
    run = Run(disk, disk, total=None, seconds_for=float, progress=None)
    found: list[str] = []

    async def look_up(identifier: str, _: Marketplace) -> bytes:
        found.append(identifier)
        return b"{}"

    keys = run.due(map(str, range(501)), [Marketplace.US], older_than=0.0, retry_failed=False)
    running = asyncio.create_task(run.run(look_up, keys, 1))
    while disk.asked < 2 or len(disk.written) + 1 < len(found):
        await asyncio.sleep(0.001)
    for _ in range(10):
        await asyncio.sleep(0)
    running.cancel()
    await asyncio.sleep(0)
    disk.answers.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert disk.written == found


async def test_results_that_wait_for_the_writer_are_written_on_cancellation() -> None:
    """Some are queued behind one that is being written, others could not even be queued."""
    disk: Any = Disk()
    run = Run(disk, disk, total=None, seconds_for=float, progress=None)
    found: list[str] = []
    writing, go_on = threading.Event(), threading.Event()

    def write(entries: Any) -> tuple[list[None], dict[str, int]]:
        writing.set()
        go_on.wait(60)
        return Disk.write(disk, entries)

    disk.write = write

    async def look_up(identifier: str, _: Marketplace) -> bytes:
        found.append(identifier)
        return b"{}"

    keys = run.due(map(str, range(100)), [Marketplace.US], older_than=0.0, retry_failed=False)
    running = asyncio.create_task(run.run(look_up, keys, 3))
    while not writing.is_set() or len(found) < 7:  # one is being written, three are queued, and each worker has one
        await asyncio.sleep(0.001)
    for _ in range(10):
        await asyncio.sleep(0)
    running.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert sorted(disk.written) == sorted(found)


async def test_nothing_is_written_after_a_write_that_failed() -> None:
    """It may have left half a line; results queued behind it are looked up again by the next run."""
    disk: Any = Disk()
    run = Run(disk, disk, total=None, seconds_for=float, progress=None)
    found: list[str] = []
    writes: list[int] = []
    go_on = threading.Event()

    def write(entries: Any) -> None:
        writes.append(len(entries))
        go_on.wait(60)
        raise OSError(errno.ENOSPC, "No space left on device")

    disk.write = write

    async def look_up(identifier: str, _: Marketplace) -> bytes:
        found.append(identifier)
        return b"{}"

    keys = run.due(map(str, range(100)), [Marketplace.US], older_than=0.0, retry_failed=False)
    running = asyncio.create_task(run.run(look_up, keys, 3))
    while len(found) < 7:
        await asyncio.sleep(0.001)
    go_on.set()
    with pytest.raises(OSError, match="No space left"):
        await running
    assert writes == [1]


def test_parts_that_the_journal_does_not_know_are_deleted(tmp_path: Path) -> None:
    """A crawl that was killed after it had written a part looks up the identifiers in it again."""
    sink = Parquet(tmp_path / "items.parquet")
    journal = Journal(sink.journal_path, "items", exclusive=False)
    journal.open()
    sink.open(journal)
    for asin in ("B0", "B1"):
        places, state = sink.write([Entry(Key(asin, "US"), FOUND, 1.0, b"{}")])
        if asin == "B0":
            journal.record([Entry(Key(asin, "US"), FOUND, 1.0)], places, state)
    Parquet(sink.path).open(journal)
    assert [part.name for part in (tmp_path / "items.parquet.parts").iterdir()] == ["0.parquet"]
    journal.close()
