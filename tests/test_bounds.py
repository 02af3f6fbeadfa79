"""The guide's tables of bounds are the library's: every option, every figure, and what they say of it."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import msgspec

from spapi_async import Application, CallOptions, RetryPolicy, Timeout, call_options
from spapi_async._codec import headers, mending, response
from spapi_async._core import peer_text
from spapi_async._engine import page_history, transport
from spapi_async.emulator import Emulator
from spapi_async.workflows.documents import _download, _json_items, _label, _lines, _refusal, _xml

GUIDE = (Path(__file__).parents[1] / "examples" / "calls" / "README.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in GUIDE.split("## What bounds what")[1].splitlines()
    if line.startswith("| ") and not line.startswith("| ---")
]
OPTIONS = {row[0]: row for row in ROWS if len(row) == 4}
FIXED = {row[0]: row[1] for row in ROWS if len(row) == 3}
MB = 1024 * 1024


def test_every_option_that_bounds_has_a_row() -> None:
    """Those of a call that are seconds, and those of an application that are a size, a number or seconds."""
    names = " ".join(OPTIONS)
    for option in set(CallOptions.__struct_fields__) - {"priority", "restricted"}:
        assert f"`{option}`" in names
    taken = inspect.signature(Application).parameters
    bounding = [name for name, each in taken.items() if "int" in str(each.annotation) or name in ("timeout", "retry")]
    assert bounding == ["retry", "timeout", "connections", "max_reply_size"]
    for option in bounding:
        assert f"`Application({option}=" in names


def test_the_defaults_are_those_of_the_code() -> None:
    """Of every field of the two structs, and of the two numbers."""
    for row, options in (("timeout=Timeout", Timeout()), ("retry=RetryPolicy", RetryPolicy())):
        said = next(cells[1] for name, cells in OPTIONS.items() if row in name)
        assert said == ", ".join(
            f"`{name}={value:g}`" if value is not None else f"`{name}=None`"
            for name, value in msgspec.structs.asdict(options).items()
        )
    defaults = inspect.signature(Application).parameters
    assert OPTIONS["`Application(connections=…)`"][1] == str(defaults["connections"].default)
    assert OPTIONS["`Application(max_reply_size=…)`"][1] == f"{transport.MAX_REPLY_SIZE // MB} MB"
    assert [CallOptions().max_wait, CallOptions().deadline, CallOptions().timeout] == [None] * 3
    pauses = OPTIONS["`Application(retry=RetryPolicy(…))`"][3]
    assert "{:g}, {:g}, {:g} and {:g} s".format(*_download.PAUSES) in pauses


def test_the_fixed_bounds_are_those_of_the_code() -> None:
    """In the order of the table."""
    figures: list[Any] = [
        mending.DEEPEST_REPLY,
        _json_items.DEEPEST_JSON,
        page_history.MOST_EMPTY,
        f"{peer_text.LONGEST_PEER_TEXT:,} characters",
        f"{headers.LONGEST_REQUEST_ID} characters",
        response.MOST_HEADERS,
        f"{_refusal.LONGEST_REFUSAL // 1024} KB",
        f"{_lines.LONGEST_LINE // MB} MB",
        f"{_xml.LONGEST_ELEMENT // MB} MB; {_xml.LONGEST_TAG // MB} MB",
        f"{_label.LARGEST_LABEL // MB} MB",
    ]
    said = list(FIXED.values())[1:]
    assert said == [str(figure) for figure in figures]
    assert _json_items.LONGEST_ITEM == _lines.LONGEST_LINE
    assert _xml.DEEPEST_XML == _json_items.DEEPEST_JSON


async def test_a_deadline_is_each_pages_own() -> None:
    """Twelve pages take longer together than each may alone."""
    async with (
        Emulator(orders=24, rate_scale=1000) as emulator,
        Application("app", "secret", endpoint=emulator.url) as app,
    ):
        seller = app.selling_partner("Atzr|a", region="na")
        emulator.faults({"operation": "orders_2026_01_01.search_orders", "delay": 0.2, "times": None})
        orders = seller.orders_2026_01_01.iter_orders(created_after="2020-01-01", max_results_per_page=2)
        with call_options(deadline=2.0):
            assert len([order async for order in orders]) == 24


async def test_the_deadline_of_who_waits_for_a_report_does_not_end_the_wait() -> None:
    """It bounds calls and the document, as the guide says; the report takes as long as Amazon does."""
    async with (
        Emulator(processing=3.0) as emulator,
        Application("app", "secret", endpoint=emulator.url) as app,
    ):
        seller = app.selling_partner("Atzr|a", region="na")
        with call_options(deadline=2.5):
            async with seller.reports.download("GET_MERCHANT_LISTINGS_ALL_DATA", marketplaces=["US"]) as document:
                assert await document.read()


async def test_a_document_may_be_larger_than_a_reply() -> None:
    """The bound is for what is held in memory, and a document streams."""
    async with (
        Emulator(processing=0.0) as emulator,
        Application("app", "secret", endpoint=emulator.url, max_reply_size=3_000) as app,
    ):
        seller = app.selling_partner("Atzr|a", region="na")
        async with seller.reports.download("GET_MERCHANT_LISTINGS_ALL_DATA", marketplaces=["US"]) as document:
            assert len(await document.read()) > 3_000
