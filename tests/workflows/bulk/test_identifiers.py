"""Files of identifiers, as people and programs write them."""

from __future__ import annotations

import gzip
import io
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spapi_async import ConfigurationError
from spapi_async.workflows.bulk import read_identifiers
from spapi_async.workflows.bulk._input import lines_of

GOOD: dict[str, bytes] = {
    "line ends of Unix": b"B01\nB02\nB03\n",
    "of Windows": b"B01\r\nB02\r\nB03",
    "of old Macs": b"B01\rB02\rB03\r",
    "of all of them": b"B01\rB02\r\nB03\n",
    "a byte order mark": b"\xef\xbb\xbfB01\nB02\nB03",
    "empty lines and blanks": b"\n\r\n  B01\t\n\n B02\n\nB03  \n\n",
    "gzip": gzip.compress(b"B01\nB02\nB03\n"),
    "gzip in pieces": gzip.compress(b"B01\nB0") + gzip.compress(b"2\r\nB03"),
    "gzip with a mark": gzip.compress(b"\xef\xbb\xbfB01\r\nB02\r\nB03"),
}
BAD: dict[str, tuple[bytes, str]] = {
    "gzip cut short": (gzip.compress(b"B01\n" * 1000)[:-4], "cannot read identifiers"),
    "gzip cut in its header": (b"\x1f\x8b\x08", "cannot read identifiers"),
    "damaged gzip": (gzip.compress(b"B01\n" * 1000)[:-8] + bytes(8), "cannot read identifiers"),
    "rubbish after gzip": (gzip.compress(b"B01\n") + b"rubbish", "cannot read identifiers"),
    "another encoding": ("B01\nGr\u00f6\u00dfe\n".encode("cp1252"), "line 2: not UTF-8"),
    "UTF-16": ("B01\n".encode("utf-16"), "line 1: not"),
    "a program": (b"\x7fELF\x02\x01\x01\0\0\0", "line 1: not a text"),
    "a hole": (b"B01\nB02\0\0\0", "line 2: not a text"),
    "a line without end": (b"B01\n" + b"B" * 10_000_000, "line 2: not a text"),
}


@pytest.mark.parametrize("name", GOOD)
def test_the_same_identifiers_come_from_any_form(name: str, tmp_path: Path) -> None:
    """Line ends, a byte order mark and empty lines are removed."""
    path = tmp_path / "identifiers"
    path.write_bytes(GOOD[name])
    assert list(read_identifiers(path)) == ["B01", "B02", "B03"]


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_is_not_a_list_is_refused(name: str, tmp_path: Path) -> None:
    """The error names it, and the line if there is one."""
    path, (content, said) = tmp_path / "identifiers", BAD[name]
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=said):
        list(read_identifiers(path))


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """It is missing, a folder, or a device without end."""
    for path in (tmp_path / "none", tmp_path, "/dev/zero"):
        with pytest.raises(ConfigurationError):
            list(read_identifiers(path))


def test_an_empty_file_has_no_identifiers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither has empty standard input, or gzip of nothing."""
    path = tmp_path / "identifiers"
    for content in (b"", b"\xef\xbb\xbf", b"\r\n", gzip.compress(b"")):
        path.write_bytes(content)
        assert list(read_identifiers(path)) == []
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BufferedReader(io.BytesIO(b""))))
    assert list(read_identifiers("-")) == []


def test_many_lines_take_no_more_memory_than_a_few(tmp_path: Path) -> None:
    """They are read on demand: a file of 1.1 MB never takes one megabyte."""
    path = tmp_path / "identifiers"
    path.write_bytes(b"".join(b"B%09d\n" % number for number in range(100_000)))
    tracemalloc.start()
    try:
        identifiers = read_identifiers(path)
        assert next(identifiers) == "B000000000"
        assert sum(1 for _ in identifiers) == 99_999
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@given(st.lists(st.sampled_from([b"B01", b"", b"\r", b"\n", b"\r\n", b"x" * 50]), max_size=30), st.data())
def test_lines_do_not_depend_on_how_the_file_arrives(parts: list[bytes], data: st.DataObject) -> None:
    """A pipe may deliver any pieces: the lines are those of the whole."""
    content = b"".join(parts)

    class Pipe:
        rest = content

        def read1(self, _: int) -> bytes:
            size = data.draw(st.integers(1, 5))
            piece, self.rest = self.rest[:size], self.rest[size:]
            return piece

    whole = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    read: Callable[..., list[bytes]] = lambda pipe: list(lines_of(pipe))  # noqa: E731
    assert [line for line in read(Pipe()) if line] == [line for line in whole.split(b"\n") if line]
