"""What a hostile or broken server can answer: faults of the connection and of HTTP, damaged JSON, and refusals."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import hostile_http  # noqa: F401 - it registers its kinds
from hostile_kinds import FAULTS, REFUSALS, Good, answers, plain_reply, text_of, transforms, whole

__all__ = ["FAULTS", "REFUSALS"]

# --- JSON ------------------------------------------------------------------------------------------------------------

for _name, _body in {
    "empty": b"",
    "blank": b" \n",
    "null": b"null",
    "list": b"[]",
    "string": b'"x"',
    "number": b"5",
    "html": b"<html><body>It works!</body></html>",
    "utf_16": "{}".encode("utf-16"),
    "nested": b"[" * 100_000 + b"]" * 100_000,
    "nested_objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "brackets_open": b"[" * 50_000,
    "gateway": b'{"message": "Internal failure"}',
    "nothing_but_nan": b"NaN",
}.items():
    answers(_name, _body)
answers("object", b"{}", absent=True)
answers("payload_null", b'{"payload": null}', absent=True)
answers("payload_empty", b'{"payload": {}}', absent=True)
transforms("json_cut", lambda good, rng: text_of(good)[: rng.randrange(1, len(text_of(good)))])
transforms("byte_order_mark", lambda good, _: b"\xef\xbb\xbf" + text_of(good))
transforms("twice", lambda good, _: text_of(good) * 2)
transforms("comma", lambda good, _: text_of(good)[:-1] + b",}")


def spoiled(name: str, text: bytes) -> None:
    """Register a fault that replaces a value on which nothing depends."""
    transforms(name, lambda good, _: text_of(good).replace(b'"SPOIL"', text))


for _name, _text in {
    "half_a_pair": rb'"Tee \ud83d"',
    "tab": b'"a\tb\nc"',
    "other_bytes": b'"\xff\xfe\x80"',
    "huge_exponent": b"1e999999999999999999999",
    "digits": b"7" * 5000,
    "deep_value": b"[" * 5000 + b"]" * 5000,
    "not_a_number": b"NaN",
    "bare_word": b"undefined",
    "nul_escape": rb'"\u0000"',
    "other_type": b'{"a": [1]}',
    "escape_unknown": rb'"\q"',
}.items():
    spoiled(_name, _text)


def _everywhere(content: Any, value: Any, keep: frozenset[str]) -> Any:
    if isinstance(content, dict):
        return {k: v if k in keep else _everywhere(v, value, keep) for k, v in content.items()}
    return [_everywhere(item, value, keep) for item in content] if isinstance(content, list) else value


# Ids, tokens and the end of a list stay as they are: without them no result would be right.
_KEPT = frozenset(
    {"orderId", "AmazonOrderId", "OrderItemId", "orderItemId", "nextToken", "NextToken", "feedId", "pagination",
     "access_token", "restrictedDataToken", "transactionId", "SalesChannel"}
)  # fmt: skip
_VALUES: dict[str, Any] = {"nulls": None, "lists": [], "blanks": "", "numbers": 7, "objects": {"k": "v"}}
for _name, _value in _VALUES.items():
    transforms(
        _name,
        lambda good, _, value=_value: json.dumps(_everywhere(good.content, value, _KEPT)).encode(),  # type: ignore[misc]
    )


def _strange_entry(entry: bytes) -> Callable[[Good, random.Random], bytes]:
    def change(good: Good, rng: random.Random) -> bytes:
        if good.list_key is None:
            return text_of(good)
        content = json.loads(json.dumps(good.content))
        page = content[good.wrapper] if good.wrapper else content
        page[good.list_key].insert(rng.randrange(len(page[good.list_key]) + 1), "STRANGE")
        return json.dumps(content).encode().replace(b'"STRANGE"', entry)

    return change


for _name, _entry in {"null": b"null", "number": b"5", "text": b'"x"', "broken": b'{"orderId": undefined}'}.items():
    transforms(f"entry_{_name}", _strange_entry(_entry))

# --- refusals --------------------------------------------------------------------------------------------------------

_EVIL = "client secret " * 500
_QUOTES = "token Atza|MARK-quoted and Atz.sprdt|MARK-quoted, secret amzn1.oa2-cs.v1.MARK"


def refuses(name: str, status: int, content: Any, *headers: str) -> None:
    """Register a fault by which the server refuses, in Amazon's words or others."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    answers(name, body, status, *headers, refusal=400 <= status < 500 and status != 408)


def errors(code: str, message: Any, details: Any = "") -> dict[str, Any]:
    return {"errors": [{"code": code, "message": message, "details": details}]}


refuses("refused", 400, errors("InvalidInput", "no"))
refuses("refused_null", 400, errors("InvalidInput", None, None))
refuses("refused_strangely", 400, {"errors": [[{"errors": {"error": [5, None, {"code": {}}]}}]]})
refuses("refused_digits", 400, b'{"errors":[{"code":' + b"9" * 5000 + b',"message":1e99999999999999999999}]}')
refuses("refused_nested", 400, b'{"errors":' + b"[" * 100_000 + b"]" * 100_000 + b"}")
refuses("refused_surrogate", 400, rb'{"errors":[{"code":"\ud83d","message":"\udc00 x"}]}')
refuses("expired", 401, errors("Unauthorized", "The access token you provided has expired."))
refuses("denied", 403, errors("Unauthorized", "Access to requested resource is denied."))
refuses("evil", 403, errors("Unauthorized", _EVIL))
refuses("evil_token", 403, errors("Unauthorized", "access token " * 3000))
refuses("quotes", 403, errors("Unauthorized", _QUOTES, _QUOTES))
refuses("quotes_xml", 400, b"<Error><Code>X</Code><Message>" + _QUOTES.encode() + b"</Message></Error>")
refuses("xml_open", 400, b"<Code>" * 20_000)
refuses("absent_resource", 404, errors("NotFound", "no"))
refuses("conflict", 409, b"")
refuses("too_large", 413, b"<html>")
refuses("throttled", 429, errors("QuotaExceeded", "slow down"))
refuses("throttled_empty", 429, b"")
refuses("lwa_words", 400, {"error": "invalid_request", "error_description": _QUOTES})
refuses("lwa_wrong", 400, {"error": {"a": 1}, "error_description": ["x"]})
refuses("given_up", 408, b"")
refuses("broken", 500, errors("InternalFailure", "We encountered an internal error."))
refuses("bad_gateway", 502, b"<html><h1>502 Bad Gateway</h1></html>")
refuses("unavailable", 503, b"", "Retry-After: Wed, 21 Oct 2026 07:28:00 GMT")
refuses("retry_after_odd", 503, b"{}", "Retry-After: 1e999")
answers("errors_in_a_2xx", json.dumps(errors("InvalidInput", "no")).encode(), refusal=True)

for _name, _rate in {"words": "string", "nan": "nan", "inf": "inf", "huge": "1e400", "minus": "-1", "": ""}.items():
    FAULTS[f"rate_{_name}"] = lambda good, _, rate=_rate: [  # type: ignore[misc,assignment]
        plain_reply(text_of(good), good.status).replace(b"Limit: 100000.0", b"Limit: " + rate.encode())
    ]
FAULTS["request_id_long"] = lambda good, _: [whole(good).replace(b"RequestId: r-1", b"RequestId: " + b"r" * 5000)]
