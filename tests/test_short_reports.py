"""Workers leave out the reports that say nothing, and no others."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from short_reports import leave_out_what_says_nothing, says_nothing

PASSED = {
    "when": "setup",
    "outcome": "passed",
    "duration": 0.001,
    "sections": [],
    "user_properties": [],
    "keywords": {},
}


class Worker:
    """Stands for the plugin of pytest-xdist, with a connection that writes through a buffer."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.left: list[list[str]] = []
        self.keywords: list[dict[str, int]] = []
        buffer = SimpleNamespace(write=lambda data: None, flush=lambda: self.left.append(self.sent.copy()))
        self.connection = SimpleNamespace(write=self.write, outfile=SimpleNamespace(buffer=buffer))
        self.channel = SimpleNamespace(gateway=SimpleNamespace(_io=self.connection))

    def write(self, data: bytes) -> None:
        self.left.append(self.sent.copy())

    def sendevent(self, name: str, **facts: Any) -> None:
        self.sent.append(name)
        if name == "testreport":
            self.keywords.append(facts["data"].get("keywords", {}))
        self.connection.write(b"")


def worker_with(*, verbose: int, debug: str | None = None) -> Worker:
    """A worker that leaves out what it may."""
    worker = Worker()
    plugins = SimpleNamespace(get_plugins=lambda: {object(), worker})
    options = SimpleNamespace(verbose=verbose, debug=debug)
    leave_out_what_says_nothing(SimpleNamespace(option=options, pluginmanager=plugins))  # type: ignore[arg-type]
    return worker


def sent_with(*, verbose: int, debug: str | None = None) -> list[str]:
    """Which messages a worker sends for one test."""
    worker = worker_with(verbose=verbose, debug=debug)
    worker.sendevent("logstart", nodeid="a", location=("a", 1, "a"))
    for when in ("setup", "call", "teardown"):
        worker.sendevent("testreport", data=PASSED | {"when": when})
    worker.sendevent("logfinish", nodeid="a", location=("a", 1, "a"))
    worker.sendevent("runtest_protocol_complete", item_index=0, duration=0.1)
    return worker.sent


@pytest.mark.parametrize("verbose", [-1, 0])
def test_a_passed_test_is_three_messages(verbose: int) -> None:
    """Its result, that it is finished, and that the worker is free."""
    assert sent_with(verbose=verbose) == ["testreport", "logfinish", "runtest_protocol_complete"]


@pytest.mark.parametrize("options", [{"verbose": 1}, {"verbose": 0, "debug": "pytestdebug.log"}])
def test_all_is_sent_to_whoever_asked_for_more(options: dict[str, Any]) -> None:
    """What verbose output is made of is not left out."""
    assert len(sent_with(**options)) == 6


def test_the_messages_of_a_test_leave_together_when_it_has_ended() -> None:
    """A failure and an answer to the process that started the worker do not wait for the end of a test."""
    worker = worker_with(verbose=0)
    worker.sendevent("testreport", data=PASSED | {"when": "call"})
    worker.sendevent("logfinish", nodeid="a", location=("a", 1, "a"))
    assert worker.left == []
    worker.sendevent("runtest_protocol_complete", item_index=0, duration=0.1)
    assert worker.left == [["testreport", "logfinish", "runtest_protocol_complete"]]
    worker.sendevent("testreport", data=PASSED | {"when": "call"})
    worker.sendevent("unscheduled", indices=[])
    assert worker.left[-1][-2:] == ["testreport", "unscheduled"]
    worker.sendevent("testreport", data=PASSED | {"when": "call", "outcome": "failed"})
    assert worker.left[-1][-1] == "testreport"


@pytest.mark.parametrize(("outcome", "kept"), [("passed", False), ("skipped", True), ("failed", True)])
def test_only_a_passed_test_loses_its_keywords(outcome: str, kept: bool) -> None:
    """Pytest looks at those of a skipped test when it folds skips that have one reason."""
    worker = worker_with(verbose=0)
    worker.sendevent("testreport", data=PASSED | {"when": "call", "outcome": outcome, "keywords": {"skip": 1}})
    assert worker.keywords == [{"skip": 1} if kept else {}]


@pytest.mark.parametrize("when", ["setup", "teardown"])
@pytest.mark.parametrize(
    "fact",
    [
        {"outcome": "failed"},
        {"outcome": "skipped"},
        {"duration": 0.005},
        {"sections": [("Captured stdout setup", "hello")]},
        {"user_properties": [("orders", 5)]},
    ],
)
def test_a_setup_or_teardown_with_something_to_say_is_reported(when: str, fact: dict[str, Any]) -> None:
    """A failure, a skip, output, a property, and a duration that ``--durations`` shows."""
    assert says_nothing("testreport", {"data": PASSED | {"when": when}})
    assert not says_nothing("testreport", {"data": PASSED | {"when": when} | fact})


def test_the_worker_of_this_run_leaves_them_out(request: pytest.FixtureRequest) -> None:
    """The plugin whose messages are filtered is there, by the name that pytest-xdist gives it."""
    if not hasattr(request.config, "workerinput"):
        pytest.skip("this process is no worker")
    [worker] = [plugin for plugin in request.config.pluginmanager.get_plugins() if hasattr(plugin, "sendevent")]
    filtered = worker.sendevent.__module__ == "short_reports"
    assert filtered == (request.config.option.verbose <= 0 and not request.config.option.debug)
