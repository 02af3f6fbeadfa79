"""Checks of what requests for reports and for feeds have in common: marketplaces and options. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from spapi_async.errors import ConfigurationError
from spapi_async.marketplaces import Marketplace, Region

__all__ = ["checked_options", "marketplace_ids"]

_MOST_MARKETPLACES = 25  # marketplaceIds of CreateReportSpecification and of CreateFeedSpecification


def marketplace_ids(
    marketplaces: Sequence[Marketplace | str], region: Region, *, most: int = _MOST_MARKETPLACES
) -> list[str]:
    """Ids of the marketplaces, given as members, ids or countries.

    Raises:
        ConfigurationError: there are none or too many, or one is unknown or belongs to another region.
    """
    if isinstance(marketplaces, str):
        marketplaces = [marketplaces]
    places = [Marketplace.parse(place) for place in marketplaces]
    if not places or len(places) > most:
        raise ConfigurationError(f"give 1 to {most} marketplaces, not {len(places)}")
    for place in places:
        if place.region is not region:
            raise ConfigurationError(
                f"{place.name} is in region {place.region.name}, but this seller's region is {region.name}"
            )
    return list(dict.fromkeys(place.value for place in places))


def checked_options(options: Mapping[str, str]) -> dict[str, str]:
    """The options of a report or feed.

    Raises:
        ConfigurationError: a name or a value is not text.
    """
    for name, value in options.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise ConfigurationError(f"options are text, but {name!r} is {value!r}")
    return dict(options)
