"""One HTTP exchange: what is sent, and which error each failure becomes."""

import asyncio
import gzip
import socket
from contextlib import suppress
from typing import Any

import pytest
from hostile_campaign import locals_shown
from raw_server import RawServer, answering, hang_up, raw_server, reply, stay_silent

from spapi_async import ClosedError, ConfigurationError, ConnectionFailedError, RequestTimeoutError, TransportError
from spapi_async._engine.transport import RawReply, SessionPool, Timeout
from spapi_async._engine.user_agent import user_agent_header
from spapi_async.credentials import Secret


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
    """It is neither decoded nor encoded again."""
    path = "/a%2Fb/%252C?x=a%2Bb,c&y=%3D%27%21"
    async with raw_server(answering(reply())) as server:
        await get(pool, server, path)
    assert server.requests[0].startswith(f"GET {path} HTTP/1.1\r\n".encode())


async def test_the_target_of_a_document_is_sent_as_it_stands(pool: SessionPool) -> None:
    """Its signature covers each character."""
    path = "/a%7Eb/%252C?X-Amz-Signature=%2b%2F&x=a+b,c'"
    async with (
        raw_server(answering(reply(b"x"))) as server,
        pool.stream("GET", server.url + path, headers={}, session_key="documents") as document,
    ):
        assert [chunk async for chunk in document.chunks] == [b"x"]
    assert server.requests[0].startswith(f"GET {path} HTTP/1.1\r\n".encode())


async def test_a_redirect_is_never_followed(pool: SessionPool) -> None:
    """A token is not sent to a host that a reply names."""
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


async def test_a_request_that_gets_no_free_connection_was_not_sent() -> None:
    """A write that only waited for a connection may be repeated, and a cancelled wait takes no connection."""
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


async def test_a_request_on_a_refused_connection_was_not_sent(pool: SessionPool) -> None:
    """The error names the host, and says that it could not be reached."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # never listens; bound, so that no other process can
        port = closed.getsockname()[1]
        with pytest.raises(ConnectionFailedError, match=f"cannot connect to 127.0.0.1:{port}"):
            await pool.exchange("POST", f"http://127.0.0.1:{port}/x", headers={}, body=b"{}", session_key="na")


@pytest.mark.parametrize("failing", ["refused", "dropped"])
async def test_a_failed_exchange_leaves_its_connection_to_the_next(failing: str) -> None:
    """With one connection at most, the second would find none free."""
    pool = SessionPool(user_agent="t", connections=1)
    async with raw_server(hang_up) as server:
        url = server.url if failing == "dropped" else "http://127.0.0.1:1"
        for _ in range(2):
            with pytest.raises(TransportError, match=r"broke|cannot connect"):
                await pool.exchange("GET", url, headers={}, timeout=2.0, session_key="na")
    await pool.aclose()


async def test_a_dropped_connection_is_reported_and_the_request_sent_once(pool: SessionPool) -> None:
    """Aiohttp's own repetition is off: it would spend quota and repeat PUTs."""
    async with raw_server(hang_up) as server:
        with pytest.raises(TransportError, match="broke") as caught:
            await get(pool, server)
    assert not isinstance(caught.value, ConnectionFailedError)
    assert len(server.requests) == 1


async def test_a_request_on_a_kept_connection_that_breaks_is_not_repeated(pool: SessionPool) -> None:
    """Aiohttp would repeat the second request of a connection."""
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
    """Both the call's own timeout and the pool's apply."""
    pool = SessionPool(user_agent="t", timeout=Timeout(read=0.05, total=0.1) if timeout is None else Timeout())
    async with raw_server(stay_silent) as server:
        with pytest.raises(RequestTimeoutError):
            await get(pool, server, timeout=timeout)
    await pool.aclose()


def framed(framing: str, body: bytes) -> list[bytes]:
    """A 200 with this body, in parts that a server may send separately."""
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
async def test_a_body_is_the_same_in_any_framing(pool: SessionPool, framing: str, whole: bool, size: int) -> None:
    """It may come with its headers or piece by piece; its connection is used again."""
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
    """It may hold the signature of a presigned URL, or a buyer's e-mail address."""
    pool = SessionPool(user_agent="t")
    with pytest.raises(ConnectionFailedError) as caught:
        await pool.exchange("GET", "http://127.0.0.1:1/x?signature=marked", headers={}, session_key="na")
    assert "marked" not in f"{caught.value}"
    await pool.aclose()


async def test_a_closed_pool_raises_closed_error() -> None:
    """A call after the application was closed leaves no open session."""
    pool = SessionPool(user_agent="t")
    await pool.aclose()
    with pytest.raises(ClosedError, match="closed"):
        await pool.exchange("GET", "http://127.0.0.1:1/", headers={}, session_key="na")


async def test_closing_ends_a_download_that_waits_for_a_connection() -> None:
    """A closed session cancels that wait, and a task that nobody cancelled would end as cancelled."""
    opened = asyncio.Event()

    async def download() -> None:
        async with pool.stream("GET", f"{server.url}/file", headers={}, session_key="documents"):
            opened.set()
            await asyncio.Event().wait()

    pool = SessionPool(user_agent="t", connections=1)
    async with raw_server(answering(reply(b"half")[:-2])) as server:
        first = asyncio.create_task(download())
        await opened.wait()
        second, third = asyncio.create_task(download()), asyncio.create_task(download())
        await asyncio.sleep(0)
        third.cancel()
        await pool.aclose()
        first.cancel()
        with pytest.raises(ClosedError, match="the application is closed"):
            await second
        with pytest.raises(asyncio.CancelledError):
            await third
        await asyncio.wait([first])


def test_the_user_agent_has_amazons_form() -> None:
    """Name and version, then language and platform."""
    assert user_agent_header("Shop/2.1").startswith("Shop/2.1 (Language=CPython/3.")
    assert "Platform=" in user_agent_header(None)
    assert user_agent_header("Shop/2 (Language=Go)") == "Shop/2 (Language=Go)"


@pytest.mark.parametrize("agent", ["x" * 501, "Shop/1\r\nx-evil: 1", "Läden/1"])
def test_a_user_agent_that_amazon_would_refuse_is_refused_here(agent: str) -> None:
    """It is too long, or not a valid header value."""
    with pytest.raises(ConfigurationError, match="user_agent"):
        user_agent_header(agent)


@pytest.mark.parametrize("raw", [b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n"])
async def test_no_error_in_the_chain_holds_the_token(pool: SessionPool, raw: bytes) -> None:
    """Aiohttp's error for a reply that is not HTTP has the request's headers in its repr."""
    async with raw_server(answering(raw)) as server:
        with pytest.raises(TransportError, match="the reply is not HTTP") as caught:
            await get(pool, server)
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


async def test_no_frame_of_a_broken_exchange_holds_the_token(pool: SessionPool) -> None:
    """Exception reporters print local variables, and those of aiohttp's frames hold the headers that were sent."""
    async with raw_server(hang_up) as server:
        with pytest.raises(TransportError) as caught:
            await get(pool, server, token=Secret("Atza|marked"))
    shown = locals_shown(caught.value)  # first, since a failed assertion keeps its operands in this test's own frame
    assert caught.value.__cause__ is not None
    assert "marked" not in shown


async def test_no_frame_of_a_cancelled_exchange_holds_the_token(pool: SessionPool) -> None:
    """The cancellation passes through aiohttp's frames, too."""

    async def cancelled() -> str:
        with pytest.raises(asyncio.CancelledError) as caught:
            await get(pool, server, token=Secret("Atza|marked"))
        return locals_shown(caught.value)

    async def cancel(request: bytes, writer: Any) -> None:
        assert b"marked" in request
        call.cancel()

    async with raw_server(cancel) as server:
        call = asyncio.create_task(cancelled())
        assert "marked" not in await call


async def test_no_frame_of_a_cancelled_download_holds_the_url(pool: SessionPool) -> None:
    """Anyone who reads a presigned URL can open the document."""

    async def cancelled(url: Secret) -> str:
        with pytest.raises(asyncio.CancelledError) as caught:
            async with pool.stream("GET", url, headers={}, session_key="documents"):
                pytest.fail("there was no reply")
        return locals_shown(caught.value)

    async def cancel(request: bytes, writer: Any) -> None:
        call.cancel()

    async with raw_server(cancel) as server:
        call = asyncio.create_task(cancelled(Secret(f"{server.url}/document?signature=marked")))
        assert "marked" not in await call
        assert b"marked" in server.requests[0]


async def test_a_request_that_the_proxy_refuses_was_not_sent() -> None:
    """The error does not show the proxy's password."""
    async with raw_server(answering(reply(b"", "407 Proxy Authentication Required"))) as server:
        pool = SessionPool(user_agent="t", proxy=server.url.replace("//", "//me:pw@"))
        with pytest.raises(ConnectionFailedError, match="the proxy answered 407") as caught:
            await pool.exchange("POST", "https://sellingpartnerapi-na.amazon.com/x", headers={}, session_key="na")
        await pool.aclose()
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


async def test_an_unreachable_proxy_is_named_in_the_error() -> None:
    """The error would otherwise name Amazon's host as the one that cannot be reached."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but never listening
        pool = SessionPool(user_agent="t", proxy=f"http://127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(ConnectionFailedError, match="the proxy cannot be reached"):
            await pool.exchange("GET", "https://sellingpartnerapi-na.amazon.com/x", headers={}, session_key="na")
        await pool.aclose()


def test_a_pool_works_in_one_loop_after_another() -> None:
    """``asyncio.run`` twice with one application works, timeouts included."""
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


def test_a_pool_works_in_a_second_loop_while_the_first_is_paused() -> None:
    """It opens connections of its own, and a timer of its own bounds them."""
    pool, paused = SessionPool(user_agent="t", timeout=Timeout(total=0.1)), asyncio.new_event_loop()

    async def open_a_connection() -> None:
        async with raw_server(answering(reply())) as server:
            with suppress(RequestTimeoutError):  # a busy machine
                await get(pool, server)

    async def wait_in_vain() -> None:
        async with raw_server(stay_silent) as server:
            with pytest.raises(RequestTimeoutError):
                await asyncio.wait_for(get(pool, server), 5)
        await pool.aclose()

    paused.run_until_complete(open_a_connection())
    asyncio.run(wait_in_vain())
    paused.run_until_complete(asyncio.sleep(0))
    paused.close()


async def test_an_impossible_address_is_not_shown(pool: SessionPool) -> None:
    """Neither the error nor its cause shows it: a query can hold personal data."""
    with pytest.raises(ConnectionFailedError) as caught:
        await pool.exchange("GET", "http:///x?buyer=Jane", headers={}, session_key="na")
    assert "Jane" not in repr((caught.value, caught.value.__cause__, caught.value.__context__))


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_the_proxy_is_that_of_the_urls_scheme(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read from the environment as by other programs; hosts in no_proxy are called directly."""
    monkeypatch.setenv("http_proxy", "http://plain:1")
    monkeypatch.setenv("https_proxy", "http://secure:2")
    monkeypatch.setenv("no_proxy", "near.example")
    pool = SessionPool(user_agent="t", trust_env=True)
    named = {"http": "http://plain:1", "https": "http://secure:2"}[scheme]
    assert pool.environment_proxy(f"{scheme}://far.example/x") == named
    assert pool.environment_proxy(f"{scheme}://near.example/x") is None
    await pool.aclose()
