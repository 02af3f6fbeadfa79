"""The processes of a measurement: the canned server, and a child for each subject, which answers line by line."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

__all__ = ["HERE", "Child", "canned_server", "measured_alone", "program"]

HERE = Path(__file__).resolve().parent


@contextmanager
def program(*arguments: str, python: str = sys.executable) -> Iterator[subprocess.Popen[str]]:
    """A program of this directory with pipes for its standard input and output; it is killed when the block ends."""
    process = subprocess.Popen(
        [python, str(HERE / arguments[0]), *arguments[1:]],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=HERE,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe:
                pipe.close()


_ALONE = """
import importlib, sys, msgspec
_, name, options, path = sys.argv
result = importlib.import_module(name).measure(**msgspec.json.decode(options))
with open(path, "wb") as file:
    file.write(msgspec.json.encode(result))
"""


def measured_alone(name: str, options: Mapping[str, Any]) -> Any:
    """What a module's ``measure`` finds in a process of its own, whose memory no other measurement has filled."""
    with tempfile.NamedTemporaryFile() as file:
        command = [sys.executable, "-c", _ALONE, name, msgspec.json.encode(options).decode(), file.name]
        subprocess.run(command, cwd=HERE, check=True)
        return msgspec.json.decode(file.read())


@contextmanager
def canned_server() -> Iterator[str]:
    """The URL of a canned server in another process."""
    with program("canned_server.py") as process:
        yield f"http://127.0.0.1:{read_line(process)}"


def read_line(process: subprocess.Popen[str]) -> str:
    """The next line that the program prints; exits if the program ends instead."""
    assert process.stdout
    line = process.stdout.readline()
    if not line:
        raise SystemExit(f"{process.args!r} ended with {process.wait()}")
    return line.strip()


class Child:
    """A child that answers a line of JSON with a line of JSON; its first line names versions."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.versions: dict[str, str] = self.read()

    def read(self) -> Any:
        """Its next answer."""
        return msgspec.json.decode(read_line(self._process))

    def ask(self, question: dict[str, Any]) -> Any:
        """Send a question and wait for the answer."""
        assert self._process.stdin
        self._process.stdin.write(msgspec.json.encode(question).decode() + "\n")
        self._process.stdin.flush()
        return self.read()
