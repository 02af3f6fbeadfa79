"""What users of an order sync may say, checked: sellers, marketplaces, and how personal data is kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Literal

from spapi_async.errors import ConfigurationError
from spapi_async.marketplaces import Marketplace
from spapi_async.workflows.orders._database import OrderDatabase
from spapi_async.workflows.orders._personal import PERSONAL_DATASETS
from spapi_async.workflows.orders._progress import SyncEvent
from spapi_async.workflows.orders._seller import Seller
from spapi_async.workflows.orders._vault import PersonalData, PersonalKeys

__all__ = ["check_regions", "nobody", "one_or_more", "personal_for", "places_in", "places_of"]

_LONGEST_COUNTRY = 3


def personal_for(
    database: object,
    personal: PersonalKeys | Literal["plain"] | None,
    retention: timedelta,
    datasets: Sequence[str],
) -> PersonalKeys | Literal["plain"] | None:
    """How a database that is opened here keeps personal data; None: not at all.

    Raises:
        ConfigurationError: personal data is asked for, and nothing says how it is kept.
    """
    asked = sorted(PERSONAL_DATASETS.intersection(datasets))
    if isinstance(database, OrderDatabase):
        if personal is not None or (asked and database.personal is None):
            what = f"{', '.join(asked)} bring personal data" if asked else "the database is open already"
            raise ConfigurationError(f"{what}: say how it is kept with OrderDatabase(url, personal=…)")
        return None
    if not isinstance(database, str) or not (asked or personal):
        return None
    return PersonalData.wanted(personal, retention).keys or "plain"


def places_in(names: str | Sequence[str]) -> list[str]:
    """Marketplaces; what is longer than a country and unknown is an id, which may be newer than this library."""
    known = {place.value for place in Marketplace}
    return [
        Marketplace.parse(name) if len(name) <= _LONGEST_COUNTRY or name in known else name
        for name in one_or_more(names)
    ]


def places_of(seller: Seller, places: Sequence[str]) -> list[str]:
    """Those in the seller's region: sellers of several regions may be synced at once.

    Raises:
        ConfigurationError: some were asked for, and none is there.
    """
    served = [place for place in places if not isinstance(place, Marketplace) or place.region is seller.region]
    if places and not served:
        raise ConfigurationError(f"none of the marketplaces is in region {seller.region.name}: {seller.name}")
    return served


def check_regions(sellers: Iterable[Seller], places: Iterable[str]) -> None:
    regions = {seller.region for seller in sellers}
    for place in places:
        if isinstance(place, Marketplace) and place.region not in regions:
            raise ConfigurationError(f"marketplace {place.name} is in region {place.region.name}, and no seller is")


def one_or_more(names: str | Sequence[str]) -> list[str]:
    """A string is one name, never its letters."""
    return [names] if isinstance(names, str) else list(names)


def nobody(event: SyncEvent) -> None:
    """Progress that nobody watches."""
