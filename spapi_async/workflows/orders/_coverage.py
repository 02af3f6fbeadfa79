"""How far a seller's orders have been read and reconciled, from the checkpoints of its streams. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

from spapi_async.workflows.orders._checkpoint import Checkpoint, Window

__all__ = ["Coverage", "coverage_of"]


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """What has been read of one stream of a seller (the API, and the marketplaces if not all).

    A span that was read once is not certain to be complete: lists lag behind, and pages shift while they are read. With
    ``reports`` among the ``sources``, what was read is reconciled with order reports several times.

    Attributes:
        seller, stream: the seller's name and the stream.
        read_from: the start of the span that was read once, by last update; None: the ``since`` of the first run.
        read_to: the end of that span.
        missing: the history that has not been read yet; None if there is none.
        listed_to: the time up to which the missing history is stored as coarse rows; None if nothing was listed.
        reconciled_to: the time up to which orders were reconciled with reports, by the age at which this was done.
    """

    seller: str
    stream: str
    read_from: datetime | None
    read_to: datetime
    missing: Window | None = None
    listed_to: datetime | None = None
    reconciled_to: dict[timedelta, datetime] = {}


def coverage_of(saved: Iterable[Checkpoint]) -> tuple[Coverage, ...]:
    """The coverage of each stream, without windows that were read again on request."""
    streams: dict[tuple[str, str], dict[str, Checkpoint]] = {}
    for checkpoint in saved:
        named = _STREAM(checkpoint.stream)
        if named is not None:
            streams.setdefault((checkpoint.seller, named["base"]), {})[named["part"] or ""] = checkpoint
    found = (_coverage(seller, base, parts) for (seller, base), parts in sorted(streams.items()))
    return tuple(each for each in found if each is not None)


def _coverage(seller: str, base: str, parts: dict[str, Checkpoint]) -> Coverage | None:
    live, history, listed = parts.get(""), parts.get("history"), parts.get("listed")
    read_from = missing = None
    if history is not None:
        # Searches read it from its newest end, which moves back until it reaches the beginning.
        read_from = max(history.upper_bound or history.last_updated_after, history.last_updated_after)
        if read_from > history.last_updated_after:
            missing = Window(history.last_updated_after, read_from)
    read_to = live.last_updated_after if live is not None else read_from
    if read_to is None:
        return None
    return Coverage(
        seller=seller,
        stream=base,
        read_from=read_from,
        read_to=read_to,
        missing=missing,
        listed_to=listed.last_updated_after if listed is not None and missing is not None else None,
        reconciled_to={
            timedelta(hours=int(found[1])): checkpoint.last_updated_after
            for part, checkpoint in sorted(parts.items())
            if (found := _RECONCILED(part)) is not None
        },
    )


_STREAM = re.compile(
    r"(?P<base>[a-z0-9_]+(?::[A-Z0-9,]+)?)(?: (?P<part>history|listed|reconciled after \d+ h))?"
).fullmatch
_RECONCILED = re.compile(r"reconciled after (\d+) h").fullmatch
