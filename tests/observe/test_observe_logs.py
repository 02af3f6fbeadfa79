"""Events as log records, and any record as JSON."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

import msgspec
import pytest

from spapi_async import CallFinished, RequestFinished, Throttled
from spapi_async.cli.application import run
from spapi_async.fleet import FleetLag
from spapi_async.observe.logs import JsonFormatter, Logs
from spapi_async.workflows.orders import SellerFailed, SellerFinished

CALL = {"operation": "orders_v0.get_order", "account": "one@na"}


def test_events_have_levels_and_fields(caplog: pytest.LogCaptureFixture) -> None:
    """Events that need attention are warnings; requests are for debugging."""
    caplog.set_level(logging.DEBUG, "spapi_async.events")
    logs = Logs()
    logs(CallFinished(seconds=0.5, attempts=1, **CALL))
    logs(CallFinished(seconds=0.5, attempts=3, error="ServerError", **CALL))
    logs(Throttled(rate=0.5, waiting=1, **CALL))
    logs(RequestFinished(status=200, seconds=0.1, attempt=1, **CALL))
    logs.progress(SellerFailed(seller="one@na", total=0, error="x"))
    logs.progress(FleetLag(seller="one@na", lag=7.0, reconciled={}, sellers=1, due=0, queued=0, new=0, revoked=0))
    logs.progress(SellerFinished(seller="one@na", total=0, synced_to=datetime.now(UTC)))
    levels = ["INFO", "WARNING", "WARNING", "DEBUG", "WARNING", "DEBUG", "INFO"]
    assert [record.levelname for record in caplog.records] == levels
    assert caplog.records[1].getMessage().startswith("CallFinished operation=orders_v0.get_order account=one@na")
    formatted = msgspec.json.decode(JsonFormatter().format(caplog.records[1]))
    assert formatted["event"] == "CallFinished"
    assert (formatted["level"], formatted["error"], formatted["attempts"]) == ("warning", "ServerError", 3)


def test_any_record_is_one_line_of_json() -> None:
    """So is one with a traceback."""
    error = LookupError("planted")
    facts = (type(error), error, None)
    record = logging.getLogger("x").makeRecord("x", logging.ERROR, "f", 1, "broken %s", ("line\nbreak",), facts)
    line = JsonFormatter().format(record)
    assert "\n" not in line
    found = msgspec.json.decode(line)
    assert (found["message"], found["level"]) == ("broken line\nbreak", "error")
    assert "LookupError: planted" in found["exception"]


def test_the_command_line_logs_json(capsys: pytest.CaptureFixture[str]) -> None:
    """Events of every call are on stderr; stdout has only the result."""
    words = ["--log-format", "json", "call", "sellers_v1.get_marketplace_participations", "--emulator"]
    assert run(words) == 0
    out, err = capsys.readouterr()
    assert msgspec.json.decode(out)
    events = [msgspec.json.decode(line) for line in err.splitlines()]
    assert {"CallFinished"} <= {event.get("event") for event in events}
    assert run(["call", "sellers_v1.get_marketplace_participations", "--emulator"]) == 0
    assert capsys.readouterr().err == ""
