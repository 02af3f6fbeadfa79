"""One HTTP exchange: what is sent, and what each failure is called."""

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
from raw_server import RawServer, answering, hang_up, raw_server, reply, stay_silent

from spapi_async import ClosedError, ConfigurationError, ConnectionFailedError, RequestTimeoutError, TransportError
from spapi_async._engine.transport import RawReply, SessionPool, Timeout
from spapi_async._engine.user_agent import user_agent_header


@pytest.fixture
async def pool() -> AsyncIterator[SessionPool]:
    pool = SessionPool(user_agent="test/1", timeout=Timeout(connect=60, read=60, total=60))
    yield pool
    await pool.aclose()


async def get(pool: SessionPool, server: RawServer, path: str = "/x", **options: Any) -> RawReply:
    arguments = {"headers": {"x-amz-access-token": "Atza|t"}, "session_key": "na", **options}
    return await pool.exchange("GET", server.url + path, **arguments)


async def test_a_get_carries_no_body_and_no_content_length(pool: SessionPool) -> None:
    """Amazon answers 400 to a GET that has either."""
    async with raw_server(answering(reply(b'{"a":1}'))) as server:
        answer = await get(pool, server)
    head = server.requests[0].lower()
    assert (answer.status, answer.body) == (200, b'{"a":1}')
    assert b"content-length" not in head
    assert b"transfer-encoding" not in head
    assert b"user-agent: test/1\r\n" in head
    assert b"x-amz-access-token: atza|t\r\n" in head


async def test_the_target_is_sent_as_it_stands(pool: SessionPool) -> None:
    """Nothing is decoded or encoded again on the way out."""
    path = "/a%2Fb/%252C?x=a%2Bb,c&y=%3D%27%21"
    async with raw_server(answering(reply())) as server:
        await get(pool, server, path)
    assert server.requests[0].startswith(f"GET {path} HTTP/1.1\r\n".encode())


async def test_a_redirect_is_never_followed(pool: SessionPool) -> None:
    """A token does not travel to a host that a reply names."""
    async with raw_server(answering(reply(b"", "302 Found", "Location: http://127.0.0.1:1/steal"))) as server:
        answer = await get(pool, server)
    assert answer.status == 302
    assert len(server.requests) == 1


async def test_connections_are_kept_and_shared_within_a_region(pool: SessionPool) -> None:
    """Sequential calls of one region use one connection; another region has its own."""
    async with raw_server(answering(reply())) as server:
        for _ in range(5):
            await get(pool, server)
        assert server.connections == 1
        await get(pool, server, session_key="eu")
        assert server.connections == 2


async def test_a_request_that_found_no_free_connection_never_left() -> None:
    """A write that only stood in line may be tried again, and who leaves the line early takes no place with him."""
    silent = asyncio.Event()

    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        silent.set()
        await stay_silent(request, writer)

    pool = SessionPool(user_agent="t", connections=1)
    async with raw_server(answer) as server:
        first = asyncio.create_task(get(pool, server, "/first"))
        await silent.wait()
        with pytest.raises(ConnectionFailedError, match=r"no connection to 127\.0\.0\.1:\d+ was free for 0\.01 s"):
            await pool.exchange("POST", f"{server.url}/second?e=a@b.c", headers={}, session_key="na", timeout=0.01)
        third = asyncio.create_task(get(pool, server, "/third"))
        await asyncio.sleep(0)
        third.cancel()
        first.cancel()
        await asyncio.wait([first, third])
        silent.clear()
        fourth = asyncio.create_task(get(pool, server, "/fourth"))
        await silent.wait()
        fourth.cancel()
        await asyncio.wait([fourth])
    await pool.aclose()
    assert [request.split()[1] for request in server.requests] == [b"/first", b"/fourth"]


async def test_a_refused_connection_never_left(pool: SessionPool) -> None:
    """It says which host, and that it could not be reached."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # and never listens; held, so that nobody else can
        port = closed.getsockname()[1]
        with pytest.raises(ConnectionFailedError, match=f"cannot connect to 127.0.0.1:{port}"):
            await pool.exchange("POST", f"http://127.0.0.1:{port}/x", headers={}, body=b"{}", session_key="na")


async def test_a_dropped_connection_is_reported_and_the_request_sent_once(pool: SessionPool) -> None:
    """The HTTP library's own silent repeat is off: it would spend quota and repeat PUTs."""
    async with raw_server(hang_up) as server:
        with pytest.raises(TransportError, match="broke") as caught:
            await get(pool, server)
    assert not isinstance(caught.value, ConnectionFailedError)
    assert len(server.requests) == 1


async def test_a_kept_connection_that_breaks_is_not_repeated_silently(pool: SessionPool) -> None:
    """The same holds for the second request of a connection, where the library would repeat it."""
    answers = iter([answering(reply()), hang_up, answering(reply())])

    async def answer(request: bytes, writer: Any) -> None:
        await next(answers)(request, writer)

    async with raw_server(answer) as server:
        await get(pool, server)
        with pytest.raises(TransportError):
            await get(pool, server)
    assert len(server.requests) == 2


@pytest.mark.parametrize("timeout", [0.05, None])
async def test_timeouts_are_honoured(timeout: float | None) -> None:
    """Both the call's own and the pool's."""
    pool = SessionPool(user_agent="t", timeout=Timeout(read=0.05, total=0.1) if timeout is None else Timeout())
    async with raw_server(stay_silent) as server:
        with pytest.raises(RequestTimeoutError):
            await get(pool, server, timeout=timeout)
    await pool.aclose()


def framed(framing: str, body: bytes) -> list[bytes]:
    """A 200 with this body, in the parts that a server may send separately."""
    if framing == "gzip":
        body = gzip.compress(body)
    if framing == "chunked":
        parts = [body[:3], body[3:]] if len(body) > 3 else [body] if body else []
        chunks = [b"%x\r\n%b\r\n" % (len(part), part) for part in parts]
        return [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", *chunks, b"0\r\n\r\n"]
    head = {
        "sized": b"Content-Length: %d\r\n" % len(body),
        "gzip": b"Content-Encoding: gzip\r\nContent-Length: %d\r\n" % len(body),
        "until closed": b"Connection: close\r\n",
    }[framing]
    return [b"HTTP/1.1 200 OK\r\n", head + b"\r\n", body[: len(body) // 2], body[len(body) // 2 :]]


@pytest.mark.parametrize("size", [0, 1, 500, 300_000])
@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("framing", ["sized", "chunked", "gzip", "until closed"])
async def test_a_body_is_the_same_however_it_comes(pool: SessionPool, framing: str, whole: bool, size: int) -> None:
    """At once with its headers or piece by piece, in any framing; and its connection serves again."""
    body = (b"0123456789" * 30_000)[:size]
    parts = framed(framing, body)

    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        for part in [b"".join(parts)] if whole else parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0)
        if framing == "until closed":
            writer.close()

    async with raw_server(answer) as server:
        answers = [await get(pool, server) for _ in range(3)]
    assert [answer.body for answer in answers] == [body] * 3
    assert server.connections == (3 if framing == "until closed" else 1)


async def test_a_reply_does_not_show_its_body(pool: SessionPool) -> None:
    """Bodies hold tokens and names, and reprs end up in logs."""
    async with raw_server(answering(reply(b'{"access_token":"Atza|secret"}', "200 OK", "X-Buyer: Jane"))) as server:
        assert repr(await get(pool, server)) == "<RawReply 200>"


@pytest.mark.parametrize(
    "raw",
    [
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 7\r\n\r\nnotgzip",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
async def test_a_reply_that_is_not_http_is_a_transport_error(pool: SessionPool, raw: bytes) -> None:
    """Wrong bytes never look like success."""

    async def answer(request: bytes, writer: Any) -> None:
        writer.write(raw)
        writer.close()

    async with raw_server(answer) as server:
        with pytest.raises(TransportError):
            await get(pool, server)


async def test_errors_do_not_show_the_query() -> None:
    """A presigned URL's signature, a buyer's e-mail in a filter: none of it is in a message."""
    pool = SessionPool(user_agent="t")
    with pytest.raises(ConnectionFailedError) as caught:
        await pool.exchange("GET", "http://127.0.0.1:1/x?signature=marked", headers={}, session_key="na")
    assert "marked" not in f"{caught.value}"
    await pool.aclose()


async def test_a_closed_pool_opens_nothing() -> None:
    """A call after the application closed gets a clear error, not a leaked session."""
    pool = SessionPool(user_agent="t")
    await pool.aclose()
    with pytest.raises(ClosedError, match="closed"):
        await pool.exchange("GET", "http://127.0.0.1:1/", headers={}, session_key="na")


def test_the_user_agent_has_amazons_form() -> None:
    """Name and version, then language and platform."""
    assert user_agent_header("Shop/2.1").startswith("Shop/2.1 (Language=CPython/3.")
    assert "Platform=" in user_agent_header(None)
    assert user_agent_header("Shop/2 (Language=Go)") == "Shop/2 (Language=Go)"


@pytest.mark.parametrize("agent", ["x" * 501, "Shop/1\r\nx-evil: 1", "Läden/1"])
def test_a_user_agent_that_amazon_would_refuse_is_refused_here(agent: str) -> None:
    """Too long, or no header value at all."""
    with pytest.raises(ConfigurationError, match="user_agent"):
        user_agent_header(agent)


@pytest.mark.parametrize("raw", [b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n"])
async def test_no_error_in_the_chain_holds_the_token(pool: SessionPool, raw: bytes) -> None:
    """The HTTP library's error for a reply that is not HTTP has the request's headers in its repr."""
    async with raw_server(answering(raw)) as server:
        with pytest.raises(TransportError, match="the reply is not HTTP") as caught:
            await get(pool, server)
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


async def test_a_proxy_that_refuses_has_sent_nothing() -> None:
    """Its refusal comes before the request has left, and the error does not show the proxy's password."""
    async with raw_server(answering(reply(b"", "407 Proxy Authentication Required"))) as server:
        pool = SessionPool(user_agent="t", proxy=server.url.replace("//", "//me:pw@"))
        with pytest.raises(ConnectionFailedError, match="the proxy answered 407") as caught:
            await pool.exchange("POST", "https://sellingpartnerapi-na.amazon.com/x", headers={}, session_key="na")
        await pool.aclose()
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


async def test_a_proxy_that_is_not_there_is_blamed_and_not_amazon() -> None:
    """The host in the message is the one that was wanted, so it must say who could not be reached."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and never listening
        pool = SessionPool(user_agent="t", proxy=f"http://127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(ConnectionFailedError, match="the proxy cannot be reached"):
            await pool.exchange("GET", "https://sellingpartnerapi-na.amazon.com/x", headers={}, session_key="na")
        await pool.aclose()


def test_a_pool_works_in_one_loop_after_another() -> None:
    """``asyncio.run`` twice with one application; the timeouts work in the second loop, too."""
    pool = SessionPool(user_agent="t", timeout=Timeout(total=0.1))

    async def first() -> int:
        async with raw_server(answering(reply())) as server:
            status = None
            while status is None:
                with suppress(RequestTimeoutError):  # a busy machine
                    status = (await get(pool, server)).status
            await pool.sessions["na"].session.close()  # the pool itself stays open
            return status

    async def second() -> None:
        async with raw_server(stay_silent) as server:
            with pytest.raises(RequestTimeoutError):
                await asyncio.wait_for(get(pool, server), 60)
        await pool.aclose()

    assert asyncio.run(first()) == 200
    asyncio.run(second())


async def test_an_address_that_cannot_be_is_not_shown(pool: SessionPool) -> None:
    """Neither by the error nor by its cause: a query can hold personal data."""
    with pytest.raises(ConnectionFailedError) as caught:
        await pool.exchange("GET", "http:///x?buyer=Jane", headers={}, session_key="na")
    assert "Jane" not in repr((caught.value, caught.value.__cause__, caught.value.__context__))


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_the_proxy_is_that_of_the_urls_scheme(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As every other program reads the environment; hosts in no_proxy are asked directly."""
    monkeypatch.setenv("http_proxy", "http://plain:1")
    monkeypatch.setenv("https_proxy", "http://secure:2")
    monkeypatch.setenv("no_proxy", "near.example")
    pool = SessionPool(user_agent="t", trust_env=True)
    named = {"http": "http://plain:1", "https": "http://secure:2"}[scheme]
    assert pool.environment_proxy(f"{scheme}://far.example/x") == named
    assert pool.environment_proxy(f"{scheme}://near.example/x") is None
    await pool.aclose()
