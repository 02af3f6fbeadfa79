"""Calls inside a web request: urgent, with a bounded wait, cancelled when the client disconnects. Pure ASGI 3."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import anyio

from spapi_async import Application, ClosedError, Priority, call_options
from spapi_async.web._endpoints import Endpoints
from spapi_async.web._problem import Problem, problem, spapi_error

__all__ = ["SPAPIMiddleware"]

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

logger = logging.getLogger("spapi_async.web")

_MAX_HELD = 64 * 1024  # bytes of a held response; a larger one is not a framework's error page


class SPAPIMiddleware:
    """Runs an ASGI application with the options, errors and endpoints that its calls to Amazon need.

    It can wrap a whole application (``SPAPIMiddleware(app, application=…)``) or be added to one
    (``app.add_middleware``).

    - Calls made while a request is handled are INTERACTIVE and wait for quota ``max_wait`` seconds at most.
    - A :class:`SPAPIError` that nobody handled becomes a :class:`Problem`. A framework's own answer of 500 is held back
      until the application has returned or raised, because frameworks send it before they raise; a response that has
      begun is never replaced.
    - When the client disconnects before its response is complete, the work for it is cancelled, and its calls leave the
      queue for quota. Background tasks, which run after the response, continue.

    Args:
        app: an ASGI application.
        application: the application that makes the calls; once it is closed, requests are answered with 503.
        max_wait: the most seconds that a call may wait for quota.
        exposition: makes the answer of ``/metrics``, such as ``metrics.exposition`` of
            :class:`spapi_async.observe.prometheus.Metrics`; without it, the path is left to the web application.
        health: the path of the health check; None leaves it to the web application.
        metrics: the path of the metrics; None leaves it to the web application.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        application: Application,
        max_wait: float = 2.0,
        exposition: Callable[[], bytes] | None = None,
        health: str | None = "/health",
        metrics: str | None = "/metrics",
    ) -> None:
        self._endpoints = Endpoints(application, health=health, metrics=metrics, exposition=exposition)
        self.app = app
        self.application = application
        self.max_wait = max_wait
        with call_options(max_wait=max_wait):
            pass  # raises now, not in each request, if the value is invalid

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle an HTTP request; other connections are passed on unchanged."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        answer = await self._endpoints.answer(scope.get("method", ""), _path(scope))
        if answer is not None:
            headers = [(b"content-type", answer.content_type.encode())]
            await send({"type": "http.response.start", "status": answer.status, "headers": headers})
            await send({"type": "http.response.body", "body": answer.body})
            return
        if self.application.closed:
            await _Response(send).replace(problem(ClosedError("the application is closed")))
            return
        request = _Request(receive)
        response = _Response(send, on_end=request.answered)
        try:
            with anyio.CancelScope() as handling, call_options(priority=Priority.INTERACTIVE, max_wait=self.max_wait):
                request.on_disconnect = handling.cancel
                await self.app(scope, request.receive, response.send)
        except Exception as error:
            cause = spapi_error(error)
            if cause is None or response.begun:
                await response.flush()
                raise
            found = problem(cause)
            logger.info("answered %s because of %s: %s", found.status, type(cause).__name__, cause)
            await response.replace(found)
        else:
            await response.flush()
        finally:
            await request.aclose()


class _Request:
    """The messages from the client. Once the body is complete, waits for a disconnection and reports it.

    The first message is fetched in advance: most applications never read the body of a GET, and a disconnection could
    not be seen behind an unread body. Further messages are fetched only when the application asks for them, so that an
    upload is not read faster than it is processed.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.on_disconnect: Callable[[], None] = lambda: None
        self._first: asyncio.Task[Message] | None = asyncio.create_task(self._next())
        self._last: asyncio.Task[Message] | None = None

    async def receive(self) -> Message:
        """The next message."""
        if self._first is not None:
            first, self._first = self._first, None
            try:
                return await asyncio.shield(first)
            except asyncio.CancelledError:
                if not first.done():
                    self._first = first
                raise
        if self._last is not None:
            return await asyncio.shield(self._last)
        return await self._next()

    async def _next(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self.on_disconnect()
        elif not message.get("more_body", False):
            self._last = asyncio.create_task(self._next())
        return message

    def answered(self) -> None:
        """Ignore disconnections from now on: the response is complete, and servers then report one themselves."""
        self.on_disconnect = lambda: None

    async def aclose(self) -> None:
        """Stop waiting for messages."""
        self.answered()
        tasks = [task for task in (self._first, self._last) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Response:
    """The messages to the client. A response with status 500 is held back until its cause is known."""

    def __init__(self, send: Send, *, on_end: Callable[[], None] = lambda: None) -> None:
        self._send = send
        self._on_end = on_end
        self._held: list[Message] = []
        self._size = 0
        self.begun = False

    async def send(self, message: Message) -> None:
        """Pass a message on, or hold it back."""
        if not self.begun and (self._held or _is_failure(message)):
            self._held.append(message)
            self._size += len(message.get("body", b""))
            if self._size > _MAX_HELD:
                await self.flush()
            return
        await self._pass_on(message)

    async def flush(self) -> None:
        """Pass on the messages that were held back."""
        held, self._held = self._held, []
        for message in held:
            await self._pass_on(message)

    async def replace(self, answer: Problem) -> None:
        """Send this answer instead of the messages that were held back."""
        self._held.clear()
        headers = [(name.encode(), value.encode()) for name, value in answer.headers.items()]
        await self._pass_on({"type": "http.response.start", "status": answer.status, "headers": headers})
        await self._pass_on({"type": "http.response.body", "body": answer.body})

    async def _pass_on(self, message: Message) -> None:
        self.begun = True
        if _is_end(message):
            self._on_end()
        await self._send(message)


def _path(scope: Scope) -> str:
    """The path within the application, which may be mounted below another one."""
    path: str = scope.get("path", "")
    return path.removeprefix(scope.get("root_path", "")) or "/"


def _is_failure(message: Message) -> bool:
    return bool(message["type"] == "http.response.start" and message["status"] == 500)


def _is_end(message: Message) -> bool:
    """Whether a message completes the response; with ``pathsend`` the server sends a file by itself."""
    kind = message["type"]
    return kind == "http.response.pathsend" or (kind == "http.response.body" and not message.get("more_body", False))
