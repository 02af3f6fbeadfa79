"""The feed types that Amazon has documented, with the content type of each. Other types are sent as well.

Since 2025 only ``JSON_LISTINGS_FEED`` changes listings: Amazon withdrew the XML and flat-file feeds for them.
"""

from __future__ import annotations

import msgspec

__all__ = ["FEED_TYPES", "FeedType", "feed_type_of"]

_JSON = "application/json; charset=UTF-8"
_TSV = "text/tab-separated-values; charset=UTF-8"
_XML = "text/xml; charset=UTF-8"
_TEXT = "text/plain; charset=UTF-8"
_PDF = "application/pdf"


class FeedType(msgspec.Struct, frozen=True):
    """A kind of feed.

    Attributes:
        content_type: the content type with which the document is created; the upload must use the same.
    """

    name: str
    content_type: str

    def __str__(self) -> str:
        return self.name


class _FeedTypes:
    """The known feed types as attributes."""

    JSON_LISTINGS_FEED = FeedType("JSON_LISTINGS_FEED", _JSON)
    POST_EASYSHIP_DOCUMENTS = FeedType("POST_EASYSHIP_DOCUMENTS", _TSV)
    POST_EXPECTED_SHIP_DATE_SOD = FeedType("POST_EXPECTED_SHIP_DATE_SOD", _XML)
    POST_EXPECTED_SHIP_DATE_SOD_FLAT_FILE = FeedType("POST_EXPECTED_SHIP_DATE_SOD_FLAT_FILE", _TSV)
    POST_FBA_INBOUND_CARTON_CONTENTS = FeedType("POST_FBA_INBOUND_CARTON_CONTENTS", _XML)
    POST_FLAT_FILE_BOOKLOADER_DATA = FeedType("POST_FLAT_FILE_BOOKLOADER_DATA", _TSV)
    POST_FLAT_FILE_CONVERGENCE_LISTINGS_DATA = FeedType("POST_FLAT_FILE_CONVERGENCE_LISTINGS_DATA", _TSV)
    POST_FLAT_FILE_FBA_CREATE_INBOUND_PLAN = FeedType("POST_FLAT_FILE_FBA_CREATE_INBOUND_PLAN", _TSV)
    POST_FLAT_FILE_FBA_CREATE_REMOVAL = FeedType("POST_FLAT_FILE_FBA_CREATE_REMOVAL", _TSV)
    POST_FLAT_FILE_FBA_UPDATE_INBOUND_PLAN = FeedType("POST_FLAT_FILE_FBA_UPDATE_INBOUND_PLAN", _TSV)
    POST_FLAT_FILE_FULFILLMENT_DATA = FeedType("POST_FLAT_FILE_FULFILLMENT_DATA", _TSV)
    POST_FLAT_FILE_FULFILLMENT_ORDER_CANCELLATION_REQUEST_DATA = FeedType(
        "POST_FLAT_FILE_FULFILLMENT_ORDER_CANCELLATION_REQUEST_DATA", _TSV
    )
    POST_FLAT_FILE_FULFILLMENT_ORDER_REQUEST_DATA = FeedType("POST_FLAT_FILE_FULFILLMENT_ORDER_REQUEST_DATA", _TSV)
    POST_FLAT_FILE_INVLOADER_DATA = FeedType("POST_FLAT_FILE_INVLOADER_DATA", _TSV)
    POST_FLAT_FILE_LISTINGS_DATA = FeedType("POST_FLAT_FILE_LISTINGS_DATA", _TSV)
    POST_FLAT_FILE_ORDER_ACKNOWLEDGEMENT_DATA = FeedType("POST_FLAT_FILE_ORDER_ACKNOWLEDGEMENT_DATA", _TSV)
    POST_FLAT_FILE_PAYMENT_ADJUSTMENT_DATA = FeedType("POST_FLAT_FILE_PAYMENT_ADJUSTMENT_DATA", _TSV)
    POST_FLAT_FILE_PRICEANDQUANTITYONLY_UPDATE_DATA = FeedType("POST_FLAT_FILE_PRICEANDQUANTITYONLY_UPDATE_DATA", _TSV)
    POST_FULFILLMENT_ORDER_CANCELLATION_REQUEST_DATA = FeedType(
        "POST_FULFILLMENT_ORDER_CANCELLATION_REQUEST_DATA", _XML
    )
    POST_FULFILLMENT_ORDER_REQUEST_DATA = FeedType("POST_FULFILLMENT_ORDER_REQUEST_DATA", _XML)
    POST_INVENTORY_AVAILABILITY_DATA = FeedType("POST_INVENTORY_AVAILABILITY_DATA", _XML)
    POST_INVOICE_CONFIRMATION_DATA = FeedType("POST_INVOICE_CONFIRMATION_DATA", _XML)
    POST_ORDER_ACKNOWLEDGEMENT_DATA = FeedType("POST_ORDER_ACKNOWLEDGEMENT_DATA", _XML)
    POST_ORDER_FULFILLMENT_DATA = FeedType("POST_ORDER_FULFILLMENT_DATA", _XML)
    POST_PAYMENT_ADJUSTMENT_DATA = FeedType("POST_PAYMENT_ADJUSTMENT_DATA", _XML)
    POST_PRODUCT_DATA = FeedType("POST_PRODUCT_DATA", _XML)
    POST_PRODUCT_IMAGE_DATA = FeedType("POST_PRODUCT_IMAGE_DATA", _XML)
    POST_PRODUCT_OVERRIDES_DATA = FeedType("POST_PRODUCT_OVERRIDES_DATA", _XML)
    POST_PRODUCT_PRICING_DATA = FeedType("POST_PRODUCT_PRICING_DATA", _XML)
    POST_PRODUCT_RELATIONSHIP_DATA = FeedType("POST_PRODUCT_RELATIONSHIP_DATA", _XML)
    POST_STD_ACES_DATA = FeedType("POST_STD_ACES_DATA", _XML)
    POST_UIEE_BOOKLOADER_DATA = FeedType("POST_UIEE_BOOKLOADER_DATA", _TEXT)
    RFQ_UPLOAD_FEED = FeedType("RFQ_UPLOAD_FEED", _TSV)
    UPLOAD_VAT_INVOICE = FeedType("UPLOAD_VAT_INVOICE", _PDF)


FEED_TYPES = _FeedTypes


def feed_type_of(name: FeedType | str) -> FeedType:
    """The feed type of that name; for an unknown one, the content type that its name suggests."""
    if isinstance(name, FeedType):
        return name
    known = getattr(FEED_TYPES, name, None) if name.isupper() else None
    if isinstance(known, FeedType):
        return known
    if name.startswith("JSON_"):
        return FeedType(name, _JSON)
    return FeedType(name, _TSV if "FLAT_FILE" in name else _XML)
