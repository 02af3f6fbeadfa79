"""Parses the parts of a module in which a test may find what it looks for: most have nothing of it."""

from __future__ import annotations

import ast
from collections.abc import Callable

__all__ = ["parse_where"]


def parse_where(source: str, suspicious: Callable[[str], bool]) -> list[ast.Module]:
    """The trees of the suspicious blocks, which two blank lines divide; line numbers are those of the source.

    A source that has two blank lines within a string is one block.
    """
    blocks = source.split("\n\n\n")
    if any(block.count('"""') % 2 for block in blocks):
        blocks = [source]
    starts = [0]
    for block in blocks:
        starts.append(starts[-1] + block.count("\n") + 3)
    try:
        return [
            ast.parse("\n" * start + block) for start, block in zip(starts, blocks, strict=False) if suspicious(block)
        ]
    except SyntaxError:  # a part of a string, in spite of all
        return [ast.parse(source)]
