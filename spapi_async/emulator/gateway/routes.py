"""Finds the operation that a method and a raw path belong to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote

from spapi_async._core.operation import Operation

__all__ = ["Routes"]


class _Node:
    """A segment in the tree of paths; a literal segment (``schedules``) wins over a parameter (``{id}``)."""

    __slots__ = ("leaves", "literals", "parameter", "tails")

    def __init__(self) -> None:
        self.literals: dict[str, _Node] = {}
        self.parameter: _Node | None = None
        self.leaves: dict[str, tuple[Operation[Any], tuple[str, ...]]] = {}
        self.tails: dict[str, tuple[Operation[Any], tuple[str, ...]]] = {}


class Routes:
    """Finds the operation of a request; paths that differ only in the names of their parameters share a node."""

    def __init__(self, operations: Iterable[Operation[Any]]) -> None:
        self._root = _Node()
        for operation in operations:
            self._add(operation)

    def find(self, method: str, raw_path: str) -> tuple[Operation[Any], dict[str, str]] | None:
        """The operation and its path arguments, each percent-decoded exactly once; None for an unknown path."""
        found = _walk(self._root, raw_path.split("/")[1:], 0, [], method)
        if found is None:
            return None
        (operation, names), values = found
        return operation, dict(zip(names, map(unquote, values), strict=True))

    def _add(self, operation: Operation[Any]) -> None:
        greedy = {p.wire_name for p in operation.parameters if p.encoding == "greedy"}
        names: list[str] = []
        node = self._root
        for segment in operation.path.split("/")[1:]:
            if not segment.startswith("{"):
                node = node.literals.setdefault(segment, _Node())
                continue
            names.append(segment[1:-1])
            if names[-1] in greedy:
                node.tails[operation.method] = (operation, tuple(names))
                return
            node.parameter = node.parameter or _Node()
            node = node.parameter
        node.leaves[operation.method] = (operation, tuple(names))


def _walk(
    node: _Node, segments: list[str], index: int, values: list[str], method: str
) -> tuple[tuple[Operation[Any], tuple[str, ...]], list[str]] | None:
    if index == len(segments):
        leaf = node.leaves.get(method)
        return (leaf, values) if leaf else None
    segment = segments[index]
    below = node.literals.get(segment)
    if below is not None and (found := _walk(below, segments, index + 1, values, method)):
        return found
    # An empty segment is not a value: "/orders/v0/orders/" does not name an order.
    if node.parameter is not None and segment:
        found = _walk(node.parameter, segments, index + 1, [*values, segment], method)
        if found:
            return found
    tail = node.tails.get(method)
    return (tail, [*values, "/".join(segments[index:])]) if tail else None
