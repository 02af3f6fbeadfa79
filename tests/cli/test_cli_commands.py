"""What the commands print and do, with a real emulator."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import warm_python
from secret_watch import looks_secret

from spapi_async import api
from spapi_async._codec.known_limits import ALTERNATIVES
from spapi_async._codec.request import prepare
from spapi_async.cli.application import app, run
from spapi_async.cli.arguments import parse_arguments
from spapi_async.emulator.server import Emulator

pytest_plugins = ("cli_fixtures",)
pytestmark = pytest.mark.usefixtures("terminal_with_credentials")

WELL_BEHIND = time.time() - 3600  # the emulator's searches lag two minutes behind


def output(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What a successful command prints; on stderr it prints only that Amazon ends Orders v0."""
    code = run(words)
    captured = capsys.readouterr()
    said = [line for line in captured.err.splitlines() if " on 2027-03-27" not in line]
    assert (code, said) == (0, [])
    assert looks_secret(captured.out) is None
    return captured.out


def an_order(emulator: Emulator) -> str:
    """The id of one of the seller's orders."""
    added = emulator.change_orders(add=1, seller=seller_id(emulator))["added"]
    return added[0]


def seller_id(emulator: Emulator) -> str:
    """The seller of the refresh token above, as the emulator knows it."""
    from spapi_async.emulator.identity.tokens import seller_of

    return seller_of("Atzr|cli-tests")


def test_call_prints_amazons_json(spapi_emulator: Emulator, capsys: pytest.CaptureFixture[str]) -> None:
    """The whole reply is printed as Amazon sent it, with its envelope."""
    order_id = an_order(spapi_emulator)
    printed = output(capsys, "call", "orders_v0.get_order", order_id, "--endpoint", spapi_emulator.url)
    assert json.loads(printed)["payload"]["AmazonOrderId"] == order_id


def test_call_with_json_prints_the_facts_of_the_reply(
    spapi_emulator: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status, request id, rate, attempts and violations are one line for programs."""
    order_id = an_order(spapi_emulator)
    words = ("call", "orders_v0.get_order", "--orderId", order_id, "--endpoint", spapi_emulator.url, "--json")
    printed = output(capsys, *words)
    reply = json.loads(printed)
    assert printed.count("\n") == 1
    assert (reply["status"], reply["attempts"], reply["rate_limit"]) == (200, 1, 0.5)
    assert reply["request_id"]
    assert reply["body"]["payload"]["AmazonOrderId"] == order_id


def test_call_sends_parameters_and_lists(spapi_emulator: Emulator, capsys: pytest.CaptureFixture[str]) -> None:
    """They can be given in either form, marketplaces by their country too."""
    words = ("call", "orders_2026_01_01.search_orders", "--param", "lastUpdatedAfter=2020-01-01T00:00:00Z")
    lists = ("--marketplace-ids", "US", "--marketplace-ids", "CA", "--max-results-per-page", "3")
    reply = json.loads(output(capsys, *words, *lists, "--endpoint", spapi_emulator.url))
    assert len(reply["orders"]) == 3
    target = spapi_emulator.received[-1].target
    assert "marketplaceIds=ATVPDKIKX0DER,A2EUQ1WTGCTBG2" in target
    assert "maxResultsPerPage=3" in target


@pytest.mark.parametrize("source", ["file", "stdin"])
def test_call_sends_a_body(
    source: str,
    spapi_emulator: Emulator,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is read from a file, which may begin with a byte order mark, or from standard input."""
    body = b'{"contentType": "text/xml; charset=UTF-8"}'
    path = tmp_path / "body.json"
    path.write_bytes(b"\xef\xbb\xbf" + body)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(body)))
    words = ("call", "feeds_2021_06_30.create_feed_document", "--body", str(path) if source == "file" else "-")
    assert run((*words, "--endpoint", spapi_emulator.url)) == 0
    # Not output(): the reply that was asked for holds a presigned URL.
    assert json.loads(capsys.readouterr().out)["feedDocumentId"]


def test_call_needs_no_credentials_with_an_emulator_of_its_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It sends no real ones to it."""
    for name in ("LWA_APP_ID", "LWA_CLIENT_SECRET", "SP_API_REFRESH_TOKEN", "SP_API_REGION"):
        monkeypatch.delenv(name)
    reply = json.loads(output(capsys, "call", "sellers_v1.get_marketplace_participations", "--emulator"))
    assert reply["payload"]


def test_operations_as_json_are_all_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    """Each has the facts that decide how to call it."""
    listed = json.loads(output(capsys, "operations", "--json"))
    assert [entry["name"] for entry in listed] == sorted(api.operations())
    (search,) = [entry for entry in listed if entry["name"] == "orders_2026_01_01.search_orders"]
    assert (search["method"], search["burst"], search["paged"], search["status"]) == ("GET", 20, True, "current")


@pytest.mark.parametrize(
    ("words", "fact"),
    [
        (("--api", "orders_v0"), lambda entry: entry["name"].startswith("orders_v0.")),
        (("--restricted",), lambda entry: entry["restricted"] is not None),
        (("--grantless",), lambda entry: entry["grantless_scope"] is not None),
        (("--removed-by", "2027-03-27"), lambda entry: entry["removal"] == "2027-03-27"),
        (("--removed-by", "2027-08-26"), lambda entry: entry["removal"] == "2027-03-27"),
        (("--removed-by", "2027-08-27"), lambda entry: entry["removal"] is not None),
    ],
)
def test_operations_can_be_filtered(capsys: pytest.CaptureFixture[str], words: tuple[str, ...], fact: Any) -> None:
    """Filters are API, restricted, grantless and removal."""
    every = json.loads(output(capsys, "operations", "--json"))
    chosen = json.loads(output(capsys, "operations", "--json", *words))
    assert 0 < len(chosen) < len(every)
    assert chosen == [entry for entry in every if fact(entry)]


def test_operations_as_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    """Rate, burst and notes are beside verb and path."""
    printed = output(capsys, "operations", "--api", "orders_v0")
    (line,) = [line for line in printed.splitlines() if "get_order_address" in line]
    assert "GET /orders/v0/orders/{orderId}/address" in line
    assert "restricted" in line
    assert "2027-03-27" in line


@pytest.mark.spapi_emulator(orders=40, rate_scale=1e5, anchor=WELL_BEHIND)
def test_sync_prints_a_summary(spapi_emulator: Emulator, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """It is a table, or JSON for programs; without a terminal there is no animation."""
    words = ("sync", "orders", "--database", f"sqlite:///{tmp_path}/o.db", "--endpoint", spapi_emulator.url)
    printed = output(capsys, *words)
    assert "Orders synced" in printed
    assert "40" in printed
    facts = json.loads(output(capsys, *words, "--json"))
    (seller,) = facts["sellers"]
    assert (seller["orders"], seller["complete"], seller["error"], facts["throttled"]) == (0, True, None, 0)


def test_sync_runs_on_an_emulator_of_its_own(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """One command runs the main job, with either version of the API."""
    words = ("sync", "orders", "--emulator", "--orders", "25", "--rate-scale", "100000", "--json")
    for name in ("orders_2026_01_01", "orders_v0"):
        facts = json.loads(output(capsys, *words, "--database", f"sqlite:///{tmp_path}/{name}.db", "--api", name))
        assert facts["sellers"][0]["inserted"] == 25


def test_personal_data_is_stored_only_when_asked_for_and_encrypted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without --include no buyer is stored; with it, buyers are stored apart and unreadable without the key."""
    import sqlite3
    from contextlib import closing

    def synced(*more: str) -> tuple[int, list[bytes]]:
        path = tmp_path / f"{len(more)}.db"
        output(capsys, "sync", "orders", "--emulator", "--orders", "20", "--database", f"sqlite:///{path}", *more)
        with closing(sqlite3.connect(path)) as connection:
            query = "SELECT count(*) FROM orders WHERE payload LIKE '%\"buyer\"%' OR payload LIKE '%\"recipient\"%'"
            kept = [content for (content,) in connection.execute("SELECT content FROM order_personal")]
            return connection.execute(query).fetchone()[0], kept

    monkeypatch.setenv("SP_API_PERSONAL_KEYS", output(capsys, "keys", "new").strip())
    assert synced() == (0, [])
    in_payloads, kept = synced("--include", "buyer", "--include", "recipient")
    assert in_payloads == 0
    assert kept
    assert not any(b"buyer" in content for content in kept)


def test_personal_data_without_keys_is_refused_with_the_command_that_makes_one(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Nothing is fetched."""
    database = f"sqlite:///{tmp_path}/o.db"
    assert run(["sync", "orders", "--emulator", "--database", database, "--include", "buyer"]) == 2
    assert "spapi-async keys new" in capsys.readouterr().err


def test_an_interrupted_sync_says_that_its_checkpoint_is_valid(spapi_emulator: Emulator, tmp_path: Path) -> None:
    """Ctrl-C ends with 130 and one line, and the same command continues."""
    words = ["sync", "orders", "--database", f"sqlite:///{tmp_path}/o.db", "--endpoint", spapi_emulator.url]
    pipe = subprocess.PIPE
    process = warm_python.start(["-m", "spapi_async", *words, "--page-size", "5"], stdout=pipe, stderr=pipe)
    while len(spapi_emulator.received) < 5:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, complaint = process.communicate(timeout=300)
    assert (process.returncode, out) == (130, b"")
    assert complaint.decode() == (
        "spapi-async: interrupted; the checkpoint in the database is good: run the same command again to continue\n"
    )


DEMO = """
import sys, time
from spapi_async.cli.application import run
code = run(["demo", "--json"])
print(time.process_time(), file=sys.stderr)
sys.exit(code)
"""


@pytest.mark.long
def test_the_demo_is_fast_and_never_throttled() -> None:
    """2,000 orders take ten seconds of quota and little processor time; each order has a row, and there is no 429."""
    process = warm_python.start(["-c", DEMO], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, complaint = process.communicate(timeout=300)
    assert process.returncode == 0, complaint
    result = json.loads(out)
    assert result["orders"] == result["orders_emulated"] == 2000
    assert result["throttled"] == 0
    assert result["violations"] > 0
    assert (result["requests"] - 20) / (400 / 180) < 10  # after the burst, 400 times as fast as Amazon
    assert result["seconds"] > 8
    assert float(complaint) < 35  # processor time, which other work on the same machine does not change


def test_emulator_command_serves_until_interrupted() -> None:
    """It prints where it listens, answers there, and ends with 0 on Ctrl-C."""
    words, pipe = ["emulator", "--port", "0", "--orders", "3", "--json"], subprocess.PIPE
    process = warm_python.start(["-m", "spapi_async", *words], stdout=pipe, stderr=pipe)
    assert process.stdout is not None
    url = json.loads(process.stdout.readline())["url"]
    with urllib.request.urlopen(f"{url}/_emulator/stats", timeout=60) as reply:
        assert json.load(reply)["operations"] == {}
    process.send_signal(signal.SIGINT)
    _, complaint = process.communicate(timeout=300)
    assert (process.returncode, complaint) == (0, b"")


def test_emulator_command_passes_its_options_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Flags choose the irregularities of order lists."""
    seen: dict[str, Any] = {}

    class Started:
        def __init__(self, **options: Any) -> None:
            seen.update(options)
            raise OSError(0, "started")

    monkeypatch.setattr("spapi_async.emulator.Emulator", Started)
    flags = ("page_shift", "shuffled_pages", "unsorted_lists", "v0_status_dates")
    words = "--days 730 --search-delay 0 --list-lag 180 " + " ".join(f"--{flag.replace('_', '-')}" for flag in flags)
    assert run(["emulator", *words.split()]) == 2
    asked = {"days": 730.0, "search_delay": 0.0, "list_lag": 180.0}
    assert seen.items() >= {**asked, **dict.fromkeys(flags, True)}.items()


def test_emulator_command_on_a_port_in_use(spapi_emulator: Emulator, capsys: pytest.CaptureFixture[str]) -> None:
    """It prints one line and ends with 2."""
    port = spapi_emulator.url.rpartition(":")[2]
    assert run(["emulator", "--port", port]) == 2
    assert f"cannot listen on 127.0.0.1:{port}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "printed"),
    [
        (["operations", "--api", "tokens"], b"| tokens_2021_03_01.create_restricted_data_token |"),
        (["plan", "orders", "--help"], b"without a call: sellers=200 ?"),
    ],
)
def test_tables_are_printed_without_unicode(words: list[str], printed: bytes) -> None:
    """An ASCII pipe gets other lines, and question marks instead of an error at the end."""
    program = "import sys; sys.stdout.reconfigure(encoding='ascii'); from spapi_async.cli import main; main()"
    process = warm_python.start(["-c", program, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, complaint = process.communicate(timeout=300)
    assert (process.returncode, complaint) == (0, b"")
    assert printed in out


def every_command(group: Any) -> Iterator[tuple[str, Any]]:
    """Each command of the tree, with its name."""
    for name, command in group.commands.items():
        yield name, command
        if hasattr(command, "commands"):
            yield from ((f"{name} {below}", each) for below, each in every_command(command))


def test_help_texts_are_wrapped_by_the_terminal() -> None:
    """A docstring line that ends in mid-sentence would end there on a narrow screen, too."""
    helps = {name: command.help for name, command in every_command(typer.main.get_command(app))}
    assert len(helps) > 25
    assert [name for name, text in helps.items() if not text or "\n" in text.replace("\n\n", "")] == []


def test_help_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    """It lists every command, and the exit codes."""
    printed = output(capsys, "--help")
    for command in ("demo", "sync", "call", "operations", "limits", "emulator", "130 interrupted"):
        assert command in printed


@pytest.mark.parametrize("words", [(), ("sync",)])
def test_no_command_prints_the_help_once(capsys: pytest.CaptureFixture[str], words: tuple[str, ...]) -> None:
    """It is a usage error nevertheless."""
    assert run(words) == 2
    captured = capsys.readouterr()
    assert (captured.out + captured.err).count("Usage:") == 1


VALUES = {"bool": "true", "int": "7", "float": "0.5"}


def test_every_operation_can_be_called_by_words() -> None:
    """Each parameter is found under its Python name, and its value can be sent."""
    for operation in api.operations().values():
        words: list[str] = []
        for parameter in operation.parameters:
            if parameter.location != "body":
                value = "US" if "Marketplace" in parameter.type else VALUES.get(parameter.type, "2026-01-31")
                if parameter.type == "int":
                    value = str(int(parameter.constraints.minimum or 7))
                words += [f"--{parameter.name}", value]
        arguments = parse_arguments(operation, words)
        assert list(arguments) == [parameter.name for parameter in operation.parameters if parameter.location != "body"]
        if any(parameter.location == "body" for parameter in operation.parameters):
            arguments["body"] = {}
        for rule in ALTERNATIVES.get(operation.name, ()):
            for name in rule.names[1:] if rule.exclusive else ():
                del arguments[name]
        assert prepare(operation, arguments).method == operation.method
