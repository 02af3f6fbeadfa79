"""The library's client with the emulator: every operation, with every parameter filled, decoded strictly."""

from __future__ import annotations

import csv
import datetime as dt
import random
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from spapi_async import Application, Region
from spapi_async._client.application import SellingPartner
from spapi_async._codec.known_limits import ALTERNATIVES
from spapi_async._core.operation import Operation, Parameter
from spapi_async.api import operations
from spapi_async.emulator import Emulator
from spapi_async.emulator.data.paging import type_info
from spapi_async.emulator.data.synthesis import Maker

TABLE = Path(__file__).resolve().parents[3] / "shared" / "operations.tsv"


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
    if limits.pattern and isinstance(limits.default, str):
        return limits.default
    low, high = limits.min_length or 1, limits.max_length or 99
    size = min(max(low, 6), high)
    made = ("a/b c%é"[:size].ljust(low, "x"), ("X1" * 99)[:size], "7" * size)
    tries = (*made, "0b9e4f3a-52f0-4a57-9c3a-7c2bd6c0a1d2", "AFTN1")
    return next(text for text in tries if re.fullmatch(limits.pattern or ".*", text) and low <= len(text) <= high)


def _arguments(operation: Operation[Any]) -> tuple[list[Any], dict[str, Any]]:
    """Path parameters in order, the others by keyword; no paging token."""
    token = operation.paging.token_parameter if operation.paging else None
    path = [_argument(operation, p) for p in operation.parameters if p.location == "path"]
    rest = {p.name: _argument(operation, p) for p in operation.parameters if p.location != "path" and p.name != token}
    for rule in ALTERNATIVES.get(operation.name, ()):
        for name in rule.names[1:] if rule.exclusive else ():
            del rest[name]
    return path, rest


@asynccontextmanager
async def _seller() -> AsyncIterator[tuple[Emulator, SellingPartner]]:
    async with Emulator(synthetic=True, rate_scale=100_000) as emulator:
        options = {"endpoint": emulator.url, "decoding": "strict"}
        async with Application("app", "secret", **options) as application:  # type: ignore[arg-type]  # mixed options
            yield emulator, application.selling_partner("Atzr|walk", region=Region.NA)


def _template(path: str) -> re.Pattern[str]:
    """The path as sent: one segment for each parameter, any number for the greedy one."""
    segment = {"resource": "(.+)"}
    pieces = re.split(r"\{([^}]*)\}", path)
    return re.compile("".join(segment.get(x, "([^/]+)") if n % 2 else re.escape(x) for n, x in enumerate(pieces)))


async def _call(seller: SellingPartner, emulator: Emulator, name: str, verb: str, path: str) -> None:
    """Call one method with every parameter filled; returns verb, path, and each parameter in its place."""
    operation = operations()[name]
    in_path, rest = _arguments(operation)
    module, _, method = name.partition(".")
    reply = await getattr(getattr(seller, module), method)(*in_path, **rest)
    received = emulator.received[-1]
    assert (received.operation, received.method) == (name, verb)
    assert received.status in operation.success
    declared = operation.response_types.get(received.status, operation.response_type)
    assert (reply is None) == (declared is None or received.status == 204), name
    target, _, query = received.target.partition("?")
    match = _template(path).fullmatch(target)
    assert match, f"{name}: {target}"
    assert [unquote(piece) for piece in match.groups()] == in_path
    by_name = {p.name: p.wire_name for p in operation.parameters if p.location == "query"}
    assert {pair.partition("=")[0] for pair in query.split("&") if pair} == {by_name[n] for n in rest if n in by_name}


def _rows() -> list[tuple[str, str, str]]:
    """Name, verb and path of every operation."""
    return [(name, operation.method, operation.path) for name, operation in operations().items()]


async def _walk(rows: list[tuple[str, str, str]]) -> None:
    async with _seller() as (emulator, seller):
        for row in rows:
            await _call(seller, emulator, *row)
        assert emulator.stats()["unknown_parameters"] == {}
        refused = {n: f for n, f in emulator.stats()["operations"].items() if f["errors"] or f["throttled"]}
        assert refused == {}


async def test_every_method_reaches_its_operation_and_decodes_strictly() -> None:
    """For 413 methods verb and path are the operation's, each parameter is sent and accepted, and the reply fits."""
    rows = _rows()
    assert len(rows) >= 413
    await _walk(rows)


@pytest.mark.skipif(not TABLE.is_file(), reason=f"the list of Amazon's operations is not at {TABLE}")
def test_every_row_of_amazons_list_is_a_method() -> None:
    """Names, verbs and paths that the walk finds in use are those of a list that the generator does not read."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        listed = list(csv.DictReader(file, delimiter="\t"))
    rows = sorted((f"{row['module']}.{row['method']}", row["http"], row["path"]) for row in listed)
    assert rows == sorted(_rows())


async def test_every_iterator_walks_all_pages() -> None:
    """It requests every page, with its operation's rule for the token, and ends."""
    paged = [o for o in operations().values() if o.paging and o.paging.token_parameter and o.paging.token_path]
    async with _seller() as (emulator, seller):
        for operation in paged:
            path, rest = _arguments(operation)
            names = [p.name for p in operation.parameters if p.location == "path"]
            before = len(emulator.received)
            arguments = {**dict(zip(names, path, strict=True)), **rest}
            async with seller.iterate(operation, **arguments) as pages:
                items = [item async for item in pages]
            asked = [r for r in emulator.received[before:] if r.operation == operation.name]
            assert 2 <= len(asked) <= 3, operation.name
            assert {r.status for r in asked} == {200}
            assert items, operation.name
