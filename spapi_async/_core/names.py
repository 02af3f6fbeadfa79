"""Names that a caller gives, one or several."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["one_or_more"]


def one_or_more(names: str | Iterable[str]) -> tuple[str, ...]:
    """Names as a tuple; a string is one name, not its letters."""
    return (names,) if isinstance(names, str) else tuple(names)
