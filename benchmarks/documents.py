"""Documents of gigabytes: rows of a gzipped report, items of one JSON array, and the growth of memory while reading.

A local process serves the documents, which repeat the same gzip members; this client reads them over HTTP, as from
Amazon. The plain programs get the same bytes from memory: ``gzip`` with ``csv.DictReader``, and ``zlib`` with msgspec's
``decode_lines`` over the same items as lines. Each reading runs in a new process, alternately with this client and the
plain program, and its processor time is measured; a ratio is the median of the ratios of neighbours. Both sides use
zlib; this client is also measured with isal, which the extra ``speed`` installs.

Adversarial nesting is read in two sizes, to check that time grows in proportion to the size and not to its square.
``python benchmarks/documents.py [--megabytes 2000] [--pairs 3]``
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import gzip
import io
import resource
import statistics
import sys
import time
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import streaming
from processes import program, read_line

from spapi_async._core.clock import SystemClock
from spapi_async._core.events import Observers
from spapi_async._core.resources import Resources, StreamedReply
from spapi_async._engine.transport import SessionPool
from spapi_async.errors import DecodeError
from spapi_async.workflows.documents import Document, _gzip
from spapi_async.workflows.documents._download import Download
from spapi_async.workflows.documents._location import Location, PresignedUrl

__all__ = ["MEGABYTES", "PAIRS", "measure", "table"]

MEGABYTES = 2000
PAIRS = 3
_ROWS_OF_MEMBER = 100_000
_ITEMS_OF_MEMBER = 20_000
_PIECE = 64 * 1024
_ADVERSARIAL_MEGABYTES = (2, 8)

Result = dict[str, Any]


class Members:
    """A document of gzip members: a first one, a repeated one and a last one."""

    def __init__(self, first: bytes, middle: bytes, last: bytes, megabytes: int) -> None:
        self.repeats = max(1, round(megabytes * 1e6 / len(middle)))
        self.size = len(first) + self.repeats * len(middle) + len(last)
        self._packed = [gzip.compress(part, 6) for part in (first, middle, last)]

    def chunks(self) -> Iterator[bytes]:
        """The bytes on the wire."""
        first, middle, last = self._packed
        yield first
        for _ in range(self.repeats):
            for at in range(0, len(middle), _PIECE):
                yield middle[at : at + _PIECE]
        yield last


def rows_document(megabytes: int) -> Members:
    """A tab-separated report."""
    header, _, rows = streaming.report(_ROWS_OF_MEMBER).partition(b"\r\n")
    return Members(header + b"\r\n", rows, b"", megabytes)


def items_document(megabytes: int) -> Members:
    """One JSON array."""
    return Members(b'{"reportSpecification":{},"rows":[', b",".join(_items()) + b",", _item(0) + b"]}", megabytes)


def lines_document(megabytes: int) -> Members:
    """The same items as lines."""
    items = items_document(megabytes)
    lines = Members(b"", b"\n".join(_items()) + b"\n", _item(0) + b"\n", megabytes)
    lines.repeats = items.repeats
    return lines


def _items() -> list[bytes]:
    return [_item(number) for number in range(_ITEMS_OF_MEMBER)]


def _item(number: int) -> bytes:
    """An item as in a sales and traffic report by ASIN."""
    money = {"amount": number % 9000 / 100, "currencyCode": "EUR"}
    sales = {"unitsOrdered": number % 50, "orderedProductSales": money, "totalOrderItems": number % 40}
    traffic = {
        "browserSessions": number % 700,
        "mobileAppSessions": number % 300,
        "buyBoxPercentage": number % 1000 / 10,
    }
    name = f"Thé „vert“ n° {number % 89}, 100 g"
    ids = {"parentAsin": f"B0{number:08d}", "childAsin": f"B1{number * 7 % 99_999_999:08d}", "title": name}
    return msgspec.json.encode({**ids, "salesByAsin": sales, "trafficByAsin": traffic})


DOCUMENTS = {"rows": rows_document, "items": items_document, "lines": lines_document}
# The comparisons: task, this client's method with its document, the plain program with its document.
TASKS = (("rows to dicts", ("iter_rows", "rows"), ("gzip, csv.DictReader", "rows")),
         ("items of one array", ("iter_json_items", "items"), ("zlib, decode_lines", "lines")))  # fmt: skip


def measure(megabytes: int = MEGABYTES, pairs: int = PAIRS) -> Result:
    """For each task: the processor seconds of both sides, their ratio, and the growth of this client's memory."""
    rows = []
    for task, (own, document), (plain, plain_document) in TASKS:
        readings: dict[str, list[Result]] = {"plain": [], "zlib": [], "isal": []}
        with program("documents.py", "--serve", document, "--megabytes", str(megabytes)) as server:
            url = read_line(server)
            for turn in range(pairs):
                for who in list(readings) if turn % 2 else list(reversed(readings)):
                    which = ["--read", plain_document] if who == "plain" else ["--read", document, url, who]
                    with program("documents.py", *which, "--megabytes", str(megabytes)) as reader:
                        readings[who].append(msgspec.json.decode(read_line(reader)))
        rows += [
            {
                "task": task,
                "own": own,
                "plain": plain,
                "inflater": inflater,
                "megabytes": megabytes,
                "count": readings[inflater][0]["count"],
                "seconds": statistics.median(reading["seconds"] for reading in readings[inflater]),
                "plain_seconds": statistics.median(reading["seconds"] for reading in readings["plain"]),
                "growth_mb": max(reading["growth_mb"] for reading in readings[inflater]),
                "ratio": statistics.median(
                    mine["seconds"] / base["seconds"]
                    for mine, base in zip(readings[inflater], readings["plain"], strict=True)
                ),
            }
            for inflater in ("zlib", "isal")
        ]
    return {"pairs": pairs, "rows": rows, "nesting": [_nesting(name) for name in ADVERSARIES]}


# Adversarial documents, which are slow for readers that backtrack: the repeated unit, the text before, the text behind.
ADVERSARIES: dict[str, tuple[bytes, bytes, bytes]] = {
    "deep items": (b'{"a":' * 300 + b"1" + b"}" * 300 + b",", b"[", b"1]"),
    "one item of brackets": (b"[[[[[[[[[[[[1]]]]]]]]]]]],", b"[[", b"1]]"),
    "one item of escapes": (b'\\"', b'["', b'"]'),
    "never closed": (b'{"a":"]},{"},', b"[[", b""),
    "beside the path": (b'{"b":[[[[[[[[[[[["}"]]]]]]]]]]]]},', b'{"x":[', b'1],"rows":[]}'),
}


def _nesting(name: str) -> Result:
    """The growth of the processor time per byte at four times the size."""
    unit, before, behind = ADVERSARIES[name]
    path = "rows" if name == "beside the path" else ""
    seconds = []
    for megabytes in _ADVERSARIAL_MEGABYTES:
        content = before + unit * int(megabytes * 1e6 / len(unit)) + behind
        timings = []
        for _ in range(3):
            started = time.process_time()
            asyncio.run(_read_from_memory(content, path))
            timings.append(time.process_time() - started)
        seconds.append(min(timings))
    factor = _ADVERSARIAL_MEGABYTES[1] / _ADVERSARIAL_MEGABYTES[0]
    return {"name": name, "seconds": seconds, "growth": seconds[1] / seconds[0] / factor}


async def _read_from_memory(content: bytes, path: str) -> None:
    async with _document(_Memory(content), "http://memory/") as document:
        try:
            async for _ in document.iter_json_items(path):
                pass
        except DecodeError:
            pass  # one of them is never closed


class _Memory:
    """Stands in for the transport."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    @asynccontextmanager
    async def stream(self, *_: Any, **__: Any) -> AsyncIterator[StreamedReply]:
        """The reply."""

        async def chunks() -> AsyncIterator[bytes]:
            for at in range(0, len(self._content), _PIECE):
                yield self._content[at : at + _PIECE]

        yield StreamedReply(200, {"content-type": "application/json; charset=UTF-8"}, chunks())


def _document(pool: Any, url: str) -> Document:
    async def locate() -> Location:
        return Location(PresignedUrl(url))

    return Document(Download(Resources(pool, Observers(), SystemClock()), locate, "benchmark"))


async def _read(what: str, url: str) -> int:
    """Count the rows or items with this client."""
    pool, count = SessionPool(user_agent="benchmark/1"), 0
    async with _document(pool, url) as document:
        async for _ in document.iter_rows() if what == "rows" else document.iter_json_items("rows"):
            count += 1
    await pool.aclose()
    return count


def _read_plainly(what: str, members: Members) -> int:
    if what == "rows":
        file = gzip.GzipFile(fileobj=io.BufferedReader(_Raw(members.chunks())))
        text = io.TextIOWrapper(file, "cp1252", newline="")
        return sum(1 for _ in csv.DictReader(text, delimiter="\t"))
    decoder, inflate, rest, count = msgspec.json.Decoder(), zlib.decompressobj(31), b"", 0
    for chunk in members.chunks():
        data = chunk
        while data:
            piece = inflate.decompress(data)
            data = inflate.unused_data
            if inflate.eof:
                inflate = zlib.decompressobj(31)
            at = piece.rfind(b"\n") + 1
            if at:
                count += sum(1 for _ in decoder.decode_lines(rest + piece[:at]))
                rest = piece[at:]
            else:
                rest += piece
    return count


class _Raw(io.RawIOBase):
    """A file object that reads from chunks."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    def readable(self) -> bool:
        """True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """The next bytes."""
        self._rest = self._rest or next(self._chunks, b"")
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size


def _most_resident() -> float:
    """The peak resident size in megabytes; ``ru_maxrss`` could be the parent's, if that is larger."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6


def _resident() -> float:
    """The resident size of this process in megabytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def _child(what: str, source: list[str], megabytes: int) -> Result:
    """One reading; the growth of memory is from the size after the imports to the peak."""
    if source:
        url, inflater = source
        _gzip.deflate = streaming.INFLATERS[inflater]
        before, started = _resident(), time.process_time()
        count = asyncio.run(_read(what, url))
    else:
        members = DOCUMENTS[what](megabytes)
        before, started = _resident(), time.process_time()
        count = _read_plainly(what, members)
    seconds = time.process_time() - started
    return {"count": count, "seconds": seconds, "growth_mb": _most_resident() - before}


async def _serve(what: str, megabytes: int) -> None:
    members = DOCUMENTS[what](megabytes)
    kind = "text/plain; charset=Cp1252" if what == "rows" else "application/json; charset=UTF-8"

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nConnection: close\r\n\r\n".encode())
        for chunk in members.chunks():
            writer.write(chunk)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    sys.stdout.write(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)  # until the parent process ends
    server.close()


def table(result: Result) -> str:
    """Markdown."""
    lines = [
        "| what | size, MB | plain | s | ours | s | times the plain time | growth of memory, MB |",
        "|---|---:|---|---:|---|---:|---:|---:|",
        *(
            f"| {row['task']} | {row['megabytes']:,} | {row['plain']} | {row['plain_seconds']:.1f} | {row['own']} "
            f"({row['inflater']}) | {row['seconds']:.1f} | {row['ratio']:.2f} | {row['growth_mb']:.1f} |"
            for row in result["rows"]
        ),
        "",
        f"| {_ADVERSARIAL_MEGABYTES[0]} MB of adversarial JSON | s | four times the size, s | growth per MB |",
        "|---|---:|---:|---:|",
        *(
            f"| {row['name']} | {row['seconds'][0]:.2f} | {row['seconds'][1]:.2f} | {row['growth']:.2f} |"
            for row in result["nesting"]
        ),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=MEGABYTES)
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--serve", help="used by the program itself")
    parser.add_argument("--read", nargs="+", help="used by the program itself")
    chosen = parser.parse_args()
    if chosen.serve:
        asyncio.run(_serve(chosen.serve, chosen.megabytes))
    elif chosen.read:
        print(msgspec.json.encode(_child(chosen.read[0], chosen.read[1:], chosen.megabytes)).decode())
    else:
        print(table(measure(chosen.megabytes, chosen.pairs)))
