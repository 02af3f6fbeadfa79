"""For frameworks that ASGI middleware does not reach: aiohttp.web is not ASGI, and Litestar handles errors itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from spapi_async import Application, Priority, SPAPIError, call_options
from spapi_async.web._endpoints import Endpoints
from spapi_async.web._problem import problem, spapi_error

__all__ = ["aiohttp_middleware", "litestar_handlers"]


def aiohttp_middleware(
    application: Application, *, max_wait: float = 2.0, exposition: Callable[[], bytes] | None = None
) -> Any:
    """A middleware for aiohttp.web: ``web.Application(middlewares=[aiohttp_middleware(application)])``.

    Does the same as :class:`SPAPIMiddleware`: urgent calls that wait no longer than ``max_wait`` seconds, errors as
    problem+json, ``/health``, and ``/metrics`` where ``exposition`` is given. A response that has begun is never
    replaced. When a client disconnects, its handler is cancelled if the server was started with
    ``handler_cancellation=True``.
    """
    from aiohttp import web

    endpoints = Endpoints(application, exposition=exposition)
    with call_options(max_wait=max_wait):
        pass  # raises now, not in each request, if the value is invalid

    @web.middleware
    async def middleware(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        answer = await endpoints.answer(request.method, request.path)
        if answer is not None:
            return web.Response(status=answer.status, body=answer.body, headers={"Content-Type": answer.content_type})
        try:
            with call_options(priority=Priority.INTERACTIVE, max_wait=max_wait):
                return await handler(request)
        except Exception as error:
            cause = spapi_error(error)
            if cause is None or request.writer.output_size > 0:  # a response that has begun cannot be replaced
                raise
            found = problem(cause)
            return web.Response(status=found.status, headers=found.headers, body=found.body)

    return middleware


def litestar_handlers() -> dict[Any, Any]:
    """Handlers of the library's errors for Litestar: ``Litestar(…, exception_handlers=litestar_handlers())``.

    Litestar handles errors before a middleware sees them. Use :class:`SPAPIMiddleware` as well, for priority,
    ``max_wait``, ``/health`` and clients that disconnect.
    """
    from litestar import Response

    def answer(_: Any, error: SPAPIError) -> Response[bytes]:
        found = problem(error)
        headers = {name: value for name, value in found.headers.items() if name.lower() != "content-type"}
        return Response(found.body, status_code=found.status, headers=headers, media_type="application/problem+json")

    return {SPAPIError: answer}
