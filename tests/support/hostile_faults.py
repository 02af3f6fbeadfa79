"""What a hostile or broken server can answer: one function for each kind, from the good reply to bytes on the wire.

A fault is given the reply that would be right and a random number generator, and returns steps: bytes to send, seconds
to pause, ``HANG_UP``, ``RESET`` or ``SILENCE``. ``REFUSALS`` are those by which the server says that it did nothing.
"""

from __future__ import annotations

import gzip
import itertools
import json
import random
import zlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

__all__ = ["ABSENT", "FAULTS", "HANG_UP", "REFUSALS", "RESET", "SILENCE", "Good", "Step", "WhileIdle", "plain_reply"]


class Good(NamedTuple):
    """The right reply: what it holds, the key of its list if it is a page, and headers beside the usual ones."""

    status: int
    content: dict[str, Any]
    wrapper: str | None = None
    list_key: str | None = None


class WhileIdle(NamedTuple):
    """Bytes that nobody asked for, sent if no further request is on its way (then nobody could tell them apart)."""

    data: bytes


HANG_UP, RESET, SILENCE = object(), object(), object()
Step = bytes | float | object
Fault = Callable[[Good, random.Random], list[Step]]

FAULTS: dict[str, Fault] = {}
REFUSALS: set[str] = set()
"""Kinds by which the server says that it did nothing (a 4xx, or errors alone)."""
ABSENT: set[str] = set()
"""Kinds that leave a page without its list: on a first page that may mean that nothing was found."""


def fault(*names: str, refusal: bool = False, absent: bool = False) -> Callable[[Fault], Fault]:
    """Register a kind."""

    def register(function: Fault) -> Fault:
        name = names[0] if names else function.__name__
        assert name not in FAULTS
        FAULTS[name] = function
        if refusal:
            REFUSALS.add(name)
        if absent:
            ABSENT.add(name)
        return function

    return register


def plain_reply(body: bytes, status: int | str = 200, *headers: str, length: int | str | None = None) -> bytes:
    """A well-formed reply, apart from what was asked for."""
    lines = [
        f"HTTP/1.1 {status} Whatever",
        f"Content-Length: {len(body) if length is None else length}",
        "Content-Type: application/json",
        "x-amzn-RequestId: r-1",
        "x-amzn-RateLimit-Limit: 100000.0",
        *headers,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def text_of(good: Good) -> bytes:
    return json.dumps(good.content).encode()


def whole(good: Good) -> bytes:
    return plain_reply(text_of(good), good.status)


def answers(name: str, body: bytes, status: int | None = None, *headers: str, **kinds: bool) -> None:
    """Register a kind that answers with this body, whatever the request."""
    FAULTS[name] = lambda good, _: [plain_reply(body, status or good.status, *headers)]
    if kinds.get("refusal"):
        REFUSALS.add(name)
    if kinds.get("absent"):
        ABSENT.add(name)


def transforms(name: str, change: Callable[[Good, random.Random], bytes], *headers: str) -> None:
    """Register a kind that changes the good body."""
    FAULTS[name] = lambda good, rng: [plain_reply(change(good, rng), good.status, *headers)]


# --- the connection --------------------------------------------------------------------------------------------------


@fault()
def hang_up(good: Good, rng: random.Random) -> list[Step]:
    return [HANG_UP]


@fault()
def reset(good: Good, rng: random.Random) -> list[Step]:
    return [RESET]


@fault()
def silence(good: Good, rng: random.Random) -> list[Step]:
    return [SILENCE]


@fault()
def cut_anywhere(good: Good, rng: random.Random) -> list[Step]:
    return [whole(good)[: rng.randrange(1, len(whole(good)))], HANG_UP]


@fault()
def cut_in_the_status_line(good: Good, rng: random.Random) -> list[Step]:
    return [whole(good)[: rng.randrange(1, 14)], HANG_UP]


@fault()
def cut_in_the_body_and_reset(good: Good, rng: random.Random) -> list[Step]:
    return [whole(good)[:-1], RESET]


@fault()
def stall_in_the_body(good: Good, rng: random.Random) -> list[Step]:
    return [whole(good)[:-1], SILENCE]


@fault()
def drip(good: Good, rng: random.Random) -> list[Step]:
    reply = whole(good)
    at = sorted(rng.sample(range(1, len(reply)), 3))
    cuts = [0, *at, len(reply)]
    return [step for a, b in itertools.pairwise(cuts) for step in (reply[a:b], 0.001)]


@fault()
def two_replies_at_once(good: Good, rng: random.Random) -> list[Step]:
    return [whole(good) * 2]


@fault()
def a_second_reply_late(good: Good, rng: random.Random) -> list[Step]:
    return [whole(good), 0.002, WhileIdle(whole(good))]


@fault()
def half_a_reply_late(good: Good, rng: random.Random) -> list[Step]:
    return [whole(good), 0.002, WhileIdle(b"HTTP/1.1 200 OK\r\nConte")]


@fault()
def closed_after_the_reply(good: Good, rng: random.Random) -> list[Step]:
    return [whole(good), HANG_UP]


@fault()
def reset_after_the_reply(good: Good, rng: random.Random) -> list[Step]:
    return [whole(good), 0.001, RESET]


@fault()
def longer_than_announced(good: Good, rng: random.Random) -> list[Step]:
    return [whole(good) + b"tail"]


@fault()
def until_the_end(good: Good, rng: random.Random) -> list[Step]:
    return [b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + text_of(good), HANG_UP]


# --- HTTP ------------------------------------------------------------------------------------------------------------


def raw(name: str, build: Callable[[bytes], bytes], *, ends: bool = True) -> None:
    """Register a kind whose bytes are made from the good body."""
    FAULTS[name] = lambda good, _: [build(text_of(good)), *([HANG_UP] if ends else [])]


def with_headers(*lines: str) -> Callable[[bytes], bytes]:
    head = "\r\n".join(("HTTP/1.1 200 OK", *lines)).encode("latin-1")
    return lambda body: head + b"\r\n\r\n" + body


raw("garbage", lambda body: b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc")
raw("body_without_head", lambda body: body)
raw("http_9", lambda body: b"HTTP/9.9 200 OK\r\nContent-Length: 2\r\n\r\n{}")
raw("status_in_words", lambda body: b"HTTP/1.1 OK fine\r\nContent-Length: 2\r\n\r\n{}")
raw("no_status", lambda body: b"HTTP/1.1\r\n\r\n")
raw("head_without_end", lambda body: b"HTTP/1.1 200 OK\r\nA: b\r\n")
raw("endless_header", with_headers("X: " + "y" * 20_000))
raw("many_headers", with_headers(*(f"X-{n}: y" for n in range(600))))
raw("nul_in_header", with_headers("X: a\0b"))
raw("no_colon", with_headers("Content-Length"))
raw("blank_header_name", with_headers(": x"))
raw("negative_length", with_headers("Content-Length: -5"))
raw("length_in_words", with_headers("Content-Length: two"))
raw("two_lengths", with_headers("Content-Length: 2", "Content-Length: 3"))
raw("length_and_chunks", with_headers("Content-Length: 2", "Transfer-Encoding: chunked"))
raw("endless_length", with_headers("Content-Length: 99999999999999999999999999"))
raw("chunks_cut", lambda body: with_headers("Transfer-Encoding: chunked")(b"%x\r\n%s\r\n" % (len(body), body)))
raw("chunk_size_in_words", lambda body: with_headers("Transfer-Encoding: chunked")(b"zz\r\n" + body))
raw("chunk_too_short", lambda body: with_headers("Transfer-Encoding: chunked")(b"1\r\n" + body + b"\r\n0\r\n\r\n"))
raw("unknown_transfer", with_headers("Transfer-Encoding: morse"))
raw("latin_headers", with_headers("X-Amzn-RequestId: \xe9\xe8\xff", "Content-Length: 2"))

FAULTS["continue_thrice"] = lambda good, _: [b"HTTP/1.1 100 Continue\r\n\r\n" * 3 + whole(good)]
FAULTS["chunks"] = lambda good, _: [
    with_headers("Transfer-Encoding: chunked")(b"%x\r\n%s\r\n0\r\n\r\n" % (len(text_of(good)), text_of(good)))
]
for _status in (99, 101, 199, 299, 300, 301, 302, 303, 304, 307, 308, 399, 600, 999):
    answers(f"status_{_status}", b"{}", _status, "Location: http://127.0.0.1:1/elsewhere")
ABSENT |= {"http_9", "status_299"}
answers("switching", b"", 101, "Upgrade: websocket", "Connection: upgrade")
answers("length_of_204", b"{}", 204)

# --- codings ---------------------------------------------------------------------------------------------------------

transforms("gzip", lambda good, _: gzip.compress(text_of(good)), "Content-Encoding: gzip")
transforms("gzip_cut", lambda good, _: gzip.compress(text_of(good))[:-9], "Content-Encoding: gzip")
transforms("gzip_announced", lambda good, _: text_of(good), "Content-Encoding: gzip")
transforms("deflate_broken", lambda good, _: zlib.compress(text_of(good))[2:-6], "Content-Encoding: deflate")
transforms("coding_unknown", lambda good, _: text_of(good), "Content-Encoding: snappy")
_BOMB = gzip.compress(b" " * 4_000_000, 9)
transforms("bomb", lambda good, _: _BOMB, "Content-Encoding: gzip")

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
    """Register a kind that puts this in the place of a value that nothing depends on."""
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


# What tells an end, an id or a token is left: with it gone, nobody could say what is right.
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
    """Register a kind by which the server says no, in Amazon's words or others."""
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


def names() -> Iterator[str]:
    """Every kind."""
    yield from FAULTS
