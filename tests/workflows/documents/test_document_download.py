"""What a host of presigned URLs can do to a download."""

import asyncio
import gzip
import struct
import time
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import pytest
from document_fixtures import document_at, emulated, read_all, report_at, s3, served
from insides import download_of, session_pool
from raw_server import raw_server, stay_silent
from virtual_time import StandingTimeLoop

from spapi_async import DocumentError, DocumentTruncatedError, RequestTimeoutError, TransportError
from spapi_async._engine.transport import SessionPool
from spapi_async.workflows.documents import Document

TEXT = b"sku\tqty\r\n" + b"A-1\t5\r\n" * 40
ZIPPED = gzip.compress(TEXT, mtime=0)
ETAG = 'ETag: "1"'
EXPIRED = b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"


async def test_no_token_and_no_amazon_header_reaches_the_presigned_url() -> None:
    """Its host would get the token; a redirect is not followed, either."""
    async with emulated() as (_, seller), served(s3("200 OK", b"x")) as server:
        async with report_at(seller, server.url + "/d?X-Signature=1") as document:
            assert await document.read() == b"x"
        pool = session_pool(seller.application)
        async with pool.stream("PUT", server.url, headers={}, body=b"{}", session_key="documents"):
            pass
    for request in server.requests:
        head = request.lower()
        assert b"x-amz" not in head
        assert b"atza|" not in head
        assert b"authorization" not in head
    assert len(server.requests) == 2


async def test_a_redirect_is_refused() -> None:
    """S3 does not redirect presigned URLs, so another server did."""
    with pytest.raises(DocumentError, match="302"):
        await read_all(s3("302 Found", b"", "Location: http://127.0.0.1:1/"))


@pytest.mark.parametrize("gzipped", [False, True])
@pytest.mark.parametrize("encoding", ["identity", "gzip", None])
@pytest.mark.parametrize(
    "body",
    [TEXT, ZIPPED, gzip.compress(TEXT[:100]) + gzip.compress(TEXT[100:]) + bytes(512)],
    ids=["plain", "gzip", "two members"],
)
async def test_gzip_is_recognised_by_its_bytes(body: bytes, encoding: str | None, gzipped: bool) -> None:
    """It may be announced or not, already decompressed or not, in one member or two, padded or not."""
    headers = [f"Content-Encoding: {encoding}"] if encoding else []
    assert await read_all(s3("200 OK", body, *headers), gzipped=gzipped) == TEXT


async def test_a_gzip_file_inside_a_gzip_file_stays_one() -> None:
    """It is decompressed once."""
    assert await read_all(s3("200 OK", gzip.compress(ZIPPED), "Content-Encoding: gzip"), gzipped=True) == ZIPPED


@pytest.mark.parametrize("cut", [0, 1, 2, 3, 12, len(ZIPPED) // 2, len(ZIPPED) - 1])
async def test_a_gzip_file_without_its_end_is_an_error(cut: int) -> None:
    """Every announced byte may have come."""
    with pytest.raises(DocumentTruncatedError):
        await read_all(s3("200 OK", ZIPPED[:cut]), gzipped=True)


@pytest.mark.parametrize("body", [b"", b"\x1f", b"\x1f\x8b"])
async def test_tiny_plain_documents_are_valid(body: bytes) -> None:
    """An empty report is no error."""
    assert await read_all(s3("200 OK", body)) == body


async def test_damaged_gzip_is_an_error() -> None:
    """The checksum is wrong, the bytes are not deflate, or garbage follows a member."""
    wrong = ZIPPED[:-8] + bytes(8)
    for body in (wrong, ZIPPED[:10] + b"\xff" * 200, ZIPPED + b"rubbish that is no member"):
        with pytest.raises(DocumentError):
            await read_all(s3("200 OK", body), gzipped=True)


async def test_a_short_body_is_resumed_from_where_it_ended() -> None:
    """A range request gets the rest, and the parts fit together."""
    rest = s3("206 Partial Content", TEXT[100:], f"Content-Range: bytes 100-{len(TEXT) - 1}/{len(TEXT)}", ETAG)
    first = s3("200 OK", TEXT[:100], ETAG, length=len(TEXT))
    async with served(first, rest) as server, document_at(server.url) as document, document:
        assert await document.read() == TEXT
    assert b"range: bytes=100-\r\n" in server.requests[1].lower()


@pytest.mark.parametrize(
    "second",
    [
        s3("200 OK", TEXT, ETAG),
        s3("206 Partial Content", TEXT[99:], f"Content-Range: bytes 99-{len(TEXT) - 1}/{len(TEXT)}", ETAG),
        s3("206 Partial Content", TEXT[100:], f"Content-Range: bytes 100-{len(TEXT) - 1}/{len(TEXT)}", 'ETag: "2"'),
        s3("206 Partial Content", TEXT[100:], f"Content-Range: bytes 100-{len(TEXT)}/{len(TEXT) + 1}", ETAG),
        s3("206 Partial Content", TEXT[100:], ETAG),
    ],
    ids=["all of it", "another place", "another object", "another size", "no range"],
)
async def test_a_reply_that_is_not_the_rest_is_not_appended(second: bytes) -> None:
    """It comes from a host without ranges, or of another object: the document is truncated, never wrong."""
    with pytest.raises(DocumentTruncatedError, match=f"100 of {len(TEXT)} bytes"):
        await read_all(s3("200 OK", TEXT[:100], ETAG, length=len(TEXT)), second)


async def test_a_resumption_is_tried_a_bounded_number_of_times() -> None:
    """A host that always breaks does not hold the caller for ever."""
    body = s3("200 OK", b"", ETAG, length=10)
    async with served(body) as server, document_at(server.url) as document, document:
        with pytest.raises(DocumentTruncatedError):
            await document.read()
    assert len(server.requests) == 5


async def test_a_document_of_gigabytes_may_break_often() -> None:
    """A megabyte of progress restarts the count of attempts; without it the count goes on."""
    step, total = 1_100_000, 8_800_000
    replies = [s3("200 OK", bytes(step), ETAG, length=total)] + [
        s3("206 Partial", bytes(step), ETAG, f"Content-Range: bytes {at}-{total - 1}/{total}", length=total - at)
        for at in range(step, total, step)
    ]
    assert len(await read_all(*replies)) == total
    small = [s3("200 OK", b"x", ETAG, length=10)] + [
        s3("206 Partial", b"x", ETAG, f"Content-Range: bytes {at}-9/10", length=10 - at) for at in range(1, 10)
    ]
    with pytest.raises(DocumentTruncatedError, match="5 of 10"):
        await read_all(*small)


async def test_an_expired_url_in_the_middle_is_renewed() -> None:
    """A download of an hour outlives its URL."""
    rest = s3("206 Partial Content", TEXT[100:], f"Content-Range: bytes 100-{len(TEXT) - 1}/{len(TEXT)}", ETAG)
    first = s3("200 OK", TEXT[:100], ETAG, length=len(TEXT))
    async with (
        served(first, s3("403 Forbidden", EXPIRED), rest) as server,
        document_at(server.url + "/1", server.url + "/2") as document,
        document,
    ):
        assert await document.read() == TEXT
    assert [request.split()[1] for request in server.requests] == [b"/1", b"/1", b"/2"]


async def test_each_url_may_expire_once_it_has_worked() -> None:
    """A download may outlive several; only a fresh one that is refused at once ends it."""

    def piece(start: int, end: int) -> bytes:
        content_range = f"Content-Range: bytes {start}-{len(TEXT) - 1}/{len(TEXT)}"
        return s3("206 Partial Content", TEXT[start:end], content_range, ETAG, length=len(TEXT) - start)

    expired = s3("403 Forbidden", EXPIRED)
    first = s3("200 OK", TEXT[:100], ETAG, length=len(TEXT))
    async with (
        served(first, expired, piece(100, 200), expired, piece(200, len(TEXT))) as server,
        document_at(server.url + "/1", server.url + "/2", server.url + "/3") as document,
        document,
    ):
        assert await document.read() == TEXT
    assert [request.split()[1] for request in server.requests] == [b"/1", b"/1", b"/2", b"/2", b"/3"]


@pytest.mark.parametrize("status", ["404 Not Found", "403 Forbidden", "400 Bad Request"])
async def test_s3s_error_is_never_the_document(status: str) -> None:
    """Its code is in the message, its other words are not."""
    body = b"<Error><Code>SignatureDoesNotMatch</Code><StringToSign>MARKED</StringToSign></Error>"
    with pytest.raises(DocumentError, match="SignatureDoesNotMatch") as caught:
        await read_all(s3(status, body))
    assert caught.value.status == int(status[:3])
    assert "MARKED" not in str(caught.value)


async def test_a_host_that_is_busy_is_asked_again() -> None:
    """A 503 SlowDown passes."""
    busy = s3("503 Slow Down", b"<Error><Code>SlowDown</Code></Error>")
    assert await read_all(busy, busy, s3("200 OK", TEXT)) == TEXT
    with pytest.raises(DocumentError, match="503"):
        await read_all(busy)


async def test_a_reply_without_headers_is_read() -> None:
    """A proxy may send none; the end of the connection is then the end of the document."""

    async def bare(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + TEXT)
        await writer.drain()
        writer.close()

    async with raw_server(bare) as server, document_at(server.url) as document, document:
        assert await document.read() == TEXT


async def test_the_read_timeout_bounds_the_time_without_data() -> None:
    """It runs while nothing comes."""
    async with raw_server(stay_silent) as server, document_at(server.url, read=0.05) as document:
        with pytest.raises(RequestTimeoutError, match="no byte"):
            await document.__aenter__()


def test_a_slow_reader_does_not_trip_the_read_timeout() -> None:
    """It does not run while the caller does not read."""
    content = bytes(3_000_000)

    async def main(loop: StandingTimeLoop) -> int:
        async with served(s3("200 OK", content)) as server, document_at(server.url, read=5) as document, document:
            size = 0
            async for piece in document.iter_bytes():
                if not size:
                    await asyncio.to_thread(time.sleep, 0.3)  # every buffer in between is full, and then:
                    loop.now += 15
                    await asyncio.to_thread(time.sleep, 0.05)
                size += len(piece)
        return size

    with asyncio.Runner(loop_factory=StandingTimeLoop) as runner:
        assert runner.run(main(cast("StandingTimeLoop", runner.get_loop()))) == len(content)


async def test_errors_do_not_show_the_url() -> None:
    """A presigned URL gives access to the document."""
    async with document_at("http://127.0.0.1:1/x?X-Signature=marked") as document:
        with pytest.raises(TransportError) as caught:
            await document.__aenter__()
    assert "marked" not in f"{caught.value!r} {caught.value} {caught.value.__cause__!r}"


async def test_a_broken_upload_does_not_show_the_url() -> None:
    """Aiohttp's own message does, when the connection breaks while the body is written."""

    async def abort(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.abort()

    async def body() -> AsyncIterator[bytes]:
        while True:
            yield bytes(65536)

    server = await asyncio.start_server(abort, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/x?X-Signature=marked"
    pool = SessionPool(user_agent="test/1")
    with pytest.raises(TransportError) as caught:
        await pool.stream("PUT", url, headers={}, body=body(), session_key="documents").__aenter__()
    await pool.aclose()
    server.close()
    error: BaseException | None = caught.value
    while error is not None:
        assert "marked" not in f"{error!r} {error}"
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize(
    "read",
    [
        lambda document, _: document.read(),
        lambda document, _: document.text(),
        lambda document, _: document.json(),
        lambda document, _: document.to_arrow(),
        lambda document, folder: document.save_parquet(folder / "rows.parquet"),
        lambda document, folder: document.save(folder / "rows.txt"),
        lambda document, _: anext(document.iter_rows()),
    ],
    ids=["read", "text", "json", "to_arrow", "save_parquet", "save", "iter_rows"],
)
async def test_an_error_names_the_operation_whichever_method_reads(
    read: Callable[[Document, Path], Awaitable[Any]], tmp_path: Path
) -> None:
    """What finds the damage knows only bytes."""
    reply = s3("200 OK", gzip.compress(TEXT)[:-1])
    async with served(reply) as server, document_at(server.url) as document, document:
        with pytest.raises(DocumentTruncatedError) as caught:
            await read(document, tmp_path)
    assert caught.value.operation == "test.get_document"


async def test_a_document_is_read_once() -> None:
    """A second reading would return nothing, silently."""
    async with served(s3("200 OK", TEXT)) as server, document_at(server.url) as document:
        with pytest.raises(DocumentError, match="async with"):
            await document.read()
        async with document:
            await document.read()
            with pytest.raises(DocumentError, match="read only once"):
                await document.read()


async def test_leaving_early_closes_the_connection() -> None:
    """The rest of three gigabytes is not fetched."""
    async with served(s3("200 OK", bytes(5_000_000))) as server, document_at(server.url) as document:
        async with document:
            async for _ in document.iter_bytes():
                break
        assert document.bytes_read <= 65536
        assert download_of(document).stack is None


def _fifty_megabytes() -> bytes:
    """Seventy times ten thousand lines: as far apart as they are, equal lines are not compressed together."""
    line = b"902-3159896-%07d\tA product with a title of usual length\t%d\t19.99\r\n"
    lines = b"".join(line % (number, number % 7) for number in range(10_000))
    packer = zlib.compressobj(1, wbits=31)
    return b"".join([*(packer.compress(lines) for _ in range(70)), packer.flush()])


async def test_fifty_megabytes_are_read_in_bounded_memory() -> None:
    """It is a few hundred kilobytes for any size, the event loop is never blocked for long, and all rows arrive."""
    reply = s3("200 OK", _fifty_megabytes())
    async with served(reply) as server, document_at(server.url, gzipped=True) as document, document:
        tracemalloc.start()
        lines = 0
        async for piece in document.iter_bytes():
            lines += piece.count(b"\n")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert document.bytes_read > 45_000_000
    assert lines > 698_000
    assert peak < 1_500_000  # the server's buffers are in this process too


async def test_rows_are_handed_out_as_they_come() -> None:
    """Of fifteen thousand rows, some hundred are in memory at a time."""
    rows = b"".join(b"902-3159896-%07d\tA product with a title of usual length\t19.99\r\n" % at for at in range(15_000))
    reply = s3("200 OK", gzip.compress(b"order\ttitle\tprice\r\n" + rows, 1))
    async with served(reply) as server, document_at(server.url, gzipped=True) as document, document:
        tracemalloc.start()
        read = 0
        async for row in document.iter_rows():
            read += len(row) == 3
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert read == 15_000
    assert peak < 2_000_000  # and the server's buffers


def zeros_in_gzip(*, millions: int) -> bytes:
    """A million zeros compressed once, and repeated: compressing all of them would take longer than the test."""
    zeros, packer, checksum = bytes(1_000_000), zlib.compressobj(9, wbits=-zlib.MAX_WBITS), 0
    block = packer.compress(zeros) + packer.flush(zlib.Z_FULL_FLUSH)
    for _ in range(millions):
        checksum = zlib.crc32(zeros, checksum)
    trailer = struct.pack("<II", checksum, millions * len(zeros))
    return gzip.compress(b"")[:10] + block * millions + packer.flush() + trailer


async def test_a_decompression_bomb_neither_fills_memory_nor_holds_the_loop() -> None:
    """For 200 MB of zeros in 200 KB, each step is small, and other tasks run in between."""
    bomb = zeros_in_gzip(millions=200)
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with served(s3("200 OK", bomb)) as server, document_at(server.url) as document, document:
        task = asyncio.create_task(others())
        longest = max([len(piece) async for piece in document.iter_bytes()])
        task.cancel()
    assert longest <= 65536
    assert document.bytes_read == 200_000_000
    assert turns > 20
