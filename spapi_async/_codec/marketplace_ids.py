"""Marketplaces in a call: by country as well as by id, and of the region that is called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from spapi_async.errors import ConfigurationError
from spapi_async.marketplaces import Marketplace, Region

__all__ = ["marketplace_fields", "misplaced", "writer_of"]

_BY_ID: Mapping[str, Marketplace] = {place.value: place for place in Marketplace}


def writer_of(region: Region | None) -> Callable[[str], str]:
    """A function that makes the id of a marketplace, its id or its country code; an id may be newer than this library.

    It raises ValueError with the end of a sentence that begins with the parameter's name.
    """
    ids: dict[str, str] = {}
    for place in Marketplace:
        if region is None or place.region is region:
            ids.update(dict.fromkeys((place, place.value, place.name, place.country), place.value))

    def write(text: str) -> str:
        known = ids.get(text)
        if known is not None:
            return known
        if problem := misplaced(text, region, exact=False):
            raise ValueError(problem)
        return Marketplace.parse(text).value if _is_country(text) else text

    return write


def misplaced(text: str, region: Region | None, *, exact: bool) -> str | None:
    """Why this marketplace cannot be meant; ``exact`` where nothing replaces a country code by the id."""
    place = _BY_ID.get(text)
    if place is None and _is_country(text):
        try:
            place = Marketplace.parse(text)
        except ConfigurationError as unknown:
            return f"holds an {unknown.message}"
        if exact:
            return f"holds {text!r}, and bodies are sent as they are: use {place.value} (Marketplace.{place.name})"
    if place is not None and region is not None and place.region is not region:
        return (
            f"holds {place.name}, which lies in region {place.region.name}; this seller's handle is for {region.name}: "
            f"make another with marketplace=Marketplace.{place.name}"
        )
    return None


def _is_country(text: str) -> bool:
    return len(text) == 2 and text.isascii() and text.isalpha()


def marketplace_fields(body_type: Any) -> tuple[tuple[str, str], ...]:
    """The body's own fields that name marketplaces, as attribute and on the wire."""
    if not (isinstance(body_type, type) and issubclass(body_type, msgspec.Struct)):
        return ()
    names = [(field.name, field.encode_name) for field in msgspec.structs.fields(body_type)]
    return tuple(name for name in names if name[0] in ("marketplace_id", "marketplace_ids"))
