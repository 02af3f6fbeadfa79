"""What workers of pytest-xdist need not tell: that a test begins, and that its setup or its teardown simply passed.

A worker sends six messages for each test, and half of them change nothing that pytest prints or writes: the counts,
the progress, ``--durations`` and ``--junitxml`` are made of the others. To send and to receive those takes longer than
all else that a worker does around a test. With ``-v`` or ``--debug`` all are sent.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import pytest

__all__ = ["leave_out_what_says_nothing", "says_nothing"]

SHOWN = 0.005
"""Seconds from which on ``--durations`` shows a setup or a teardown."""


class Worker(Protocol):
    """The plugin with which a worker talks to the process that started it."""

    sendevent: Callable[..., None]


def leave_out_what_says_nothing(config: pytest.Config) -> None:
    """From now on this process, if it is a worker, sends only messages that have an effect."""
    if config.option.verbose > 0 or config.option.debug:
        return
    for plugin in config.pluginmanager.get_plugins():
        if hasattr(plugin, "sendevent"):
            _leave_out(plugin)


def _leave_out(worker: Worker) -> None:
    send = worker.sendevent

    def sendevent(name: str, **facts: Any) -> None:
        if not says_nothing(name, facts):
            send(name, **facts)

    worker.sendevent = sendevent


def says_nothing(name: str, facts: dict[str, Any]) -> bool:
    """Whether a message leaves what pytest reports as it is."""
    if name != "testreport":
        return name == "logstart"
    report = facts["data"]
    return (
        report["when"] != "call"
        and report["outcome"] == "passed"
        and report["duration"] < SHOWN
        and not report["sections"]
        and not report["user_properties"]
    )
