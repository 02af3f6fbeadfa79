"""Combines the quota of several sellers for look-ups that any of them may make."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NoReturn

from spapi_async._client.registry import WORKFLOWS
from spapi_async.api import NAMESPACES
from spapi_async.errors import ConfigurationError

if TYPE_CHECKING:
    from spapi_async._client.application import SellingPartner
    from spapi_async.workflows.catalog import Catalog

__all__ = ["Pool", "pool"]


class Pool:
    """Sellers of one application and region whose catalogue quota is combined; made by :func:`pool`.

    ``pool.catalog`` is ``seller.catalog`` with the quota of all of them; a pool has no other workflows.
    """

    __slots__ = ("catalog", "sellers")

    catalog: Catalog

    def __init__(self, sellers: tuple[SellingPartner, ...]) -> None:
        self.sellers = sellers
        first, *others = (seller.catalog for seller in sellers)
        self.catalog = first.variant(*others)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> NoReturn:
            if name in WORKFLOWS or name in NAMESPACES:
                raise ConfigurationError(f"{name} belongs to one seller: use seller.{name}, not a pool's")
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __repr__(self) -> str:
        return f"<Pool of {len(self.sellers)} sellers>"


def pool(sellers: Iterable[SellingPartner]) -> Pool:
    """Combine sellers for look-ups in the catalogue: each request is made for the seller that has quota first.

    Five sellers look up five times as many ASINs in the same time. A seller whose grant was revoked, or who may not
    read the catalogue, is left out. A limit of Amazon's for the whole application applies to all of them together.

    This is permitted if the look-ups serve the business of the sellers in the pool, for example in a tool that manages
    the listings of ten sellers of one company. It is not a way around a limit: Amazon's Acceptable Use Policy forbids
    circumventing quotas with several developer accounts (section 3.10), requires that each user's throttle is respected
    (2.9), and forbids collecting users' data for sale (4.4).

    Raises:
        ConfigurationError: no sellers, or sellers of different applications or regions.
    """
    by_key = {seller.key: seller for seller in sellers}
    if not by_key:
        raise ConfigurationError("a pool needs at least one seller")
    if len({seller.region for seller in by_key.values()}) > 1:
        raise ConfigurationError("the sellers of a pool must be in one region")
    return Pool(tuple(by_key.values()))
