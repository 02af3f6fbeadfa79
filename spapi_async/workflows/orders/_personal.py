"""What of an order is personal data, and how it is cut out of the JSON that is kept. Pure.

Amazon's data protection policy allows personal data to be kept for 30 days after delivery and only encrypted, so it is
stored apart from the order, or not at all. It is found by path: what the data sets BUYER, RECIPIENT, TAX and PAYMENT
bring, and what customers wrote themselves (gift messages, customisation), wherever that stands.
"""

from __future__ import annotations

from typing import Any

import msgspec

__all__ = ["PERSONAL_2026", "PERSONAL_DATASETS", "PERSONAL_V0", "PERSONAL_V0_ITEM", "cut", "holds_personal"]

Path = tuple[str, ...]

PERSONAL_DATASETS = frozenset({"BUYER", "RECIPIENT", "TAX", "PAYMENT"})
"""Of Orders 2026-01-01: what brings personal data and so needs somewhere to keep it."""

EACH = "[]"
"""Stands in a path for every entry of a list."""

PERSONAL_2026: tuple[Path, ...] = (
    ("buyer",),
    ("recipient",),
    ("payment",),
    ("tax",),
    ("orderItems", EACH, "tax"),
    ("orderItems", EACH, "product", "customization"),
    ("orderItems", EACH, "fulfillment", "packing", "giftOption", "giftMessage"),
)
PERSONAL_V0: tuple[Path, ...] = (
    ("ShippingAddress",),
    ("BuyerInfo",),
    ("BuyerTaxInformation",),
    ("DeliveryPreferences",),
    ("PaymentExecutionDetail",),
    ("PaymentMethod",),
    ("PaymentMethodDetails",),
)
PERSONAL_V0_ITEM: tuple[Path, ...] = (("BuyerInfo",), ("BuyerRequestedCancel", "BuyerCancelReason"))

_ENCODER = msgspec.json.Encoder(decimal_format="number")


def holds_personal(content: Any, paths: tuple[Path, ...]) -> bool:
    """Whether anything stands at one of the paths."""
    return any(_stands(content, path, 0) for path in paths)


def _stands(content: Any, path: Path, depth: int) -> bool:
    """Whether the last member of a path is there: what ``_found`` finds, without making anything, for most orders."""
    while depth < len(path):
        key = path[depth]
        depth += 1
        if key == EACH:
            if isinstance(content, list):
                return any(_stands(entry, path, depth) for entry in content)
        elif isinstance(content, dict) and key in content:
            content = content[key]
        else:
            return False
    return True


def cut(content: Any, paths: tuple[Path, ...], *, ids: str = "") -> tuple[bytes, dict[str, Any]]:
    """Take the personal data out of an order; its JSON without them, and they by the place where they stood.

    ``content`` is changed. Entries of a list are named by the member ``ids``, or else by their position from 0.
    """
    taken: dict[str, Any] = {}
    for path in paths:
        for holder, place in _found(content, path, 0, "", ids):
            taken[place] = holder.pop(path[-1])
    return _ENCODER.encode(content), taken


def _found(content: Any, path: Path, depth: int, place: str, ids: str) -> list[tuple[dict[str, Any], str]]:
    """Every object that has the last member of a path, with the place of that member in words."""
    last = len(path) - 1
    while path[depth] != EACH:
        head = path[depth]
        if not isinstance(content, dict) or head not in content:
            return []
        place = f"{place}.{head}" if place else head
        if depth == last:
            return [(content, place)]
        content, depth = content[head], depth + 1
    found: list[tuple[dict[str, Any], str]] = []
    entries = content if isinstance(content, list) else [content]  # one alone may have lost its list
    for position, entry in enumerate(entries):
        if isinstance(entry, dict) and path[depth + 1] in entry:
            name = entry.get(ids)
            here = f"{place}.{name if isinstance(name, str) else position}"
            found += _found(entry, path, depth + 1, here, ids)
    return found
