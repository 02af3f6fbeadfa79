"""The known report types, and what is known about each.

Sources: Amazon's guide to report type values (the copy of 2022 and the pages of 2026), the type lists of two public
clients (jlevers/selling-partner-api, saleweaver/python-amazon-sp-api) and Amazon's JSON schemas. A fact that no source
states is None. Which types cover events in a window, and which a state at one moment, is this library's interpretation.

A type that is not listed works as well, but its requests are not checked.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from datetime import timedelta

import msgspec

__all__ = ["REPORT_TYPES", "Covers", "ReportFormat", "ReportType", "report_type_of"]


class ReportFormat(enum.StrEnum):
    """The format of a report's file; TSV and CSV have rows."""

    TSV = "tsv"
    CSV = "csv"
    JSON = "json"
    XML = "xml"
    XLSX = "xlsx"
    PDF = "pdf"


class Covers(enum.StrEnum):
    """What a report shows."""

    EVENTS = "events"
    """What happened between ``start`` and ``end``, which may be nothing."""
    STATE = "state"
    """How things are at one moment (inventory, listings, fees): never empty for a seller who has any."""


class ReportType(msgspec.Struct, frozen=True):
    """One report type.

    Attributes:
        restricted: whether its document needs a restricted data token.
        requestable: whether createReport accepts it; Amazon makes the others by itself or on a schedule.
        longest: the longest window of one report.
        cadence: the time in which Amazon makes at most one new version. Requested again sooner, a report ends CANCELLED
            or FATAL although there is data.
        vendor: for vendors, not sellers.
    """

    name: str
    format: ReportFormat | None = None
    restricted: bool | None = None
    requestable: bool | None = None
    schedulable: bool | None = None
    covers: Covers | None = None
    longest: timedelta | None = None
    cadence: timedelta | None = None
    vendor: bool = False

    def __str__(self) -> str:
        return self.name

    @property
    def has_rows(self) -> bool:
        """Whether its file is known to have rows."""
        return self.format in (ReportFormat.TSV, ReportFormat.CSV)

    @property
    def is_joinable(self) -> bool:
        """Whether several of its files can be read as one: rows under one header, elements under one root."""
        return self.has_rows or self.format is ReportFormat.XML

    @property
    def shows_state(self) -> bool:
        """Whether it shows a state; an unknown type is judged by its name."""
        return self.covers is Covers.STATE or (
            self.covers is None and any(word in self.name for word in ("INVENTORY", "LISTING"))
        )


TSV, CSV, JSON, XML, XLSX, PDF = ReportFormat
EVENTS, STATE = Covers

# Reports of orders and shipments. Amazon documents "one month" for fulfilled shipments, thirty days for order reports,
# and nothing for the All Orders reports, where thirty days is the limit that other clients use.
MONTH = timedelta(days=30)

# Amazon's pages on FBA reports: a new version of a near-real-time one at most every 30 minutes, of a daily one every 4
# hours. Only the shipments are documented as near-real-time; for the others this assumes the longer time.
HALF_HOUR = timedelta(minutes=30)
FOUR_HOURS = timedelta(hours=4)


def _type(
    format: ReportFormat | None = None,  # noqa: A002
    flags: str = "",
    covers: Covers | None = None,
    *,
    longest: timedelta | None = None,
    cadence: timedelta | None = None,
    vendor: bool = False,
) -> ReportType:
    """A type named like its attribute. Flags: Restricted, reQuestable, Schedulable; lower case means no."""
    known = {letter.upper(): letter.isupper() for letter in flags}
    return ReportType(
        "",
        format,
        known.get("R"),
        known.get("Q"),
        known.get("S"),
        covers,
        longest=longest,
        cadence=cadence,
        vendor=vendor,
    )


class _ReportTypes(Mapping[str, ReportType]):
    """Every known type, as an attribute (for completion) and by name."""

    FEE_DISCOUNTS_REPORT = _type(XLSX, "rQS", STATE)
    GET_AFN_INVENTORY_DATA = _type(TSV, "rQs", STATE, cadence=FOUR_HOURS)
    GET_AFN_INVENTORY_DATA_BY_COUNTRY = _type(TSV, "rQs", STATE, cadence=FOUR_HOURS)
    GET_AMAZON_FULFILLED_SHIPMENTS_DATA_GENERAL = _type(TSV, "rQs", EVENTS, longest=MONTH, cadence=HALF_HOUR)
    GET_AMAZON_FULFILLED_SHIPMENTS_DATA_INVOICING = _type(TSV, "RQs", EVENTS, longest=MONTH)
    GET_AMAZON_FULFILLED_SHIPMENTS_DATA_TAX = _type(TSV, "RQs", EVENTS, longest=MONTH)
    GET_B2B_PRODUCT_OPPORTUNITIES_NOT_YET_ON_AMAZON = _type(CSV, "rQs")
    GET_B2B_PRODUCT_OPPORTUNITIES_RECOMMENDED_FOR_YOU = _type(CSV, "rQs")
    GET_BRAND_ANALYTICS_ALTERNATE_PURCHASE_REPORT = _type(JSON, "rQs", EVENTS)
    GET_BRAND_ANALYTICS_ITEM_COMPARISON_REPORT = _type(JSON, "rQs", EVENTS)
    GET_BRAND_ANALYTICS_MARKET_BASKET_REPORT = _type(JSON, "rQs", EVENTS)
    GET_BRAND_ANALYTICS_REPEAT_PURCHASE_REPORT = _type(JSON, "rQs", EVENTS)
    GET_BRAND_ANALYTICS_SEARCH_CATALOG_PERFORMANCE_REPORT = _type(JSON, "rQs", EVENTS)
    GET_BRAND_ANALYTICS_SEARCH_QUERY_PERFORMANCE_REPORT = _type(JSON, "rQs", EVENTS)
    GET_BRAND_ANALYTICS_SEARCH_TERMS_REPORT = _type(JSON, "rQs", EVENTS)
    GET_CONVERGED_FLAT_FILE_PENDING_ORDERS_DATA = _type(TSV, "rQS")
    GET_COUPON_PERFORMANCE_REPORT = _type(JSON, "rQs")
    GET_CSV_MFN_PRIME_RETURNS_REPORT = _type(CSV, "rQS", EVENTS)
    GET_DATE_RANGE_FINANCIAL_HOLDS_DATA = _type(CSV, "rQs", EVENTS)
    GET_DATE_RANGE_FINANCIAL_TRANSACTION_DATA = _type(CSV, "rQs", EVENTS)
    GET_EASYSHIP_DOCUMENTS = _type(PDF, "Rqs")
    GET_EASYSHIP_PICKEDUP = _type(TSV, "rqs")
    GET_EASYSHIP_WAITING_FOR_PICKUP = _type(TSV, "rqs")
    GET_EPR_ANNUAL_REPORTS = _type(CSV, "rQs")
    GET_EPR_MONTHLY_REPORTS = _type(CSV, "rQs")
    GET_EPR_QUARTERLY_REPORTS = _type(CSV, "rQs")
    GET_EXCESS_INVENTORY_DATA = _type(TSV, "rQs", STATE, cadence=FOUR_HOURS)
    GET_FBA_ESTIMATED_FBA_FEES_TXT_DATA = _type(TSV, "rQs", STATE)
    GET_FBA_FULFILLMENT_CURRENT_INVENTORY_DATA = _type(TSV, "rQs", STATE, cadence=FOUR_HOURS)
    GET_FBA_FULFILLMENT_CUSTOMER_RETURNS_DATA = _type(TSV, "rQs", EVENTS, cadence=FOUR_HOURS)
    GET_FBA_FULFILLMENT_CUSTOMER_SHIPMENT_PROMOTION_DATA = _type(TSV, "rQs", EVENTS, cadence=FOUR_HOURS)
    GET_FBA_FULFILLMENT_CUSTOMER_SHIPMENT_REPLACEMENT_DATA = _type(TSV, "rQs", EVENTS, cadence=FOUR_HOURS)
    GET_FBA_FULFILLMENT_CUSTOMER_SHIPMENT_SALES_DATA = _type(TSV, "rQs", EVENTS, cadence=FOUR_HOURS)
    GET_FBA_FULFILLMENT_CUSTOMER_TAXES_DATA = _type(TSV, "rQs", EVENTS, cadence=FOUR_HOURS)
    GET_FBA_FULFILLMENT_INBOUND_NONCOMPLIANCE_DATA = _type(TSV, "rQs", EVENTS, cadence=FOUR_HOURS)
    GET_FBA_FULFILLMENT_INVENTORY_ADJUSTMENTS_DATA = _type(TSV, "rQs", EVENTS, cadence=FOUR_HOURS)
    GET_FBA_FULFILLMENT_INVENTORY_HEALTH_DATA = _type(TSV, "rQs", STATE, cadence=FOUR_HOURS)
    GET_FBA_FULFILLMENT_INVENTORY_RECEIPTS_DATA = _type(TSV, "rQs", EVENTS, cadence=FOUR_HOURS)
    GET_FBA_FULFILLMENT_INVENTORY_SUMMARY_DATA = _type(TSV, "rQs", STATE, cadence=FOUR_HOURS)
    GET_FBA_FULFILLMENT_LONGTERM_STORAGE_FEE_CHARGES_DATA = _type(TSV, "rQs", EVENTS, cadence=FOUR_HOURS)
    GET_FBA_FULFILLMENT_MONTHLY_INVENTORY_DATA = _type(TSV, "rQs", STATE, cadence=FOUR_HOURS)
    GET_FBA_FULFILLMENT_REMOVAL_ORDER_DETAIL_DATA = _type(TSV, "rQs", EVENTS, cadence=FOUR_HOURS)
    GET_FBA_FULFILLMENT_REMOVAL_SHIPMENT_DETAIL_DATA = _type(TSV, "rQs", EVENTS, cadence=FOUR_HOURS)
    GET_FBA_INVENTORY_AGED_DATA = _type(TSV, "rQs", STATE, cadence=FOUR_HOURS)
    GET_FBA_INVENTORY_PLANNING_DATA = _type(TSV, "rQs", STATE, cadence=FOUR_HOURS)
    GET_FBA_MYI_ALL_INVENTORY_DATA = _type(TSV, "rQs", STATE, cadence=FOUR_HOURS)
    GET_FBA_MYI_UNSUPPRESSED_INVENTORY_DATA = _type(TSV, "rQs", STATE, cadence=FOUR_HOURS)
    GET_FBA_OVERAGE_FEE_CHARGES_DATA = _type(TSV, "rQs")
    GET_FBA_RECOMMENDED_REMOVAL_DATA = _type(TSV, "rQs", STATE, cadence=FOUR_HOURS)
    GET_FBA_REIMBURSEMENTS_DATA = _type(TSV, "rQs", EVENTS, cadence=FOUR_HOURS)
    GET_FBA_SNS_FORECAST_DATA = _type(TSV, "rQs", STATE)
    GET_FBA_SNS_PERFORMANCE_DATA = _type(TSV, "rQs", STATE)
    GET_FBA_STORAGE_FEE_CHARGES_DATA = _type(TSV, "rQS")
    GET_FBA_UNO_INVENTORY_DATA = _type(TSV, "rQs", STATE)
    GET_FLAT_FILE_ACTIONABLE_ORDER_DATA = _type(TSV)
    GET_FLAT_FILE_ACTIONABLE_ORDER_DATA_SHIPPING = _type(TSV, "RQS")
    GET_FLAT_FILE_ALL_ORDERS_DATA_BY_LAST_UPDATE_GENERAL = _type(TSV, "rQs", EVENTS, longest=MONTH)
    GET_FLAT_FILE_ALL_ORDERS_DATA_BY_ORDER_DATE_GENERAL = _type(TSV, "rQs", EVENTS, longest=MONTH)
    GET_FLAT_FILE_ARCHIVED_ORDERS_DATA_BY_ORDER_DATE = _type(TSV, "rQs", EVENTS)
    GET_FLAT_FILE_GEO_OPPORTUNITIES = _type(TSV, "rqs")
    GET_FLAT_FILE_MFN_SKU_RETURN_ATTRIBUTES_REPORT = _type(TSV, "rQS")
    GET_FLAT_FILE_OFFAMAZONPAYMENTS_SANDBOX_SETTLEMENT_DATA = _type(CSV, "rqs")
    GET_FLAT_FILE_OPEN_LISTINGS_DATA = _type(TSV, "rQs", STATE)
    GET_FLAT_FILE_ORDERS_RECONCILIATION_DATA_INVOICING = _type(TSV, "R", EVENTS)
    GET_FLAT_FILE_ORDERS_RECONCILIATION_DATA_SHIPPING = _type(TSV, "R", EVENTS)
    GET_FLAT_FILE_ORDERS_RECONCILIATION_DATA_TAX = _type(TSV, "R", EVENTS)
    GET_FLAT_FILE_ORDER_REPORT_DATA_INVOICING = _type(TSV, "RQS", EVENTS, longest=MONTH)
    GET_FLAT_FILE_ORDER_REPORT_DATA_SHIPPING = _type(TSV, "RQS", EVENTS, longest=MONTH)
    GET_FLAT_FILE_ORDER_REPORT_DATA_TAX = _type(TSV, "RQS", EVENTS, longest=MONTH)
    GET_FLAT_FILE_PENDING_ORDERS_DATA = _type(TSV, "rQS")
    GET_FLAT_FILE_RETURNS_DATA_BY_RETURN_DATE = _type(TSV, "rQS", EVENTS)
    GET_FLAT_FILE_SALES_TAX_DATA = _type(TSV, "rqs")
    GET_FLAT_FILE_VAT_INVOICE_DATA_REPORT = _type(TSV, "rQS")
    GET_GST_MTR_B2B_CUSTOM = _type(TSV, "RQs", EVENTS)
    GET_GST_MTR_B2C_CUSTOM = _type(TSV, "rQs", EVENTS)
    GET_GST_STR_ADHOC = _type(CSV, "rQs")
    GET_LEDGER_DETAIL_VIEW_DATA = _type(TSV, "rQs", EVENTS)
    GET_LEDGER_SUMMARY_VIEW_DATA = _type(TSV, "rQs", EVENTS)
    GET_MERCHANTS_LISTINGS_FYP_REPORT = _type(TSV, "rQS", STATE)
    GET_MERCHANT_CANCELLED_LISTINGS_DATA = _type(TSV, "rQs", STATE)
    GET_MERCHANT_LISTINGS_ALL_DATA = _type(TSV, "rQs", STATE)
    GET_MERCHANT_LISTINGS_DATA = _type(TSV, "rQs", STATE)
    GET_MERCHANT_LISTINGS_DATA_BACK_COMPAT = _type(TSV, "rQs", STATE)
    GET_MERCHANT_LISTINGS_DATA_LITE = _type(TSV, "rQs", STATE)
    GET_MERCHANT_LISTINGS_DATA_LITER = _type(TSV, "rQs", STATE)
    GET_MERCHANT_LISTINGS_DEFECT_DATA = _type(TSV, "rQs", STATE)
    GET_MERCHANT_LISTINGS_INACTIVE_DATA = _type(TSV, "rQs", STATE)
    GET_MFN_PAN_EU_OFFER_STATUS = _type(TSV, "rQs", STATE)
    GET_ORDER_REPORT_DATA_INVOICING = _type(XML, "RqS")
    GET_ORDER_REPORT_DATA_SHIPPING = _type(XML, "RqS")
    GET_ORDER_REPORT_DATA_TAX = _type(XML, "RqS")
    GET_PAN_EU_OFFER_STATUS = _type(TSV, "rQs", STATE)
    GET_PENDING_ORDERS_DATA = _type(XML, "rqS")
    GET_PRODUCT_EXCHANGE_DATA = _type(TSV, "rQs")
    GET_PROMOTION_PERFORMANCE_REPORT = _type(JSON, "rQs")
    GET_REFERRAL_FEE_PREVIEW_REPORT = _type(TSV, "rQs", STATE)
    GET_REMOTE_FULFILLMENT_ELIGIBILITY = _type(TSV, "rQs", STATE)
    GET_RESERVED_INVENTORY_DATA = _type(TSV, "rQs", STATE, cadence=FOUR_HOURS)
    GET_RESTOCK_INVENTORY_RECOMMENDATIONS_REPORT = _type(TSV, "rQs", STATE, cadence=FOUR_HOURS)
    GET_SALES_AND_TRAFFIC_REPORT = _type(JSON, "rQS", EVENTS)
    GET_SELLER_FEEDBACK_DATA = _type(TSV, "rQs")
    GET_STRANDED_INVENTORY_LOADER_DATA = _type(TSV, "rQs", STATE, cadence=FOUR_HOURS)
    GET_STRANDED_INVENTORY_UI_DATA = _type(TSV, "rQs", STATE, cadence=FOUR_HOURS)
    GET_V1_SELLER_PERFORMANCE_REPORT = _type(XML, "rQs", STATE)
    GET_V2_SELLER_PERFORMANCE_REPORT = _type(JSON, "rQs", STATE)
    GET_V2_SETTLEMENT_REPORT_DATA_FLAT_FILE = _type(TSV, "rqs")
    GET_V2_SETTLEMENT_REPORT_DATA_FLAT_FILE_V2 = _type(TSV, "rqs")
    GET_V2_SETTLEMENT_REPORT_DATA_XML = _type(XML, "rqs")
    GET_VAT_TRANSACTION_DATA = _type(TSV, "RQs", EVENTS)
    GET_VENDOR_DEMAND_FORECAST_REPORT = _type(JSON, "rQs", STATE, vendor=True)
    GET_VENDOR_FORECASTING_REPORT = _type(JSON, "rQs", STATE, vendor=True)
    GET_VENDOR_INVENTORY_HEALTH_AND_PLANNING_REPORT = _type(JSON, "rQs", STATE, vendor=True)
    GET_VENDOR_INVENTORY_REPORT = _type(JSON, "rQs", EVENTS, vendor=True)
    GET_VENDOR_NET_PURE_PRODUCT_MARGIN_REPORT = _type(JSON, "rQs", EVENTS, vendor=True)
    GET_VENDOR_REAL_TIME_INVENTORY_REPORT = _type(JSON, "rQs", EVENTS, vendor=True)
    GET_VENDOR_REAL_TIME_SALES_REPORT = _type(JSON, "", EVENTS, vendor=True)
    GET_VENDOR_REAL_TIME_TRAFFIC_REPORT = _type(JSON, "", EVENTS, vendor=True)
    GET_VENDOR_SALES_DIAGNOSTIC_REPORT = _type(JSON, "rQs", EVENTS, vendor=True)
    GET_VENDOR_SALES_REPORT = _type(JSON, "rQs", EVENTS, vendor=True)
    GET_VENDOR_TRAFFIC_REPORT = _type(JSON, "rQs", EVENTS, vendor=True)
    GET_XML_ALL_ORDERS_DATA_BY_LAST_UPDATE_GENERAL = _type(XML, "rQs", EVENTS, longest=MONTH)
    GET_XML_ALL_ORDERS_DATA_BY_ORDER_DATE_GENERAL = _type(XML, "rQs", EVENTS, longest=MONTH)
    GET_XML_BROWSE_TREE_DATA = _type(XML, "rQS", STATE)
    GET_XML_MFN_PRIME_RETURNS_REPORT = _type(XML, "rQS", EVENTS)
    GET_XML_MFN_SKU_RETURN_ATTRIBUTES_REPORT = _type(XML, "rQS")
    GET_XML_RETURNS_DATA_BY_RETURN_DATE = _type(XML, "rQS", EVENTS)
    GET_XML_VAT_INVOICE_DATA_REPORT = _type(XML, "rQS")
    GST_MTR_B2B = _type()
    GST_MTR_B2C = _type()
    GST_MTR_STOCK_TRANSFER_REPORT = _type()
    POST_FLAT_FILE_INVLOADER_DATA = _type()
    RFQD_BULK_DOWNLOAD = _type(XLSX, "rQS")
    SC_VAT_TAX_REPORT = _type(CSV, "RQs", EVENTS)

    def __init__(self) -> None:
        made = {name: each for name, each in vars(type(self)).items() if isinstance(each, ReportType)}
        self._by_name = {name: msgspec.structs.replace(each, name=name) for name, each in made.items()}
        self.__dict__.update(self._by_name)

    def __getitem__(self, name: str) -> ReportType:
        return self._by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self._by_name)

    def __repr__(self) -> str:
        return f"<REPORT_TYPES: {len(self)} types>"


REPORT_TYPES = _ReportTypes()
"""The known report types: ``REPORT_TYPES.GET_MERCHANT_LISTINGS_ALL_DATA``, ``REPORT_TYPES["GET_..."]``."""


def report_type_of(name: str | ReportType) -> ReportType:
    """The type of that name; about a type that is not listed, nothing is known."""
    if isinstance(name, ReportType):
        return name
    return REPORT_TYPES.get(name) or ReportType(name)
