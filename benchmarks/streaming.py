"""Reading a report: rows and megabytes per second of ``Document``, compared with the standard library.

The report is tab-separated, in cp1252, of about twenty megabytes, gzipped. "in memory" reads the bytes from memory,
"over HTTP" from a local process, where the plain program uses aiohttp with zlib. The plain programs detect no charset
and resume nothing, and those in memory need no event loop. Both sides use zlib; this client is also measured with isal,
which the extra ``speed`` installs.
Processor time of this process, interleaved rounds, medians; a ratio is the median of the ratios within each round.
``python benchmarks/streaming.py [--rounds 7]``
"""

from __future__ import annotations

import argparse
import asyncio
import codecs
import csv
import gzip
import io
import statistics
import sys
import time
import zlib
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from isal import isal_zlib
from processes import program, read_line

from spapi_async._core.clock import SystemClock
from spapi_async._core.events import Observers
from spapi_async._core.resources import Resources, StreamedReply
from spapi_async._engine.transport import SessionPool
from spapi_async.workflows.documents import Document, _gzip
from spapi_async.workflows.documents._download import Download
from spapi_async.workflows.documents._location import Location, PresignedUrl

__all__ = ["ROUNDS", "measure", "table"]

ROUNDS = 7
INFLATERS: dict[str, Any] = {"zlib": zlib, "isal": isal_zlib}
ROWS = 200_000
_PIECE = 64 * 1024

Result = dict[str, Any]
Way = Callable[[], Awaitable[int]]


def report(rows: int) -> bytes:
    """The text of a report, like Amazon's flat files."""
    header = "amazon-order-id\tpurchase-date\torder-status\tsku\tproduct-name\tquantity\titem-price\tship-city"
    lines = [
        f"902-{number:07d}-{number * 7919 % 10_000_000:07d}\t2026-11-22T07:{number % 60:02d}:00+00:00\tShipped"
        f"\tSKU-{number % 997}\tThé vert n° {number % 89}, 100 g\t{number % 5 + 1}\t{number % 90 + 9}.99\tKöln"
        for number in range(rows)
    ]
    return ("\r\n".join([header, *lines]) + "\r\n").encode("cp1252")


def measure(rounds: int = ROUNDS, rows: int = ROWS) -> Result:
    """For each task and source: rows and megabytes per second of both sides, and the ratio of their times."""
    text = report(rows)
    packed = gzip.compress(text, 6)
    with program("streaming.py", "--serve", str(rows)) as server:
        url = f"http://127.0.0.1:{read_line(server)}/"
        return asyncio.run(_measure(packed, url, rounds, rows, len(text)))


async def _measure(packed: bytes, url: str, rounds: int, rows: int, size: int) -> Result:
    pool = SessionPool(user_agent="benchmark/1")
    # By task and source: the name of the plain program and the program, the name of our method and the method.
    cases: dict[tuple[str, str], tuple[str, Way, str, Way]] = {
        ("bytes", "in memory"): (
            "zlib.decompressobj",
            lambda: _plain_bytes(packed),
            "iter_bytes",
            lambda: _bytes(_Memory(packed)),
        ),
        ("lists", "in memory"): (
            "gzip, csv.reader",
            lambda: _plain_rows(packed, csv.reader),
            "iter_cells",
            lambda: _cells(_Memory(packed)),
        ),
        ("dicts", "in memory"): (
            "gzip, csv.DictReader",
            lambda: _plain_rows(packed, csv.DictReader),
            "iter_rows",
            lambda: _rows(_Memory(packed)),
        ),
        ("bytes", "over HTTP"): (
            "aiohttp, zlib",
            lambda: _plain_http(url),
            "iter_bytes",
            lambda: _bytes(pool, url),
        ),
        ("dicts", "over HTTP"): (
            "aiohttp, zlib, csv.DictReader",
            lambda: _plain_http_rows(url),
            "iter_rows",
            lambda: _rows(pool, url),
        ),
    }
    out = []
    for (task, source), (plain_name, plain, own_name, own) in cases.items():
        ways = {"plain": plain} | {inflater: _inflating(own, inflater) for inflater in INFLATERS}
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for turn in range(rounds + 1):
            for name in list(ways) if turn % 2 else list(reversed(ways)):
                started = time.process_time()
                count = await ways[name]()
                seconds[name].append(time.process_time() - started)
                assert count in (size, rows, rows + 1), f"{name}: {count}"
        for inflater in INFLATERS:
            facts = {"task": task, "source": source, "plain": plain_name, "own": own_name, "inflater": inflater}
            out.append(facts | _figures(seconds["plain"][1:], seconds[inflater][1:], rows, size))
    await pool.aclose()
    return {
        "rounds": rounds,
        "rows_read": rows,
        "megabytes": size / 1e6,
        "packed": len(packed) / 1e6,
        "rows": out,
    }


def _inflating(way: Way, inflater: str) -> Way:
    """Our method with one of the inflaters."""

    async def inflated() -> int:
        _gzip.deflate = INFLATERS[inflater]
        return await way()

    return inflated


def _figures(plain: list[float], own: list[float], rows: int, size: int) -> Result:
    medians = {"plain": statistics.median(plain), "own": statistics.median(own)}
    return {
        "rows_s": {who: rows / median for who, median in medians.items()},
        "mb_s": {who: size / 1e6 / median for who, median in medians.items()},
        "ratio": statistics.median(mine / base for mine, base in zip(own, plain, strict=True)),
    }


class _Memory:
    """A transport whose reply is already in memory."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    @asynccontextmanager
    async def stream(self, *_: Any, **__: Any) -> AsyncIterator[StreamedReply]:
        """The reply."""

        async def chunks() -> AsyncIterator[bytes]:
            for at in range(0, len(self._content), _PIECE):
                yield self._content[at : at + _PIECE]

        headers: Any = {"content-type": "text/plain; charset=Cp1252", "content-length": str(len(self._content))}
        yield StreamedReply(200, headers, chunks())


def _document(pool: Any, url: str = "http://memory/") -> Document:
    async def locate() -> Location:
        return Location(PresignedUrl(url))

    return Document(Download(Resources(pool, Observers(), SystemClock()), locate, "benchmark"))


async def _bytes(pool: Any, url: str = "http://memory/") -> int:
    async with _document(pool, url) as document:
        return sum([len(piece) async for piece in document.iter_bytes()])


async def _cells(pool: Any, url: str = "http://memory/") -> int:
    count = 0
    async with _document(pool, url) as document:
        async for _ in document.iter_cells():
            count += 1
    return count


async def _rows(pool: Any, url: str = "http://memory/") -> int:
    count = 0
    async with _document(pool, url) as document:
        async for _ in document.iter_rows():
            count += 1
    return count


async def _plain_bytes(packed: bytes) -> int:
    inflate, size = zlib.decompressobj(31), 0
    for at in range(0, len(packed), _PIECE):
        size += len(inflate.decompress(packed[at : at + _PIECE]))
    return size


async def _plain_rows(packed: bytes, reader: Any) -> int:
    text = io.TextIOWrapper(gzip.GzipFile(fileobj=io.BytesIO(packed)), "cp1252", newline="")
    count = 0
    for _ in reader(text, delimiter="\t"):
        count += 1
    return count


async def _plain_http(url: str) -> int:
    inflate, size = zlib.decompressobj(31), 0
    async with aiohttp.ClientSession(auto_decompress=False) as session, session.get(url) as reply:
        async for chunk in reply.content.iter_any():
            size += len(inflate.decompress(chunk))
    return size


async def _plain_http_rows(url: str) -> int:
    """A hand-written solution: split decoded chunks into lines and queue these for the csv parser."""
    inflate, decoder, rest, count = zlib.decompressobj(31), codecs.getincrementaldecoder("cp1252")(), "", 0
    lines: deque[str] = deque()
    reader: Any = csv.DictReader(iter(lines.popleft, None), delimiter="\t")
    async with aiohttp.ClientSession(auto_decompress=False) as session, session.get(url) as reply:
        async for chunk in reply.content.iter_any():
            *whole, rest = (rest + decoder.decode(inflate.decompress(chunk))).split("\n")
            lines.extend(whole)
            while lines:
                next(reader)
                count += 1
    return count


def table(result: Result) -> str:
    """Markdown."""
    lines = [
        f"{result['megabytes']:.0f} MB, {result['rows_read']:,} rows.",
        "",
        "| what, from where | plain | rows/s | MB/s | ours | rows/s | MB/s | times the plain time |",
        "|---|---|---:|---:|---|---:|---:|---:|",
    ]
    for row in result["rows"]:
        names = {"plain": row["plain"], "own": f"{row['own']} ({row['inflater']})"}
        cells = [f"{names[who]} | {row['rows_s'][who]:,.0f} | {row['mb_s'][who]:,.0f}" for who in ("plain", "own")]
        lines.append(f"| {row['task']}, {row['source']} | {cells[0]} | {cells[1]} | {row['ratio']:.2f} |")
    return "\n".join(lines)


async def _serve(content: bytes) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=Cp1252\r\nContent-Length: {len(content)}\r\n"
        writer.write(head.encode() + b"Connection: close\r\n\r\n")
        for at in range(0, len(content), _PIECE):
            writer.write(content[at : at + _PIECE])
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)  # until the parent process ends
    server.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--serve", type=int, metavar="ROWS", help="used by the program itself")
    chosen = parser.parse_args()
    if chosen.serve:
        asyncio.run(_serve(gzip.compress(report(chosen.serve), 6)))
    else:
        print(table(measure(rounds=chosen.rounds)))
