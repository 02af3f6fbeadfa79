"""``spapi-async doctor order``: one order by both versions."""

from __future__ import annotations

import msgspec
import pytest

from spapi_async.cli.application import run

EMULATOR = ("--emulator", "--orders", "20")
SEARCH = ("orders_2026_01_01.search_orders", "--last-updated-after", "2020-01-01T00:00:00Z")


def any_order(capsys: pytest.CaptureFixture[str]) -> str:
    """The id of an order that the emulator has."""
    assert run(["call", *SEARCH, *EMULATOR]) == 0
    return str(msgspec.json.decode(capsys.readouterr().out)["orders"][0]["orderId"])


def test_both_versions_stand_side_by_side(capsys: pytest.CaptureFixture[str]) -> None:
    """In one vocabulary; what differs is marked."""
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


def test_an_order_that_neither_has_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    """Refused by Amazon: 4."""
    assert run(["doctor", "order", "902-0000000-0000000", *EMULATOR]) == 4
    assert "not found" in capsys.readouterr().err


def test_ids_are_whole_in_a_narrow_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They go on in the next line rather than end in dots."""
    order_id = any_order(capsys)
    monkeypatch.setattr("spapi_async.cli.output._PIPED_WIDTH", 40)
    assert run(["doctor", "order", order_id, *EMULATOR]) == 0
    assert "…" not in capsys.readouterr().out
