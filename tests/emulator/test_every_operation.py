"""The emulator serves every operation: replies without a body, pages, and handlers that were written for one."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import msgspec

from spapi_async._core.operation import Operation, Parameter
from spapi_async.api import NAMESPACES, operations
from spapi_async.emulator import Emulator, apis
from spapi_async.emulator.apis import handler_of
from spapi_async.emulator.data.paging import type_info
from spapi_async.emulator.data.synthesis import Maker, synthesise


def _value(parameter: Parameter) -> str:
    """A value within the parameter's limits, percent-encoded for its place."""
    limits = parameter.constraints
    kind = parameter.type
    if limits.enum:
        return quote(limits.enum[0], safe="")
    if "date" in kind or (limits.format or "").startswith("date"):
        return "2026-03-01T00%3A00%3A00Z"
    if "bool" in kind:
        return "true"
    if any(word in kind.replace("|", " ").split() for word in ("int", "float", "Decimal", "Number")):
        return str(int(limits.minimum or 1))
    if limits.pattern:
        low, high = limits.min_length or 0, limits.max_length or 99
        size = min(max(low, 6), high)
        tries = (str(limits.default), "0b9e4f3a-52f0-4a57-9c3a-7c2bd6c0a1d2", "AFTN1", ("X1" * 99)[:size], "7" * size)
        return next(text for text in tries if re.fullmatch(limits.pattern, text) and low <= len(text) <= high)
    return quote("A1 b"[: limits.max_length or 4].ljust(limits.min_length or 1, "x"), safe="")


def _filled(operation: Operation[Any]) -> tuple[str, dict[str, str], bytes | None]:
    """Path and query, headers and body of a request with every parameter filled, except the paging token."""
    paging = operation.paging.token_parameter if operation.paging else None
    path, query, headers = operation.path, [], {}
    body = None
    for parameter in operation.parameters:
        if parameter.location == "body":
            made = Maker(random.Random(1)).make(type_info(operation.body_type), "")
            body = msgspec.json.encode(made)
        elif parameter.location == "path":
            path = path.replace("{" + parameter.wire_name + "}", _value(parameter))
        elif parameter.location == "header":
            headers[parameter.wire_name] = _value(parameter)
        elif parameter.name != paging:
            query.append(f"{parameter.wire_name}={_value(parameter)}")
    return path + ("?" + "&".join(query) if query else ""), headers, body


async def _tokens(session: aiohttp.ClientSession) -> dict[str | None, str]:
    """An access token of a seller under None, and one for each grantless scope."""
    tokens: dict[str | None, str] = {}
    scopes = {operation.grantless_scope for operation in operations().values()}
    for scope in scopes:
        grant = {"grant_type": "client_credentials", "scope": scope}
        if scope is None:
            grant = {"grant_type": "refresh_token", "refresh_token": "Atzr|walk"}
        form = {**grant, "client_id": "app", "client_secret": "secret"}
        async with session.post("/auth/o2/token", data=form) as reply:
            tokens[scope] = (await reply.json())["access_token"]
    return tokens


async def _restricted(session: aiohttp.ClientSession, token: str, operation: Operation[Any]) -> str:
    resource = {"method": operation.method, "path": operation.path}
    body = {"restrictedResources": [resource]}
    headers = {"x-amz-access-token": token}
    async with session.post("/tokens/2021-03-01/restrictedDataToken", json=body, headers=headers) as reply:
        return str((await reply.json())["restrictedDataToken"])


async def test_a_reply_without_a_model_has_no_body() -> None:
    """The client, which walks all operations in test_client_walk.py, would not notice one."""
    from yarl import URL

    silent = [operation for operation in operations().values() if operation.response_type is None]
    assert len(silent) == 32
    async with Emulator(synthetic=True, throttle=False) as emulator, aiohttp.ClientSession(emulator.url) as session:
        tokens = await _tokens(session)
        for operation in silent:
            target, headers, body = _filled(operation)
            headers["x-amz-access-token"] = tokens[operation.grantless_scope]
            if body is not None:
                headers["Content-Type"] = "application/json"
            url = URL(emulator.url + target, encoded=True)
            async with session.request(operation.method, url, data=body, headers=headers) as reply:
                raw = await reply.read()
            assert (reply.status in operation.success, raw) == (True, b""), (operation.name, reply.status)


async def test_pages_end_and_differ() -> None:
    """Every paged operation has two or three pages whose tokens work, and the last has none."""
    from yarl import URL

    paged = [o for o in operations().values() if o.paging and o.paging.token_parameter and o.method == "GET"]
    async with Emulator(synthetic=True, throttle=False) as emulator, aiohttp.ClientSession(emulator.url) as session:
        tokens = await _tokens(session)
        for operation in paged:
            assert operation.paging is not None
            wire = next(p.wire_name for p in operation.parameters if p.name == operation.paging.token_parameter)
            target, headers, _ = _filled(operation)
            headers["x-amz-access-token"] = tokens[operation.grantless_scope]
            if operation.restriction is not None and operation.restriction.mode == "always":
                headers["x-amz-access-token"] = await _restricted(session, tokens[None], operation)
            seen: list[str] = []
            token: str | None = None
            for _ in range(5):
                page = _next_target(operation, target, wire, token)
                async with session.get(URL(emulator.url + page, encoded=True), headers=headers) as reply:
                    raw = await reply.read()
                assert reply.status == 200, (operation.name, page, raw)
                value = msgspec.json.decode(raw, type=operation.response_type)
                for attribute in (*((operation.unwrap,) if operation.unwrap else ()), *operation.paging.token_path):
                    value = getattr(value, attribute) if value is not None else None
                token = value
                if not token:
                    break
                assert token not in seen, operation.name
                assert set(token) >= set("+/="), operation.name
                seen.append(token)
            assert 1 <= len(seen) <= 2, operation.name


def _next_target(operation: Operation[Any], target: str, wire: str, token: str | None) -> str:
    assert operation.paging is not None
    if operation.paging.rule == "next_token_query":
        target = re.sub("QueryType=[A-Z_]+", "QueryType=NEXT_TOKEN", target) if token else target
    if token is None:
        return target
    path, _, query = target.partition("?")
    if operation.paging.rule == "alone":
        query = ""
    return f"{path}?{query}{'&' if query else ''}{wire}={quote(token, safe='')}"


def test_every_written_handler_serves_an_operation() -> None:
    """A handler whose operation was renamed would otherwise be replaced by a synthesised reply."""
    modules = {path.stem for path in Path(apis.__path__[0]).glob("*.py")} - {"__init__"}
    assert modules <= set(NAMESPACES)
    for api in modules:
        assert set(apis.handlers_in(api)) <= {name for name in operations() if name.startswith(f"{api}.")}
    assert handler_of(operations()["shipping_v2.get_tracking"], synthetic=False) is synthesise


def test_a_repeated_read_gives_the_same_reply() -> None:
    """One seed gives one value, however often it is read."""
    info = type_info(operations()["shipping_v2.get_tracking"].response_type)
    assert Maker(random.Random(5)).make(info, "") == Maker(random.Random(5)).make(info, "")


async def test_known_violations_occur_in_synthesised_replies() -> None:
    """By default some replies break their models where Amazon's do."""
    seen = set()
    async with Emulator(throttle=False) as emulator, aiohttp.ClientSession(emulator.url) as session:
        headers = {"x-amz-access-token": (await _tokens(session))[None]}
        for number in range(20):
            path = f"/supplySources/2020-07-01/supplySources/{number}"
            async with session.get(path, headers=headers) as reply:
                address = (await reply.json()).get("address")
                seen.add(address and "name" in address)
    assert {True, False} <= seen
