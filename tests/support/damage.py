"""Ways to damage a JSON body."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Path = tuple[str | int, ...]


DAMAGE: list[Any] = [
    None,
    "",
    "x",
    "5",
    "true",
    7,
    -1.5,
    True,
    [],
    {},
    [1],
    ["x"],
    {"k": "x"},
    {"f0": 1},
    [{"f0": "x"}],
]


def paths(content: Any, lead: Path = ()) -> Iterator[Path]:
    """Yield the path of every value in the content."""
    children = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in children:
        yield (*lead, key)
        yield from paths(value, (*lead, key))


def damage(content: Any, path: Path, replacement: Any) -> Any:
    """A copy with one value replaced, or (``...``) its key removed."""
    if not path:
        return replacement
    key, *rest = path
    copy = dict(content) if isinstance(content, dict) else list(content)
    if replacement is ... and not rest and isinstance(copy, dict):
        del copy[key]
    else:
        copy[key] = damage(copy[key], tuple(rest), None if replacement is ... else replacement)  # type: ignore[index]
    return copy
