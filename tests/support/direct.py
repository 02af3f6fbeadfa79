"""A bare HTTP client for the emulator's own tests, which use none of the library's client code."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from io import BytesIO
from typing import Any
from urllib.parse import quote

import aiohttp
from multidict import CIMultiDictProxy
from yarl import URL

from spapi_async.emulator import Emulator

US, CA, MX = "ATVPDKIKX0DER", "A2EUQ1WTGCTBG2", "A1AM78C64UM0Y8"
EVERYWHERE = f"{US},{CA},{MX}"


class HandClock:
    """A clock that a test moves; ``now`` is in seconds since the clock was made."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        """Return ``now``."""
        return self.now

    def time(self) -> float:
        """Return a time on a day in September 2026, ``now`` seconds after its start."""
        return 1_790_000_000.0 + self.now

    async def sleep(self, seconds: float) -> None:
        """Move the clock on."""
        self.now += seconds


class Answer:
    """Status, headers and body of a reply."""

    def __init__(self, status: int, headers: CIMultiDictProxy[str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """The first entry of Amazon's error list."""
        first: dict[str, Any] = self.json["errors"][0]
        return first


class Direct:
    """One application and one seller that talk to an emulator without any of the library's client code."""

    def __init__(self, emulator: Emulator, session: aiohttp.ClientSession) -> None:
        self.emulator = emulator
        self.session = session
        self.token = ""

    async def send(
        self,
        method: str,
        target: str,
        *,
        token: str | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request.

        ``target`` is sent as it is, a body that is not bytes as JSON, ``token=""`` without a token.
        """
        sent = dict(headers or {})
        token = self.token if token is None else token
        if token:
            sent["x-amz-access-token"] = token
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        url = URL(target if target.startswith("http") else self.emulator.url + target, encoded=True)
        # aiohttp warns about bodies of more than a megabyte, unless they are files.
        data = BytesIO(body) if isinstance(body, bytes) else None
        async with self.session.request(method, url, data=data, headers=sent, allow_redirects=False) as reply:
            return Answer(reply.status, reply.headers, await reply.read())

    async def get(self, target: str, *, token: str | None = None, **query: Any) -> Answer:
        """Send a GET; the query is encoded here."""
        text = "&".join(f"{name}={quote(str(value), safe=',')}" for name, value in query.items())
        return await self.send("GET", target + ("?" + text if text else ""), token=token)

    async def grant(self, **form: str) -> Answer:
        """Ask Login with Amazon for a token."""
        form = {"client_id": "app", "client_secret": "secret", **form}
        async with self.session.post(self.emulator.url + "/auth/o2/token", data=form) as reply:
            return Answer(reply.status, reply.headers, await reply.read())

    async def log_in(self, refresh_token: str = "Atzr|one", **form: str) -> str:
        """Return an access token of the seller."""
        answer = await self.grant(grant_type="refresh_token", refresh_token=refresh_token, **form)
        return str(answer.json["access_token"])

    async def restricted(self, *resources: dict[str, Any], token: str | None = None) -> Answer:
        """Ask for a restricted data token."""
        body = {"restrictedResources": list(resources)}
        return await self.send("POST", "/tokens/2021-03-01/restrictedDataToken", body=body, token=token)

    async def orders(self, **query: Any) -> list[dict[str, Any]]:
        """Return all orders of the list of v0, page after page."""
        query = {"MarketplaceIds": EVERYWHERE, "LastUpdatedAfter": "2020-01-01", **query}
        found: list[dict[str, Any]] = []
        while True:
            payload = (await self.get("/orders/v0/orders", **query)).json["payload"]
            found += payload["Orders"]
            if "NextToken" not in payload:
                return found
            query["NextToken"] = payload["NextToken"]


@asynccontextmanager
async def running(**options: Any) -> AsyncIterator[Direct]:
    """Start an emulator, and log a seller in."""
    async with Emulator(**{"orders": 20, **options}) as emulator, aiohttp.ClientSession() as session:
        direct = Direct(emulator, session)
        direct.token = await direct.log_in()
        yield direct
