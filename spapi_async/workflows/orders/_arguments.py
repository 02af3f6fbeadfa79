"""Checks the arguments of an order sync: sellers, marketplaces, and how personal data is stored."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Literal

from spapi_async._core.arguments import check_moment, one_or_more
from spapi_async.errors import ConfigurationError
from spapi_async.marketplaces import Marketplace
from spapi_async.workflows.orders._database import OrderDatabase
from spapi_async.workflows.orders._personal import PERSONAL_DATASETS
from spapi_async.workflows.orders._progress import SyncEvent
from spapi_async.workflows.orders._seller import Seller
from spapi_async.workflows.orders._vault import PersonalData, PersonalKeys

__all__ = [
    "check_regions",
    "check_start",
    "datasets_in",
    "ignore_event",
    "personal_for",
    "places_in",
    "places_of",
]

_LONGEST_COUNTRY = 3


def personal_for(
    database: object,
    personal: PersonalKeys | Literal["plain"] | None,
    retention: timedelta,
    datasets: Sequence[str],
) -> PersonalKeys | Literal["plain"] | None:
    """How a database that is opened here stores personal data; None: not at all.

    Raises:
        ConfigurationError: personal data is requested, but not how to store it.
    """
    asked = sorted(PERSONAL_DATASETS.intersection(datasets))
    if isinstance(database, OrderDatabase):
        if personal is not None:
            raise ConfigurationError("the database is open already: give personal= to OrderDatabase(url, personal=…)")
        if asked and database.personal is None:
            raise ConfigurationError(
                f"{', '.join(asked)} contain personal data: state how to store it with OrderDatabase(url, personal=…)"
            )
        return None
    if not isinstance(database, str) or not (asked or personal):
        return None
    return PersonalData.wanted(personal, retention).keys or "plain"


def places_in(names: str | Sequence[str]) -> list[str]:
    """Marketplaces; an unknown text longer than a country code is accepted as the id of a newer marketplace."""
    known = {place.value for place in Marketplace}
    return [
        Marketplace.parse(name) if len(name) <= _LONGEST_COUNTRY or name in known else name
        for name in one_or_more(names)
    ]


def datasets_in(names: str | Sequence[str]) -> list[str]:
    """Data sets of Orders 2026-01-01.

    Raises:
        ConfigurationError: an unknown one, whose personal data would not be recognised.
    """
    from spapi_async.models.orders_2026_01_01 import IncludedData

    chosen = [str(name) for name in one_or_more(names)]
    if unknown := sorted(set(chosen).difference(IncludedData.__members__)):
        raise ConfigurationError(f"unknown data sets {unknown}; there are {', '.join(IncludedData.__members__)}")
    return chosen


def places_of(seller: Seller, places: Sequence[str]) -> list[str]:
    """The marketplaces in the seller's region: sellers of several regions may be synced at once.

    Raises:
        ConfigurationError: marketplaces were given, but none is in the region.
    """
    served = [place for place in places if not isinstance(place, Marketplace) or place.region is seller.region]
    if places and not served:
        raise ConfigurationError(
            f"seller {seller.name} is in region {seller.region.name}, but none of the given marketplaces is"
        )
    return served


def check_start(since: datetime | None, now: datetime) -> None:
    """Refuse a start without a time zone, and one in the future: its checkpoint would hide every order until then.

    Raises:
        ConfigurationError: ``since`` is one of these, or not a datetime.
    """
    if since is None:
        return
    check_moment("since", since)
    if since > now:
        raise ConfigurationError(f"since must not be in the future: {since.isoformat()}")


def check_regions(sellers: Iterable[Seller], places: Iterable[str]) -> None:
    """Refuse a marketplace that none of the sellers can have.

    Raises:
        ConfigurationError: no seller is in the region of a marketplace.
    """
    regions = {seller.region for seller in sellers}
    for place in places:
        if isinstance(place, Marketplace) and place.region not in regions:
            raise ConfigurationError(
                f"marketplace {place.name} is in region {place.region.name}, but none of the sellers is"
            )


def ignore_event(event: SyncEvent) -> None:
    """A progress function that does nothing."""
