"""Checks of a call's arguments that refuse what Amazon would refuse, before the call costs a token.

Amazon's models say how many items a list may have and how large a number may be. Only Amazon's documentation says which
of several parameters are required and how many requests a batch may have. Values of enums and patterns of strings are
not checked, because Amazon adds to them without notice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from spapi_async._core.operation import Constraints

__all__ = ["ALTERNATIVES", "BATCHES", "Batch", "OneOf", "check_items", "check_number"]


class OneOf(msgspec.Struct, frozen=True):
    """At least one of these parameters must be given; exactly one if ``exclusive``.

    ``unless`` are parameters that replace all of them, such as the token of a page.
    """

    names: tuple[str, ...]
    unless: tuple[str, ...] = ()
    exclusive: bool = False

    def problem(self, get: Callable[[str], Any]) -> str | None:
        """What is wrong with the arguments, as the end of a sentence that begins with the first name."""
        given = [name for name in self.names if get(name) not in (None, [], ())]
        if len(given) > 1 and self.exclusive:
            return f"and {' and '.join(self.names[1:])} exclude one another: give only one of them"
        if not given and not any(get(name) for name in self.unless):
            return f"or {' or '.join(self.names[1:])} is required"
        return None


_EITHER_TIME = ("created_after", "last_updated_after")
ALTERNATIVES: Mapping[str, tuple[OneOf, ...]] = {
    # From developer-docs.amazon.com, the reference page of each operation; the models say it only in prose.
    "catalog_items_2022_04_01.search_catalog_items": (
        OneOf(("identifiers", "keywords"), unless=("page_token",), exclusive=True),
    ),
    "feeds_2021_06_30.get_feeds": (OneOf(("feed_types", "next_token")),),
    "orders_2026_01_01.search_orders": (OneOf(_EITHER_TIME, unless=("pagination_token",), exclusive=True),),
    "orders_v0.get_orders": (OneOf(_EITHER_TIME, unless=("next_token", "amazon_order_ids")),),
    "product_pricing_v0.get_competitive_pricing": (OneOf(("asins", "skus")),),
    "product_pricing_v0.get_pricing": (OneOf(("asins", "skus")),),
    "reports_2021_06_30.get_reports": (OneOf(("report_types", "next_token")),),
}


class Batch(msgspec.Struct, frozen=True):
    """An operation that takes several requests in one body.

    ``requests`` and ``responses`` name the attribute of body and reply that is the list, or are "" if the whole is the
    list. ``most`` is the largest number of requests.
    """

    requests: str
    responses: str
    most: int

    def parts(self, body: Any) -> Sequence[Any]:
        """The requests in a body, which is a struct, a mapping or a list."""
        if not self.requests:
            found = body
        elif isinstance(body, Mapping):
            found = body.get(self.requests)
        else:
            found = getattr(body, self.requests, None)
        return found if isinstance(found, Sequence) and not isinstance(found, str | bytes) else ()

    def problem(self, body: Any) -> str | None:
        """What is wrong with a body, as the end of a sentence that begins with its name."""
        size = len(self.parts(body))
        where = f"{self.requests} " if self.requests else ""
        if size > self.most:
            return f"takes at most {self.most} {where}in a call, not {size}: make several calls"
        return None


BATCHES: Mapping[str, Batch] = {
    # For some of these the models have no maxItems and only their prose names the limit.
    "product_fees_v0.get_my_fees_estimates": Batch("", "", 20),
    "product_pricing_2022_05_01.get_competitive_summary": Batch("requests", "responses", 20),
    "product_pricing_2022_05_01.get_featured_offer_expected_price_batch": Batch("requests", "responses", 40),
    "product_pricing_v0.get_item_offers_batch": Batch("requests", "responses", 20),
    "product_pricing_v0.get_listing_offers_batch": Batch("requests", "responses", 20),
}


def check_items(constraints: Constraints, number: int) -> str | None:
    """What is wrong with a list of ``number`` items, one or more; an empty list is left out of the request."""
    most, least = constraints.max_items, constraints.min_items
    if most is not None and number > most:
        return f"takes at most {most} item{'s' if most > 1 else ''}, not {number}: make several calls"
    if least is not None and number < least:
        return f"takes at least {least} items, not {number}"
    return None


def check_number(constraints: Constraints, value: Any) -> str | None:
    """What is wrong with a number."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    if constraints.maximum is not None and value > constraints.maximum:
        return f"must be at most {constraints.maximum:g}, not {value}"
    if constraints.minimum is not None and value < constraints.minimum:
        return f"must be at least {constraints.minimum:g}, not {value}"
    return None
