"""Where documents are saved, and how progress is reported."""

import asyncio
import gzip
import io
import os
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from document_fixtures import document_at, emulated, names_in, report_at, report_document, s3, served

from spapi_async.workflows.documents import _targets
from spapi_async.workflows.documents._unfinished import unfinished_file

TEXT = b"sku\tqty\r\n" + b"A-1\t5\r\n" * 40_000


async def save(path: Path | str, body: bytes = TEXT) -> int:
    """A saved document."""
    async with served(s3("200 OK", body)) as server, document_at(server.url) as document, document:
        return await document.save(path)


@pytest.mark.parametrize("body", [TEXT, gzip.compress(TEXT)], ids=["plain", "gzip"])
async def test_a_name_that_ends_in_gz_is_gzipped(tmp_path: Path, body: bytes) -> None:
    """It is compressed once, whatever came; the size is that of the content."""
    assert await save(tmp_path / "report.txt.gz", body) == len(TEXT)
    packed = (tmp_path / "report.txt.gz").read_bytes()
    assert gzip.decompress(packed) == TEXT
    assert len(packed) < len(TEXT) / 10


async def test_a_dash_is_stdout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No file has that name, and stdout stays open."""
    monkeypatch.chdir(tmp_path)
    out = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(out, write_through=True))
    assert await save("-") == len(TEXT)
    assert out.getvalue() == TEXT
    assert names_in(tmp_path) == []


async def test_a_file_that_cannot_be_written_is_the_systems_error(tmp_path: Path) -> None:
    """Nothing is left behind."""
    with pytest.raises(FileNotFoundError):
        await save(tmp_path / "none" / "report.txt")
    with pytest.raises(OSError):  # noqa: PT011 -- which one depends on the system
        await save(tmp_path)


async def test_a_folder_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    """So is a path that ends like one; the document can still be read in another way."""
    async with served(s3("200 OK", TEXT)) as server, document_at(server.url) as document, document:
        for path in (tmp_path, f"{tmp_path}/new/", ""):
            with pytest.raises(IsADirectoryError):
                await document.save(path)
        assert document.bytes_read == 0
        assert await document.save(tmp_path / "report.txt") == len(TEXT)
    assert names_in(tmp_path) == ["report.txt"]


async def test_a_link_stays_a_link(tmp_path: Path) -> None:
    """Its target is replaced, wherever it is."""
    (tmp_path / "far").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "far" / "report.txt")
    for body in (TEXT, TEXT[:500]):
        await save(tmp_path / "link", body)
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "far" / "report.txt").read_bytes() == body
    assert names_in(tmp_path / "far") == ["report.txt"]


async def test_a_pipe_or_device_is_written_to(tmp_path: Path) -> None:
    """``/dev/null`` does not become a file. Parquet, whose writer seeks, is refused."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading = asyncio.create_task(asyncio.to_thread(pipe.read_bytes))
    assert await save(pipe) == len(TEXT)
    assert await reading == TEXT
    assert pipe.is_fifo()
    with pytest.raises(FileExistsError, match="device or a pipe"):
        async with unfinished_file(pipe):
            pass
    assert names_in(tmp_path) == ["pipe"]


async def test_files_left_by_a_killed_process_are_removed(tmp_path: Path) -> None:
    """Those of running writers stay, of the same name or another."""
    (tmp_path / ".report.txt.0123abcd.part").write_bytes(b"left")
    (tmp_path / ".report.txt.notes.part").write_bytes(b"the user's own")
    async with unfinished_file(tmp_path / "report.txt") as held:
        held.write_bytes(b"half")
        await save(tmp_path / "report.txt")
        assert sorted(names_in(tmp_path)) == sorted([".report.txt.notes.part", held.name, "report.txt"])
    assert sorted(names_in(tmp_path)) == [".report.txt.notes.part", "report.txt"]
    assert (tmp_path / "report.txt").read_bytes() == b"half"


class SlowFile(io.BytesIO):
    """A file that writes when it is allowed to, and records it."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.let = threading.Event(), threading.Event()
        self.record: list[str] = []

    def write(self, data: Any) -> int:
        self.record.append("begun")
        self.begun.set()
        self.let.wait(10)
        self.record.append("written")
        return super().write(data)

    def close(self) -> None:
        self.record.append("closed")
        super().close()


async def test_a_file_is_closed_after_a_write_whose_caller_was_cancelled() -> None:
    """The thread finishes its write; later data is not written."""
    slow = SlowFile()
    file = _targets.FileTarget(lambda: slow, gzipped=False)
    writing = asyncio.create_task(file.write(bytes(2_000_000)))
    await asyncio.to_thread(slow.begun.wait, 10)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    closing = asyncio.create_task(file.aclose())
    await asyncio.sleep(0)
    slow.let.set()
    await closing
    await file.write(bytes(2_000_000))
    assert slow.record == ["begun", "written", "closed"]


async def test_progress_of_a_download_is_reported() -> None:
    """It has the bytes received, those of a resumption included, and their expected number."""
    half = s3("200 OK", TEXT[:200_000], 'ETag: "1"', length=len(TEXT))
    rest = s3("206 Partial", TEXT[200_000:], 'ETag: "1"', f"Content-Range: bytes 200000-{len(TEXT) - 1}/{len(TEXT)}")
    reported: list[tuple[int, int | None]] = []
    async with (
        emulated() as (_, seller),
        served(half, rest) as server,
        seller.documents.url(server.url, progress=lambda *so_far: reported.append(so_far)) as document,
    ):
        assert await document.read() == TEXT
    assert {total for _, total in reported} == {len(TEXT)}
    assert [size for size, _ in reported] == sorted({size for size, _ in reported})
    assert reported[-1] == (len(TEXT), len(TEXT))


async def test_progress_of_an_upload_is_reported() -> None:
    """It begins again where the upload was repeated."""
    reported: list[tuple[int, int | None]] = []
    content = bytes(200_000)
    async with emulated() as (emulator, seller):
        emulator.faults({"operation": "document", "status": 503, "body": "html"})
        await seller.documents.upload(content, progress=lambda *so_far: reported.append(so_far))
    assert reported[-1] == (len(content), len(content))
    assert [size for size, _ in reported].count(len(content)) == 2


async def test_a_callback_that_raises_ends_the_download_and_leaves_nothing() -> None:
    """A caller can stop a download like this."""

    def stop(size: int, total: int | None) -> None:
        raise KeyError(size)

    async with emulated() as (_, seller), served(s3("200 OK", TEXT)) as server:
        document = seller.documents.url(server.url, progress=stop)
        with pytest.raises(KeyError):
            async with document:
                await document.read()
        assert report_at(seller, server.url)
        await asyncio.sleep(0)
        async with seller.documents.report(await report_document(seller)) as another:
            assert await another.read()
