"""How a reply leaves, or does not: whole, cut in the middle, without a content type, or as a dropped connection."""

from __future__ import annotations

from aiohttp import web

from spapi_async.emulator.gateway.faults import FaultRule
from spapi_async.emulator.gateway.replies import Reply, gateway_headers

__all__ = ["drop", "respond"]


def drop(request: web.BaseRequest) -> web.Response:
    """Close the connection without a reply."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def respond(request: web.BaseRequest, reply: Reply, rule: FaultRule | None, now: float) -> web.StreamResponse:
    """Send a reply, cut short where a fault rule says so."""
    headers = {} if reply.bare else gateway_headers(now)
    headers.update(reply.headers)
    if rule is not None and rule.headers:
        headers = {name: value for name, value in headers.items() if value}
    if rule is not None and rule.truncate and reply.body:
        partial = web.StreamResponse(status=reply.status, headers=headers)
        partial.content_length = len(reply.body)
        await partial.prepare(request)
        await partial.write(reply.body[: len(reply.body) // 2])
        if request.transport is not None:
            request.transport.close()
        return partial
    if reply.bare and "Content-Type" not in headers:
        untyped = _Untyped(status=reply.status, body=reply.body, headers=headers)
        untyped.enable_chunked_encoding()
        return untyped
    return web.Response(status=reply.status, body=reply.body, headers=headers)


class _Untyped(web.Response):
    """A reply without a content type, chunked: what an unknown path gets. aiohttp would add one at the last moment."""

    async def _prepare_headers(self) -> None:
        await super()._prepare_headers()
        self.headers.pop("Content-Type", None)
