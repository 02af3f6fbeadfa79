"""One HTTP exchange at a time: aiohttp sessions, one for each region, and the translation of its failures.

No layer above this module uses aiohttp. An error has to say not *what* failed but *how far the request got*: a request
that was not sent may always be repeated, one that was sent may have moved money.
"""

from __future__ import annotations

import asyncio
import os
import ssl as ssl_module
import time
import weakref
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import NamedTuple
from urllib.request import getproxies, proxy_bypass

import aiohttp
import msgspec
from multidict import CIMultiDictProxy
from yarl import URL

from spapi_async._core.closing import being_cancelled
from spapi_async._core.endpoints import split_url
from spapi_async._core.frames import forget_locals
from spapi_async._core.home_loop import HomeLoop, leave_to_parent
from spapi_async._core.resources import StreamedReply
from spapi_async._engine.connections import (
    WatchfulConnector,
    disown,
    keep_read_buffers,
)
from spapi_async._engine.streams import CHUNK, OpenedReply
from spapi_async._engine.translation import host_of, too_large, translated
from spapi_async._engine.user_agent import user_agent_header
from spapi_async._engine.watch import Watch
from spapi_async.credentials import Secret
from spapi_async.errors import (
    ClosedError,
    ConnectionFailedError,
    SPAPIError,
    TransportError,
)

__all__ = ["MAX_REPLY_SIZE", "RawReply", "SessionPool", "Timeout", "user_agent_header"]


MAX_REPLY_SIZE = 64 * 1024 * 1024
"""Bytes of a reply after decompression. Amazon's largest pages have a few MB; 0.3 MB of gzip can contain 300 MB."""

TOKEN_HEADER = "x-amz-access-token"  # noqa: S105 - its name


class Timeout(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of one HTTP exchange, in seconds.

    Attributes:
        connect: the time for TCP and TLS.
        read: the time between two pieces of the reply; with None only ``total`` applies, which saves a timer per call.
        total: the time from asking for a connection to the last byte of the reply.
    """

    connect: float = 10.0
    read: float | None = None
    total: float = 60.0


class RawReply(msgspec.Struct, frozen=True, gc=False):
    """A reply as received: any status, any body."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes

    def __repr__(self) -> str:
        return f"<RawReply {self.status}>"  # bodies contain tokens and personal data


class _Session(NamedTuple):
    """An aiohttp session, a semaphore for the connections that it may open, and the process that opened it."""

    session: aiohttp.ClientSession
    free_connections: asyncio.Semaphore
    process: int


class SessionPool:
    """An aiohttp session for each region, opened at its first request and closed together.

    A session is a connection pool. All sellers of a region share it, so that connections are reused and their number is
    bounded. Sessions belong to an event loop; in another loop (``asyncio.run`` twice) the pool opens new ones.
    ``forgotten`` is called if sessions had to be closed because the pool was never closed.
    """

    __slots__ = (
        "__weakref__",
        "_client_timeout",
        "_closed",
        "_connections",
        "_forgotten",
        "_headers",
        "_home",
        "_max_reply_size",
        "_proxies",
        "_proxy",
        "_ssl",
        "_streams",
        "_timeout",
        "_trust_env",
        "_watch",
        "last_outcomes",
        "sessions",
        "total",
    )

    def __init__(
        self,
        *,
        user_agent: str,
        timeout: Timeout | None = None,
        connections: int = 100,
        proxy: str | None = None,
        ssl: ssl_module.SSLContext | None = None,
        trust_env: bool = False,
        forgotten: Callable[[], None] = lambda: None,
        what: str = "the session pool",
        max_reply_size: int = MAX_REPLY_SIZE,
    ) -> None:
        self._headers = {"user-agent": user_agent, "accept": "application/json, application/hal+json"}
        self._timeout = timeout or Timeout()
        self.total = self._timeout.total  # seconds that an exchange may take by default
        # The total is bounded by one watch for all exchanges, which saves a timer for each.
        bounds = self._timeout
        self._client_timeout = aiohttp.ClientTimeout(total=None, sock_connect=bounds.connect, sock_read=bounds.read)
        self._watch = Watch()
        self._connections = connections
        self._proxy = proxy
        self._ssl = ssl
        self._trust_env = trust_env
        self._proxies: dict[str, str | None] = {}
        self._max_reply_size = max_reply_size
        # By session key: the time of the last exchange, and its status or the class name of its error.
        self.last_outcomes: dict[str, tuple[float, int | str]] = {}
        self.sessions: dict[str, _Session] = {}
        self._streams: set[OpenedReply] = set()
        self._forgotten = forgotten
        self._home = HomeLoop(what, drop=self._drop, close=self._close_forgotten)
        self._closed = False
        # Keep the sessions until the finalizer runs: aiohttp warns about sessions that are collected unclosed.
        weakref.finalize(self, _leave_behind, self.sessions, forgotten)

    async def exchange(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        token: Secret | None = None,
        body: bytes | Secret | None = None,
        timeout: float | None = None,
        session_key: str,
    ) -> RawReply:
        """Send one request and read the whole reply, once: no retry, no redirect.

        A redirect is returned like any reply, so that a token is never sent to another host. ``url`` is percent-encoded
        and sent unchanged. ``timeout`` replaces the total. ``token`` is sent as ``x-amz-access-token``.

        Raises:
            ConnectionFailedError: the request was not sent: connecting failed, or no connection was free.
            RequestTimeoutError: the request may have been sent, and no complete reply arrived in time.
            TransportError: the request may have been sent, and the connection broke.
            DecodeError: the reply is larger than ``max_reply_size``.
        """
        session, free_connections, _ = self._session(session_key)
        seconds = self.total if timeout is None else timeout
        queued = True
        try:
            with self._watch.bounded(seconds):
                # aiohttp also has a queue for connections, but does not say whether a late request had left the queue.
                await free_connections.acquire()
                queued = False
                try:
                    # session.request() wraps this in a context manager, which costs a call two percent. Secrets are
                    # revealed only in this expression: no local variable of this frame contains one.
                    reply = await session._request(  # noqa: SLF001
                        method,
                        as_url(url),
                        headers=headers if token is None else {**headers, TOKEN_HEADER: token.reveal()},
                        data=body.reveal().encode() if isinstance(body, Secret) else body,
                        allow_redirects=False,
                        proxy=self.environment_proxy(url),
                    )
                    # A small reply has arrived completely by now, and its connection has been returned: taking it as
                    # it is saves 3 percent of a call. Reading it would return the connection at the end or close it.
                    content = reply.content
                    whole = content.read_nowait() if content.is_eof() else await self._read_whole(reply)
                    if reply.status == 101 or len(whole) > self._max_reply_size:
                        reply.close()  # after a switch of protocols the connection is not HTTP any more
                    if len(whole) <= self._max_reply_size:
                        self.last_outcomes[session_key] = (time.time(), reply.status)
                        return RawReply(reply.status, reply.headers, whole)
                    failure: SPAPIError = too_large(url, reply, self._max_reply_size)
                finally:
                    free_connections.release()
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # ValueError: aiohttp cannot parse the reply, for example because of a broken content coding.
            if self._closed and queued:
                failure = ClosedError("the application is closed")
            elif self._closed:
                failure = TransportError(f"the application was closed before {host_of(url)} had answered")
            elif queued:
                failure = ConnectionFailedError(
                    f"no connection to {host_of(url)} was free for {seconds:g} s "
                    f"(there are {self._connections} at most)"
                )
            else:
                late = f"no complete reply from {host_of(url)} (read or {seconds:g} s total timeout)"
                failure = translated(error, url, late)
        except BaseException as error:
            forget_locals(error)
            raise
        self.last_outcomes[session_key] = (time.time(), type(failure).__name__)
        raise failure  # raised here, it has no context, which would show what _shown hides

    async def _read_whole(self, reply: aiohttp.ClientResponse) -> bytes:
        """The body of a reply, read in pieces as it is decompressed; stops early if the reply is too large."""
        pieces, size = [], 0
        try:
            while size <= self._max_reply_size and (piece := await reply.content.readany()):
                pieces.append(piece)
                size += len(piece)
        except BaseException:
            reply.close()
            raise
        return b"".join(pieces)

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        url: str | Secret,
        *,
        headers: Mapping[str, str],
        body: bytes | AsyncIterable[bytes] | None = None,
        silence: float | None = None,
        session_key: str,
    ) -> AsyncIterator[StreamedReply]:
        """Send one request and stream its reply: no retry, no redirect, no decompression.

        A document may take an hour, so only the time without a byte is bounded: by ``silence`` seconds; by default by
        the read timeout or, if there is none, the total. A slow reader does not trip this bound. Leaving the block
        before the end closes the connection.

        Raises:
            ConnectionFailedError, RequestTimeoutError, TransportError: as :meth:`exchange`; the chunks raise them too.
        """
        url = url if isinstance(url, Secret) else Secret(url)  # a presigned URL is a secret
        host = host_of(url.reveal())
        session = self._session(session_key).session
        if silence is None:
            silence = self.total if self._timeout.read is None else self._timeout.read
        bounds = aiohttp.ClientTimeout(total=None, sock_connect=self._timeout.connect, sock_read=silence)
        if split_url(url.reveal()) is None:
            raise ConnectionFailedError("the URL is not of the form http(s)://host[:port]/... (not shown: a secret)")
        try:
            opened = OpenedReply(
                await session.request(
                    method,
                    URL(url.reveal(), encoded=True),
                    headers=headers,
                    data=body,
                    allow_redirects=False,
                    auto_decompress=False,
                    timeout=bounds,
                    read_bufsize=CHUNK,
                    proxy=self.environment_proxy(url.reveal()),
                )
            )
        except (aiohttp.ClientError, OSError, ValueError) as error:
            failure: SPAPIError = translated(error, url.reveal(), f"no byte from {host} for {silence:g} s")
        except BaseException as error:
            forget_locals(error)
            if not (self._closed and isinstance(error, asyncio.CancelledError)) or being_cancelled():
                raise
            # aiohttp cancels what waits for an address or a free connection, not the task that waits for it.
            failure = ClosedError("the application is closed")
        else:
            self._streams.add(opened)
            try:
                yield StreamedReply(opened.reply.status, opened.reply.headers, opened.chunks(host, silence))
            finally:
                self._streams.discard(opened)
                opened.reply.close()  # returns the connection if the reply was read to its end
            return
        raise failure

    async def aclose(self) -> None:
        """Close every session; the pool opens no more, and exchanges under way end with an error."""
        if self._home.loop is not None:
            self._home.enter()  # else an earlier loop's sessions would be closed in this loop
        self._closed = True
        # When aiohttp closes a connection it does not wake the readers of bodies: they would wait until they time out.
        self._watch.expire_all()
        for stream in self._streams:
            stream.end()
        await self._close_sessions()
        await self._home.aclose()

    async def _close_sessions(self) -> None:
        sessions = [opened.session for opened in self.sessions.values()]
        self.sessions.clear()
        for session in sessions:
            await session.close()

    async def _close_forgotten(self) -> None:
        """The loop ends and the pool was not closed."""
        self._watch = Watch()
        if self.sessions:
            await self._close_sessions()
            self._forgotten()

    def _drop(self, forked: bool) -> None:  # noqa: FBT001 - HomeLoop calls it
        """Abandon sessions and timers: they do not work in this loop and cannot even be closed."""
        for opened in self.sessions.values():
            disown(opened.session, forked=forked)
            if forked:
                leave_to_parent(opened)
        self.sessions.clear()
        self._streams.clear()
        self._watch = Watch()

    def _session(self, session_key: str) -> _Session:
        if asyncio.get_running_loop() is not self._home.loop:
            self._home.enter()
        return self.sessions.get(session_key) or self._open(session_key)

    def _open(self, session_key: str) -> _Session:
        if self._closed:
            raise ClosedError("the application is closed")
        keep_read_buffers()
        session = aiohttp.ClientSession(
            connector=WatchfulConnector(
                limit=self._connections, ttl_dns_cache=300, ssl=True if self._ssl is None else self._ssl
            ),
            cookie_jar=aiohttp.DummyCookieJar(),  # SP-API sets no useful cookies, and filtering them slows calls
            headers=self._headers,
            timeout=self._client_timeout,
            proxy=self._proxy,
            # Not trust_env: aiohttp would look up every host in ~/.netrc, whose default entry matches any host, and
            # send the password found there with a presigned URL. environment_proxy reads the proxies instead.
        )
        # aiohttp silently repeats GET, PUT and DELETE when a kept connection breaks. Such a repetition takes no
        # token of the usage plan, and not every PUT of Amazon's is idempotent: the retry policy decides instead.
        session._retry_connection = False  # noqa: SLF001
        opened = self.sessions[session_key] = _Session(session, asyncio.Semaphore(self._connections), os.getpid())
        return opened

    def environment_proxy(self, url: str) -> str | None:
        """The proxy that the environment names for this host, if ``trust_env`` is set; looked up once per host."""
        if not self._trust_env:
            return None
        host = host_of(url)
        if host not in self._proxies:
            name, scheme = host.rpartition(":")[0] or host, url.partition("://")[0]
            self._proxies[host] = None if self._proxy or proxy_bypass(name) else getproxies().get(scheme)
        return self._proxies[host]

    def __repr__(self) -> str:
        return f"SessionPool(open={sorted(self.sessions)})"


def _leave_behind(sessions: dict[str, _Session], forgotten: Callable[[], None]) -> None:
    """Called when the pool was collected without having been closed."""
    mine = [opened.session for opened in sessions.values() if opened.process == os.getpid()]
    for session, _, _ in sessions.values():
        loop = session._loop  # noqa: SLF001
        if session in mine and loop.is_running():
            asyncio.run_coroutine_threadsafe(session.close(), loop)
        else:
            disown(session, forked=session not in mine)
    sessions.clear()
    if mine:
        forgotten()


def as_url(url: str) -> URL:
    """``URL(url, encoded=True)`` without yarl's parser, which is half of the cost."""
    scheme, _, rest = url.partition("://")
    authority, slash, target = rest.partition("/")
    path, _, query = target.partition("?")
    return URL.build(scheme=scheme, authority=authority, path=slash + path, query_string=query, encoded=True)
