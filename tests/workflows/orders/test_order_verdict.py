"""How a fetched order compares with the stored one, and where two versions differ."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spapi_async.workflows.orders._rows import V0, V2026, Detail, OrderRow
from spapi_async.workflows.orders._verdict import MOST_PATHS, Before, Differences, Verdict, compared, judge

DAY = datetime(2026, 1, 2, tzinfo=UTC)


def row(day: int | None = 2, detail: Detail = Detail.WHOLE) -> OrderRow:
    """An order updated on a day of January."""
    dated = {} if day is None else {"lastUpdatedTime": f"2026-01-{day:02d}T00:00:00Z"}
    return msgspec.structs.replace(V2026.row(msgspec.json.encode({"orderId": "1", **dated})), detail=detail)


def before(updated: datetime | None = DAY, detail: Detail = Detail.WHOLE, digest: bytes = b"old") -> Before:
    """The stored version of the same order."""
    return Before(updated, "UNSHIPPED", "orders_2026_01_01", detail.value, digest)


@pytest.mark.parametrize(
    ("stored", "fetched", "digest", "verdict"),
    [
        (None, row(), b"new", Verdict.NEW),
        (before(), row(3), b"new", Verdict.UPDATED),
        (before(), row(3), b"old", Verdict.UPDATED),
        (before(), row(1), b"new", Verdict.STALE),
        (before(), row(2), b"old", Verdict.SAME),
        (before(), row(2), b"new", Verdict.DETAIL),
        (before(), row(2, Detail.V0), b"new", Verdict.STALE),
        (before(detail=Detail.V0), row(2), b"new", Verdict.DETAIL),
        (before(detail=Detail.REPORT), row(2, Detail.V0), b"new", Verdict.DETAIL),
        (before(), row(3, Detail.REPORT), b"new", Verdict.UPDATED),
        (before(None), row(2), b"new", Verdict.UPDATED),
        (before(), row(None), b"new", Verdict.UPDATED),
        (before(), row(None), b"old", Verdict.SAME),
    ],
)
def test_amazons_date_decides_and_then_the_detail(
    stored: Before | None, fetched: OrderRow, digest: bytes, verdict: Verdict
) -> None:
    """The later date wins.

    Of equal dates the later read wins unless it has less detail; without a date it is stored.
    """
    assert judge(stored, fetched, digest) is verdict
    assert verdict.is_stored == (verdict not in (Verdict.SAME, Verdict.STALE))


def paths(old: Any, new: Any) -> list[str]:
    """The paths that differ, in any order."""
    return sorted(differences(old, new).paths)


def differences(old: Any, new: Any) -> Differences:
    """The paths at which two payloads differ, and the items that changed."""
    return compared(msgspec.json.encode(old).decode(), msgspec.json.encode(new).decode())


def test_paths_have_amazons_names() -> None:
    """They are of members that changed, came or went, at any depth."""
    old = {"a": 1, "b": {"c": 2, "d": 3}, "gone": 1}
    assert paths(old, {"a": 2, "b": {"c": 2, "d": 4}, "came": 1}) == ["a", "b.d", "came", "gone"]
    assert paths(old, old) == []


def test_items_are_named_by_their_ids() -> None:
    """An item that moved in its list did not change; a missing one did."""
    one, two = {"orderItemId": "1", "quantityOrdered": 1}, {"orderItemId": "2", "quantityOrdered": 5}
    assert paths({"orderItems": [one, two]}, {"orderItems": [two, one]}) == []
    changed = paths({"orderItems": [one, two]}, {"orderItems": [{**one, "quantityOrdered": 2}]})
    assert changed == ["orderItems.1.quantityOrdered", "orderItems.2"]


@pytest.mark.parametrize(
    "odd", [[{"orderItemId": "1"}, {"orderItemId": "1"}], [{"orderItemId": 7}], [None], "text", {"orderItemId": "1"}]
)
def test_lists_without_ids_differ_as_a_whole(odd: Any) -> None:
    """With duplicate or invalid ids, or no list, the path of the list is named."""
    assert paths({"orderItems": odd}, {"orderItems": [{"orderItemId": "1", "x": 1}]})[0].startswith("orderItems")


@pytest.mark.parametrize("flat", [True, False])
def test_the_number_of_paths_is_bounded(flat: bool) -> None:
    """An order rewritten as a whole does not make a change of a megabyte."""
    places = {str(n): 1 for n in range(500)}
    assert len(paths(places if flat else {"a": places, "b": places}, {} if flat else {"a": {}, "b": {}})) == MOST_PATHS


def items(**quantities: Any) -> dict[str, Any]:
    """An order of these items."""
    return {"orderItems": [{"orderItemId": name, "quantityOrdered": number} for name, number in quantities.items()]}


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        (items(a=1, b=2), items(a=1, b=2), set()),
        (items(a=1, b=2), items(b=2, a=1), set()),
        (items(a=1, b=2), items(a=1, b=3, c=4), {"b", "c"}),
        (items(a=1, b=2), items(a=1), None),
        (items(a=1), {}, None),
        ({}, items(a=1), None),
        ({}, {}, None),
        (items(a=1), {"orderItems": [{"orderItemId": 7}]}, None),
        ({"orderItems": {}}, {"orderItems": []}, None),
    ],
)
def test_changed_items_are_named_unless_one_is_missing(old: Any, new: Any, changed: set[str] | None) -> None:
    """Only those are written; where an item is missing or has no valid id, all are written."""
    assert differences(old, new).items == changed


@pytest.mark.parametrize("text", ['{"a":{"b":tru}}', "[1]", "", '{"x":' + '{"x":' * 3000 + "1" + "}" * 3001])
def test_payloads_that_cannot_be_compared_differ_everywhere(text: str) -> None:
    """JSON that only the tolerant reader accepts, or that is too deep, causes no error."""
    found = compared(text, text.replace("1", "2"))
    assert found.items is None
    assert found.paths in (["*"], [])
    assert compared(text, "{}").paths == ["*"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)


@given(JSON, JSON)
def test_paths_are_named_exactly_when_something_differs(old: Any, new: Any) -> None:
    """Values may be anything."""
    named = paths({"same": [old], "place": old}, {"same": [old], "place": new})
    assert all(name.startswith("place") for name in named)
    assert bool(named) == (msgspec.json.encode(old) != msgspec.json.encode(new))


def test_both_versions_use_one_vocabulary() -> None:
    """Status and channel have the words of 2026-01-01, with Amazon's own words beside them."""
    old = V0.row(b'{"AmazonOrderId":"1","OrderStatus":"Canceled","FulfillmentChannel":"AFN"}', items=[])
    new = V2026.row(b'{"orderId":"1","fulfillment":{"fulfillmentStatus":"CANCELLED","fulfilledBy":"AMAZON"}}')
    assert (old.status, old.channel) == (new.status, new.channel) == ("CANCELLED", "AMAZON")
    assert (old.amazon_status, old.fulfilled_by) == ("Canceled", "AFN")
    assert (new.amazon_status, new.fulfilled_by) == ("CANCELLED", "AMAZON")
    unknown = V0.row(b'{"AmazonOrderId":"1","OrderStatus":"Teleported"}', items=[])
    assert unknown.status == "Teleported"
