"""What requests for reports and for feeds have in common: marketplaces, options and types."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from spapi_async._core.arguments import one_or_more
from spapi_async.errors import BadRequestError, ConfigurationError, NotFoundError
from spapi_async.marketplaces import Marketplace, Region

__all__ = ["MOST_MARKETPLACES", "checked_options", "marketplace_ids", "suggesting", "type_groups"]

_MOST_TYPES = 10  # getReports.reportTypes and getFeeds.feedTypes
MOST_MARKETPLACES = 25  # marketplaceIds of CreateReportSpecification and of CreateFeedSpecification


def marketplace_ids(
    marketplaces: Sequence[Marketplace | str], region: Region, *, most: int = MOST_MARKETPLACES
) -> list[str]:
    """Ids of the marketplaces, given as members, ids or countries.

    Raises:
        ConfigurationError: there are none or too many, or one is unknown or belongs to another region.
    """
    places = [Marketplace.parse(place) for place in one_or_more(marketplaces)]
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


@contextmanager
def suggesting(name: str, known: Iterable[str]) -> Iterator[None]:
    """Add the known type with the most similar name to an error, if Amazon refuses or does not find an unknown type.

    The type may also be newer than this library, so nothing is said before Amazon has answered.
    """
    try:
        yield
    except (BadRequestError, NotFoundError) as error:
        from difflib import get_close_matches  # slow to import, and rarely needed

        names = list(known)
        if name not in names and (close := get_close_matches(name.strip().upper(), names, n=1, cutoff=0.8)):
            error.add_note(f"{name!r} is no type that this library knows: did you mean {close[0]}?")
        raise


def type_groups(requests: Iterable[Mapping[str, Any]], member: str) -> list[list[str]]:
    """The types of requests, in groups of as many as one list of jobs can filter by; ``member`` holds the type."""
    types = sorted({request[member] for request in requests})
    return [types[start : start + _MOST_TYPES] for start in range(0, len(types), _MOST_TYPES)]
