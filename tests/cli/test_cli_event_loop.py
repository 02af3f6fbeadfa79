"""How a command's coroutine is run, and through which proxy."""

from __future__ import annotations

import inspect

import pytest
from insides import session_pool

from spapi_async.cli import event_loop, target
from spapi_async.cli.event_loop import run_async
from spapi_async.cli.exit_codes import Interrupted
from spapi_async.cli.target import Target, connected


async def nothing() -> None:
    """Do nothing."""


def test_an_interrupt_before_the_work_begins_leaves_no_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C comes while uvloop is imported: the coroutine, which will not be awaited, is closed."""

    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(event_loop, "_loop_factory", interrupted)
    work = nothing()
    with pytest.raises(Interrupted, match="as it was"):
        run_async(work, leaves="as it was")
    assert inspect.getcoroutinestate(work) == inspect.CORO_CLOSED


@pytest.mark.parametrize(("endpoint", "trusted"), [(None, True), ("http://127.0.0.1:1", False)])
async def test_amazon_is_reached_through_the_environments_proxy(
    monkeypatch: pytest.MonkeyPatch, endpoint: str | None, trusted: bool
) -> None:
    """A given endpoint is not: it is an emulator, or the proxy itself."""
    for name in ("LWA_APP_ID", "LWA_CLIENT_SECRET", "SP_API_REFRESH_TOKEN"):
        monkeypatch.setenv(name, "made-up")
    monkeypatch.setenv("SP_API_REGION", "NA")
    monkeypatch.setenv("https_proxy", "http://proxy:1")
    monkeypatch.delenv("SP_API_ENDPOINT", raising=False)
    async with connected(Target(endpoint=endpoint)) as connection:
        pool = session_pool(connection.application)
        assert pool.environment_proxy("https://amazon.example") == ("http://proxy:1" if trusted else None)
    assert target.Connection(sellers=connection.sellers).seller is connection.seller
