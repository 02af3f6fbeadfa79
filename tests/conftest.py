"""Fixtures of the whole suite, and what makes its result the same on every machine and in every run."""

import gc
import logging
import os
import random
import signal
import sys
import threading
import zlib
from collections.abc import Generator
from pathlib import Path

import pytest
import secret_watch
import warm_python
from hypothesis import HealthCheck, settings, strategies
from hypothesis.internal.conjecture import providers
from servers import redis_chaos, redis_server, redis_url
from shared_postgres import postgres_server, postgres_url
from short_reports import leave_out_what_says_nothing
from sqs_server import sqs_endpoint, sqs_queue

import spapi_async

__all__ = [
    "postgres_server",
    "postgres_url",
    "redis_chaos",
    "redis_server",
    "redis_url",
    "sqs_endpoint",
    "sqs_queue",
]

# Hypothesis tries the same examples in every run, however slow the machine: a change is judged by what it changes, not
# by what chance finds on the day. As they stay the same, a hundred of them find hardly more than fifty: of 450 bugs put
# into the code that they reach, 127 against 123. To look for new counterexamples: pytest --hypothesis-profile=explore
_PATIENT = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow], "print_blob": True}
settings.register_profile("same", derandomize=True, database=None, max_examples=50, **_PATIENT)  # type: ignore[arg-type]
settings.register_profile("explore", **_PATIENT)  # type: ignore[arg-type]
settings.load_profile("same")
# It draws some values from the constants in the modules that are loaded by then, so that a test's examples would depend
# on which tests ran before it. Here it knows of none; test_same_examples.py notices when this no longer holds.
_NO_CONSTANTS = providers._local_constants
providers._get_local_constants = lambda: _NO_CONSTANTS


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Seed ``random``, from which the library draws its jitter, and restore logging, which a framework may set up.

    Each test gets the same numbers in every run. It is a hook because a fixture that every test has takes longer.
    """
    random.seed(item.nodeid)
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    done = yield
    if root.level != level:  # each change clears the level caches of all loggers
        root.setLevel(level)
    root.handlers[:] = handlers
    return done


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Three to a core: while some wait, for a quota or for a process that is to be killed, the others work."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return 3 * (cores or 1)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(specs: list[object]) -> None:
    """Import what workers need once, not in each of them."""
    if sys.platform == "linux":  # elsewhere not everything that they import may be forked
        warm_python.warm_workers(specs)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodeready() -> None:
    """Let Hypothesis find the characters that UTF-8 has while workers collect tests: in a fresh clone it takes 1.8 s.

    It keeps them in a file. Without one, each worker that draws text would look for them.
    """
    strategies.text().validate()


def pytest_configure(config: pytest.Config) -> None:
    """Refuse to test another checkout, which is what happens if one virtual environment is used for several."""
    config.pluginmanager.register(secret_watch)
    tested, here = (Path(module).resolve().parents[1] for module in (spapi_async.__file__, __file__))
    if tested != here:
        raise pytest.UsageError(f"this would test the code in {tested}: pip install -e {here}")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Let workers send only reports that say something."""
    leave_out_what_says_nothing(session.config)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What modules and tests are made of stays: no collection need look at it, meanwhile (a tenth of this) or later.

    Later that is a tenth of the time, most of it for the generated models. Garbage that is there already stays, too: to
    find it takes each worker 0.2 s. And what tests make lives as long as they do, so that looking for garbage every 700
    objects finds none: every 10,000 is a twentieth cheaper.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()
        gc.set_threshold(10_000)


_Report = pytest.CollectReport


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, _Report, _Report]:
    """Start each worker's collection at a different folder, so that in a fresh clone it compiles files for the others.

    If all of them compile the same file at the same time, that is half of the work of collection. The order in which
    tests run does not depend on it: see the next hook.
    """
    report = yield
    if isinstance(collector, pytest.Directory) and (worker := getattr(collector.config, "workerinput", None)):
        start = len(report.result) * int(worker["workerid"].removeprefix("gw")) // worker["workercount"]
        report.result[:] = report.result[start:] + report.result[:start]
    return report


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mix the files, so that tests that mostly wait run beside tests that compute, and begin with the long ones.

    Each worker runs a part of this list. In alphabetical order all of them would wait at once, for Redis or for a
    quota, and later all compute at once. The order depends on the files' names alone: it is the same in every run.
    """
    workers = getattr(config, "workerinput", {"workercount": 1})["workercount"]
    mixed = sorted(items, key=lambda item: zlib.crc32(item.nodeid.partition("::")[0].encode()))
    long, short = list[pytest.Item](), list[pytest.Item]()
    for item in mixed:
        (long if item.get_closest_marker("long") else short).append(item)
    total, at = len(items), 0
    items.clear()
    for worker in range(workers):
        share = long[worker::workers]
        end = at + max(0, total * (worker + 1) // workers - len(items) - len(share))
        items += [*share, *short[at:end]]
        at = end


# The environment must not change results: proxies (urllib would ask one for 127.0.0.1), a terminal's
# properties (rich and argparse obey them), credentials, and settings that make each subprocess compile everything anew.
_MANNERS = {"COLUMNS", "LINES", "FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"}
_PYTHON = {"PYTHONDONTWRITEBYTECODE", "PYTHONIOENCODING", "PYTHONWARNINGS", "PYTHONDEVMODE", "PYTHONASYNCIODEBUG"}
for _name in list(os.environ):
    if (
        _name.upper() in _MANNERS | _PYTHON
        or _name.lower().endswith("_proxy")
        or _name.startswith(("LWA_", "SP_API_", "_TYPER_"))
    ):
        del os.environ[_name]

# A run in the background of a script ignores Ctrl-C, and so would the programs that tests interrupt.
if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
