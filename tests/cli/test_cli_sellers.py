"""``sync orders`` for several sellers, its messages about ``--since`` and databases, and its table on any terminal."""

from __future__ import annotations

import io
import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console
from secret_watch import looks_secret

from spapi_async.cli.application import run
from spapi_async.cli.progress import SyncBar
from spapi_async.cli.summary import summary_table
from spapi_async.cli.tally import Tally
from spapi_async.emulator.server import Emulator
from spapi_async.errors import ConfigurationError
from spapi_async.marketplaces import Marketplace
from spapi_async.workflows.orders import SellerResult, SellerStarted, SyncReport
from spapi_async.workflows.sellers._entries import read_sellers

# What is tested is said about sellers: a few orders of each are enough.
pytestmark = pytest.mark.spapi_emulator(orders=12)

TOML = """
[[sellers]]
seller_id = "A1ONE"
marketplace = "DE"
refresh_token_env = "SELLER_ONE"

[[sellers]]
region = "NA"
refresh_token = "Atzr|hush-two"
"""


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """An application's credentials, but no seller's."""
    monkeypatch.setenv("LWA_APP_ID", "amzn1.application-oa2-client.tests")
    monkeypatch.setenv("LWA_CLIENT_SECRET", "a-made-up-secret")
    monkeypatch.setenv("SELLER_ONE", "Atzr|hush-one")
    for name in ("SP_API_REFRESH_TOKEN", "SP_API_REGION", "SP_API_MARKETPLACE", "SP_API_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def sellers(tmp_path: Path) -> str:
    """The file with two sellers."""
    path = tmp_path / "sellers.toml"
    path.write_text(TOML)
    return str(path)


def sync(tmp_path: Path, spapi_emulator: Emulator, *words: str) -> int:
    """Run the command into this test's database."""
    return run(("sync", "orders", "--database", f"sqlite:///{tmp_path}/o.db", "--endpoint", spapi_emulator.url, *words))


def sellers_in(tmp_path: Path) -> list[str]:
    """The sellers whose checkpoints the database holds."""
    with closing(sqlite3.connect(tmp_path / "o.db")) as connection:
        return [row[0] for row in connection.execute("SELECT seller FROM checkpoints ORDER BY seller")]


def test_several_sellers_are_synced_by_one_run(
    tmp_path: Path, spapi_emulator: Emulator, sellers: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each is in its own region, with its own checkpoint, from one application."""
    assert sync(tmp_path, spapi_emulator, "--sellers", sellers, "--json") == 0
    captured = capsys.readouterr()
    facts = json.loads(captured.out)
    assert [(each["seller"].partition("@")[2], each["complete"]) for each in facts["sellers"]] == [
        ("eu", True),
        ("na", True),
    ]
    assert facts["sellers"][0]["seller"] == "A1ONE@eu"
    assert len(sellers_in(tmp_path)) == 2
    assert spapi_emulator.stats()["tokens"]["lwa"] == 2
    assert looks_secret(captured.out + captured.err) is None


def test_a_seller_that_fails_is_named_and_stops_no_other(
    tmp_path: Path,
    spapi_emulator: Emulator,
    sellers: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each has one line; the exit code is that of the first."""
    monkeypatch.setenv("SELLER_ONE", "revoked-hush")
    assert sync(tmp_path, spapi_emulator, "--sellers", sellers) == 3
    captured = capsys.readouterr()
    assert "incomplete" in captured.out
    (line,) = captured.err.splitlines()
    assert line.startswith("spapi-async: A1ONE@eu: ")
    assert "invalid_grant" in line
    assert "hush" not in captured.err
    assert "A1ONE@eu" not in sellers_in(tmp_path)
    assert len(sellers_in(tmp_path)) == 1


def test_an_emulator_in_process_gets_no_real_token(
    tmp_path: Path, sellers: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file's variable need not be set."""
    monkeypatch.delenv("SELLER_ONE")
    words = ("sync", "orders", "--database", f"sqlite:///{tmp_path}/o.db", "--emulator", "--orders", "5", "--json")
    assert run((*words, "--sellers", sellers)) == 0
    assert len(json.loads(capsys.readouterr().out)["sellers"]) == 2


@pytest.mark.parametrize("place", ["DE", "PL", "JP"])
def test_an_emulator_in_process_has_the_sellers_marketplaces(
    place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A seller of Europe or the Far East has orders there, and a plan counts them."""
    monkeypatch.setenv("SP_API_MARKETPLACE", place)
    words = ("--database", f"sqlite:///{tmp_path}/o.db", "--emulator", "--orders", "12", "--json")
    assert run(("plan", "orders", *words)) == 0
    (planned,) = json.loads(capsys.readouterr().out)["sellers"]
    assert planned["orders"] > 6
    assert run(("sync", "orders", *words, "--marketplace", place)) == 0
    assert json.loads(capsys.readouterr().out)["sellers"][0]["orders"] > 0


@pytest.mark.parametrize("place", ["DE", "PL", "JP"])
def test_the_made_up_seller_is_where_the_marketplace_is(
    place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """So ``--marketplace`` alone suffices with ``--emulator``, for every command that has it."""
    there = ("--emulator", "--json", "--marketplace", place)
    database, asins = f"sqlite:///{tmp_path}/o.db", tmp_path / "asins.txt"
    asins.write_text("B000000007\n")
    for words in (
        ("sync", "orders", "--database", database, "--orders", "12"),
        ("plan", "orders", "--database", database, "--orders", "12"),
        ("crawl", "catalog", "--input", str(asins), "--output", str(tmp_path / "items.jsonl")),
        ("report", "GET_MERCHANT_LISTINGS_ALL_DATA", "--out", str(tmp_path / "listings.txt")),
    ):
        assert run((*words, *there)) == 0, capsys.readouterr()
    (name,) = sellers_in(tmp_path)
    assert name == f"A1MADEUP@{Marketplace.parse(place).region.value}"


def test_a_region_in_the_environment_comes_before_the_marketplace(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says where the seller is; the contradiction is an error, as it is without an emulator."""
    monkeypatch.setenv("SP_API_REGION", "NA")
    words = ("sync", "orders", "--database", f"sqlite:///{tmp_path}/o.db", "--emulator", "--marketplace", "DE")
    assert run(words) == 2
    assert "DE is in region EU" in capsys.readouterr().err


def test_sellers_of_two_regions_are_planned_on_one_emulator(
    tmp_path: Path, sellers: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It has one URL for both regions, so each seller asks only for marketplaces of its own."""
    words = ("--database", f"sqlite:///{tmp_path}/o.db", "--emulator", "--orders", "12", "--json")
    assert run(("plan", "orders", *words, "--sellers", sellers)) == 0
    assert [planned["orders"] > 0 for planned in json.loads(capsys.readouterr().out)["sellers"]] == [True, True]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("s.toml", "x = hush", "is not a list of sellers: Invalid value"),
        ("s.json", '{"sellers": [{"refresh_token": 5}]}', "is not a list of sellers: Expected `str | null`, got `int`"),
        ("s.json", '[{"refresh_tokn": "hush"}]', "unknown field `refresh_tokn`"),
        ("s.json", "[]", "lists no sellers"),
        ("s.json", b"\xff\xfe", "is not a list of sellers"),
        (
            "s.json",
            '[{"region": "NA"}]',
            "seller 1: give exactly one of refresh_token, refresh_token_env and refresh_token_file",
        ),
        (
            "s.json",
            '[{"refresh_token": "Atzr|hush", "seller_id": "A1"}]',
            "seller 1 (A1): give a region or a marketplace",
        ),
        ("s.json", '[{"refresh_token_env": "NOT_SET", "region": "NA"}]', "variable NOT_SET is not set"),
    ],
)
def test_an_invalid_file_of_sellers_is_refused_in_one_line(  # noqa: PLR0917 - fixtures
    tmp_path: Path,
    spapi_emulator: Emulator,
    capsys: pytest.CaptureFixture[str],
    name: str,
    content: str | bytes,
    message: str,
) -> None:
    """The line has the place but no value from it; nothing is sent."""
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert sync(tmp_path, spapi_emulator, "--sellers", str(path)) == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert message in line
    assert "hush" not in line
    assert spapi_emulator.stats()["tokens"]["lwa_requests"] == 0


def test_a_bare_list_of_sellers_is_accepted(tmp_path: Path) -> None:
    """JSON may have the name around it or not; a repr shows no token."""
    entry = '[{"refresh_token": "Atzr|hush", "seller_id": "A1", "region": "NA"}]'
    (tmp_path / "one.json").write_text(entry)
    (tmp_path / "two.json").write_text(f'{{"sellers": {entry}}}')
    found = read_sellers(str(tmp_path / "one.json"))
    assert found == read_sellers(str(tmp_path / "two.json"))
    assert repr(found) == "[SellerEntry('A1')]"
    with pytest.raises(ConfigurationError, match="No such file"):
        read_sellers(str(tmp_path / "none.json"))


@pytest.mark.parametrize(("mode", "warned"), [(0o600, False), (0o400, False), (0o640, True), (0o666, True)])
def test_a_file_of_tokens_that_others_can_read_is_warned_about(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, mode: int, warned: bool
) -> None:
    """The warning has the cure and no token; a file that names variables may be readable by others."""
    path = tmp_path / "sellers.json"
    path.write_text('[{"refresh_token": "Atzr|hush", "seller_id": "A1", "region": "NA"}]')
    path.chmod(mode)
    read_sellers(str(path))
    assert ("chmod 600" in caplog.text) == warned
    assert "hush" not in caplog.text
    caplog.clear()
    path.chmod(0o666)
    path.write_text('[{"refresh_token_env": "TOKEN", "seller_id": "A1", "region": "NA"}]')
    read_sellers(str(path))
    assert caplog.text == ""


def test_since_without_effect_is_reported(
    tmp_path: Path, spapi_emulator: Emulator, sellers: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line for all sellers says so, where a checkpoint decides."""
    assert sync(tmp_path, spapi_emulator, "--sellers", sellers, "--since", "2026-01-01") == 0
    assert capsys.readouterr().err == ""
    assert sync(tmp_path, spapi_emulator, "--sellers", sellers, "--since", "2026-01-01") == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert "--since applies to a seller's first run" in line
    assert "resumes from its checkpoint" in line


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sqlite:///no/such/place.db", "sqlite:///no/such/place.db:"),
        ("postgres://who:hush@127.0.0.1:1/orders", "postgres://who:***@127.0.0.1:1/orders:"),
        ("postgresql://127.0.0.1:1/orders?password=hush", "postgresql://127.0.0.1:1/orders?password=***:"),
    ],
)
def test_a_database_is_named_as_the_user_named_it(
    spapi_emulator: Emulator, sellers: str, capsys: pytest.CaptureFixture[str], url: str, shown: str
) -> None:
    """Its name shows neither the chosen driver nor the password."""
    words = ("sync", "orders", "--database", url, "--endpoint", spapi_emulator.url, "--sellers", sellers)
    assert run(words) == 2
    line = capsys.readouterr().err.replace("%2A", "*")
    assert f"cannot open database {shown}" in line
    assert "hush" not in line


def table_at(width: int, sellers: int = 2) -> str:
    """The summary of a run on a terminal of this width."""
    results = [
        SellerResult(seller=f"{number}234567890abcdef01234567@na", pages=12, orders=1200, inserted=1100, items=2400)
        for number in range(sellers)
    ]
    console = Console(file=io.StringIO(), width=width)
    console.print(summary_table(SyncReport(sellers=tuple(results)), Tally(), console))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [200, 100, 80, 79, 60, 46])
def test_the_summary_is_whole_on_any_terminal(width: int) -> None:
    """It is a table where that fits and a list otherwise: no heading, figure or name is truncated."""
    table = table_at(width)
    for whole in ("pages", "orders", "updated", "synced to", "1,200", "1,100", "2,400", "1234567890abcdef01234567@na"):
        assert whole in table
    assert max(map(len, table.splitlines())) <= width
    assert ("━" in table) == (width >= 100)  # a table of rows has a head


async def test_bars_of_several_sellers_carry_their_names() -> None:
    """They are shown as they are, though brackets mean colours to rich."""
    console = Console(file=io.StringIO(), force_terminal=True, width=160, color_system=None)
    bar = SyncBar(console, list, named=True)
    async with bar.shown():
        for name in ("A1ONE@eu", "[red]A2TWO@na"):
            bar(SellerStarted(seller=name, last_updated_after=datetime(2026, 1, 1, tzinfo=UTC), resumed=False))
        bar.refresh()
    assert isinstance(console.file, io.StringIO)
    drawn = console.file.getvalue()
    assert "A1ONE@eu: syncing from 2026-01-01 00:00" in drawn
    assert "[red]A2TWO@na: syncing" in drawn
