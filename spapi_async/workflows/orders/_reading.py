"""A page of orders as the plain call reads it, with the JSON of each order.

There is only one reader of replies, and it has already read the page: its list, token and orders are used here, too.
Only the JSON to store is taken from the bytes. So the sync stores exactly the orders that ``iter_orders`` returns,
however damaged the reply is.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import msgspec

from spapi_async._codec import json, lenient
from spapi_async._codec.mending import mend
from spapi_async._codec.pages import NO_TOKEN, items_of, next_token_of
from spapi_async._codec.response import REQUEST_ID, decode
from spapi_async._core.caller import Reply
from spapi_async._core.operation import Operation
from spapi_async.errors import DecodeError
from spapi_async.workflows.orders._personal import Piece

__all__ = ["read_again", "read_order", "read_pieces", "read_token"]


def read_again(response: Reply[Any], operation: Operation[Any]) -> Reply[Any]:
    """A reply read by the operation's model, as the plain call reads it."""
    headers: dict[str, str] = {REQUEST_ID: response.request_id} if response.request_id else {}
    return decode(operation, response.status, headers, response.raw)


def read_pieces(response: Reply[Any], operation: Operation[Any]) -> list[Piece]:
    """The entries of a page's list.

    Raises:
        DecodeError: the page has no list.
    """
    assert operation.paging is not None
    entries = items_of(response.body, operation.paging)
    if entries is None:
        raise _no_page(response, operation, "it has no list")
    path = lenient.wire_path(operation.response_type, operation.unwrap, operation.paging.items_path)
    raws = lenient.items(response.raw, path)
    if raws is None or len(raws) != len(entries):
        # The list was in another place, and the reader found it there: its entries are encoded again.
        raws = [msgspec.json.encode(entry, enc_hook=Decimal) for entry in entries]
    return list(_pieces(entries, raws, mended=bool(response.violations)))


def read_token(response: Reply[Any], operation: Operation[Any]) -> str | None:
    """The token of the next page; None on the last page.

    Raises:
        DecodeError: it has another type.
    """
    assert operation.paging is not None
    token: Any = next_token_of(response.body, operation.paging)
    path = lenient.wire_path(operation.response_type, operation.unwrap, operation.paging.token_path)
    if token is NO_TOKEN or (token and any(violation.path == path for violation in response.violations)):
        raise _no_page(response, operation, "the next page's token is not text")
    return token  # type: ignore[no-any-return]


def read_order(response: Reply[Any], operation: Operation[Any]) -> Piece:
    """The one order of a ``getOrder`` of Orders 2026-01-01 or v0.

    Raises:
        DecodeError: the reply contains no order.
    """
    member = operation.unwrap or "order"
    entry = getattr(response.body, member, None) if operation.unwrap is None else response.body
    if not isinstance(entry, msgspec.Struct):
        raise DecodeError(
            "the reply contains no order",
            operation=operation.name,
            request_id=response.request_id,
            status=response.status,
            raw=response.raw,
        )
    try:
        raw = bytes(_MEMBERS.decode(mend(response.raw)[0])[member])
    except (ValueError, KeyError):
        # The order was in another place, and the reader found it there.
        raw = _ENCODER.encode(msgspec.to_builtins(entry, builtin_types=_EXACT, enc_hook=Decimal))
    return next(_pieces([entry], [raw], mended=bool(response.violations)))


def _pieces(entries: Any, raws: list[bytes], *, mended: bool) -> Iterator[Piece]:
    for entry, raw in zip(entries, raws, strict=True):
        content: Any = None
        if isinstance(entry, msgspec.Struct):
            # If the reader had to repair something, its reading is used, else the JSON itself.
            content = msgspec.to_builtins(entry, builtin_types=_EXACT, enc_hook=Decimal) if mended else json.exact(raw)
        yield Piece(raw, content if isinstance(content, dict) else None, mended)


# The reader keeps some numbers in a type of its own, but msgspec checks exact types: hence Decimal as the hook.
_EXACT = (Decimal, datetime, date)
_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ENCODER = msgspec.json.Encoder(decimal_format="number")


def _no_page(response: Reply[Any], operation: Operation[Any], why: str) -> DecodeError:
    return DecodeError(
        f"the page cannot be read: {why}",
        operation=operation.name,
        request_id=response.request_id,
        status=response.status,
        raw=response.raw,
    )
