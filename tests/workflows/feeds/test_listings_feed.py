"""Listings feeds as they are built, without input or output."""

from __future__ import annotations

import json
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spapi_async import ConfigurationError
from spapi_async.workflows.feeds import FeedIssue, FeedResult, FeedSummary, ListingsFeed
from spapi_async.workflows.feeds import _listings as listings_module
from spapi_async.workflows.feeds._submitted import outcomes_of
from spapi_async.workflows.feeds.feed_types import FEED_TYPES, feed_type_of

NAME: Any = {"item_name": [{"value": "Case"}]}


def test_messages_are_as_amazons_schema_has_them() -> None:
    """Each operation has its members and no others; prices stay numbers."""
    feed = ListingsFeed(issue_locale="de_DE")
    feed.put("A", "LUGGAGE", {"price": [{"value": Decimal("9.90")}]}, requirements="LISTING_OFFER_ONLY")
    feed.update("B", "LUGGAGE", NAME)
    feed.patch("C", "LUGGAGE", [{"op": "delete", "path": "/attributes/color"}])
    feed.delete("D")
    (piece,) = feed.pieces("A1")
    assert '"value":9.90' in piece.content.decode()
    assert json.loads(piece.content) == {
        "header": {"sellerId": "A1", "version": "2.0", "issueLocale": "de_DE"},
        "messages": [
            {
                "messageId": 1,
                "sku": "A",
                "operationType": "UPDATE",
                "productType": "LUGGAGE",
                "requirements": "LISTING_OFFER_ONLY",
                "attributes": {"price": [{"value": 9.9}]},
            },
            {
                "messageId": 2,
                "sku": "B",
                "operationType": "PARTIAL_UPDATE",
                "productType": "LUGGAGE",
                "attributes": NAME,
            },
            {
                "messageId": 3,
                "sku": "C",
                "operationType": "PATCH",
                "productType": "LUGGAGE",
                "patches": [{"op": "delete", "path": "/attributes/color"}],
            },
            {"messageId": 4, "sku": "D", "operationType": "DELETE"},
        ],
    }


@pytest.mark.parametrize(
    ("add", "words"),
    [
        (lambda feed: feed.put("", "T", NAME), "SKU has 1 to 40"),
        (lambda feed: feed.put("x" * 41, "T", NAME), "SKU has 1 to 40"),
        (lambda feed: feed.delete(7), "SKU has 1 to 40"),
        (lambda feed: feed.put("A", "", NAME), "product_type is missing"),
        (lambda feed: feed.put("A", "T", {}), "at least one attribute"),
        (lambda feed: feed.put("A", "T", {"color": "red"}), "must be a list of objects"),
        (lambda feed: feed.put("A", "T", NAME, requirements="ALL"), "requirements must be one of"),
        (lambda feed: feed.patch("A", "T", []), "at least one"),
        (lambda feed: feed.patch("A", "T", {"op": "add"}), "must be a list"),
        (lambda feed: feed.patch("A", "T", [{"op": "move", "path": "/attributes/x"}]), "op of a patch"),
        (lambda feed: feed.patch("A", "T", [{"op": "add", "path": "/x", "value": []}]), "must begin with /attributes/"),
        (
            lambda feed: feed.patch("A", "T", [{"op": "add", "path": "/attributes/x"}]),
            "value of a patch must be a list",
        ),
        (lambda feed: feed.patch("A", "T", [{"op": "delete", "path": "/attributes/x", "from": 1}]), "not from"),
        (lambda feed: feed.put("A", "T", {"price": [{"value": float("nan")}]}), "finite number"),
        (lambda feed: feed.put("A", "T", {"price": [object()]}), "cannot be written as JSON"),
        (lambda feed: feed.delete("\ud800"), "cannot be written as JSON"),
    ],
)
def test_an_invalid_message_is_refused_when_it_is_added(add: Any, words: str) -> None:
    """The error has the SKU and the cure, and the feed does not change."""
    feed = ListingsFeed()
    with pytest.raises(ConfigurationError, match=words):
        add(feed)
    assert len(feed) == 0


def test_a_message_is_sent_as_it_was_when_it_was_added() -> None:
    """Whatever the caller does with the same attributes for the next."""
    feed, price = ListingsFeed(), {"value": 1}
    feed.update("A", "T", {"price": [price]})
    price["value"] = 2
    feed.update("B", "T", {"price": [price]})
    (piece,) = feed.pieces("A1")
    sent = json.loads(piece.content)["messages"]
    assert [message["attributes"]["price"][0]["value"] for message in sent] == [1, 2]


def test_a_feed_without_messages_is_refused() -> None:
    """Amazon requires at least one."""
    with pytest.raises(ConfigurationError, match="no messages"):
        ListingsFeed().pieces("A1")


@given(st.lists(st.integers(1, 300), min_size=1, max_size=30), st.integers(1, 7))
@example([1, 1, 229], 3)  # the second and third fill a feed to the byte
def test_pieces_hold_every_message_once_within_both_bounds(sizes: list[int], most: int) -> None:
    """Messages may have any size."""
    feed = ListingsFeed()
    for number, size in enumerate(sizes):
        feed.put(f"S{number}", "T", {"a": [{"value": "x" * size}]})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listings_module, "MOST_MESSAGES", most)
        patch.setattr(listings_module, "MOST_BYTES", 600)
        pieces = feed.pieces("A1")
    assert [message for piece in pieces for message in piece.messages] == list(feed)
    for piece in pieces:
        assert len(piece.content) <= 600
        assert 1 <= len(piece.messages) <= most
        sent = json.loads(piece.content)["messages"]
        assert [each["messageId"] for each in sent] == [message.message_id for message in piece.messages]
    for one, two in pairwise(pieces):
        together = len(one.content) + len(json.dumps(json.loads(two.content)["messages"][0], separators=(",", ":"))) + 1
        assert len(one.messages) == most or together > 600  # no more feeds than necessary


def test_a_message_too_large_for_any_feed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names its SKU."""
    monkeypatch.setattr(listings_module, "MOST_BYTES", 200)
    feed = ListingsFeed()
    feed.put("BIG", "T", {"a": [{"value": "x" * 300}]})
    with pytest.raises(ConfigurationError, match="BIG"):
        feed.pieces("A1")


def test_issues_of_the_whole_feed_belong_to_every_message() -> None:
    """A message's own issue refuses it alone; a warning refuses nothing."""
    feed = ListingsFeed()
    for sku in "ABC":
        feed.delete(sku)
    own = FeedIssue(message_id=2, severity="ERROR", message="own")
    warning = FeedIssue(message_id=3, severity="WARNING")

    def accepted(*issues: FeedIssue) -> list[bool]:
        result = FeedResult(
            feed_id="1", feed_type="F", document_id=None, summary=FeedSummary(), issues=issues, report=b""
        )
        return [outcome.accepted for outcome in outcomes_of(tuple(feed), result)]

    assert accepted(own, warning) == [True, False, True]
    assert accepted(FeedIssue(message_id=0, severity="ERROR")) == [False] * 3
    assert accepted(FeedIssue(message_id=99, severity="ERROR")) == [False] * 3
    assert accepted() == [True] * 3


def test_feed_types_have_a_content_type() -> None:
    """The known ones follow Amazon's list, others their names."""
    assert feed_type_of("UPLOAD_VAT_INVOICE") is FEED_TYPES.UPLOAD_VAT_INVOICE
    assert feed_type_of("UPLOAD_VAT_INVOICE").content_type == "application/pdf"
    assert feed_type_of("JSON_NEW_FEED").content_type.startswith("application/json")
    assert feed_type_of("POST_FLAT_FILE_NEW").content_type.startswith("text/tab-separated-values")
    assert feed_type_of("POST_NEW_DATA").content_type.startswith("text/xml")
    assert str(FEED_TYPES.JSON_LISTINGS_FEED) == "JSON_LISTINGS_FEED"
