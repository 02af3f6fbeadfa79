"""The library's client and the emulator together: every operation, every parameter filled, decoded strictly."""

from __future__ import annotations

import datetime as dt
import random
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from spapi_async import Application, Region, call_options
from spapi_async._client import SellingPartner
from spapi_async._operation import Operation, Parameter
from spapi_async.api import operations
from spapi_async.emulator import Emulator
from spapi_async.emulator.synthesis import Maker, type_info

# A removed operation says so once when it is called.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def _argument(operation: Operation[Any], parameter: Parameter) -> Any:
    """A value of the annotated kind, within the parameter's limits."""
    kind, limits = parameter.type, parameter.constraints
    if parameter.location == "body":
        body = Maker(random.Random(1)).make(type_info(operation.body_type), "")
        if operation.id == "createRestrictedDataToken":
            body = {"restrictedResources": [{"method": "GET", "path": "/orders/v0/orders/{orderId}/address"}]}
        return body
    one: Any = limits.enum[0] if limits.enum else _scalar(kind, parameter)
    return [one] * (limits.min_items or 1) if kind.startswith("Sequence") else one


def _scalar(kind: str, parameter: Parameter) -> Any:
    limits = parameter.constraints
    if kind.startswith("datetime"):
        return dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
    if kind.startswith("date"):
        return dt.date(2026, 3, 1)
    if kind in ("int", "float", "Decimal", "bool"):
        return kind == "bool" or int(limits.minimum or 1)
    low, high = limits.min_length or 1, limits.max_length or 99
    size = min(max(low, 6), high)
    tries = ("a/b c%é"[:size].ljust(low, "x"), ("X1" * 99)[:size], "7" * size, "0b9e4f3a-52f0-4a57-9c3a-7c2bd6c0a1d2")
    return next(text for text in tries if re.fullmatch(limits.pattern or ".*", text) and low <= len(text) <= high)


def _arguments(operation: Operation[Any]) -> tuple[list[Any], dict[str, Any]]:
    """Path parameters in order, the others by keyword; no paging token."""
    token = operation.paging.token_parameter if operation.paging else None
    path = [_argument(operation, p) for p in operation.parameters if p.location == "path"]
    rest = {p.name: _argument(operation, p) for p in operation.parameters if p.location != "path" and p.name != token}
    return path, rest


@asynccontextmanager
async def _seller() -> AsyncIterator[tuple[Emulator, SellingPartner]]:
    async with Emulator(synthetic=True, rate_scale=1000) as emulator:
        options = {"endpoint": emulator.url, "decoding": "strict"}
        async with Application("app", "secret", **options) as application:  # type: ignore[arg-type]  # mixed options
            yield emulator, application.selling_partner("Atzr|walk", region=Region.NA)


async def test_every_method_reaches_its_operation_and_decodes_strictly() -> None:
    """387 methods: the verb and path are the operation's, each parameter is accepted, the reply fits its model."""
    async with _seller() as (emulator, seller):
        for name, operation in operations().items():
            module, _, method = name.partition(".")
            path, rest = _arguments(operation)
            with call_options(restricted=False):
                await getattr(getattr(seller, module), method)(*path, **rest)
            received = emulator.received[-1]
            assert (received.operation, received.method) == (name, operation.method)
            assert received.status in operation.success
        assert emulator.stats()["unknown_parameters"] == {}
        refused = {n: f for n, f in emulator.stats()["operations"].items() if f["errors"] or f["throttled"]}
        assert refused == {}


async def test_every_iterator_walks_all_pages() -> None:
    """Each paged operation's iterator asks for every page, with its own rule for the token, and ends."""
    paged = [o for o in operations().values() if o.paging and o.paging.token_parameter and o.method == "GET"]
    async with _seller() as (emulator, seller):
        for operation in paged:
            path, rest = _arguments(operation)
            names = [p.name for p in operation.parameters if p.location == "path"]
            before = len(emulator.received)
            arguments = {**dict(zip(names, path, strict=True)), **rest}
            async with seller.iterate(operation, arguments) as pages:
                items = [item async for item in pages]
            asked = [r for r in emulator.received[before:] if r.operation == operation.name]
            assert 2 <= len(asked) <= 3, operation.name
            assert {r.status for r in asked} == {200}
            assert items, operation.name
