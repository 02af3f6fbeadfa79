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
    """No event loop is needed to use it."""
    with urllib.request.urlopen(spapi_emulator.url + "/_emulator/stats") as reply:
        assert reply.status == 200


@pytest.mark.spapi_emulator(orders=3, seed=9)
async def test_the_marker_sets_its_options(spapi_emulator: Emulator) -> None:
    """Options of the emulator come from the test's marker; asyncio tests use it as well."""
    assert (spapi_emulator.settings.orders, spapi_emulator.settings.seed) == (3, 9)


def test_the_plugin_is_light() -> None:
    """Every pytest run of a project with this library loads the plugin: it must not load a server or the models."""
    program = (
        "import sys, spapi_async.emulator.pytest_plugin as _;"
        "heavy = {'aiohttp.web', 'spapi_async.emulator.server', 'spapi_async.api', 'spapi_async.models'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
