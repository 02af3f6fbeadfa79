"""A directory of sellers: files, tables and functions; tags, applications, revoked grants; reloading."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from spapi_async import Application, ConfigurationError, LWAError, SellerDirectory
from spapi_async.cli.application import run
from spapi_async.emulator import Emulator
from spapi_async.workflows.orders import sync_orders
from spapi_async.workflows.sellers import SellerEntry

TOML = """
[[sellers]]
seller_id = "A1"
marketplace = "DE"
marketplaces = ["DE", "FR"]
refresh_token_env = "TOKEN_ONE"
tags = ["pilot", "large"]

[[sellers]]
seller_id = "A2"
region = "NA"
refresh_token_file = "{file}"
tags = ["pilot"]
"""
ENVIRON = {"TOKEN_ONE": "Atzr|hush-one"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Two sellers, whose tokens are in the environment and in a file."""
    (tmp_path / "token").write_text("Atzr|hush-two\n")
    found = tmp_path / "sellers.toml"
    found.write_text(TOML.format(file=tmp_path / "token"))
    return found


def databases(folder: Path) -> list[str]:
    """The names of the databases in a folder."""
    return [path.name for path in folder.glob("*.db")]


def application() -> Application:
    """An application that makes no calls."""
    return Application("app", "secret", endpoint="http://127.0.0.1:9")


async def test_a_file_lists_handles_tags_and_marketplaces(path: Path) -> None:
    """Sellers are chosen by all of the given tags; no token is shown."""
    directory = SellerDirectory(path, environ=ENVIRON)
    async with application() as app:
        listed = await directory.listed(app)
        assert [each.seller.name for each in listed] == ["A1@eu", "A2@na"]
        assert all(each.application is app for each in listed)
        assert (listed[0].tags, listed[0].marketplaces) == (frozenset({"pilot", "large"}), ("DE", "FR"))
        assert [seller.name for seller in await directory.sellers(app, tags=["pilot", "large"])] == ["A1@eu"]
        assert len(await directory.sellers(app, tags="pilot")) == 2
        assert await directory.sellers(app, tags=["none"]) == []
    assert "hush" not in repr(directory) + repr(listed)


@pytest.mark.parametrize("name", ["sellers.toml", "sellers.json"])
async def test_files_may_begin_with_a_byte_order_mark(tmp_path: Path, name: str) -> None:
    """Editors on Windows write one, to lists and to tokens alike."""
    token = tmp_path / "token"
    token.write_text("Atzr|hush", encoding="utf-8-sig")
    entry = {"seller_id": "A1", "region": "NA", "refresh_token_file": str(token)}
    lines = [f"{key} = {json.dumps(value)}" for key, value in entry.items()]
    text = json.dumps([entry]) if name.endswith("json") else "\n".join(["[[sellers]]", *lines])
    (tmp_path / name).write_text(text, encoding="utf-8-sig")
    async with application() as app:
        assert [seller.name for seller in await SellerDirectory(tmp_path / name).sellers(app)] == ["A1@na"]


async def test_a_reload_says_what_has_changed(path: Path) -> None:
    """A file that cannot be read changes nothing."""
    directory = SellerDirectory(path, environ=ENVIRON)
    assert (await directory.reload()).added == ("A1", "A2")
    assert not await directory.reload()
    entry = {"seller_id": "A3", "region": "FE", "refresh_token_env": "TOKEN_ONE"}
    _rewrite(path, entry)
    change = await directory.reload()
    assert (change.added, change.removed, change.changed) == (("A3",), ("A2",), ("A1",))
    _rewrite(path, None)
    with pytest.raises(ConfigurationError):
        await directory.reload()
    async with application() as app:
        assert [seller.name for seller in await directory.sellers(app)] == ["A1@eu", "A3@fe"]


def _rewrite(path: Path, entry: dict[str, str] | None) -> None:
    """Replace the second seller and change the first one; None makes the file unreadable."""
    if entry is None:
        path.write_text("broken")
        return
    kept = path.read_text().partition('[[sellers]]\nseller_id = "A2"')[0].replace('"large"', '"small"')
    lines = [f"{name} = {json.dumps(value)}" for name, value in entry.items()]
    path.write_text("\n".join([kept, "[[sellers]]", *lines]))


async def test_a_revoked_grant_is_skipped_with_its_reason_until_it_is_renewed(tmp_path: Path) -> None:
    """A sync reports it; a new token ends it, and other failures do not count."""
    tokens = {"ONE": "Atzr|one", "TWO": "Atzr|revoked"}

    async def provider() -> list[SellerEntry]:
        return [
            SellerEntry(seller_id="A1", region="NA", refresh_token_env="ONE"),
            SellerEntry(seller_id="A2", region="NA", refresh_token_env="TWO"),
        ]

    directory = SellerDirectory(provider, environ=tokens)
    async with (
        Emulator(orders=3, rate_scale=1000) as emulator,
        Application("app", "secret", endpoint=emulator.url) as app,
    ):
        emulator.faults({"revoke_refresh_token": "Atzr|revoked"})
        report = await sync_orders(await directory.sellers(app), f"sqlite:///{tmp_path / 'o.db'}")
        (failed,) = report.failed
        assert directory.failed(failed.seller, failed.error)
        assert not directory.failed("A1@na", ValueError())
        assert list(directory.revoked) == ["A2"]
        assert "invalid_grant" in directory.revoked["A2"]
        assert [seller.name for seller in await directory.sellers(app)] == ["A1@na"]
        tokens["TWO"] = "Atzr|renewed"
        assert len(await directory.sellers(app)) == 2
        assert directory.revoked == {}
    assert not directory.failed("stranger", LWAError("no", code="invalid_grant"))


@pytest.mark.parametrize("given", ["name", "handle", "former handle"])
async def test_a_token_renewed_while_the_former_one_was_in_use_is_not_revoked(given: str) -> None:
    """The failure of the former token is reported when the new one is already known."""
    tokens = {"ONE": "Atzr|former"}

    async def provider() -> list[SellerEntry]:
        return [SellerEntry(seller_id="A1", region="NA", refresh_token_env="ONE")]

    directory = SellerDirectory(provider, environ=tokens)
    async with application() as app:
        (former,) = await directory.sellers(app)
        tokens["ONE"] = "Atzr|renewed"
        if given == "former handle":
            assert await directory.seller(app, "A1") is not None
        error = LWAError("revoked", code="invalid_grant")
        assert directory.failed("A1@na" if given == "name" else former, error) == (given != "former handle")
        assert [seller.name for seller in await directory.sellers(app)] == ["A1@na"]
        assert await directory.seller(app, "A1@na") is not None
        assert directory.revoked == {}
        assert directory.failed("A1", error)
        assert await directory.seller(app, "A1") is None


async def test_sellers_may_belong_to_several_applications() -> None:
    """Each entry names its application."""

    async def provider() -> list[SellerEntry]:
        return [
            SellerEntry(seller_id="A1", region="NA", refresh_token="Atzr|1", application="first"),
            SellerEntry(seller_id="A2", region="NA", refresh_token="Atzr|2", application="second"),
        ]

    directory = SellerDirectory(provider)
    async with application() as first, application() as second:
        listed = await directory.listed({"first": first, "second": second})
        assert [each.application for each in listed] == [first, second]
        with pytest.raises(ConfigurationError, match=r"A2.*second"):
            await directory.listed({"first": first})


async def test_a_table_lists_sellers(tmp_path: Path) -> None:
    """Unknown columns are ignored."""
    file = tmp_path / "sellers.db"
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("CREATE TABLE clients (seller_id, region, refresh_token, tags, marketplaces, note)")
        row = ("A1", "EU", "Atzr|hush", "pilot, large", "DE,FR", "call them on Mondays")
        connection.execute("INSERT INTO clients VALUES (?, ?, ?, ?, ?, ?)", row)
    directory = SellerDirectory.from_table(f"sqlite:///{file}", "clients")
    async with application() as app:
        (listed,) = await directory.listed(app)
        assert (listed.seller.name, listed.marketplaces) == ("A1@eu", ("DE", "FR"))
        assert listed.tags == frozenset({"pilot", "large"})
    with pytest.raises(ConfigurationError):
        SellerDirectory.from_table(f"sqlite:///{file}", "clients; DROP TABLE clients")


async def test_the_file_of_a_table_is_only_read(tmp_path: Path) -> None:
    """Not even its journal mode changes, which other programs may rely on: a copy of the file alone is complete."""
    file = tmp_path / "sellers.db"
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("CREATE TABLE sellers (seller_id, region, refresh_token)")
        connection.execute("INSERT INTO sellers VALUES ('A1', 'EU', 'Atzr|hush')")
    before = file.read_bytes()
    assert await SellerDirectory.from_table(f"sqlite:///{file}").names() == ["A1@eu"]
    assert file.read_bytes() == before
    assert databases(tmp_path) == ["sellers.db"]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("sqlite:///{folder}/misspelt.db", "there is no database file .*/misspelt.db"),
        ("sqlite:///{folder}/clients.db", "from table sellers of sqlite:///.*/clients.db: no such table: sellers"),
        ("postgresql://me:hush@127.0.0.1:9/x", r"from table sellers of postgresql://me:\*\*\*@127.0.0.1:9/x: .*\b9\b"),
    ],
)
async def test_a_table_that_cannot_be_read_is_one_kind_of_error(tmp_path: Path, url: str, said: str) -> None:
    """It is that of a file, without a password; no database is created."""
    with closing(sqlite3.connect(tmp_path / "clients.db")):
        pass
    with pytest.raises(ConfigurationError, match=said) as caught:
        await SellerDirectory.from_table(url.format(folder=tmp_path)).reload()
    assert "hush" not in str(caught.value)
    assert databases(tmp_path) == ["clients.db"]


async def test_whatever_a_function_raises_the_directory_stays_unchanged() -> None:
    """A fleet's scheduler works on with the sellers it knows; a cancellation is none of the function's errors."""
    raised: list[BaseException] = []

    async def provider() -> list[SellerEntry]:
        if raised:
            raise raised[0]
        return [SellerEntry(seller_id="A1", region="NA", refresh_token="Atzr|1")]

    directory = SellerDirectory(provider)
    await directory.reload()
    raised.append(ConnectionResetError("hush"))
    with pytest.raises(ConfigurationError, match=r"raised ConnectionResetError$") as caught:
        await directory.reload()
    assert (caught.value.__cause__, await directory.names()) == (raised[0], ["A1@na"])
    raised[0] = asyncio.CancelledError()
    with pytest.raises(asyncio.CancelledError):
        await directory.reload()


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"refresh_token": "Atzr|hush", "refresh_token_env": "X"}, "one of"),
        ({"refresh_token_env": "UNSET"}, "UNSET"),
        ({"refresh_token_file": "/nowhere/hush"}, "cannot read"),
        ({}, "one of"),
    ],
)
async def test_an_entry_that_cannot_be_used_is_named(entry: dict[str, str], said: str) -> None:
    """The error has the seller, but not its token."""

    async def provider() -> list[SellerEntry]:
        return [SellerEntry(seller_id="A7", region="NA", **entry)]  # type: ignore[arg-type]

    async with application() as app:
        with pytest.raises(ConfigurationError, match=f"A7.*{said}") as caught:
            await SellerDirectory(provider, environ={}).listed(app)
    assert "Atzr" not in str(caught.value)


async def test_names_need_no_tokens() -> None:
    """They are those of the handles; an entry without an id or a region has none."""
    entries = [
        SellerEntry(seller_id="A1", region="NA", refresh_token="Atzr|1"),
        SellerEntry(seller_id="A2", marketplace="DE", refresh_token_env="NOT_SET"),
    ]

    async def provider() -> list[SellerEntry]:
        return entries

    directory = SellerDirectory(provider, environ={})
    assert await directory.names() == ["A1@na", "A2@eu"]
    async with application() as app:
        handle = await directory.seller(app, "A1@na")
        assert handle is not None
        assert handle.name == "A1@na"
    for wrong, said in ((SellerEntry(region="NA"), "no seller_id"), (SellerEntry(seller_id="A3", region="XX"), "XX")):
        entries[1:] = [wrong]
        await directory.reload()
        with pytest.raises(ConfigurationError, match=said):
            await directory.names()


async def test_a_seller_is_listed_once() -> None:
    """Two entries of one seller would spend one quota."""

    async def provider() -> list[SellerEntry]:
        return [SellerEntry(seller_id="A1"), SellerEntry(seller_id="A1")]

    with pytest.raises(ConfigurationError, match="twice"):
        await SellerDirectory(provider).reload()


def test_the_command_line_chooses_by_tag(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It chooses among the sellers of a file."""
    monkeypatch.setenv("TOKEN_ONE", "Atzr|hush-one")
    database = f"sqlite:///{tmp_path / 'o.db'}"
    words = ["sync", "orders", "--emulator", "--orders", "3", "--database", database]
    assert run([*words, "--sellers", str(path), "--tag", "large"]) == 0
    with closing(sqlite3.connect(tmp_path / "o.db")) as connection:
        assert connection.execute("SELECT DISTINCT seller FROM orders").fetchall() == [("A1@eu",)]
    assert run([*words, "--sellers", str(path), "--tag", "none"]) == 2
    assert run([*words, "--tag", "large"]) == 2
