"""What a fetched order is to the one stored: new, an update, more detail, the same, or older. Pure.

Amazon's own date of the last update decides; of two versions with the same date the later read wins, for some changes
never move the date (redactions, data sets that come with a new role), unless it knows less.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Any

import msgspec

from spapi_async._codec import json
from spapi_async.workflows.orders._rows import Detail, OrderRow

__all__ = ["Before", "Verdict", "changed_paths", "compared", "judge"]

MOST_PATHS = 100
"""Changed places that a change lists; one that rewrote the order lists the first of them."""

_RICHNESS = {Detail.REPORT: 0, Detail.V0: 1, Detail.WHOLE: 2}
_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_IDS = {"orderItems": "orderItemId", "packages": "packageReferenceId"}


class Before(msgspec.Struct, frozen=True):
    """What the database knows of an order."""

    last_updated_at: datetime | None
    status: str | None
    source: str
    detail: str
    digest: bytes


class Verdict(enum.StrEnum):
    """What becomes of a fetched order."""

    NEW = "new"
    UPDATED = "updated"
    DETAIL = "detail"
    """The same version of it, with other content: more is known now."""
    SAME = "same"
    STALE = "stale"
    """The database holds a later version, or more of the same one."""

    @property
    def is_stored(self) -> bool:
        """Whether the tables change."""
        return self in _STORED


_STORED = frozenset({Verdict.NEW, Verdict.UPDATED, Verdict.DETAIL})


def judge(before: Before | None, row: OrderRow, digest: bytes) -> Verdict:
    """What a fetched order is to the one stored.

    An order without a readable date has no version: it is taken, because nothing says that it is older.
    """
    if before is None:
        return Verdict.NEW
    was, now = before.last_updated_at, row.last_updated_at
    if was is not None and now is not None:
        if now < was:
            return Verdict.STALE
        if now > was:
            return Verdict.UPDATED
    if digest == before.digest:
        return Verdict.SAME
    known = _RICHNESS.get(before.detail, 0)  # type: ignore[call-overload]
    if _RICHNESS[row.detail] < known:
        return Verdict.STALE
    return Verdict.DETAIL if was is not None and was == now else Verdict.UPDATED


def changed_paths(before: str, after: str) -> list[str]:
    """The places at which two versions of an order's JSON differ, by Amazon's names.

    Entries of a list are named by their id where they have one.
    """
    return compared(before, after)[0]


def compared(before: str, after: str) -> tuple[list[str], bool]:
    """The same, and whether the order's items are the same to the byte: false where they are not in the order."""
    old, new = _MEMBERS.decode(before), _MEMBERS.decode(after)
    paths = list(islice(_members_that_differ(old, new), MOST_PATHS))
    items = old.get("orderItems")
    return paths, items is not None and items == new.get("orderItems")


def _members_that_differ(before: dict[str, msgspec.Raw], after: dict[str, msgspec.Raw]) -> Iterator[str]:
    """The same of whole orders: most of their members are the same to the byte, and are not read."""
    for key in before.keys() | after.keys() if before.keys() != after.keys() else before:
        if key not in before or key not in after:
            yield key
        elif before[key] != after[key]:
            yield from _of_member(json.plain(bytes(before[key])), json.plain(bytes(after[key])), key, key)


def _differences(before: Any, after: Any, place: str) -> Iterator[str]:
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for key in before.keys() | after.keys() if before.keys() != after.keys() else before:
            here = f"{place}.{key}" if place else key
            if key in before and key in after:
                yield from _of_member(before[key], after[key], key, here)
            else:
                yield here
    else:
        yield place


def _of_member(before: Any, after: Any, key: str, place: str) -> Iterator[str]:
    name = _IDS.get(key)
    if name is not None:
        old, new = _by_id(before, name), _by_id(after, name)
        if old is not None and new is not None:
            before, after = old, new
    yield from _differences(before, after, place)


def _by_id(entries: Any, name: str) -> dict[str, Any] | None:
    """A list's entries by their id; None where one has none or two share it."""
    if not isinstance(entries, list):
        return None
    found = {entry[name]: entry for entry in entries if isinstance(entry, dict) and isinstance(entry.get(name), str)}
    return found if len(found) == len(entries) else None
