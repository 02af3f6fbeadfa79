"""What one body has shown while it is read: the places where it breaks its model, and how deep the reader is."""

from __future__ import annotations

from spapi_async._codec.mending import mend

__all__ = ["Facts", "Reading", "decodable", "kind_of"]

Facts = tuple[str, str, str]
"""Path, what the model expects, what the body holds: never a value."""


_MOST_NOTES = 10_000
"""Violations noted of one body: a reply of nothing else must not fill the memory."""


class Reading:
    """What one body has shown so far."""

    __slots__ = ("depth", "violations")

    def __init__(self) -> None:
        self.violations: list[Facts] = []
        self.depth = 0

    def note(self, path: str, expected: str, got: str) -> None:
        if len(self.violations) < _MOST_NOTES:
            self.violations.append((path, expected, got))


def decodable(body: bytes, reading: Reading, *, shallow: bool = False) -> bytes:
    """JSON that the decoders accept, without white space around it; what was mended is noted."""
    body, blemishes = mend(body, shallow=shallow)
    for expected, got in blemishes:
        reading.note("$", expected, got)
    return body


def kind_of(raw: bytes) -> str:
    first = raw[:1]
    if first in _KINDS:
        return _KINDS[first]
    return "integer" if raw.removeprefix(b"-").isdigit() else "number"


_KINDS = {b"{": "object", b"[": "array", b'"': "string", b"t": "boolean", b"f": "boolean", b"n": "null"}
