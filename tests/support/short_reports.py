"""What workers of pytest-xdist need not tell: that a test begins, and that its setup or its teardown simply passed.

A worker sends six messages for each test, and half of them change nothing that pytest prints or writes: the counts,
the progress, ``--durations`` and ``--junitxml`` are made of the others. To send and to receive those takes longer than
all else that a worker does around a test. The others leave together when the test has ended, because each that leaves
by itself wakes the process that reads it, often on the worker's own core. With ``-v`` or ``--debug`` all are sent, each
at once.
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
    channel: Any


def leave_out_what_says_nothing(config: pytest.Config) -> None:
    """From now on this process, if it is a worker, sends only messages that have an effect."""
    if config.option.verbose > 0 or config.option.debug:
        return
    for plugin in config.pluginmanager.get_plugins():
        if hasattr(plugin, "sendevent"):
            _leave_out(plugin)


def _leave_out(worker: Worker) -> None:
    send = worker.sendevent
    connection = getattr(worker.channel.gateway, "_io")  # noqa: B009 - execnet has no other way to it
    stream = connection.outfile.buffer
    is_last = True

    def sendevent(name: str, **facts: Any) -> None:
        nonlocal is_last
        if says_nothing(name, facts):
            return
        has_passed = name == "testreport" and facts["data"]["outcome"] == "passed"
        is_last = not has_passed and name != "logfinish"  # "runtest_protocol_complete" follows these
        if has_passed:
            facts["data"]["keywords"] = {}  # only those of skipped tests are looked at
        send(name, **facts)

    def write(data: bytes) -> None:
        stream.write(data)
        if is_last:
            stream.flush()

    worker.sendevent, connection.write = sendevent, write


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
