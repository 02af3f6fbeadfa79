"""The files of reports, in the format that the report type's name indicates and in Amazon's usual encoding."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from spapi_async.emulator.data.places import SHOPS
from spapi_async.emulator.data.repeated_file import RepeatedFile
from spapi_async.emulator.gateway.times import iso

__all__ = ["ReportFile", "flat_file", "json_file", "listing_row", "order_rows", "xml_file"]

_GZIP_THRESHOLD = 4096
_BLOCK = 1024 * 1024  # of a file that is made while it is sent
# Python's names for charsets with Java's names; Amazon's Japanese reports need cp932, not shift_jis.
_CODECS = {"windows-31j": "cp932", "none": "utf-8"}


class ReportFile(msgspec.Struct, frozen=True, kw_only=True):
    """A document's content, its Content-Type, and whether and in how many gzip members it is compressed."""

    content: bytes | RepeatedFile
    content_type: str
    compress: bool = False
    members: int = 1


def order_rows(order: Any) -> list[dict[str, str]]:
    """The rows of an order in a flat file, one for each item, with Amazon's column names."""
    return [
        {
            "amazon-order-id": order.order_id,
            "purchase-date": iso(order.created),
            "last-updated-date": iso(order.updated),
            "order-status": _STATUSES.get(order.status, order.status),
            "sku": line.sku,
            "product-name": line.product.title,
            "quantity": str(line.quantity),
            "item-price": order.money(line.price),
            "ship-city": order.address.city.name,
            "merchant-order-id": order.order_id,
            "fulfillment-channel": "Amazon" if order.fulfilled_by_amazon else "Merchant",
            "sales-channel": SHOPS[order.marketplace].name,
            "asin": line.product.asin,
            "item-status": "Cancelled" if order.status == "Canceled" else order.status,
            "currency": SHOPS[order.marketplace].currency,
            "item-tax": order.money(line.tax),
            "shipping-price": order.money(line.shipping),
            "item-promotion-discount": order.money(line.discount),
        }
        for line in order.lines
    ]


_STATUSES = {"Canceled": "Cancelled"}  # reports and API spell it differently


def listing_row(listing: Any) -> dict[str, str]:
    """One listing as a row of a flat file."""
    product = listing.product
    return {
        "seller-sku": listing.sku,
        "item-name": product.title if product else "",
        "asin1": product.asin if product else "",
        "price": f"{product.cents / 100:.2f}" if product else "",
    }


def xml_file(kind: str, rows: Sequence[Mapping[str, str]]) -> ReportFile:
    """An XML file with an element for each row."""
    body = "".join(f"<Row id={json.dumps(next(iter(row.values())))}/>" for row in rows)
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<Report type="{kind}">{body}</Report>\n'
    return ReportFile(content=text.encode(), content_type="text/xml; charset=UTF-8")


def json_file(kind: str, rows: Sequence[Mapping[str, str]]) -> ReportFile:
    """One JSON object, gzipped."""
    value = {"reportSpecification": {"reportType": kind}, "rows": list(rows)}
    return ReportFile(content=json.dumps(value).encode(), content_type="application/json", compress=True)


def flat_file(rows: Sequence[Mapping[str, str]], options: Mapping[str, str]) -> ReportFile:
    """A tab-separated file, by default in Cp1252; ``options`` are those that ``reports_2021_06_30`` documents."""
    header = list(rows[0]) if rows else ["order-id"]
    quotes = options.get("emulatorQuotes", "")
    lines = [_line(row.values(), quotes, number) for number, row in enumerate(rows)]
    head = _line(header, "on" if quotes == "on" else "", 0)
    charset = options.get("emulatorCharset", "Cp1252")
    codec = _CODECS.get(charset.lower(), charset)
    label = options.get("emulatorLabel", charset)
    content_type = "text/plain" if label == "none" else f"text/plain; charset={label}"
    packing = options.get("emulatorGzip")
    size = _number(options, "emulatorBytes")
    if size is not None:
        file = _large(head, lines, codec, size, compress=packing != "off")
        return ReportFile(content=file, content_type=content_type, compress=packing != "off")
    wanted = _number(options, "emulatorRows")
    if wanted is not None:
        lines = (lines * (wanted // max(1, len(lines)) + 1))[:wanted] if lines else []
    text = "\r\n".join([head, *lines, ""]).encode(codec, "replace")
    packing = packing or ("on" if len(text) > _GZIP_THRESHOLD else "off")
    members = 5 if packing == "members" else 1
    return ReportFile(content=text, content_type=content_type, compress=packing != "off", members=members)


def _line(cells: Any, quotes: str, number: int) -> str:
    if quotes == "on":
        return "\t".join('"' + cell.replace('"', '""') + '"' for cell in cells)
    if quotes == "unbalanced" and number % 3 == 0:  # the title then begins with a quote
        return "\t".join(f'"{cell}' if at == 5 else cell for at, cell in enumerate(cells))
    return "\t".join(cells)


def _large(head: str, lines: Sequence[str], codec: str, size: int, *, compress: bool) -> RepeatedFile:
    """A file of at least ``size`` bytes before compression, in whole rows."""
    start = f"{head}\r\n".encode(codec, "replace")
    some = "".join(f"{line}\r\n" for line in lines or ["0"]).encode(codec, "replace")
    block = some * max(_BLOCK // len(some), 1)
    return RepeatedFile(start, block, max(-(-(size - len(start)) // len(block)), 0), compress=compress)


def _number(options: Mapping[str, str], name: str) -> int | None:
    asked = options.get(name, "")
    return int(asked) if asked.isdecimal() else None
