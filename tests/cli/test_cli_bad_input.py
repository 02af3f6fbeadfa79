"""Bad input: one line on stderr, an exit code, no traceback, no secret."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import warm_python
from secret_watch import looks_secret

from spapi_async.cli.application import run
from spapi_async.emulator.gateway.replies import Reply
from spapi_async.emulator.identity.lwa import LoginWithAmazon
from spapi_async.emulator.server import Emulator

SECRET = "hush-client-secret"
REFRESH_TOKEN = "Atzr|hush-refresh-token"
ORDER = "orders_v0.get_order"


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Complete credentials, as a user has them."""
    monkeypatch.setenv("LWA_APP_ID", "amzn1.application-oa2-client.tests")
    monkeypatch.setenv("LWA_CLIENT_SECRET", SECRET)
    monkeypatch.setenv("SP_API_REFRESH_TOKEN", REFRESH_TOKEN)
    monkeypatch.setenv("SP_API_REGION", "NA")
    for name in ("SP_API_MARKETPLACE", "SP_API_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)


def complaint(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """Exit code and stderr of a command that fails, which must be one line without traceback or secret."""
    code = run(words)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("spapi-async: ")
    assert captured.err.count("\n") == 1
    assert captured.err.endswith("\n")
    assert "Traceback" not in captured.err
    assert "hush" not in captured.err
    assert looks_secret(captured.err) is None
    return code, captured.err


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("name", ["LWA_APP_ID", "LWA_CLIENT_SECRET", "SP_API_REFRESH_TOKEN", "SP_API_REGION"])
def test_missing_credentials_are_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """The line says which variable to set."""
    monkeypatch.delenv(name)
    code, line = complaint(capsys, "call", ORDER, "111-1111111-1111111")
    assert code == 2
    assert name in line


@pytest.mark.usefixtures("environment")
def test_a_wrong_region_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The line lists the regions that exist."""
    monkeypatch.setenv("SP_API_REGION", "MARS")
    assert complaint(capsys, "call", ORDER, "x") == (
        2,
        "spapi-async: unknown region 'MARS'; known regions: NA, EU, FE\n",
    )


@pytest.mark.usefixtures("environment")
def test_an_unknown_marketplace_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """It may be in the environment or an option."""
    code, line = complaint(capsys, "sync", "orders", "--database", "sqlite://", "--marketplace", "XX")
    assert code == 2
    assert "unknown marketplace 'XX'" in line
    monkeypatch.setenv("SP_API_MARKETPLACE", "YY")
    code, line = complaint(capsys, "call", ORDER, "x")
    assert code == 2
    assert "unknown marketplace 'YY'" in line


@pytest.mark.usefixtures("environment")
def test_a_region_without_the_marketplace_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Contradictions are found before anything is sent."""
    monkeypatch.setenv("SP_API_MARKETPLACE", "DE")
    code, line = complaint(capsys, "call", ORDER, "x")
    assert code == 2
    assert "DE belongs to region EU" in line


@pytest.mark.usefixtures("environment")
def test_a_malformed_order_id_shows_amazons_message(
    spapi_emulator: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    """The line has Amazon's own words and its request id."""
    code, line = complaint(capsys, "call", ORDER, "not-an-order", "--endpoint", spapi_emulator.url)
    assert code == 4
    assert f"{ORDER} [" in line


@pytest.mark.usefixtures("environment")
def test_an_unreachable_endpoint_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """No server listens there."""
    words = ("call", ORDER, "111-1111111-1111111", "--endpoint", "http://127.0.0.1:1")
    code, line = complaint(capsys, *words)
    assert code == 5
    assert "127.0.0.1" in line


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("endpoint", ["127.0.0.1:80", "ftp://x", "http://"])
def test_an_endpoint_that_is_not_a_url_is_refused(capsys: pytest.CaptureFixture[str], endpoint: str) -> None:
    """No token is sent."""
    code, _ = complaint(capsys, "call", ORDER, "x", "--endpoint", endpoint)
    assert code == 2


REPLIES: list[tuple[str, dict[str, Any], int, str]] = [
    ("HTML 503", {"status": 503, "body": "html", "times": None}, 4, "503"),
    ("invalid JSON", {"status": 200, "body": "{not json", "times": None}, 4, "JSON"),
    ("403", {"status": 403, "times": None}, 3, "403"),
    ("404", {"status": 404, "times": None}, 4, "404"),
]


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize(("rule", "expected", "words"), [r[1:] for r in REPLIES], ids=[r[0] for r in REPLIES])
def test_bad_replies_are_errors_of_one_line(
    spapi_emulator: Emulator, capsys: pytest.CaptureFixture[str], rule: dict[str, Any], expected: int, words: str
) -> None:
    """None of them is a success."""
    spapi_emulator.faults({"operation": ORDER, **rule})
    code, line = complaint(capsys, "call", ORDER, "111-1111111-1111111", "--endpoint", spapi_emulator.url)
    assert code == expected
    assert words in line


@pytest.mark.usefixtures("environment")
def test_a_refused_grant_shows_lwas_error_code(spapi_emulator: Emulator, capsys: pytest.CaptureFixture[str]) -> None:
    """It fails at once."""
    spapi_emulator.faults({"revoke_refresh_token": REFRESH_TOKEN})
    code, line = complaint(capsys, "call", ORDER, "111-1111111-1111111", "--endpoint", spapi_emulator.url)
    assert code == 3
    assert "invalid_grant" in line


@pytest.mark.usefixtures("environment")
def test_a_wait_beyond_max_wait_ends_the_command(
    spapi_emulator: Emulator, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The line says how long it would take; stored orders stay."""
    words = ("sync", "orders", "--database", f"sqlite:///{tmp_path}/o.db", "--endpoint", spapi_emulator.url)
    code = run([*words, "--page-size", "1", "--max-wait", "2"])
    captured = capsys.readouterr()
    assert code == 6
    assert "try again in" in captured.err
    assert "orders are stored; run the same command again" in captured.err


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("call", "orders_v0.get_ordr", "x"), "did you mean orders_v0.get_order"),
        (("call", ORDER, "--colour", "red"), "no parameter 'colour'"),
        (("call", ORDER, "x", "--body", "-"), "takes no body"),
        (("call", "feeds_2021_06_30.create_feed", "--body", "/no/such/file"), "cannot read the body"),
        (("sync", "orders", "--database", "orders.db"), "sqlite:///"),
        (("sync", "orders", "--database", "sqlite://", "--since", "soon"), "ISO 8601"),
        (("sync", "orders", "--database", "sqlite://", "--api", "orders_v9"), "orders_v9"),
        (("sync", "orders"), "--database"),
        (("operations", "--api", "nothing"), "there is no API"),
        (("operations", "--removed-by", "soon"), "--removed-by takes a date, such as 2027-06-01, not 'soon'"),
        (("limits",), "--redis URL (or SP_API_REDIS), or --endpoint URL"),
        (("call", ORDER, "x", "--emulator", "--endpoint", "http://h"), "not both"),
        (("nothing",), "nothing"),
    ],
)
def test_mistyped_commands_name_a_correction(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], hint: str
) -> None:
    """Usage errors end with 2."""
    code, line = complaint(capsys, *words)
    assert code == 2
    assert hint in line


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_a_missing_extra_is_one_line(missing: str) -> None:
    """Without typer or rich the command says what to install."""
    program = f"import sys; sys.modules[{missing!r}] = None; from spapi_async.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == 'spapi-async: the command line needs an extra: pip install "spapi-async[cli]"\n'


def test_a_missing_database_extra_is_one_line() -> None:
    """Without sqlalchemy the sync says what to install."""
    program = """
import sys

for name in [name for name in sys.modules if name.partition(".")[0] in ("spapi_async", "sqlalchemy")]:
    del sys.modules[name]
sys.modules["sqlalchemy"] = None
from spapi_async.cli import main
main()
"""
    words = ["sync", "orders", "--database", "sqlite://", "--emulator"]
    process = warm_python.start(["-c", program, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, complaint = process.communicate()
    assert (process.returncode, out) == (2, b"")
    assert complaint == b'spapi-async: order sync needs an extra: pip install "spapi-async[sync]"\n'


@pytest.mark.parametrize("option", ["--max-wait", "--deadline"])
@pytest.mark.parametrize("value", ["-1", "nan"])
def test_negative_durations_are_refused(capsys: pytest.CaptureFixture[str], option: str, value: str) -> None:
    """The parser names the option."""
    code, line = complaint(capsys, "call", ORDER, "x", "--emulator", option, value)
    assert code == 2
    assert option in line


def test_postgresql_without_its_driver_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The line does not name the module."""
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    words = ("sync", "orders", "--emulator", "--orders", "1", "--database", "postgresql://u:hush@127.0.0.1:1/x")
    code, line = complaint(capsys, *words)
    assert code == 2
    assert 'pip install "spapi-async[postgres]"' in line


@pytest.mark.parametrize("module", ["typer", "spapi_async.cli.application"])
def test_ctrl_c_during_the_imports_ends_with_130(module: str) -> None:
    """It is one line without a traceback."""
    finder = f"""
import signal, sys
class Interrupt:
    def find_spec(self, name, *_):
        if name == {module!r}:
            signal.raise_signal(signal.SIGINT)
sys.meta_path.insert(0, Interrupt())
signal.signal(signal.SIGINT, signal.default_int_handler)
from spapi_async.cli import main
main()
"""
    ended = subprocess.run([sys.executable, "-c", finder], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "spapi-async: interrupted\n")


def test_ctrl_c_outside_of_the_event_loop_ends_with_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The line is the same."""

    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("spapi_async.api.operations", interrupted)
    assert complaint(capsys, "operations") == (130, "spapi-async: interrupted\n")


def test_an_emulator_in_process_never_sees_real_credentials(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The environment's credentials, complete or absent, change nothing and are not sent."""
    sent: list[bytes] = []
    token = LoginWithAmazon.token

    def recorded(self: LoginWithAmazon, content_type: str, body: bytes) -> Reply:
        sent.append(body)
        return token(self, content_type, body)

    monkeypatch.setattr(LoginWithAmazon, "token", recorded)
    real = {"LWA_APP_ID": "hush-id", "LWA_CLIENT_SECRET": SECRET, "SP_API_REFRESH_TOKEN": REFRESH_TOKEN}
    for environ in (real, dict.fromkeys(real, "")):
        for name, value in {**environ, "SP_API_ENDPOINT": "https://hush.invalid"}.items():
            monkeypatch.setenv(name, value)
        words = ["sync", "orders", "--emulator", "--orders", "1", "--database", f"sqlite:///{tmp_path}/o.db", "--json"]
        assert run(words) == 0
    assert len(sent) == 2
    assert sent[0] == sent[1]
    assert b"hush" not in sent[0]
    assert "hush" not in "".join(capsys.readouterr())


READERS = {
    "changes": ["changes", "--database", "sqlite:///misspelt.db"],
    "rebuild": ["sync", "orders", "--database", "sqlite:///misspelt.db", "--rebuild"],
    "journal": ["report", "list", "--journal", "sqlite:///misspelt.db"],
    "sellers": ["sync", "orders", "--database", "sqlite:///new.db", "--sellers", "misspelt.toml"],
    "identifiers": ["crawl", "catalog", "--input", "misspelt.txt", "--output", "new.jsonl", "--marketplace", "US"],
    "identifiers for a database": [
        *["crawl", "catalog", "--input", "misspelt.txt", "--output", "sqlite:///new.db", "--marketplace", "US"]
    ],
    "feed": ["feed", "JSON_LISTINGS_FEED", "misspelt.json", "--marketplace", "US", "--journal", "sqlite:///new.db"],
    "query": ["kiosk", "misspelt.graphql", "--out", "new.jsonl", "--journal", "sqlite:///new.db"],
}


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("words", READERS.values(), ids=READERS)
def test_a_missing_input_file_is_an_error_and_nothing_is_created(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """There is no empty database, output or journal afterwards."""
    monkeypatch.chdir(tmp_path)
    code, line = complaint(capsys, *words)
    assert code == 2
    assert "misspelt" in line
    assert list(tmp_path.iterdir()) == []


def test_a_plan_without_a_database_creates_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before the first sync there is none; a line says so, which also reveals a misspelt name."""
    monkeypatch.chdir(tmp_path)
    assert run(["plan", "orders", "--database", "sqlite:///misspelt.db", "--emulator", "--orders", "20"]) == 0
    captured = capsys.readouterr()
    assert "there is no database file misspelt.db; the plan assumes that no orders are stored" in captured.err
    assert " 20 " in captured.out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("endpoint", ["", "ftp://x"])
def test_a_worker_of_a_fleet_takes_an_endpoint(
    endpoint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Like every command that talks to Amazon; a wrong one is refused before Redis is asked for work."""
    sellers = tmp_path / "sellers.toml"
    sellers.write_text(
        '[[sellers]]\nseller_id = "A1"\nmarketplace = "US"\nrefresh_token_env = "SP_API_REFRESH_TOKEN"\n'
    )
    words = ["--redis", "redis://127.0.0.1:9", "--sellers", str(sellers), "--database", f"sqlite:///{tmp_path}/o.db"]
    code, line = complaint(capsys, "fleet", "worker", *words, "--endpoint", endpoint)
    assert code == 2
    assert "endpoint must be like https://host" in line


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize(
    "words",
    [
        ["call", ORDER, "1", "--endpoint", ""],
        ["sync", "orders", "--database", ""],
        ["sync", "orders", "--database", "sqlite:///new.db", "--redis", ""],
        ["sync", "orders", "--database", "sqlite:///new.db", "--sellers", ""],
        ["limits", "--redis", ""],
        ["limits", "--endpoint", ""],
        ["fleet", "status", "--redis", ""],
        ["report", "list", "--journal", ""],
        ["demo", "--database", ""],
        ["report", "GET_MERCHANT_LISTINGS_ALL_DATA", "--marketplace", "US", "--out", ""],
        ["report", "GET_MERCHANT_LISTINGS_ALL_DATA", "--marketplace", "US", "--out", "no-folder/report.tsv"],
        ["kiosk", "query.graphql", "--out", ""],
        ["feed", "JSON_LISTINGS_FEED", "feed.json", "--marketplace", "US", "--out", "."],
    ],
    ids=" ".join,
)
def test_an_empty_option_is_refused_before_anything_is_sent(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It comes from an unset variable of a script, and never means the default."""
    monkeypatch.chdir(tmp_path)
    for name in ("query.graphql", "feed.json"):
        (tmp_path / name).write_text("{}")
    code, _ = complaint(capsys, *words)
    assert code == 2
    assert {path.name for path in tmp_path.iterdir()} == {"query.graphql", "feed.json"}
