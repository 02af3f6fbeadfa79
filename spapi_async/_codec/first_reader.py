"""Lets a caller decode an operation's replies with its own decoder, which a context variable carries like call options.

A job that needs a few fields of each reply need not pay for the others: its decoder is tried first, and the model's
decoder reads the replies that do not fit it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import Any

import msgspec

from spapi_async._codec.headers import request_id_of
from spapi_async._codec.response import Response
from spapi_async._core.operation import Operation

__all__ = ["FIRST_READER", "decode_first", "read_first"]

FIRST_READER: ContextVar[tuple[Operation[Any], msgspec.json.Decoder[Any]] | None] = ContextVar(
    "spapi_async_first_reader", default=None
)
"""The operation and its decoder; None for nearly every call, which then skips this module."""


@contextlib.contextmanager
def read_first(operation: Operation[Any], decoder: msgspec.json.Decoder[Any]) -> Iterator[None]:
    """Try this decoder first on every 2xx reply to calls of the operation made in the block.

    Its value becomes the response's body. Nothing compares the reply with the model, so the response has no violations.
    If the application has observers, which may count violations, or decodes strictly, this decoder is not used.
    """
    token = FIRST_READER.set((operation, decoder))
    try:
        yield
    finally:
        FIRST_READER.reset(token)


def decode_first(
    operation: Operation[Any],
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    attempts: int,
    rate_limit: float | None,
) -> Response[Any] | None:
    """The response as the chosen decoder reads it; None if none was chosen or the body does not fit it."""
    chosen = FIRST_READER.get()
    if chosen is None or chosen[0] is not operation:
        return None
    try:
        value = chosen[1].decode(body)
    except (ValueError, RecursionError):
        return None
    return Response(
        body=value,
        status=status,
        headers=headers,
        request_id=request_id_of(headers),
        rate_limit=rate_limit,
        attempts=attempts,
        raw=body,
    )
