"""``spapi-async limits``: the table of buckets, from a job's Redis or an emulator."""

from __future__ import annotations

import io
import json
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from spapi_async.cli.application import run
from spapi_async.cli.limits import limits_table
from spapi_async.emulator.server import Emulator
from spapi_async.ratelimit import LimitSnapshot, RedisRateLimiter

pytest_plugins = ("cli_fixtures",)

SNAPSHOT = LimitSnapshot(
    operation="orders_v0.get_order",
    application="app",
    account="seller@na",
    region="na",
    rate=0.5,
    announced_rate=0.5,
    burst=30,
    tokens=-0.25,
    waiting=1200,
    next_available=2.5,
    admitted=31,
    throttled=2,
)


def lines(*snapshots: LimitSnapshot) -> list[list[str]]:
    """The cells of the table's rows, as a person reads them."""
    console = Console(width=200, file=io.StringIO(), record=True)
    console.print(limits_table(snapshots))
    rows = [line for line in console.export_text().splitlines() if line.startswith("│")]
    return [[cell.strip() for cell in row.strip("│").split("│")] for row in rows]


def test_a_bucket_is_a_row() -> None:
    """Debt is shown as no tokens, the bucket of all sellers as such."""
    shared = msgspec.structs.replace(SNAPSHOT, account="", waiting=0, next_available=0.0, tokens=7.25)
    assert lines(SNAPSHOT, shared) == [
        ["orders_v0.get_order", "seller@na", "plan", "0.5", "0.0/30", "1,200", "2.5 s", "31", "2"],
        ["orders_v0.get_order", "(all)@na", "plan", "0.5", "7.2/30", "0", "now", "31", "2"],
    ]


def test_a_rule_says_what_it_is_about() -> None:
    """A window shows how many in how long, and which value of which argument it limits."""
    sales = msgspec.structs.replace(SNAPSHOT, rule="reportType=GET_SALES", window=3600.0, burst=4, tokens=1.0)
    assert lines(sales)[0][2:5] == ["reportType=GET_SALES", "4 in 3600 s", "1.0/4"]


def test_buckets_with_waiting_calls_come_first() -> None:
    """They are what a user looks for."""
    idle = msgspec.structs.replace(SNAPSHOT, operation="a.a", waiting=0, next_available=0.0)
    assert [row[0] for row in lines(idle, SNAPSHOT)] == ["orders_v0.get_order", "a.a"]


def test_limits_of_an_emulator(
    spapi_emulator: Emulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its buckets are JSON for programs, or one table without a terminal."""
    credentials = {"LWA_APP_ID": "app", "LWA_CLIENT_SECRET": "made-up", "SP_API_REFRESH_TOKEN": "Atzr|x"}
    for name, value in {**credentials, "SP_API_REGION": "NA"}.items():
        monkeypatch.setenv(name, value)
    assert run(["call", "sellers_v1.get_account", "--endpoint", spapi_emulator.url]) == 0
    capsys.readouterr()
    assert run(["limits", "--endpoint", spapi_emulator.url, "--json"]) == 0
    (bucket,) = msgspec.json.decode(capsys.readouterr().out, type=list[LimitSnapshot])
    assert (bucket.operation, bucket.application) == ("sellers_v1.get_account", "app")
    assert (bucket.admitted, bucket.throttled) == (1, 0)
    assert run(["limits", "--endpoint", spapi_emulator.url]) == 0
    assert "sellers_v1" in capsys.readouterr().out


def test_limits_of_a_running_jobs_redis(
    redis_url: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They show what a sync with the same --redis has spent, from another process."""
    defaults = RedisRateLimiter.__init__.__kwdefaults__
    assert defaults
    monkeypatch.setitem(defaults, "timeout", 60.0)  # otherwise the job continues without Redis on a busy machine
    words = ("sync", "orders", "--emulator", "--orders", "30", "--database", f"sqlite:///{tmp_path}/o.db")
    assert run([*words, "--page-size", "10", "--redis", redis_url]) == 0
    capsys.readouterr()
    assert run(["limits", "--redis", redis_url, "--json"]) == 0
    (bucket,) = json.loads(capsys.readouterr().out)
    assert (bucket["operation"], bucket["burst"], bucket["admitted"]) == ("orders_2026_01_01.search_orders", 20, 5)


def test_the_redis_url_is_read_from_the_environment(
    redis_url: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other users can read a command line; --endpoint takes precedence."""
    defaults = RedisRateLimiter.__init__.__kwdefaults__
    assert defaults
    monkeypatch.setitem(defaults, "timeout", 60.0)
    monkeypatch.setenv("SP_API_REDIS", redis_url)
    assert run(["sync", "orders", "--emulator", "--orders", "3", "--database", f"sqlite:///{tmp_path}/o.db"]) == 0
    capsys.readouterr()
    assert run(["limits", "--json"]) == 0
    (bucket,) = json.loads(capsys.readouterr().out)
    assert bucket["admitted"] == 1
    assert run(["limits", "--endpoint", "http://127.0.0.1:1"]) == 5


@pytest.mark.parametrize("words", [("--redis", "redis://127.0.0.1:1"), ("--endpoint", "http://127.0.0.1:1")])
def test_limits_of_an_unreachable_host(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """It prints one line and ends with 5."""
    assert run(["limits", *words]) == 5
    assert capsys.readouterr().err.count("\n") == 1


def test_limits_of_a_host_that_is_not_an_emulator(spapi_emulator: Emulator, capsys: pytest.CaptureFixture[str]) -> None:
    """The error differs from that of an unreachable host."""
    assert run(["limits", "--endpoint", f"{spapi_emulator.url}/elsewhere"]) == 2
    assert "is not an emulator" in capsys.readouterr().err


def test_limits_of_a_mistyped_url(capsys: pytest.CaptureFixture[str]) -> None:
    """The error differs from that of an unreachable host."""
    assert run(["limits", "--endpoint", "nonsense"]) == 2
    assert "http://host" in capsys.readouterr().err


def test_buckets_can_be_chosen_by_seller_and_operation(
    spapi_emulator: Emulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Any part of the name, in any case, chooses them."""
    monkeypatch.setenv("SP_API_ENDPOINT", spapi_emulator.url)
    for operation in ("sellers_v1.get_marketplace_participations", "orders_v0.get_order"):
        arguments = ["902-3159896-1390916"] if "order" in operation else []
        environ = {
            "LWA_APP_ID": "app",
            "LWA_CLIENT_SECRET": "s",
            "SP_API_REFRESH_TOKEN": "Atzr|a",
            "SP_API_REGION": "na",
        }
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        assert run(["call", operation, *arguments]) == 0
    capsys.readouterr()
    assert run(["limits", "--endpoint", spapi_emulator.url, "--operation", "GET_ORDER", "--json"]) == 0
    chosen = json.loads(capsys.readouterr().out)
    assert {each["operation"] for each in chosen} == {"orders_v0.get_order"}
    assert run(["limits", "--endpoint", spapi_emulator.url, "--seller", chosen[0]["account"][:5], "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 2
    assert run(["limits", "--endpoint", spapi_emulator.url, "--seller", "nobody", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_a_table_that_has_no_room_says_how_much_is_missing() -> None:
    """A terminal would truncate it without a word."""
    console = Console(width=120, file=io.StringIO(), record=True)
    console.print(limits_table([SNAPSHOT] * 60, 5))
    text = console.export_text()
    assert text.count("orders_v0.get_order") == 5
    assert "and 55 more: --seller and --operation filter, --once shows all" in " ".join(text.split())


def test_sellers_have_their_whole_names() -> None:
    """They are wrapped if necessary, never truncated."""
    name = "b974b83167f74a40e00809f4@na"
    console = Console(width=70, file=io.StringIO(), record=True)
    console.print(limits_table([msgspec.structs.replace(SNAPSHOT, account=name)]))
    rows = [line for line in console.export_text().splitlines() if line.startswith("│")]
    assert "".join(row.split("│")[2].strip() for row in rows) == name
