"""How commands report failures: in JSON for programs, a missing Redis at once, violations in a file."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from spapi_async.api import operations
from spapi_async.cli import operations as command
from spapi_async.cli.application import run

pytest_plugins = ("cli_fixtures",)


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["call", "orders_v0.get_order", "1"], {"type": "ConfigurationError", "exit_code": 2}),
        (
            ["call", "orders_v0.get_order", "x", "--emulator"],
            {"type": "BadRequestError", "exit_code": 4, "status": 400},
        ),
        (["sync", "orders"], {"type": "ConfigurationError", "exit_code": 2}),
        (["operations", "--api", "nothing"], {"type": "ConfigurationError", "exit_code": 2}),
    ],
)
def test_failures_are_json_too(words: list[str], error: dict[str, object], capsys: pytest.CaptureFixture[str]) -> None:
    """One object is on stdout and one line on stderr, with the same exit code."""
    assert run([*words, "--json"]) == error["exit_code"]
    out, err = capsys.readouterr()
    said = json.loads(out)["error"]
    assert error.items() <= said.items()
    assert len(err.splitlines()) == 1
    assert said["message"][:20] in err


FEED = "feeds_2021_06_30.create_feed"


@pytest.mark.parametrize(
    ("content", "says"),
    [(b'"\xff"', "not JSON"), (5_000 * b"[", "not JSON"), (b"{", "not JSON")],
    ids=["stray byte", "deep", "cut"],
)
def test_a_body_that_is_not_json_is_the_users_mistake(
    content: bytes, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It does not count as a bug."""
    path = tmp_path / "body.json"
    path.write_bytes(content)
    assert run(["call", FEED, "--body", str(path), "--emulator"]) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize("body", ['{"feedType": "X"}', " [1]"])
def test_json_instead_of_a_file_name_is_recognised(body: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It is not repeated, since it may hold personal data."""
    assert run(["call", FEED, "--body", body, "--emulator"]) == 2
    err = capsys.readouterr().err
    assert "--body takes the name of a file" in err
    assert "feedType" not in err


@pytest.mark.parametrize("words", [["--body", "no-\udcff"], ["--x-\udcff", "1"], ["[\udcff"], [5_000 * "["]])
def test_arguments_that_are_not_utf8_fail_as_others_do(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Linux passes them as halves of surrogate pairs, which JSON cannot hold."""
    assert run(["call", FEED, *words, "--emulator", "--json"]) == 2
    out, err = capsys.readouterr()
    assert json.loads(out)["error"]["exit_code"] == 2
    assert err.encode()


def test_a_partial_result_and_its_failure_are_one_object(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A sync that stops half-way reports both."""
    words = ["sync", "orders", "--emulator", "--orders", "300", "--max-wait", "1", "--page-size", "5", "--json"]
    assert run([*words, "--database", f"sqlite:///{tmp_path / 'orders.db'}"]) == 6
    report = json.loads(capsys.readouterr().out)
    assert report["sellers"][0]["orders"] > 0
    assert "max_wait" in report["sellers"][0]["error"] or "quota" in report["sellers"][0]["error"]


def test_violations_can_be_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """There are as many lines as the summary counts, with operation, seller, request id and path, but no value."""
    listed = tmp_path / "violations.jsonl"
    words = ["sync", "orders", "--emulator", "--orders", "40", "--database", f"sqlite:///{tmp_path / 'orders.db'}"]
    assert run([*words, "--violations", str(listed), "--json"]) == 0
    lines = [json.loads(line) for line in listed.read_text().splitlines()]
    assert len(lines) == json.loads(capsys.readouterr().out)["violations"] > 0
    assert all(set(line) == {"operation", "account", "request_id", "path"} for line in lines)
    assert run([*words, "--violations", str(tmp_path)]) == 2


def test_a_redis_that_is_not_there_is_named_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """One line says which, and what happens instead. The URL is in the environment, where `ps` shows no password."""
    monkeypatch.setenv("SP_API_REDIS", "redis://:PASSWORD@127.0.0.1:9/0")
    database = f"sqlite:///{tmp_path / 'orders.db'}"
    assert run(["sync", "orders", "--emulator", "--orders", "5", "--database", database]) == 0
    err = capsys.readouterr().err
    assert err.count("redis://127.0.0.1:9/0 cannot be used (ConnectionError): until it can, this process spends") == 1
    assert "PASSWORD" not in err


def printed(width: int, api: str | None, monkeypatch: pytest.MonkeyPatch) -> str:
    """The operations of an API, or all of them, on a terminal of this width."""
    console = Console(width=width, file=io.StringIO(), record=True)
    monkeypatch.setattr(command, "table_console", lambda: console)
    command.operations(api=api, restricted=False, grantless=False, as_json=False)
    return console.export_text()


@pytest.mark.parametrize("width", [60, 110])
def test_names_of_operations_are_whole_on_any_terminal(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are beside what else fits; where nothing fits, one is on each line."""
    assert set(operations()) <= set(printed(width, None, monkeypatch).split())


def test_as_many_columns_are_printed_as_fit_without_being_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """A column appears as soon as the terminal is wide enough; only notes wrap, and the names in them are whole."""
    left: dict[int, int] = {}  # for each number of columns, how much wider the first terminal with so many is
    for width in range(45, 180):
        table = printed(width, "finances_v0", monkeypatch)
        words = table.split()
        columns = sum(heading in words for heading in ("operation", "rate/s", "burst", "notes", "request"))
        left.setdefault(columns, width - max(len(line.strip()) for line in table.splitlines()))
        assert "…" not in table
        assert ("finances_2024_06_19.list_transactions" in words) == (columns >= 4)
    assert left == {0: 0, 1: 0, 3: 0, 4: 0, 5: 0}


@pytest.mark.parametrize(
    "words",
    [
        ["orders_v0.get_order", "902-3159896-1390916"],
        ["orders_v0.get_order_items", "902-1845936-5435065"],
        ["orders_2026_01_01.get_order", "902-3159896-1390916"],
        ["catalog_items_2022_04_01.get_catalog_item", "B07N4M94X4", "--marketplace-ids", "US"],
    ],
)
def test_the_emulator_knows_the_ids_of_amazons_documentation(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """New users try them first."""
    assert run(["call", *words, "--emulator"]) == 0
    assert words[1] in capsys.readouterr().out
