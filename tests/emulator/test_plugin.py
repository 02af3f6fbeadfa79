"""The pytest fixture, and what loading it costs a project that does not use it."""

from __future__ import annotations

import subprocess
import sys
import urllib.request
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from spapi_async.emulator import Emulator


def test_the_fixture_serves_synchronous_tests(spapi_emulator: Emulator) -> None:
    """It needs no event loop."""
    with urllib.request.urlopen(spapi_emulator.url + "/_emulator/stats") as reply:
        assert reply.status == 200


@pytest.mark.spapi_emulator(orders=3, seed=9)
async def test_the_marker_sets_its_options(spapi_emulator: Emulator) -> None:
    """Options of the emulator come from the test's marker; asyncio tests use the fixture as well."""
    assert (spapi_emulator.settings.orders, spapi_emulator.settings.seed) == (3, 9)


def test_the_plugin_imports_nothing_before_a_fixture_is_used() -> None:
    """Every pytest run beside this library loads the plugin."""
    program = (
        "import sys, spapi_async.emulator.pytest_plugin as _;"
        "print(sorted(name for name in sys.modules if name.partition('.')[0] in ('spapi_async', 'aiohttp', 'asyncio')))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    names = ["spapi_async", *(f"spapi_async.{name}" for name in ("_version", "emulator"))]
    assert done.stdout.strip() == str(sorted([*names, "spapi_async.emulator.pytest_plugin"]))
