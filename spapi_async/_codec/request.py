"""Builds the request that Amazon expects from an operation and its arguments; pure, and compiled once per operation.

What reaches the wire, by ``Parameter.encoding``:

=================  ==========================================================================================
``segment``        every byte outside RFC 3986's unreserved set percent-encoded: ``a/b!`` is ``a%2Fb%21``
``greedy``         the same, but ``/`` stays
``plain``          one query value, encoded like a segment
``csv``            items encoded like segments, joined by literal commas; a comma inside an item becomes ``%2C``
``multi``          ``name=item`` once for each item
``*_double``       as above, but ``%``, ``+`` and ``,`` inside an item are encoded twice: ``%2525`` and so on
``header``         as it is; control characters are refused
``segment_csv``    items encoded like segments, joined by literal commas
``header_csv``     items as they are, joined by commas; an item that contains a comma is refused
``json``           the body; nothing is percent-encoded
=================  ==========================================================================================

So in a ``multi_double`` list ``test%msku`` is sent as ``test%2525msku``, ``test,msku`` as ``test%252Cmsku``,
``test+msku`` as ``test%252Bmsku`` and ``test msku`` as ``test%20msku``.

Amazon splits some csv lists only after decoding them, so a SKU that contains a comma cannot be sent reliably in a
``csv`` list, however it is encoded; use the operation that takes it in the path or in a body.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from functools import lru_cache
from typing import Any

import msgspec

from spapi_async._codec import json
from spapi_async._codec.body_keys import warn_of_unknown_keys
from spapi_async._codec.known_limits import ALTERNATIVES, BATCHES, check_items, check_number
from spapi_async._codec.marketplace_ids import marketplace_fields, misplaced, writer_of
from spapi_async._codec.wire_text import (
    UnsendableError,
    calendar_date,
    quoted,
    text_of,
    type_name,
)
from spapi_async._core.arguments import one_or_more
from spapi_async._core.operation import Operation, Parameter
from spapi_async._core.request import Request
from spapi_async.errors import ConfigurationError
from spapi_async.marketplaces import Region

__all__ = ["check_names", "prepare"]


def prepare(operation: Operation[Any], arguments: Mapping[str, Any], region: Region | None = None) -> Request:
    """The request for a call of ``operation`` in a region; arguments that are None are left out.

    Marketplaces may be given by country code. A marketplace of another region is refused.

    Raises:
        ConfigurationError: an argument is unknown, missing, or cannot be sent; the message begins with its name.
    """
    return _compile(operation, region).build(arguments)


def check_names(operation: Operation[Any], arguments: Mapping[str, Any]) -> None:
    """Refuse names that are not arguments of the operation; arguments may be missing.

    Raises:
        ConfigurationError: there is no argument with such a name.
    """
    _compile(operation, None).check_names(arguments)


Encode = Callable[[Any], str]
Get = Callable[[str], Any]


class _Builder:
    """The encoders of one operation, in the order in which a request is built."""

    __slots__ = ("_allowed", "_alternatives", "_batch", "_body", "_headers", "_known", "_operation", "_path", "_places",
                 "_query", "_region", "_segments")  # fmt: skip

    def __init__(self, operation: Operation[Any], region: Region | None) -> None:
        self._operation = operation
        self._region = region
        self._alternatives = ALTERNATIVES.get(operation.name, ())
        self._batch = BATCHES.get(operation.name)
        self._places = marketplace_fields(operation.body_type)
        by_wire_name = {p.wire_name: p for p in operation.parameters if p.location == "path"}
        template, names = _split_template(operation)
        self._path = template
        self._segments = tuple(
            (by_wire_name[name].name, _SEGMENT_ENCODERS[by_wire_name[name].encoding]) for name in names
        )
        self._query = tuple(
            (p.name, _query_encoder(p, region), p.required) for p in operation.parameters if p.location == "query"
        )
        self._headers = tuple(
            (p.name, p.wire_name, _HEADER_ENCODERS[p.encoding], p.required)
            for p in operation.parameters
            if p.location == "header"
        )
        self._body = next((p for p in operation.parameters if p.location == "body"), None)
        names_known = {p.name for p in operation.parameters}
        restriction = operation.restriction
        self._allowed = restriction.data_elements if restriction and restriction.mode == "optional" else ()
        self._known = frozenset(names_known | {"data_elements"})

    def check_names(self, arguments: Mapping[str, Any]) -> None:
        if not arguments.keys() <= self._known:
            raise self._unknown(arguments)

    def build(self, arguments: Mapping[str, Any]) -> Request:
        if not arguments.keys() <= self._known:
            raise self._unknown(arguments)
        get = arguments.get
        for rule in self._alternatives:
            if problem := rule.problem(get):
                raise self._refuse(rule.names[0], problem)
        target = path = self._write_path(get)
        if self._query and (query := self._write_query(get)):
            target = f"{path}?{query}"
        headers = self._write_headers(get) if self._headers else {}
        body = self._write_body(get, headers) if self._body else None
        elements = get("data_elements")
        chosen = self._choose(elements) if elements else ()
        return Request(self._operation.method, target, path, headers, body, chosen)

    def _write_path(self, get: Get) -> str:
        values = []
        for name, encode in self._segments:
            value = get(name)
            if value is None:
                raise self._refuse(name, "is required")
            try:
                values.append(encode(value))
            except UnsendableError as reason:
                raise self._refuse(name, reason) from None
        return self._path % tuple(values)

    def _write_query(self, get: Get) -> str:
        pairs = []
        for name, encode, required in self._query:
            value = get(name)
            if value is None:
                if required:
                    raise self._refuse(name, "is required")
                continue
            try:
                pair = encode(value)
            except UnsendableError as reason:
                raise self._refuse(name, reason) from None
            if pair:
                pairs.append(pair)
            elif required:
                raise self._refuse(name, "is required and must not be empty")
        return "&".join(pairs)

    def _write_headers(self, get: Get) -> dict[str, str]:
        headers = {}
        for name, wire_name, encode, required in self._headers:
            value = get(name)
            if value is not None:
                try:
                    headers[wire_name] = encode(value)
                except UnsendableError as reason:
                    raise self._refuse(name, reason) from None
            elif required:
                raise self._refuse(name, "is required")
        return headers

    def _write_body(self, get: Get, headers: dict[str, str]) -> bytes | None:
        assert self._body is not None
        name, value = self._body.name, get(self._body.name)
        if value is None:
            if self._body.required:
                raise self._refuse(name, "is required")
            return None
        if isinstance(value, str | bytes | bytearray):
            reason = f"takes the struct, a mapping or a list, not {type_name(value)}; decode JSON text first"
            raise self._refuse(name, reason)
        self._check_body(name, value)
        try:
            body = json.encode(value, decimals=self._operation.decimals)
        except (TypeError, ValueError, RecursionError) as error:
            raise self._refuse(name, f"cannot be written as JSON: {error}") from None
        headers["content-type"] = "application/json"
        return body

    def _check_body(self, name: str, value: Any) -> None:
        if self._batch is not None and (problem := self._batch.problem(value)):
            raise self._refuse(name, problem)
        struct = not isinstance(value, Mapping)
        for attribute, wire_name in self._places:
            given = getattr(value, attribute, None) if struct else value.get(wire_name)
            for place in given if isinstance(given, list | tuple) else (given,):
                if isinstance(place, str) and (problem := misplaced(place, self._region, exact=True)):
                    raise self._refuse(f"{name}: {wire_name}", problem)
        if not (struct and isinstance(value, msgspec.Struct)):
            warn_of_unknown_keys(self._operation.name, self._operation.body_type, value)

    def _choose(self, elements: Any) -> tuple[str, ...]:
        """The requested data elements without repetition, in Amazon's order: calls with the same ones share a token."""
        asked = one_or_more(elements)
        allowed = self._allowed
        if wrong := [str(element) for element in asked if element not in allowed]:
            choice = f"choose from {', '.join(allowed)}" if allowed else "this operation offers none"
            raise self._refuse("data_elements", f"must not contain {', '.join(wrong)}: {choice}")
        return tuple(element for element in allowed if element in asked)

    def _refuse(self, name: str, reason: object) -> ConfigurationError:
        return ConfigurationError(f"{name} {reason}", operation=self._operation.name)

    def _unknown(self, arguments: Mapping[str, Any]) -> ConfigurationError:
        from difflib import get_close_matches  # slow to import, and rarely needed

        name = min(arguments.keys() - self._known, key=str)
        candidates = sorted(p.name for p in self._operation.parameters)
        close = get_close_matches(str(name), candidates, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(close)}?" if close else f"it takes {', '.join(candidates) or 'none'}"
        return self._refuse(str(name), f"is not an argument of this operation; {hint}")


@lru_cache(maxsize=4096)
def _compile(operation: Operation[Any], region: Region | None) -> _Builder:
    return _Builder(operation, region)


def _split_template(operation: Operation[Any]) -> tuple[str, list[str]]:
    """``/orders/{orderId}/items`` as a %-format, ``/orders/%s/items``, and the names of its parameters."""
    literals: list[str] = []
    names: list[str] = []
    for piece in operation.path.replace("%", "%%").split("{"):
        name, brace, rest = piece.partition("}")
        if brace:
            names.append(name)
            literals.append(rest)
        else:
            literals.append(piece)
    return "%s".join(literals), names


# --- encoders --------------------------------------------------------------------------------------------------------


def _segment(value: Any) -> str:
    text = value if type(value) is str else text_of(value)
    if text in _NOT_A_SEGMENT:
        # An empty segment addresses the parent collection; proxies resolve dots, even encoded ones.
        raise UnsendableError(f"must not be {text!r}: it is a whole segment of the path")
    return quoted(text)


def _greedy(value: Any) -> str:
    text = text_of(value)
    if not _NOT_A_SEGMENT.isdisjoint(text.split("/")):
        raise UnsendableError("must not begin or end with '/', and no part of it may be empty, '.' or '..'")
    return "/".join(map(quoted, text.split("/")))


_NOT_A_SEGMENT = frozenset({"", ".", ".."})


def _segment_list(value: Any) -> str:
    items = _items(value)
    if not items:
        raise UnsendableError("must not be empty: it is a whole segment of the path")
    return ",".join(map(_segment, items))


_SEGMENT_ENCODERS: Mapping[str, Encode] = {"segment": _segment, "segment_csv": _segment_list, "greedy": _greedy}


def _quote_twice(text: str) -> str:
    # Amazon decodes these lists a second time after splitting them.
    return quoted(text.replace("%", "%25").replace("+", "%2B").replace(",", "%2C"))


def _items(value: Any) -> list[Any]:
    if type(value) is list:
        items = value
    elif isinstance(value, str) or not isinstance(value, Iterable):
        items = [value]  # one item, never its characters
    elif isinstance(value, Mapping | bytes | bytearray):
        raise UnsendableError(f"takes a list, not {type_name(value)}")
    else:
        items = sorted(value, key=str) if isinstance(value, AbstractSet) else list(value)
    if None in items:
        raise UnsendableError(f"must not contain None (item {items.index(None)})")
    return items


def _query_encoder(parameter: Parameter, region: Region | None) -> Encode:
    """A function that writes one query parameter as ``name=value``; an empty list gives an empty text."""
    lead = quoted(parameter.wire_name) + "="
    constraints = parameter.constraints
    write: Encode = calendar_date if constraints.format == "date" else text_of
    if "Marketplace | str" in parameter.type:
        write = _marketplace_writer(region)
    limited = constraints.max_items is not None or constraints.min_items is not None
    bounded = constraints.maximum is not None or constraints.minimum is not None
    escape = _quote_twice if parameter.encoding.endswith("_double") else quoted

    def items_of(value: Any) -> list[Any]:
        items = _items(value)
        if limited and items and (problem := check_items(constraints, len(items))):
            raise UnsendableError(problem)
        return items

    def plain(value: Any) -> str:
        if bounded and (problem := check_number(constraints, value)):
            raise UnsendableError(problem)
        return lead + quoted(write(value))

    def csv(value: Any) -> str:
        items = [escape(write(item)) for item in items_of(value)]
        return lead + ",".join(items) if items else ""

    def multi(value: Any) -> str:
        return "&".join([lead + escape(write(item)) for item in items_of(value)])

    if parameter.encoding.startswith("csv"):
        return csv
    return multi if parameter.encoding.startswith("multi") else plain


def _marketplace_writer(region: Region | None) -> Encode:
    write_id = writer_of(region)

    def write(value: Any) -> str:
        try:
            return write_id(value if isinstance(value, str) else text_of(value))
        except ValueError as problem:
            raise UnsendableError(str(problem)) from None

    return write


def _header(value: Any) -> str:
    text = text_of(value)
    if not text.isprintable():
        raise UnsendableError("must not contain line breaks or other control characters: it is sent as a header")
    return text


def _header_list(value: Any) -> str:
    items = [_header(item) for item in _items(value)]
    if any("," in item for item in items):
        raise UnsendableError("must not contain an item with a comma: the list is sent as one header, joined by commas")
    return ",".join(items)


_HEADER_ENCODERS: Mapping[str, Encode] = {"header": _header, "header_csv": _header_list}
