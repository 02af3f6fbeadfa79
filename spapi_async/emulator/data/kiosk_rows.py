"""The rows of a Data Kiosk query: the fields that it selects, computed from the seller's orders; pure.

Units, items and sales come from the orders that were placed in the query's window. All other values are random and
depend only on the seed.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec

from spapi_async.emulator.data.graphql import Field, GraphQLError, Schema, bare, parse_query
from spapi_async.emulator.data.graphql_query import first_field, resolve
from spapi_async.emulator.data.kiosk_schemas import DATA_SETS, schema_of
from spapi_async.emulator.data.orders import Line, StoredOrder
from spapi_async.emulator.data.places import SHOPS
from spapi_async.emulator.data.products import rng_for

__all__ = ["KioskQuery", "read_query"]

_ITEMS = 2  # of a list within a row


class KioskQuery(msgspec.Struct, frozen=True):
    """A parsed and checked query: the schema of its data set, the view with its fields, and the type of its rows."""

    schema: Schema
    view: Field
    kind: str

    def rows(self, seed: int, seller: str, orders: Iterable[StoredOrder]) -> list[dict[str, Any]]:
        """One row for each period, marketplace and product, or without products where the view has none."""
        groups: dict[tuple[str, ...], _Group] = {}
        for order in orders:
            for line in order.lines:
                key = self._key(order, line)
                if key is not None:
                    groups.setdefault(key, _Group(self._facts(order, line))).add(order, line)
        return [
            self._object(self.kind, self.view.fields, groups[key].facts, rng_for(seed, seller, self.view.name, *key))
            for key in sorted(groups)
        ]

    @property
    def _granularity(self) -> tuple[str, str]:
        """The period and the product level by which rows are grouped; the latter is empty in views without products."""
        words = [value for value in self.view.arguments.values() if isinstance(value, str)]
        for value in self.view.arguments.values():
            if isinstance(value, dict):
                words += [each for each in value.values() if isinstance(each, str)]
        period = next((word for word in words if word in _PERIODS), "RANGE")
        has_products = "parentAsin" in self.schema.objects[self.kind]
        return period, next((word for word in words if word in _PRODUCTS), "PARENT" if has_products else "")

    def _key(self, order: StoredOrder, line: Line) -> tuple[str, ...] | None:
        """The key of the row to which an order item belongs; None if the query excludes the item."""
        given = self.view.arguments
        day, marketplace = _day(order.created), str(order.marketplace)
        if not given["startDate"] <= day.isoformat() <= given["endDate"]:
            return None
        filters = given.get("filters")
        if filters is not None:
            if not any(each["marketplaceId"] == marketplace and line.product.asin in each["asins"] for each in filters):
                return None
        elif marketplace not in (given.get("marketplaceIds") or given.get("marketplaceId") or marketplace):
            return None
        period, product = self._granularity
        begin, _ = self._bounds(period, day)
        named = line.sku if product in _BY_SKU else line.product.asin if product else ""
        return begin, marketplace, named

    def _facts(self, order: StoredOrder, line: Line) -> dict[str, Any]:
        period, product = self._granularity
        begin, end = self._bounds(period, _day(order.created))
        return {
            "startDate": begin,
            "endDate": end,
            "marketplaceId": str(order.marketplace),
            "currencyCode": SHOPS[order.marketplace].currency,
            "asinAggregation": product,
            "asin": line.product.asin,
            "parentAsin": line.product.asin,
            "childAsin": None if product in ("PARENT", "PARENT_ASIN") else line.product.asin,
            "sku": line.sku if product in _BY_SKU else None,
            "msku": line.sku if product in _BY_SKU else None,
        }

    def _bounds(self, period: str, day: date) -> tuple[str, str]:
        """The first and the last day of the period that contains a day, cut to the query's window."""
        first, last = self.view.arguments["startDate"], self.view.arguments["endDate"]
        if period == "RANGE":
            return first, last
        begin = end = day
        if period == "WEEK":  # from Sunday
            begin = day - timedelta(days=day.isoweekday() % 7)
            end = begin + timedelta(days=6)
        elif period == "MONTH":
            begin = day.replace(day=1)
            end = (begin + timedelta(days=31)).replace(day=1) - timedelta(days=1)
        return max(first, begin.isoformat()), min(last, end.isoformat())

    def _object(
        self, kind: str, fields: Iterable[Field], facts: Mapping[str, Any], rng: random.Random
    ) -> dict[str, Any]:
        declared = self.schema.objects[kind]
        return {field.alias: self._value(field, declared[field.name].type, facts, rng) for field in fields}

    def _value(self, field: Field, kind: str, facts: Mapping[str, Any], rng: random.Random) -> Any:
        inner = bare(kind)
        if kind.startswith("["):
            return [self._object(inner, field.fields, facts, rng) for _ in range(_ITEMS)]
        if inner == "Amount":
            amount = facts[field.name] if field.name in facts else rng.randrange(100, 100_000) / 100
            return self._object(inner, field.fields, {**facts, "amount": amount}, rng)
        if inner in self.schema.objects:
            return self._object(inner, field.fields, facts, rng)
        if field.name in facts:
            return facts[field.name]
        if not kind.endswith("!") and inner == "String":
            return None  # real rows have null here, for instance in ``fnsku``
        return {"Float": round(rng.random() * 100, 2), "String": field.name}.get(inner, rng.randrange(50))


class _Group:
    """The order items that are added up in one row."""

    def __init__(self, facts: dict[str, Any]) -> None:
        self.facts = {**facts, "unitsOrdered": 0, "totalOrderItems": 0, "orderedProductSales": 0.0}

    def add(self, order: StoredOrder, line: Line) -> None:
        """Add an order item."""
        self.facts["unitsOrdered"] += line.quantity
        self.facts["totalOrderItems"] += 1
        self.facts["orderedProductSales"] = round(self.facts["orderedProductSales"] + float(order.money(line.price)), 2)


def read_query(text: str) -> KioskQuery:
    """Parse and check a query.

    Raises:
        GraphQLError: the query does not match a schema, or asks for more than one view.
    """
    query = parse_query(text)
    name = first_field(query)
    if name not in DATA_SETS:
        raise GraphQLError(f"Field '{name}' in type 'Query' is undefined; there are {', '.join(DATA_SETS)}")
    schema = schema_of(name)
    fields = resolve(query, schema)
    if len(fields) != 1 or len(fields[0].fields) != 1:
        raise GraphQLError("A query must ask for exactly one view of one data set")
    (data_set,) = fields
    (view,) = data_set.fields
    if view.arguments["startDate"] > view.arguments["endDate"]:
        raise GraphQLError("startDate is after endDate")
    views = schema.objects[bare(schema.objects["Query"][data_set.name].type)]
    return KioskQuery(schema, view, bare(views[view.name].type))


_PERIODS = ("DAY", "WEEK", "MONTH")
_BY_SKU = ("SKU", "MSKU")
_PRODUCTS = (*_BY_SKU, "CHILD", "CHILD_ASIN", "PARENT", "PARENT_ASIN")


def _day(moment: float) -> date:
    return datetime.fromtimestamp(moment, UTC).date()
