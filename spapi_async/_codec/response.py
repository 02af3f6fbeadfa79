"""Turns a reply into a value or an error; pure.

msgspec's typed decoder reads nearly every body. If a body breaks its model, the slow path in ``lenient`` types the
parts that fit and records a violation for each of the others. A body that is not JSON is a DecodeError.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Generic, TypeVar

import msgspec
from multidict import CIMultiDict, istr

from spapi_async._codec import json, lenient
from spapi_async._codec.headers import REQUEST_ID, header, request_id_of
from spapi_async._codec.mending import mend
from spapi_async._codec.pages import items_of, why_no_page
from spapi_async._codec.reading import Facts
from spapi_async._core.operation import Operation
from spapi_async._core.peer_text import cut, on_one_line
from spapi_async.errors import ApiError, DecodeError, ErrorDetail, error_for_status

__all__ = [
    "REQUEST_ID",
    "Response",
    "Violation",
    "confirms",
    "decode",
    "error_from_reply",
    "parse_rate_limit",
    "shown_headers",
]

T = TypeVar("T")

# Looked up in every reply; unlike a str, an istr is not case-folded at each look-up.
RATE_LIMIT = istr("x-amzn-RateLimit-Limit")


class Violation(msgspec.Struct, frozen=True):
    """One place where a body breaks its model.

    Attributes:
        operation: ``"orders_v0.get_orders"``.
        path: ``"$.payload.Orders[3].PurchaseDate"``; arbitrary keys are shown as ``[*]``.
        expected: what the model has there, such as ``"datetime"``.
        got: the kind of value in the body, such as ``"empty string"``; never the value.
    """

    operation: str
    path: str
    expected: str
    got: str

    def __str__(self) -> str:
        return f"{self.operation}: expected {self.expected} at {self.path}, got {self.got}"


class Response(msgspec.Struct, Generic[T], frozen=True, eq=False, kw_only=True, gc=False):
    """A whole 2xx reply.

    Attributes:
        body: the decoded body, without its envelope; None if Amazon sent none.
        rate_limit: requests per second, from ``x-amzn-RateLimit-Limit``; None if it is absent or not a number.
        attempts: the number of requests that were sent.
        violations: the places where the body breaks its model; nearly always empty.
        raw: the body as received, including keys that the model does not know.
        errors: errors that Amazon sent with the payload.
    """

    body: T
    status: int
    headers: Mapping[str, str]
    request_id: str | None = None
    rate_limit: float | None = None
    attempts: int = 1
    violations: tuple[Violation, ...] = ()
    raw: bytes = b""
    errors: tuple[ErrorDetail, ...] = ()

    def json(self) -> Any:
        """The body as received, as plain dicts and lists; None if it was empty."""
        return json.parse(self.raw) if self.raw.strip() else None

    def __repr__(self) -> str:
        # Bodies contain names and addresses; headers may contain anything.
        return f"<Response {self.status} {type(self.body).__name__} [{self.request_id}]>"

    def __reduce__(self) -> tuple[Any, ...]:
        # aiohttp's view of the headers cannot be pickled or copied.
        facts = {name: getattr(self, name) for name in self.__struct_fields__}
        return _rebuild, ({**facts, "headers": CIMultiDict(self.headers)},)


def _rebuild(facts: Mapping[str, Any]) -> Response[Any]:
    return Response(**facts)


def parse_rate_limit(headers: Mapping[str, str]) -> float | None:
    """Requests per second from ``x-amzn-RateLimit-Limit``; None if it is not a number, or absent as in many replies."""
    text = header(headers, RATE_LIMIT)
    if not text:
        return None
    try:
        rate = float(text)
    except ValueError:
        return None
    return rate if 0 < rate < math.inf else None


def decode(
    operation: Operation[Any],
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    strict: bool = False,
    attempts: int = 1,
    rate_limit: float | None = None,
) -> Response[Any]:
    """The response to ``operation`` from a 2xx reply; ``rate_limit`` is the result of ``parse_rate_limit``.

    Raises:
        DecodeError: the body is not JSON, or (``strict``) breaks its model.
    """
    reader = _reader(operation)
    if reader.by_status:
        reader = reader.by_status.get(status, reader)
    outcome = _read(reader, status, body)
    if outcome is None:
        raise _not_json(operation, status, headers, body, attempts)
    value, found = outcome
    errors: tuple[ErrorDetail, ...] = ()
    absent: Facts | None = None
    # getattr with a default: the lenient decoder may have returned something other than the declared struct.
    if reader.has_errors and (entries := getattr(value, "errors", None)):
        errors = tuple(_error_details(msgspec.to_builtins(entries)))
    if operation.unwrap is not None:
        envelope, value = value, getattr(value, operation.unwrap, None)
        if value is None and not errors and envelope is not None:
            # Models let a payload be absent, and some writes have none. A read without one has no result, and its None
            # would pass for a value of the type that the method promises. What a page lacks is noted below.
            required = operation.method == "GET" and operation.paging is None
            value, found = lenient.read_bare(reader.declared, operation.unwrap, body, found, required=required)
    request_id = request_id_of(headers)
    if operation.paging is not None and not errors and items_of(value, operation.paging) is None:
        if what := why_no_page(body, reader.keys):
            raise DecodeError(
                f"the {len(body)} bytes of this {status} are not a page: {what}",
                raw=body,
                operation=operation.name,
                request_id=request_id,
                status=status,
                attempts=attempts,
            )
        # Vendor APIs answer {"payload": {}} if they found nothing, so this is a violation and not an error; only an
        # iterator that followed a token to this page refuses it.
        absent = (lenient.wire_path(reader.declared, operation.unwrap, operation.paging.items_path), "list", "absent")
    if found and strict:
        path, expected, got = found[0]
        raise DecodeError(
            f"expected {expected} at {path}, got {got}",
            path=path,
            raw=body,
            operation=operation.name,
            request_id=request_id,
            status=status,
            attempts=attempts,
        )
    if absent is not None and absent not in found:
        found = [*found, absent]
    return Response(
        body=value,
        status=status,
        headers=headers,
        request_id=request_id,
        rate_limit=rate_limit,
        attempts=attempts,
        violations=tuple([Violation(operation.name, *facts) for facts in found]) if found else (),
        raw=body,
        errors=errors,
    )


def confirms(operation: Operation[Any], response: Response[Any]) -> bool:
    """Whether a 2xx reply contains a result, as the reply to a write must.

    ``{}`` or ``null`` as the reply of createFeed has no feed id, although a feed may have been created.
    """
    announced = response.status == 204 and 204 in operation.success
    if announced or not (response.violations or response.body is None):
        return True
    reader = _reader(operation)
    required = reader.by_status.get(response.status, reader).required
    if response.body is None:
        return operation.unwrap is None and not required
    return not required or any(getattr(response.body, name, None) is not None for name in required)


def _read(reader: _Reader, status: int, body: bytes) -> tuple[Any, Sequence[Facts]] | None:
    """The value of a body and the places where it breaks its model; None if it is not JSON."""
    if not body or body.isspace():
        # A 204 never has a body, even if the model declares one (supplySources).
        if reader.decoder is None or status == 204:
            return None, ()
        return None, [("$", lenient.describe(reader.declared), "empty body")]
    if reader.decoder is None:
        # Amazon declares no body here. Any JSON is harmless, but a page of HTML is not a success.
        return (None, ()) if _is_json(body) else None
    try:
        return reader.decoder.decode(body), ()
    except (ValueError, RecursionError):
        pass
    try:
        return lenient.build(reader.declared, body)
    except ValueError:
        return None


def _is_json(body: bytes) -> bool:
    try:
        mend(body)
    except ValueError:
        return False
    return True


class _Reader(msgspec.Struct, frozen=True):
    """The decoder of one type of reply, and facts about the type; made once per operation."""

    declared: Any
    decoder: Any
    has_errors: bool
    keys: frozenset[str] = frozenset()
    required: tuple[str, ...] = ()
    """The fields that the result, without its envelope, must have."""
    by_status: Mapping[int, _Reader] = MappingProxyType({})
    """The readers of replies whose type depends on the status."""


@lru_cache(maxsize=2048)
def _reader(operation: Operation[Any]) -> _Reader:
    by_status = {status: _reader_of(operation, declared) for status, declared in operation.response_types.items()}
    return msgspec.structs.replace(_reader_of(operation, operation.response_type), by_status=by_status)


def _reader_of(operation: Operation[Any], declared: Any) -> _Reader:
    if declared is None:
        return _Reader(None, None, has_errors=False)
    return _Reader(
        declared,
        msgspec.json.Decoder(declared),
        "errors" in getattr(declared, "__struct_fields__", ()),
        lenient.keys(declared),
        lenient.required_fields(declared, operation.unwrap),
    )


def _not_json(
    operation: Operation[Any], status: int, headers: Mapping[str, str], body: bytes, attempts: int
) -> DecodeError:
    kind = _clean(header(headers, "content-type") or "no content type")
    return DecodeError(
        f"the body of this {status} is not JSON ({kind[:_LONGEST_CONTENT_TYPE]}, {len(body)} bytes)",
        raw=body,
        operation=operation.name,
        request_id=request_id_of(headers),
        status=status,
        attempts=attempts,
    )


# --- errors ----------------------------------------------------------------------------------------------------------


def error_from_reply(
    operation: Operation[Any], status: int, headers: Mapping[str, str], body: bytes, *, attempts: int = 1
) -> ApiError:
    """The error for a reply that is not 2xx; never raises, whatever the body contains."""
    details = tuple(_details_of(body))
    kind = (header(headers, "x-amzn-ErrorType") or "").partition(":")[0]
    if details and kind and not details[0].code:
        details = (msgspec.structs.replace(details[0], code=_clean(kind)), *details[1:])
    return error_for_status(status)(
        _message(status, details, _clean(kind), headers, body),
        errors=details,
        operation=operation.name,
        request_id=request_id_of(headers),
        status=status,
        retry_after=_retry_after(headers),
        attempts=attempts,
    )


def shown_headers(headers: Mapping[str, str]) -> CIMultiDict[str]:
    """The headers that an error may carry: none that can contain a secret, and each of bounded length."""
    shown = [(name, _clean(value)) for name, value in headers.items() if name.lower() not in _HIDDEN_HEADERS]
    return CIMultiDict(shown[:MOST_HEADERS])


# A redirect may lead to a presigned URL; the others contain credentials.
_HIDDEN_HEADERS = frozenset({"set-cookie", "location", "authorization", "proxy-authorization", "x-amz-access-token"})
MOST_HEADERS = 100


def _details_of(body: bytes) -> list[ErrorDetail]:
    try:
        content = json.parse(body)
    except ValueError:
        return _details_of_xml(body)
    return _error_details(content)


def _error_details(content: Any, depth: int = 0) -> list[ErrorDetail]:
    """Amazon's errors in every form seen so far: a list, alone or under ``errors``; one object; a gateway's message."""
    if depth > _DEEPEST_ERROR:
        return []
    if isinstance(content, list):
        return [detail for entry in content[:_MOST_ERRORS] for detail in _error_details(entry, depth + 1)]
    if isinstance(content, str) and depth:
        content = {"message": content}
    if not isinstance(content, dict):
        return []
    folded = {str(key).lower(): value for key, value in content.items()}
    for wrapper in ("errors", "errorlist", "error"):
        if isinstance(inner := folded.get(wrapper), list | dict):
            return _error_details(inner, depth + 1)
    code = _clean(folded.get("code") or folded.get("error") or _exception_name(folded.get("__type")))
    message = _clean(folded.get("message") or folded.get("error_description"))
    details = _clean(folded.get("details"))
    return [ErrorDetail(code, message, details)] if code or message or details else []


def _details_of_xml(body: bytes) -> list[ErrorDetail]:
    """S3 and some gateways answer ``<Error><Code>…</Code><Message>…</Message></Error>``."""
    head = cut(body)
    code = re.search(r"<Code>([^<]*)</Code>", head)
    message = re.search(r"<Message>([^<]*)</Message>", head)
    if not code:
        return []
    return [ErrorDetail(_clean(code[1]), _clean(message[1] if message else ""))]


def _exception_name(value: Any) -> str:
    """``com.amazon#AccessDeniedException`` is an AccessDeniedException."""
    return str(value).rpartition("#")[2] if value else ""


_DEEPEST_ERROR = 3
_LONGEST_TEXT = 1000
_LONGEST_MESSAGE = 600
_LONGEST_CONTENT_TYPE = 80
_MOST_ERRORS = 100


def _clean(value: Any) -> str:
    """Amazon's text on one line, of bounded length, without tokens; empty if it is not a text."""
    return "" if value is None or isinstance(value, dict | list) else on_one_line(str(value), _LONGEST_TEXT)


def _message(status: int, details: Iterable[ErrorDetail], kind: str, headers: Mapping[str, str], body: bytes) -> str:
    entries = [_sentence(detail) for detail in details]
    if not entries:
        content = _clean(header(headers, "content-type") or "no content type")[:_LONGEST_CONTENT_TYPE]
        what = f"{content}, {len(body)} bytes" if body else "empty body"
        entries = [f"{kind}: no errors in the reply ({what})" if kind else f"no errors in the reply ({what})"]
    text = f"HTTP {status}, {'; '.join(entries[:5])}"
    if len(entries) > 5:
        text += f"; and {len(entries) - 5} more"
    return text if len(text) <= _LONGEST_MESSAGE else text[: _LONGEST_MESSAGE - 1] + "…"


def _sentence(detail: ErrorDetail) -> str:
    aside = f" ({detail.details})" if detail.details else ""
    return f"{detail.code or 'error'}: {detail.message or 'no message'}{aside}"


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """``Retry-After`` in seconds; Amazon rarely sends it, and dates in it are ignored."""
    try:
        seconds = float(header(headers, "retry-after") or "nan")
    except ValueError:
        return None
    return seconds if 0 <= seconds < math.inf else None
