"""The marketplaces in a call's arguments: turns country codes into ids and refuses those of another region."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from spapi_async.errors import ConfigurationError
from spapi_async.marketplaces import Marketplace, Region

__all__ = ["marketplace_fields", "misplaced", "writer_of"]

_BY_ID: Mapping[str, Marketplace] = {place.value: place for place in Marketplace}


def writer_of(region: Region | None) -> Callable[[str], str]:
    """A function that turns a country code into a marketplace id; ids, even unknown ones, stay unchanged.

    It raises ValueError for a marketplace of another region; the message continues after the parameter's name.
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
    """What is wrong with this marketplace; None if nothing. With ``exact`` a country code is refused, too."""
    place = _BY_ID.get(text)
    if place is None and _is_country(text):
        try:
            place = Marketplace.parse(text)
        except ConfigurationError as unknown:
            return f"contains an {unknown.message}"
        if exact:
            return f"contains {text!r}, but bodies are sent as they are: use {place.value} (Marketplace.{place.name})"
    if place is not None and region is not None and place.region is not region:
        return (
            f"contains {place.name}, which is in region {place.region.name}, but this seller's handle is for "
            f"{region.name}: make another handle with marketplace=Marketplace.{place.name}"
        )
    return None


def _is_country(text: str) -> bool:
    return len(text) == 2 and text.isascii() and text.isalpha()


def marketplace_fields(body_type: Any) -> tuple[tuple[str, str], ...]:
    """The top-level fields of a body that name marketplaces: pairs of attribute and Amazon's name."""
    if not (isinstance(body_type, type) and issubclass(body_type, msgspec.Struct)):
        return ()
    names = [(field.name, field.encode_name) for field in msgspec.structs.fields(body_type)]
    return tuple(name for name in names if name[0] in ("marketplace_id", "marketplace_ids"))
