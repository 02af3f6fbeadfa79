"""What a database reports about how far a seller's orders are known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from spapi_async import Application
from spapi_async.emulator import Emulator
from spapi_async.workflows.orders import OrderDatabase, sync_orders
from spapi_async.workflows.orders._checkpoint import Checkpoint, Window
from spapi_async.workflows.orders._coverage import Coverage, coverage_of

pytest_plugins = ("sync_fixtures",)

STREAM = "orders_2026_01_01"


def day(number: int) -> datetime:
    """A day of January."""
    return datetime(2026, 1, number, tzinfo=UTC)


def place(stream: str, at: datetime, *, bound: datetime | None = None, seller: str = "s") -> Checkpoint:
    """A checkpoint."""
    return Checkpoint(seller=seller, stream=stream, last_updated_after=at, upper_bound=bound)


def test_a_plain_sync_is_read_up_to_its_checkpoint() -> None:
    """It is one span, wherever its first run began."""
    (found,) = coverage_of([place(STREAM, day(9))])
    assert found == Coverage(seller="s", stream=STREAM, read_from=None, read_to=day(9))


def test_history_is_read_from_its_newest_end() -> None:
    """Orders between its beginning and that end are missing, and may be listed up to a point."""
    places = [
        place(STREAM, day(9)),
        place(f"{STREAM} history", day(1), bound=day(5)),
        place(f"{STREAM} listed", day(3)),
    ]
    (found,) = coverage_of(places)
    assert (found.read_from, found.read_to) == (day(5), day(9))
    assert found.missing == Window(day(1), day(5))
    assert found.listed_to == day(3)


def test_a_history_that_is_complete_lacks_nothing() -> None:
    """It has been read down to its beginning."""
    places = [
        place(STREAM, day(9)),
        place(f"{STREAM} history", day(1), bound=day(1)),
        place(f"{STREAM} listed", day(5)),
    ]
    (found,) = coverage_of(places)
    assert (found.read_from, found.missing, found.listed_to) == (day(1), None, None)


def test_a_seller_whose_first_search_is_still_to_come() -> None:
    """Nothing is read yet, and all of its history is missing; without a history nothing is known."""
    (found,) = coverage_of([place(f"{STREAM} history", day(1), bound=day(5))])
    assert (found.read_from, found.read_to, found.missing) == (day(5), day(5), Window(day(1), day(5)))
    assert coverage_of([place(f"{STREAM} listed", day(1))]) == ()


def test_reconciliations_and_streams_are_separate() -> None:
    """They are separate by age, marketplaces and seller; windows that were read by hand are no stream."""
    german = f"{STREAM}:A1PA6795UKMFR9"
    places = [
        place(STREAM, day(9)),
        place(f"{STREAM} reconciled after 2 h", day(8)),
        place(f"{STREAM} reconciled after 48 h", day(6)),
        place(f"{STREAM} {Window(day(1), day(2))}", day(2)),
        place(german, day(7)),
        place(STREAM, day(4), seller="a"),
    ]
    assert [(each.seller, each.stream, each.read_to) for each in coverage_of(places)] == [
        ("a", STREAM, day(4)),
        ("s", STREAM, day(9)),
        ("s", german, day(7)),
    ]
    assert coverage_of(places)[1].reconciled_to == {timedelta(hours=2): day(8), timedelta(hours=48): day(6)}


async def test_a_database_says_what_a_sync_has_read(database_url: str) -> None:
    """It does so after a run with a history, in both kinds of database; a seller that was never synced has nothing."""
    async with (
        Emulator(orders=20, rate_scale=2000, search_delay=0.0) as emulator,
        Application("a", "b", endpoint=emulator.url) as app,
        OrderDatabase(database_url) as database,
    ):
        seller = app.selling_partner("Atzr|1", region="NA", seller_id="one")
        since = datetime.now(UTC) - timedelta(days=90)
        await sync_orders([seller], database, since=since, sources=["search", "ids"])
        (found,) = await database.coverage(seller.name)
        assert await database.coverage("nobody") == ()
    assert (found.read_from, found.missing) == (since, None)
    assert found.read_to > datetime.now(UTC) - timedelta(minutes=5)
