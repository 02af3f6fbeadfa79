"""Odd replies to batches: no caller gets another's answer, an outcome that Amazon did not give, or a foreign error."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec
import pytest
from batching import SINGLE, Numbers, NumbersSeller, numbers_rule
from hypothesis import given, settings
from hypothesis import strategies as st
from virtual_time import run, virtual_time

from spapi_async import DecodeError, Marketplace, NotFoundError, SPAPIError
from spapi_async._codec.response import decode
from spapi_async._core.operation import Operation
from spapi_async.workflows.catalog import _catalog
from spapi_async.workflows.fees import _fees
from spapi_async.workflows.inventory import _inventory
from spapi_async.workflows.listings import _listings
from spapi_async.workflows.lookups import Rule
from spapi_async.workflows.lookups._fetch import Fetched, fetch_batch
from spapi_async.workflows.pricing import _rules

FIRST, SECOND = "B000000001", "B000000002"
US = Marketplace.US


class AnswersWith:
    """A seller to whom Amazon answers with these bytes."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.requests = 0

    async def call(self, operation: Operation[Any], /, **_: Any) -> Any:
        self.requests += 1
        return decode(operation, 200, {}, self.raw, strict=False, attempts=1, rate_limit=None)


class Subject(NamedTuple):
    """A rule, its group, two keys, an entry of a reply about a key, and the envelope of entries."""

    rule: Rule[Any, Any]
    group: Any
    entry: Callable[[str], Any]
    body: Callable[[list[Any]], Any]
    keys: Sequence[Any] = (FIRST, SECOND)


def _offers(key: str) -> dict[str, Any]:
    payload = {
        "ASIN": key, "SKU": key, "marketplaceId": US.value, "ItemCondition": "New", "status": "Success", "Offers": [],
        "Identifier": {"MarketplaceId": US.value, "ItemCondition": "New"}, "Summary": {"TotalOfferCount": 0},
    }  # fmt: skip
    return {"status": {"statusCode": 200}, "request": {"Asin": key, "SellerSKU": key}, "body": {"payload": payload}}


def _fee(key: str) -> _fees.Key:
    return _fees.Key("ASIN", key, US, Decimal(1), None, "USD", True, None)


PRODUCT = {"Identifiers": {"MarketplaceASIN": {"MarketplaceId": US.value, "ASIN": "B"}}}
SUBJECTS = {
    "catalog": Subject(
        _catalog.ITEM, _catalog.Group(US, ("summaries",)), lambda key: {"asin": key}, lambda each: {"items": each}
    ),
    "listings": Subject(
        _listings.ITEM, _listings.Group(US, "A1", (), None), lambda key: {"sku": key}, lambda each: {"items": each}
    ),
    "inventory": Subject(
        _inventory.SUMMARY, _inventory.Group(US, False), lambda key: {"sellerSku": key},
        lambda each: {"payload": {"granularity": {}, "inventorySummaries": each}},
    ),
    "offers": Subject(_rules.OFFERS, _rules.OffersGroup(US, "New", None), _offers, lambda each: {"responses": each}),
    "listing offers": Subject(
        _rules.LISTING_OFFERS, _rules.OffersGroup(US, "New", None), _offers, lambda each: {"responses": each}
    ),
    "price": Subject(
        _rules.PRICE, _rules.PriceGroup(US), lambda key: {"status": "Success", "ASIN": key, "Product": PRODUCT},
        lambda each: {"payload": each},
    ),
    "price of SKU": Subject(
        _rules.PRICE_OF_SKU, _rules.PriceGroup(US),
        lambda key: {"status": "Success", "SellerSKU": key, "Product": PRODUCT}, lambda each: {"payload": each},
    ),
    "summary": Subject(
        _rules.COMPETITIVE_SUMMARY, _rules.SummaryGroup(US, (), ()),
        lambda key: {"status": {"statusCode": 200}, "body": {"asin": key, "marketplaceId": US.value}},
        lambda each: {"responses": each},
    ),
    "expected price": Subject(
        _rules.EXPECTED_PRICE, _rules.PriceGroup(US),
        lambda key: {"status": {"statusCode": 200}, "headers": {}, "request": {"sku": key},
                     "body": {"offerIdentifier": {"asin": key, "sku": key, "marketplaceId": US.value}}},
        lambda each: {"responses": each},
    ),
    "fees": Subject(
        _fees.ESTIMATE, None,
        lambda key: {"Status": "Success", "FeesEstimateIdentifier": {
            "SellerInputIdentifier": str((FIRST, SECOND).index(key) if key in (FIRST, SECOND) else 7), "IdValue": key}},
        lambda each: each,
        (_fee(FIRST), _fee(SECOND)),
    ),
}  # fmt: skip


async def fetched(subject: Subject, entries: list[Any], *, raw: bool) -> Fetched:
    """The result of a reply with these entries."""
    amazon: Any = AnswersWith(json.dumps(subject.body(entries)).encode())
    return await fetch_batch(subject.rule, subject.group, subject.keys, amazon, raw=raw)


def belongs(value: Any, key: Any) -> bool:
    """Whether an answer is about this key, as far as it shows."""
    text = value.decode() if isinstance(value, bytes) else repr(value)
    own, other = (FIRST, SECOND) if FIRST in str(key) else (SECOND, FIRST)
    return own in text and other not in text


NO_ENTRIES: list[Any] = [None, "text", 5, [], {}, True, 10**30]
ODD_FIELDS: list[Any] = [None, "x", 7, [], {"a": [1]}, "9" * 5000, True]


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("name", SUBJECTS)
async def test_each_entry_goes_to_its_key(name: str, raw: bool) -> None:
    """Entries may be in any order, repeated, or about a key that was not requested."""
    subject = SUBJECTS[name]
    first, second, other = (subject.entry(key) for key in (FIRST, SECOND, "B00000000X"))
    for entries in ([first, second], [second, first], [first, first, second], [other, second, other, first]):
        reply = await fetched(subject, entries, raw=raw)
        assert set(reply.found) == set(subject.keys)
        assert all(belongs(value, key) for key, value in reply.found.items())
        assert reply.is_clear == (other not in entries)


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("name", SUBJECTS)
async def test_an_invalid_entry_does_not_affect_others(name: str, raw: bool) -> None:
    """A key without an entry counts as unanswered, not as unknown to Amazon."""
    subject = SUBJECTS[name]
    first, second = subject.keys
    for spoiled in NO_ENTRIES:
        reply = await fetched(subject, [spoiled, subject.entry(SECOND)], raw=raw)
        assert belongs(reply.found[second], second), spoiled
        answer = reply.found.get(first)
        assert answer is None or (isinstance(answer, SPAPIError) and not isinstance(answer, NotFoundError)), spoiled
        assert answer is not None or not reply.is_clear, spoiled


@pytest.mark.parametrize("name", SUBJECTS)
async def test_any_value_of_a_field_raises_no_foreign_error(name: str) -> None:
    """Each field of an entry is changed in turn, at any depth."""
    subject = SUBJECTS[name]
    for odd in ODD_FIELDS:
        entry = subject.entry(FIRST)
        for spoiled in [*spoilings(entry, odd), {**entry, "errors": odd, "Error": odd}]:
            for raw in (False, True):
                reply = await fetched(subject, [spoiled, subject.entry(SECOND)], raw=raw)
                assert belongs(reply.found[subject.keys[1]], subject.keys[1]), spoiled


def spoilings(form: Any, odd: Any) -> list[Any]:
    """The form with each of its fields spoiled in turn, and each of theirs."""
    if not isinstance(form, dict):
        return []
    whole = [{**form, field: odd} for field in form]
    return whole + [{**form, field: inner} for field, value in form.items() for inner in spoilings(value, odd)]


async def test_offers_without_the_echo_of_their_requests_find_their_keys() -> None:
    """The model allows it; the order of the entries is not guaranteed, either."""
    for name in ("offers", "listing offers"):
        subject = SUBJECTS[name]
        entries = [{**subject.entry(key), "request": None} for key in (SECOND, FIRST)]
        reply = await fetched(subject, entries, raw=False)
        assert all(belongs(value, key) for key, value in reply.found.items())


async def test_raw_answers_are_valid_text() -> None:
    """They become lines and rows: an invalid byte is replaced, a raw line break escaped."""
    body = (
        b'{"items":[{"asin":"B000000001","attributes":{"a":"T\xff"}},{"asin":"B000000002","attributes":{"a":"T%b"}}]}'
    )
    for oddity in (b"", b"\n", b"\\ud83d"):
        amazon: Any = AnswersWith(body % oddity)
        subject = SUBJECTS["catalog"]
        reply = await fetch_batch(subject.rule, subject.group, subject.keys, amazon, raw=True)
        items = [json.loads(reply.found[key].decode()) for key in (FIRST, SECOND)]
        assert [item["asin"] for item in items] == [FIRST, SECOND]
        assert items[0]["attributes"]["a"] == "T\ufffd"


@pytest.mark.parametrize("name", ["catalog", "listings", "inventory"])
@pytest.mark.parametrize("token", ["t", {"a": 1}, [1]])
async def test_an_invalid_page_token_is_an_error(name: str, token: Any) -> None:
    """The token is repeated or not text, and missing keys may be on another page."""
    subject = SUBJECTS[name]
    body = {**subject.body([subject.entry(FIRST)]), "pagination": {"nextToken": token}}
    amazon: Any = AnswersWith(json.dumps(body).encode())
    with pytest.raises(DecodeError):
        await fetch_batch(subject.rule, subject.group, subject.keys, amazon, raw=False)
    assert amazon.requests <= 2


class MangledSeller(NumbersSeller):
    """A seller whose batch replies are damaged as ``manglings`` say, in turn."""

    def __init__(self, manglings: Sequence[Callable[[list[Any]], list[Any]]]) -> None:
        super().__init__()
        self.manglings = list(manglings)

    async def call(self, operation: Operation[Any], /, **arguments: Any) -> Any:
        reply = await super().call(operation, **arguments)
        if operation is SINGLE or not self.manglings:
            return reply
        return reply._replace(body=self.manglings.pop(0)(list(reply.body)))


MANGLINGS: dict[str, Callable[[list[Any]], list[Any]]] = {
    "as it was": lambda entries: entries,
    "one missing, another's in its place": lambda entries: [(-8, None), *entries[1:]],
    "one without its key": lambda entries: [(None, None), *entries[1:]],
    "one with an object for its key": lambda entries: [({}, None), *entries[1:]],
    "reversed": lambda entries: entries[::-1],
    "twice": lambda entries: entries * 2,
}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(sorted(MANGLINGS)), max_size=6), st.integers(1, 45), st.booleans())
def test_every_caller_gets_its_own_answer_from_damaged_replies(names: list[str], count: int, single: bool) -> None:
    """Even numbers get their value, odd ones NotFoundError; unmentioned keys are requested alone."""

    async def job() -> None:
        seller = MangledSeller([MANGLINGS[name] for name in names])
        numbers = Numbers(seller, rule=numbers_rule(single=single))
        answers = await asyncio.gather(*(numbers.get(number) for number in range(count)), return_exceptions=True)
        for number, answer in enumerate(answers):
            if number % 2:
                assert isinstance(answer, NotFoundError | DecodeError)
            else:
                assert answer == number * 10 or isinstance(answer, DecodeError)

    run(job())


@virtual_time
async def test_an_unanswered_key_is_requested_again_alone() -> None:
    """It is requested once more; then it is an error of the reply, not an unknown key."""
    rule = numbers_rule(single=False)
    seller = MangledSeller([lambda entries: entries[1:]])
    numbers = Numbers(seller, rule=msgspec.structs.replace(rule, answers_all=True))
    assert await asyncio.gather(*(numbers.get(number) for number in (2, 4, 6))) == [20, 40, 60]
    assert [sent.keys for sent in seller.sent] == [(2, 4, 6), (2,)]
    with pytest.raises(DecodeError, match="3 alone does not mention it"):
        await numbers.get(3)
    assert [sent.keys for sent in seller.sent[2:]] == [(3,)]
