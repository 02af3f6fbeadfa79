"""A web application that selling partners authorise: consent page, redirect, refresh token, first call.

To try it without an account, let it start an emulator, and open the URL that it prints::

    python examples/tokens/consent_web_app.py --emulator

With your own application: register ``https://<your host>/back`` as redirect URI, set LWA_APP_ID, LWA_CLIENT_SECRET and
SP_API_APP_ID, and run it behind TLS with ``--public-url https://<your host>``.
"""

from __future__ import annotations

import argparse
import asyncio
import html
import os
from contextlib import AsyncExitStack, suppress
from typing import NoReturn

from aiohttp import web

from spapi_async import Application, Marketplace
from spapi_async.auth import new_state, read_redirect
from spapi_async.emulator import Emulator
from spapi_async.errors import SPAPIError

COOKIE = "state"
CONSENT_SECONDS = 600  # Amazon gives a selling partner ten minutes
APP: web.AppKey[Application] = web.AppKey("app")
REDIRECT_URI: web.AppKey[str] = web.AppKey("redirect_uri")
REFRESH_TOKENS: web.AppKey[dict[str, str]] = web.AppKey("refresh_tokens")  # use an encrypted database instead

routes = web.RouteTableDef()


@routes.get("/")
async def index(_: web.Request) -> web.Response:
    """Let the selling partner pick a marketplace."""
    links = (
        f'<li><a href="/connect?marketplace={marketplace.name}">Amazon {marketplace.name}</a></li>'
        for marketplace in Marketplace
    )
    return page(f"<h1>Connect your account</h1><ul>{''.join(links)}</ul>")


@routes.get("/connect")
async def connect(request: web.Request) -> NoReturn:
    """Send the browser to Amazon's consent page; the state is kept in a cookie that scripts cannot read."""
    marketplace = Marketplace.parse(request.query.get("marketplace", "US"))
    state = f"{marketplace.name}.{new_state()}"
    url = request.app[APP].authorization_url(
        os.environ.get("SP_API_APP_ID", "amzn1.sp.solution.example"),
        marketplace,
        state=state,
        redirect_uri=request.app[REDIRECT_URI],
        beta=True,  # while the application is a draft
    )
    answer = web.HTTPFound(url)
    secure = request.app[REDIRECT_URI].startswith("https:")
    answer.set_cookie(COOKIE, state, max_age=CONSENT_SECONDS, httponly=True, secure=secure, samesite="Lax")
    raise answer


@routes.get("/back")
async def back(request: web.Request) -> web.Response:
    """Read the redirect from Amazon, exchange the code, and make a first call."""
    app, state = request.app[APP], request.cookies.get(COOKIE, "")
    try:
        consent = read_redirect(request.query, expected_state=state)
        granted = await app.exchange_code(consent.code, request.app[REDIRECT_URI])
        seller = app.selling_partner(granted.refresh_token.reveal(), marketplace=state.partition(".")[0])
        participations = await seller.sellers_v1.get_marketplace_participations()
    except SPAPIError as error:
        return page(f"<h1>Not connected</h1><p>{html.escape(str(error))}</p>", status=400)
    request.app[REFRESH_TOKENS][consent.selling_partner_id] = granted.refresh_token.reveal()
    names = ", ".join(each.marketplace.name for each in participations)
    answer = page(f"<h1>Connected</h1><p>{html.escape(consent.selling_partner_id)} sells in {html.escape(names)}.</p>")
    answer.del_cookie(COOKIE)  # a state is valid for one redirect
    return answer


def page(body: str, status: int = 200) -> web.Response:
    """A page of HTML."""
    return web.Response(text=f"<!doctype html><meta charset=utf-8>{body}", content_type="text/html", status=status)


def web_app(app: Application, public_url: str) -> web.Application:
    """The web application, with the library's application in it."""
    site = web.Application()
    site[APP], site[REDIRECT_URI], site[REFRESH_TOKENS] = app, f"{public_url}/back", {}
    site.add_routes(routes)
    return site


async def main(arguments: argparse.Namespace) -> None:
    """Serve until interrupted."""
    async with AsyncExitStack() as stack:
        if arguments.emulator:
            emulator = await stack.enter_async_context(Emulator())
            app = Application("example", "example", endpoint=emulator.url)
        else:
            app = Application.from_env()
        await stack.enter_async_context(app)
        public_url = arguments.public_url or f"http://localhost:{arguments.port}"
        runner = web.AppRunner(web_app(app, public_url))
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "localhost", arguments.port).start()
        print(f"open {public_url}")
        await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Run the consent workflow of an SP-API application.")
    parser.add_argument("--emulator", action="store_true", help="use an emulator instead of Amazon")
    parser.add_argument("--port", type=int, default=8081)
    parser.add_argument(
        "--public-url", help="the URL at which browsers reach this program; by default http://localhost:PORT"
    )
    with suppress(KeyboardInterrupt):
        asyncio.run(main(parser.parse_args()))
