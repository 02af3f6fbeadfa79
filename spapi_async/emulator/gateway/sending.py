"""Sends a reply whole, in half or without a content type, or drops the connection instead."""

from __future__ import annotations

from contextlib import suppress

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
    """Send a reply, only half of it if the fault rule says ``truncate``."""
    headers = {} if reply.bare else gateway_headers(now)
    headers.update(reply.headers)
    if rule is not None and rule.headers:
        headers = {name: value for name, value in headers.items() if value}
    if reply.stream is not None:
        return await _streamed(request, reply, headers, rule)
    if rule is not None and rule.truncate and reply.body:
        partial = web.StreamResponse(status=reply.status, headers=headers)
        partial.content_length = len(reply.body)
        with suppress(ConnectionError):  # the client closed the connection first
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


async def _streamed(
    request: web.BaseRequest, reply: Reply, headers: dict[str, str], rule: FaultRule | None
) -> web.StreamResponse:
    """Send a body piece by piece, as fast as the client reads; half of it if the fault rule says ``truncate``."""
    assert reply.stream is not None
    response = web.StreamResponse(status=reply.status, headers=headers)
    response.content_length = reply.length
    left = reply.length // 2 if rule is not None and rule.truncate else reply.length
    with suppress(ConnectionError):  # the client has read enough and closed the connection
        await response.prepare(request)
        for piece in reply.stream:
            if left <= 0:
                break
            await response.write(piece[:left])
            left -= len(piece)
    if rule is not None and rule.truncate and request.transport is not None:
        request.transport.close()
    return response


class _Untyped(web.Response):
    """The chunked reply to an unknown path; removes the content type that aiohttp adds when it prepares the headers."""

    async def _prepare_headers(self) -> None:
        await super()._prepare_headers()
        self.headers.pop("Content-Type", None)
