"""The pytest fixture ``spapi_emulator``: a running emulator, one per test.

Loaded by pytest's entry point in every project that has this library installed, so it imports nothing before a test
uses the fixture. It works without pytest-asyncio: the server runs in a thread with a loop of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from spapi_async.emulator.server import Emulator


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker that gives a test's emulator its options."""
    config.addinivalue_line("markers", "spapi_emulator(**options): options of the Emulator that the fixture starts")


@pytest.fixture
def spapi_emulator(request: pytest.FixtureRequest) -> Iterator[Emulator]:
    """A running emulator; point the client at it with ``endpoint=spapi_emulator.url``.

    ``@pytest.mark.spapi_emulator(orders=50, rate_scale=1000)`` gives it options. Its event loop runs in a separate
    thread, so that synchronous tests, asyncio tests and tests that block their loop can all use it.
    """
    from spapi_async.emulator.server import Emulator

    marker = request.node.get_closest_marker("spapi_emulator")
    options: dict[str, Any] = dict(marker.kwargs) if marker else {}
    emulator = Emulator(**options)
    with running(emulator):
        yield emulator


@contextmanager
def running(emulator: Emulator) -> Iterator[None]:
    """Run the emulator on an event loop in another thread."""
    import asyncio
    import threading

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="spapi-emulator", daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(emulator.start(), loop).result()
        try:
            yield
        finally:
            asyncio.run_coroutine_threadsafe(_end(emulator), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _end(emulator: Emulator) -> None:
    """Close the emulator and cancel requests that are still being served, about which asyncio would warn otherwise."""
    import asyncio

    await emulator.close()
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
