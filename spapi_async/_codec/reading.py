"""The state of the lenient decoder while it reads one body: the violations found so far, and the depth of repairs."""

from __future__ import annotations

from spapi_async._codec.mending import mend

__all__ = ["Facts", "Reading", "decodable", "kind_of"]

Facts = tuple[str, str, str]
"""The path of a violation, what the model expects there, and what kind of value the body has; never the value."""


_MOST_VIOLATIONS = 10_000
"""Violations noted for one body, so that a body full of them does not fill the memory."""


class Reading:
    """The violations of one body found so far."""

    __slots__ = ("depth", "violations")

    def __init__(self) -> None:
        self.violations: list[Facts] = []
        self.depth = 0

    def note(self, path: str, expected: str, got: str) -> None:
        if len(self.violations) < _MOST_VIOLATIONS:
            self.violations.append((path, expected, got))


def decodable(body: bytes, reading: Reading, *, shallow: bool = False) -> bytes:
    """The body as JSON that the decoders accept, without white space around it; what is mended is a violation."""
    body, blemishes = mend(body, shallow=shallow)
    for expected, got in blemishes:
        reading.note("$", expected, got)
    return body


def kind_of(raw: bytes) -> str:
    """The kind of a JSON value, from its first byte."""
    first = raw[:1]
    if first in _KIND_BY_FIRST_BYTE:
        return _KIND_BY_FIRST_BYTE[first]
    return "integer" if raw.removeprefix(b"-").isdigit() else "number"


_KIND_BY_FIRST_BYTE = {b"{": "object", b"[": "array", b'"': "string", b"t": "boolean", b"f": "boolean", b"n": "null"}
