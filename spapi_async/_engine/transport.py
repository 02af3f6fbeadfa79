"""One HTTP exchange at a time: aiohttp sessions, one for each region, and the translation of what goes wrong.

Nothing above this module sees aiohttp. What it must tell apart is not *what* failed but *how far the request got*: a
request that never left may always be repeated, one that left may have moved money.
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

__all__ = ["RawReply", "SessionPool", "Timeout", "user_agent_header"]


MAX_REPLY_SIZE = 64 * 1024 * 1024
"""Bytes of a reply after inflation: Amazon's largest pages have a few, and 0.3 MB of gzip can hold 300."""

TOKEN_HEADER = "x-amz-access-token"  # noqa: S105 - its name


class Timeout(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of one HTTP exchange, in seconds.

    Attributes:
        connect: for TCP and TLS.
        read: between two pieces of the reply; None leaves that to ``total``, which costs one timer less for each call.
        total: from asking for a connection to the last byte of the reply.
    """

    connect: float = 10.0
    read: float | None = None
    total: float = 60.0


class RawReply(msgspec.Struct, frozen=True, gc=False):
    """A reply as it came: any status, any body."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes

    def __repr__(self) -> str:
        return f"<RawReply {self.status}>"  # bodies hold tokens and personal data


class _Session(NamedTuple):
    """An aiohttp session, and a slot for each connection that it may have."""

    session: aiohttp.ClientSession
    slots: asyncio.Semaphore
    process: int


class SessionPool:
    """An aiohttp session for each region, opened at its first request and closed together.

    A session is a connection pool: all sellers of a region share it, so that connections stay warm and are bounded. It
    belongs to an event loop: a pool that is used in another one (``asyncio.run`` twice) opens new ones there.
    ``forgotten`` is called when sessions had to be closed because nobody closed the pool.
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
        "heard",
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
        self.total = self._timeout.total  # seconds that an exchange may take unless its caller says otherwise
        # The total is bounded by one watch for all exchanges, which costs them no timer each.
        bounds = self._timeout
        self._client_timeout = aiohttp.ClientTimeout(total=None, sock_connect=bounds.connect, sock_read=bounds.read)
        self._watch = Watch()
        self._connections = connections
        self._proxy = proxy
        self._ssl = ssl
        self._trust_env = trust_env
        self._proxies: dict[str, str | None] = {}
        self._max_reply_size = max_reply_size
        self.heard: dict[str, tuple[float, int | str]] = {}  # last status or failure by session key, and when
        self.sessions: dict[str, _Session] = {}
        self._streams: set[OpenedReply] = set()
        self._forgotten = forgotten
        self._home = HomeLoop(what, drop=self._drop, close=self._close_forgotten)
        self._closed = False
        # By then nothing else holds the sessions, which complain when they go first.
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

        A redirect is returned as the reply it is, so that a token never follows one to another host. ``url`` is sent as
        it stands, already percent-encoded. ``timeout`` replaces the total. ``token`` becomes ``x-amz-access-token``.

        Raises:
            ConnectionFailedError: the request never left, for want of a connection or of a free one.
            RequestTimeoutError: it may have left, and no whole reply came in time.
            TransportError: it may have left, and the connection broke.
            DecodeError: the reply is larger than the pool takes.
        """
        session, slots, _ = self._session(session_key)
        seconds = self.total if timeout is None else timeout
        queued = True
        try:
            with self._watch.bounded(seconds):
                # aiohttp has a queue for connections too, and does not say whether a request that is late ever left it.
                await slots.acquire()
                queued = False
                try:
                    # What session.request() wraps in a context manager, which costs a call two percent. Secrets are
                    # revealed in the call alone: no local variable of this frame holds one.
                    reply = await session._request(  # noqa: SLF001
                        method,
                        as_url(url),
                        headers=headers if token is None else {**headers, TOKEN_HEADER: token.reveal()},
                        data=body.reveal().encode() if isinstance(body, Secret) else body,
                        allow_redirects=False,
                        proxy=self.environment_proxy(url),
                    )
                    # A small reply has come whole by now, and its end gave the connection back: to take it as it is
                    # costs 3 percent of a call less than reading it, which gives it back at the end or closes it.
                    content = reply.content
                    whole = content.read_nowait() if content.is_eof() else await self._read_whole(reply)
                    if reply.status == 101 or len(whole) > self._max_reply_size:
                        reply.close()  # whoever switches protocols speaks none of ours from now on
                    if len(whole) <= self._max_reply_size:
                        self.heard[session_key] = (time.time(), reply.status)
                        return RawReply(reply.status, reply.headers, whole)
                    failure: SPAPIError = too_large(url, reply, self._max_reply_size)
                finally:
                    slots.release()
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # ValueError: a reply that aiohttp cannot parse, such as a broken content coding.
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
        self.heard[session_key] = (time.time(), type(failure).__name__)
        raise failure  # out here it has no context, which would show what _shown hides

    async def _read_whole(self, reply: aiohttp.ClientResponse) -> bytes:
        """The rest of a reply, or of its beginning where it is too large: piece by piece, as it is inflated."""
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
        """Send one request and read its reply piecemeal: no retry, no redirect, no decompression.

        A document may take an hour, so only silence is bounded: by ``silence`` seconds; by default by the read timeout,
        or the total where there is none. A slow reader is not silence. Leaving the block before the end closes the
        connection.

        Raises:
            ConnectionFailedError, RequestTimeoutError, TransportError: as :meth:`exchange`; the chunks raise them too.
        """
        url = url if isinstance(url, Secret) else Secret(url)  # a presigned URL is one
        host = host_of(url.reveal())
        session = self._session(session_key).session
        if silence is None:
            silence = self.total if self._timeout.read is None else self._timeout.read
        bounds = aiohttp.ClientTimeout(total=None, sock_connect=self._timeout.connect, sock_read=silence)
        if split_url(url.reveal()) is None:
            raise ConnectionFailedError("the URL is not one that can be asked: http(s)://host[:port]/...")
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
            failure = translated(error, url.reveal(), f"no byte from {host} for {silence:g} s")
        except BaseException as error:
            forget_locals(error)
            raise
        else:
            self._streams.add(opened)
            try:
                yield StreamedReply(opened.reply.status, opened.reply.headers, opened.chunks(host, silence))
            finally:
                self._streams.discard(opened)
                opened.reply.close()  # gives a connection back that was read to its end
            return
        raise failure

    async def aclose(self) -> None:
        """Close every session; the pool opens none afterwards, and what is under way ends with an error."""
        if self._home.loop is not None:
            self._home.enter()  # or an earlier loop's sessions would be closed in this one
        self._closed = True
        # aiohttp forgets who reads a body when it closes a connection: they would wait until their time is up.
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
        """The loop ends and nobody closed the pool."""
        self._watch = Watch()
        if self.sessions:
            await self._close_sessions()
            self._forgotten()

    def _drop(self, forked: bool) -> None:  # noqa: FBT001 - HomeLoop calls it
        """Leave sessions and timers behind: nothing of theirs works here, not even closing."""
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
            cookie_jar=aiohttp.DummyCookieJar(),  # SP-API sets none worth keeping, and filtering them costs every call
            headers=self._headers,
            timeout=self._client_timeout,
            proxy=self._proxy,
            # Not trust_env: aiohttp would look every host up in ~/.netrc, whose default entry is for any of them, and
            # send the password found there along with a presigned URL. The proxies are read by environment_proxy.
        )
        # aiohttp silently sends GET, PUT and DELETE a second time when a kept connection breaks. That repeat has no
        # token of the usage plan, and a PUT of Amazon's need not be idempotent: whether to repeat is for retry to say.
        session._retry_connection = False  # noqa: SLF001
        opened = self.sessions[session_key] = _Session(session, asyncio.Semaphore(self._connections), os.getpid())
        return opened

    def environment_proxy(self, url: str) -> str | None:
        """The proxy that the environment names for this host, if it is asked; looked up once for each host."""
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
    """Nobody has the pool any more, and nobody closed it."""
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
    """``URL(url, encoded=True)`` without its parser, which is half of its cost."""
    scheme, _, rest = url.partition("://")
    authority, slash, target = rest.partition("/")
    path, _, query = target.partition("?")
    return URL.build(scheme=scheme, authority=authority, path=slash + path, query_string=query, encoded=True)
