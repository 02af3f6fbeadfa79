"""``spapi-async doctor``: checks credentials, and shows one order in both versions."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from spapi_async.cli.application import run
from spapi_async.emulator import Emulator

EMULATOR = ("--emulator", "--orders", "20")
SEARCH = ("orders_2026_01_01.search_orders", "--last-updated-after", "2020-01-01T00:00:00Z")


def any_order(capsys: pytest.CaptureFixture[str]) -> str:
    """The id of an order of the emulator."""
    assert run(["call", *SEARCH, *EMULATOR]) == 0
    return str(msgspec.json.decode(capsys.readouterr().out)["orders"][0]["orderId"])


def test_both_versions_of_an_order_are_side_by_side(capsys: pytest.CaptureFixture[str]) -> None:
    """They use one vocabulary, and differences are marked."""
    order_id = any_order(capsys)
    assert run(["doctor", "order", order_id, *EMULATOR]) == 0
    shown = capsys.readouterr().out
    status = next(line for line in shown.splitlines() if "│ status" in line)
    assert "differs" not in status
    assert "differs" in next(line for line in shown.splitlines() if "amazon_status" in line)
    assert run(["doctor", "order", order_id, *EMULATOR, "--json"]) == 0
    found = msgspec.json.decode(capsys.readouterr().out)
    assert found["orders_v0"]["status"] == found["orders_2026_01_01"]["status"]
    assert found["orders_v0"]["items"].keys() == found["orders_2026_01_01"]["items"].keys()


def test_an_order_of_neither_version_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    """Amazon refused it, so the exit code is 4."""
    assert run(["doctor", "order", "902-0000000-0000000", *EMULATOR]) == 4
    assert "not found" in capsys.readouterr().err


def test_ids_are_whole_in_a_narrow_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are wrapped, not truncated."""
    order_id = any_order(capsys)
    monkeypatch.setattr("spapi_async.cli.output._PIPED_WIDTH", 40)
    assert run(["doctor", "order", order_id, *EMULATOR]) == 0
    assert "…" not in capsys.readouterr().out


def test_credentials_are_tried(capsys: pytest.CaptureFixture[str]) -> None:
    """The output says where the seller sells, as a table or as JSON."""
    assert run(["doctor", "--emulator"]) == 0
    shown = capsys.readouterr().out
    assert "A1MADEUP@na" in shown
    assert "US CA MX" in shown
    assert run(["doctor", "--emulator", "--json"]) == 0
    found = msgspec.json.decode(capsys.readouterr().out)
    assert found["sellers"] == [
        {"seller": "A1MADEUP@na", "region": "na", "marketplaces": ["US", "CA", "MX"], "error": None}
    ]
    assert found["quota"] == "in this process"


def test_every_seller_of_a_file_is_tried(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has a line; the exit code is that of the first failure."""
    monkeypatch.setenv("LWA_APP_ID", "amzn1.application-oa2-client.x")
    monkeypatch.setenv("LWA_CLIENT_SECRET", "a-secret")
    entry = '[[sellers]]\nseller_id = "A{0}EXAMPLE"\nmarketplace = "{1}"\nrefresh_token = "Atzr|{0}"\ntags = ["{1}"]\n'
    file = tmp_path / "sellers.toml"
    file.write_text(entry.format(1, "US") + entry.format(2, "DE"))
    file.chmod(0o600)
    assert run(["doctor", "--emulator", "--sellers", str(file)]) == 0
    shown = capsys.readouterr().out
    assert "A1EXAMPLE@na" in shown
    assert "A2EXAMPLE@eu" in shown
    words = ("--sellers", str(file), "--endpoint", "http://127.0.0.1:9", "--tag", "DE", "--json")
    assert run(["doctor", *words]) == 5
    output = capsys.readouterr()
    (found,) = msgspec.json.decode(output.out)["sellers"]
    assert found["seller"] == "A2EXAMPLE@eu"
    assert "cannot connect to 127.0.0.1:9" in found["error"]
    assert "a-secret" not in output.out + output.err


def test_a_reply_that_lists_no_marketplaces_is_what_is_wrong(
    capsys: pytest.CaptureFixture[str], spapi_emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A marketplace without a country has none to show."""
    for name, value in (("LWA_APP_ID", "app"), ("LWA_CLIENT_SECRET", "secret"), ("SP_API_REGION", "NA")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SP_API_REFRESH_TOKEN", "Atzr|seller")
    words = ["doctor", "--endpoint", spapi_emulator.url]
    for payload, code, said in (("[null]", 4, "an entry of it is no object"), ('[{"storeName": "A"}]', 0, "│ ?")):
        fault = {"operation": "sellers_v1.get_marketplace_participations", "body": f'{{"payload": {payload}}}'}
        spapi_emulator.faults(fault)
        assert run(words) == code
        assert said in capsys.readouterr().out
