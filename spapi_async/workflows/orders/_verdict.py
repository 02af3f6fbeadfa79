"""Compares a fetched order with the stored one: new, an update, more detail, the same, or older. Pure.

Amazon's date of the last update decides. Of two versions with the same date, the one read later is stored unless it has
less detail, since some changes never change the date (redactions, data sets that come with a new role).
"""

from __future__ import annotations

import enum
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from spapi_async._codec import json
from spapi_async.workflows.orders._rows import Detail, OrderRow

__all__ = ["ENTRY_IDS", "EVERYWHERE", "MOST_PATHS", "Before", "Differences", "Verdict", "compared", "judge"]

MOST_PATHS = 100
"""The most changed places that a change lists; further ones are left out."""

_RICHNESS = {Detail.REPORT: 0, Detail.V0: 1, Detail.WHOLE: 2}
_ITEMS = "orderItems"
ENTRY_IDS = {_ITEMS: "orderItemId", "packages": "packageReferenceId"}
"""Lists whose entries have an id, and its name."""

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_LIST = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_TEXT = msgspec.json.Decoder(str)
_BRACE = ord("{")
_Members = dict[str, Any]
"""Each value is undecoded JSON, or again members."""


class Before(msgspec.Struct, frozen=True):
    """The stored state of an order."""

    last_updated_at: datetime | None
    status: str | None
    source: str
    detail: str
    digest: bytes


class Verdict(enum.StrEnum):
    """How a fetched order is treated."""

    NEW = "new"
    UPDATED = "updated"
    DETAIL = "detail"
    """The same version with other content: more is known now."""
    SAME = "same"
    STALE = "stale"
    """The database has a later version, or the same version with more detail."""

    @property
    def is_stored(self) -> bool:
        """Whether the tables change."""
        return self in _STORED


_STORED = frozenset({Verdict.NEW, Verdict.UPDATED, Verdict.DETAIL})


def judge(before: Before | None, row: OrderRow, digest: bytes) -> Verdict:
    """The verdict on a fetched order.

    An order without a readable date has no version: it is stored, because nothing shows that it is older.
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


class Differences(NamedTuple):
    """The differences between a stored order and its replacement.

    Attributes:
        paths: the places that differ, by Amazon's names; list entries are named by their ids.
        items: the ids of changed or new items; None if an item was removed, or if it cannot be determined.
    """

    paths: list[str]
    items: frozenset[str] | None


EVERYWHERE = Differences(["*"], None)
"""The two versions cannot be compared."""


def compared(before: str, after: str) -> Differences:
    """The differences between two versions of an order's JSON, or of some of its members.

    Most parts of an order are the same bytes in both versions, at any depth, and are not decoded.
    """
    paths: list[str] = []
    try:
        old, new = _OBJECT.decode(before), _OBJECT.decode(after)
        items = _take_items(old, new)
        _compare(old, new, "", paths)
    except (ValueError, RecursionError):  # JSON that only lenient decoding can read
        return EVERYWHERE
    return Differences(paths[:MOST_PATHS], items)


def _take_items(old: _Members, new: _Members) -> frozenset[str] | None:
    """Decode differing lists of items into entries by id; returns the items that have to be written."""
    if _ITEMS not in old or _ITEMS not in new:
        return None
    if old[_ITEMS] == new[_ITEMS]:
        return frozenset()
    before, after = _by_id(old[_ITEMS], ENTRY_IDS[_ITEMS]), _by_id(new[_ITEMS], ENTRY_IDS[_ITEMS])
    if before is None or after is None:
        return None
    old[_ITEMS], new[_ITEMS] = before, after
    if not before.keys() <= after.keys():
        return None
    return frozenset([key for key, members in after.items() if before.get(key) != members])


def _compare(before: _Members, after: _Members, place: str, found: list[str]) -> None:
    """Add the places that differ to ``found``; a generator would double the cost."""
    for key in before if before.keys() == after.keys() else {**before, **after}:
        if key not in before or key not in after:
            found.append(place + key)
            continue
        old, new = before[key], after[key]
        if old == new:
            continue
        members = _members(old, key)
        others = None if members is None else _members(new, key)
        if members is not None and others is not None:
            if len(found) < MOST_PATHS:
                _compare(members, others, f"{place}{key}.", found)
        elif members is not None or json.plain(bytes(old)) != json.plain(bytes(new)):
            found.append(place + key)


def _members(value: Any, key: str) -> _Members | None:
    """An object's members, or the entries of a list by their ids; None for anything else."""
    if type(value) is dict:
        return value
    if key in ENTRY_IDS:
        return _by_id(value, ENTRY_IDS[key])
    return _OBJECT.decode(value) if memoryview(value)[0] == _BRACE else None


def _by_id(entries: Any, name: str) -> _Members | None:
    """A list's entries by their ids; None if an entry has no id or two have the same."""
    try:
        listed = _LIST.decode(entries)
        found = {_TEXT.decode(entry[name]): entry for entry in listed}
    except (msgspec.ValidationError, KeyError):
        return None
    return found if len(found) == len(listed) else None
