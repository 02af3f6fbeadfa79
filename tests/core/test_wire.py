"""Structs with personal data hide it in their repr, and otherwise behave like any other."""

import copy
import gc
import json
import pickle
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest

from spapi_async._codec.response import decode
from spapi_async._core.operation import Operation
from spapi_async._core.wire import Model, PersonalModel
from spapi_async.api import operations
from spapi_async.errors import DecodeError
from spapi_async.models import orders_2026_01_01, orders_v0

MODELS = Path(__file__).parents[3] / "shared" / "models"
needs_models = pytest.mark.skipif(not MODELS.is_dir(), reason=f"Amazon's models are not at {MODELS}")


class Person(PersonalModel, kw_only=True, rename="camel"):
    """All fields are personal."""

    full_name: str | None = None
    city: str | None = None


class Parcel(PersonalModel, kw_only=True, rename="camel"):
    """One field is personal."""

    __personal__ = ("gift_message",)

    parcel_id: str
    gift_message: str | None = None
    to: Person | None = None


class Plain(Model, kw_only=True, rename="camel"):
    """Like ``Person``, without the mask."""

    full_name: str | None = None
    city: str | None = None


def test_a_personal_repr_names_the_fields_that_are_set() -> None:
    """Their values are left out, and unset fields are not named."""
    assert repr(Person(full_name="Jane Roe", city="Ely")) == "Person(<personal data: full_name, city>)"
    assert str(Person(city="Ely")) == "Person(<personal data: city>)"
    assert f"{Person()}" == "Person()"


def test_single_personal_fields_are_hidden() -> None:
    """The others are shown, and so is whether a hidden one is set."""
    parcel = Parcel(parcel_id="7", gift_message="Happy birthday", to=Person(city="Ely"))
    assert repr(parcel) == "Parcel(parcel_id='7', gift_message=<hidden>, to=Person(<personal data: city>))"
    assert repr(Parcel(parcel_id="7")) == "Parcel(parcel_id='7', gift_message=None, to=None)"


def test_rich_shows_no_more_than_repr() -> None:
    """``rich`` and its tracebacks call another method."""
    pretty = pytest.importorskip("rich.pretty")
    parcel = Parcel(parcel_id="7", gift_message="Happy birthday", to=Person(city="Ely"))
    assert pretty.pretty_repr(parcel, max_width=200) == repr(parcel)


def test_a_personal_struct_is_otherwise_a_model() -> None:
    """Encoding, decoding, equality, copies, pickles and matching are those of a struct without the mask."""
    person = Person(full_name="Jane Roe")
    assert msgspec.json.encode(person) == msgspec.json.encode(Plain(full_name="Jane Roe")) == b'{"fullName":"Jane Roe"}'
    assert msgspec.json.decode(b'{"fullName": "Jane Roe", "more": 1}', type=Person) == person != Person()
    assert pickle.loads(pickle.dumps(person)) == copy.copy(person) == msgspec.structs.replace(person) == person
    settings = ("frozen", "eq", "order", "omit_defaults", "forbid_unknown_fields", "weakref", "dict", "gc", "tag")
    mine, other = Person.__struct_config__, Plain.__struct_config__
    assert [getattr(mine, name) for name in settings] == [getattr(other, name) for name in settings]
    assert Parcel.__struct_fields__ == ("parcel_id", "gift_message", "to")


def test_a_container_shows_no_personal_data() -> None:
    """An order's repr has its number and status, and nothing of its buyer."""
    body = b"""{"payload": {"AmazonOrderId": "1-2", "PurchaseDate": "2025-01-02T03:04:05Z", "OrderStatus": "Shipped",
        "LastUpdateDate": "2025-01-02T03:04:05Z", "BuyerInfo": {"BuyerName": "Jane Roe", "BuyerEmail": "j@x.example"},
        "ShippingAddress": {"Name": "Jane Roe", "AddressLine1": "1 High St", "City": "Ely"}}}"""
    order = decode(operations()["orders_v0.get_order"], 200, {}, body).body
    assert isinstance(order, orders_v0.Order)
    shown = repr(order)
    assert "1-2" in shown
    assert "Address(<personal data: name, address_line1, city>)" in shown
    assert not [value for value in ("Jane", "j@x", "High St", "Ely") if value in shown]
    assert repr(orders_2026_01_01.Buyer(buyer_name="Jane Roe")) == "Buyer(<personal data: buyer_name>)"


# --- Amazon's own examples -------------------------------------------------------------------------------------------

# Keys of values that identify somebody or reach them, in the examples as Amazon writes them.
PERSONAL = {
    "addressline1", "addressline2", "addressline3", "attention", "buyeremail", "buyername", "buyercompanyname",
    "buyercounty", "buyerlegalcompanyname", "buyertaxregistrationid", "companylegalname", "companyname", "email",
    "giftmessage", "giftmessagetext", "labelstream", "messagetocustomer", "phone", "phonenumber", "postalcode",
    "streetname", "taxregistrationnumber", "content", "contents", "customizedurl", "prescriptionid",
    "restricteddatatoken", "invoicecontent", "notificationemails", "legalname",
}  # fmt: skip

PLACEHOLDERS = ("", "string", "ABCD")
"""Values that the examples give to other keys too."""


def values_in(node: Any) -> Iterator[str]:
    """Personal strings anywhere in a reply."""
    if isinstance(node, list):
        for item in node:
            yield from values_in(item)
    elif isinstance(node, dict):
        for key, value in node.items():
            yield from values_in(value)
            named = key.lower() == "name" and "addressline1" in str(list(node)).lower()
            for text in value if isinstance(value, list) else [value]:
                if (named or key.lower() in PERSONAL) and isinstance(text, str) and text not in PLACEHOLDERS:
                    yield text


@cache
def replies() -> tuple[tuple[Operation[Any], Any], ...]:
    """The static sandbox's replies, and other examples, with their operations."""
    by_route = {(operation.method, operation.path): operation for operation in operations().values()}
    found = []
    for file in sorted(MODELS.glob("*/*.json")):
        model = json.loads(file.read_text(encoding="utf-8"))
        for path, item in model["paths"].items():
            for verb, facts in item.items():
                for status, response in (facts.get("responses", {}) if isinstance(facts, dict) else {}).items():
                    if status.startswith("2"):
                        statics = (response.get("x-amzn-api-sandbox") or {}).get("static") or []
                        examples = [*(s.get("response") for s in statics), *(response.get("examples") or {}).values()]
                        found += [(by_route[verb.upper(), path], example) for example in examples if example]
    return tuple(found)


def leaks(*, restricted: bool) -> tuple[int, set[tuple[str, str]]]:
    """How many personal values were looked for, and which reprs hold one."""
    looked, found = 0, set()
    for operation, example in replies():
        if (operation.restriction is not None) is restricted:
            try:
                response = decode(operation, 200, {}, json.dumps(example).encode())
            except DecodeError:
                continue  # an example of a paged operation that is not a page
            if any(violation.path == "$" for violation in response.violations):
                continue  # a few examples do not fit their model at all, and stay plain JSON
            values, shown = set(values_in(example)), repr(response.body)
            looked += len(values)
            found |= {(operation.name, value[:40]) for value in values if repr(value) in shown}
    return looked, found


@needs_models
def test_reprs_of_restricted_replies_hold_no_personal_value() -> None:
    """Names, addresses, mail, phones, tax numbers, labels and links to documents are hidden."""
    looked, found = leaks(restricted=True)
    assert not found
    assert looked > 50


@needs_models
def test_reprs_of_other_replies_hold_no_personal_value() -> None:
    """Warehouses have contacts too, and outbound orders have recipients."""
    looked, found = leaks(restricted=False)
    assert not found
    assert looked > 100


def test_models_are_not_tracked_by_the_garbage_collector() -> None:
    """Millions of items in memory do not make each collection longer."""
    decoded = msgspec.json.decode(b'{"payload":{"Orders":[]}}', type=orders_v0.GetOrdersResponse)
    made = orders_v0.OrdersList(orders=[])
    assert [gc.is_tracked(model) for model in (decoded, decoded.payload, made)] == [False] * 3
