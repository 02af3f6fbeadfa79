"""Repeats the items of a batch that were throttled: each such batch counts as one 429.

The reply as a whole is a 200, so no other code notices. The new answers replace the refused ones in the bytes of the
reply, which is then decoded as if Amazon had sent it in this form.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from spapi_async._codec.known_limits import Batch
from spapi_async._codec.response import Response, decode
from spapi_async._core.clock import Clock
from spapi_async._core.operation import Operation
from spapi_async._core.options import call_options, current_options
from spapi_async.errors import SPAPIError

__all__ = ["only", "send_whole", "spliced", "throttled"]

T = TypeVar("T")

_THROTTLED_CODES = frozenset({"QuotaExceeded", "TooManyRequests", "Throttled", "RequestThrottled"})

_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_envelope = msgspec.json.Decoder(dict[str, msgspec.Raw])
_items = msgspec.json.Decoder(list[msgspec.Raw])


async def send_whole(
    send: Callable[[Mapping[str, Any]], Awaitable[Response[T]]],
    batch: Batch,
    operation: Operation[T],
    arguments: Mapping[str, Any],
    *,
    attempts: int,
    clock: Clock,
    strict: bool,
) -> Response[T]:
    """Send a batch, then repeat its throttled items; returns the reply with as many answers as were obtained.

    ``send`` takes the arguments of a call; each request is a call of its own and waits for quota.
    """
    deadline, began = current_options().deadline, clock.monotonic()
    response = await send(arguments)
    for _ in range(attempts - 1):
        positions = throttled(batch, response.raw)
        if positions and not _answers_each(batch, response.raw, arguments.get("body")):
            break  # the positions in the reply are not those in the body
        rest = only(batch, arguments.get("body"), positions)
        left = None if deadline is None else deadline - (clock.monotonic() - began)
        if rest is None or (left is not None and left <= 0):
            break
        try:
            with call_options(deadline=left):
                again = await send({**arguments, "body": rest})
        except SPAPIError:
            break  # the answers so far are worth more than this error; the others still say 429
        raw = spliced(batch, response.raw, positions, again.raw)
        if raw is None:
            break
        response = decode(
            operation,
            again.status,
            again.headers,
            raw,
            strict=strict,
            attempts=response.attempts + again.attempts,
            rate_limit=again.rate_limit,
        )
    return response


def throttled(batch: Batch, raw: bytes) -> tuple[int, ...]:
    """The positions of the items in a reply that say 429."""
    if b"429" not in raw and not any(code.encode() in raw for code in _THROTTLED_CODES):
        return ()
    try:
        return tuple(position for position, item in enumerate(_split(batch, raw)[1]) if _says_429(item))
    except _UNREADABLE:
        return ()  # the decoder will report what is wrong with the reply


def _answers_each(batch: Batch, raw: bytes, body: Any) -> bool:
    """Whether a reply has as many items as the body has requests; if not, nothing says which request each answers."""
    return len(_split(batch, raw)[1]) == len(batch.parts(body))


def only(batch: Batch, body: Any, positions: Sequence[int]) -> Any:
    """The same body with only the requests at these positions; None if the body does not have them."""
    parts = batch.parts(body)
    if not positions or positions[-1] >= len(parts):
        return None
    chosen = [parts[position] for position in positions]
    if not batch.requests:
        return chosen
    if isinstance(body, Mapping):
        return {**body, batch.requests: chosen}
    return msgspec.structs.replace(body, **{batch.requests: chosen})


def spliced(batch: Batch, raw: bytes, positions: Sequence[int], again: bytes) -> bytes | None:
    """The reply with the answers of a later one at these positions; None if the later one has not one for each."""
    envelope, items = _split(batch, raw)
    try:
        _, answers = _split(batch, again)
    except _UNREADABLE:
        return None
    if len(answers) != len(positions):
        return None
    for position, answer in zip(positions, answers, strict=True):
        items[position] = answer
    if not batch.responses:
        return msgspec.json.encode(items)
    return msgspec.json.encode({**envelope, batch.responses: msgspec.Raw(msgspec.json.encode(items))})


def _split(batch: Batch, raw: bytes) -> tuple[dict[str, msgspec.Raw], list[msgspec.Raw]]:
    if not batch.responses:
        return {}, _items.decode(raw)
    envelope = _envelope.decode(raw)
    return envelope, _items.decode(envelope.get(batch.responses, b"[]"))


def _says_429(item: msgspec.Raw) -> bool:
    """Whether an item was throttled: by its status (prices) or its error code (fees)."""
    content = msgspec.json.decode(item)
    if not isinstance(content, dict):
        return False
    status, error = content.get("status"), content.get("Error")
    if isinstance(status, dict) and status.get("statusCode") in (429, "429"):
        return True
    code = error.get("Code") if isinstance(error, dict) else None
    return isinstance(code, str) and code in _THROTTLED_CODES
