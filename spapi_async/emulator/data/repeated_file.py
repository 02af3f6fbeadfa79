"""Files of any size that are made while they are sent: a head, then the same block many times."""

from __future__ import annotations

import gzip
from collections.abc import Iterator

__all__ = ["RepeatedFile"]

_PIECE = 256 * 1024


class RepeatedFile:
    """``head``, then ``block`` repeated; if compressed, each is a gzip member, as in some of Amazon's files."""

    def __init__(self, head: bytes, block: bytes, times: int, *, compress: bool) -> None:
        self.inflated = len(head) + len(block) * times
        self._head = gzip.compress(head, mtime=0) if compress else head
        self._block = gzip.compress(block, mtime=0) if compress else block
        self._times = times

    def __len__(self) -> int:
        return len(self._head) + len(self._block) * self._times

    def pieces(self, start: int = 0) -> Iterator[bytes]:
        """The bytes from ``start`` on."""
        if start < len(self._head):
            yield self._head[start:]
            start = len(self._head)
        done, offset = divmod(start - len(self._head), max(len(self._block), 1))
        for _ in range(done, self._times):
            for at in range(offset, len(self._block), _PIECE):
                yield self._block[at : at + _PIECE]
            offset = 0
