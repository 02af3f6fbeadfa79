"""Workers leave out the reports that say nothing, and no others."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from short_reports import leave_out_what_says_nothing, says_nothing

PASSED = {"when": "setup", "outcome": "passed", "duration": 0.001, "sections": [], "user_properties": []}


class Worker:
    """Stands for the plugin of pytest-xdist."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def sendevent(self, name: str, **facts: Any) -> None:
        self.sent.append(name)


def sent_with(*, verbose: int, debug: str | None = None) -> list[str]:
    """Which messages a worker sends for one test."""
    worker = Worker()
    plugins = SimpleNamespace(get_plugins=lambda: {object(), worker})
    options = SimpleNamespace(verbose=verbose, debug=debug)
    leave_out_what_says_nothing(SimpleNamespace(option=options, pluginmanager=plugins))  # type: ignore[arg-type]
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
