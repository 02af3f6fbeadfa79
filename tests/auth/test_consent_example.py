"""The example web application, visited by a browser that follows Amazon's redirects."""

import asyncio
import runpy
from argparse import Namespace
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest
from servers import free_port

EXAMPLE = Path(__file__).parents[2] / "examples" / "tokens" / "consent_web_app.py"


@pytest.fixture
async def browser() -> AsyncIterator[aiohttp.ClientSession]:
    """A browser on the example, started as its docstring says."""
    main = runpy.run_path(str(EXAMPLE))["main"]
    answering = False
    while not answering:
        port = free_port()
        running = asyncio.create_task(main(Namespace(emulator=True, port=port, public_url=None)))
        async with aiohttp.ClientSession(f"http://localhost:{port}") as session:
            if answering := await answers(session, running):
                yield session
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def answers(session: aiohttp.ClientSession, running: "asyncio.Task[None]") -> bool:
    """Wait for the first page; False when another process has taken the port."""
    while not running.done():
        with suppress(aiohttp.ClientConnectionError):
            await (await session.get("/")).read()
            return True
        await asyncio.sleep(0.01)
    assert isinstance(running.exception(), OSError)
    return False


async def visit(browser: aiohttp.ClientSession, path: str) -> tuple[int, str]:
    """The status and text of the page on which the browser ends."""
    async with browser.get(path) as answer:
        return answer.status, await answer.text()


async def test_a_selling_partner_is_connected(browser: aiohttp.ClientSession) -> None:
    """The user picks a marketplace, consents and comes back: the first call is made. The redirect works once."""
    assert "marketplace=DE" in (await visit(browser, "/"))[1]
    async with browser.get("/connect?marketplace=DE") as answer:
        assert "Connected" in await answer.text()
        back = str(answer.url.relative())
    assert (await visit(browser, back))[0] == 400


@pytest.mark.parametrize("query", ["", "state=forged&spapi_oauth_code=x", "spapi_oauth_code=x"])
async def test_a_forged_redirect_is_refused(browser: aiohttp.ClientSession, query: str) -> None:
    """A browser that did not start on the example is not connected."""
    status, text = await visit(browser, f"/back?{query}")
    assert status == 400
    assert "start the authorisation again" in text
