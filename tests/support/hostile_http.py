"""Faults below JSON: of the connection, of HTTP and of content codings."""

from __future__ import annotations

import gzip
import itertools
import random
import zlib
from collections.abc import Callable

from hostile_kinds import (
    ABSENT,
    FAULTS,
    HANG_UP,
    RESET,
    SILENCE,
    Good,
    Step,
    WhileIdle,
    answers,
    fault,
    plain_reply,
    text_of,
    transforms,
    whole,
)

__all__ = ["BELOW_JSON"]

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
    """Register a fault whose bytes are made from the good body."""
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
FAULTS["early_hints"] = lambda good, _: [
    b"HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\nContent-Length: 2\r\n\r\n" + whole(good)
]
FAULTS["processing_and_silence"] = lambda good, _: [b"HTTP/1.1 102 Processing\r\n\r\n", SILENCE]
FAULTS["continue_without_end"] = lambda good, _: [b"HTTP/1.1 100 Continue\r\n\r\n" * 2_000, HANG_UP]
FAULTS["http_1_0"] = lambda good, _: [
    b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % len(text_of(good)) + text_of(good), HANG_UP
]  # fmt: skip
FAULTS["http_1_0_kept_open"] = lambda good, _: [whole(good).replace(b"HTTP/1.1", b"HTTP/1.0", 1)]
FAULTS["trailers"] = lambda good, _: [
    with_headers("Transfer-Encoding: chunked", "Trailer: x-amzn-RateLimit-Limit")(
        b"%x\r\n%s\r\n0\r\nx-amzn-RateLimit-Limit: 0.0001\r\n\r\n" % (len(text_of(good)), text_of(good))
    )
]
FAULTS["trailers_cut"] = lambda good, _: [
    with_headers("Transfer-Encoding: chunked")(b"%x\r\n%s\r\n0\r\nA: b" % (len(text_of(good)), text_of(good))), HANG_UP
]  # fmt: skip
FAULTS["chunk_extensions"] = lambda good, _: [
    with_headers("Transfer-Encoding: chunked")(b'%x;a="b;c"\r\n%s\r\n0;z\r\n\r\n' % (len(text_of(good)), text_of(good)))
]
FAULTS["chunks_of_a_byte"] = lambda good, _: [
    with_headers("Transfer-Encoding: chunked")(b"".join(b"1\r\n%c\r\n" % byte for byte in text_of(good)) + b"0\r\n\r\n")
]
FAULTS["bare_line_feeds"] = lambda good, _: [whole(good).replace(b"\r\n", b"\n"), HANG_UP]
FAULTS["folded_header"] = lambda good, _: [whole(good).replace(b"RequestId: r-1", b"RequestId: r-1\r\n  folded")]
FAULTS["space_before_colon"] = lambda good, _: [whole(good).replace(b"Content-Type:", b"Content-Type :")]
FAULTS["cookies"] = lambda good, _: [
    plain_reply(text_of(good), good.status, *(f"Set-Cookie: c{n}=MARK-cookie; Path=/" for n in range(60)))
]
FAULTS["proxied"] = lambda good, _: [whole(good).replace(b"x-amzn-RequestId", b"Via: 1.1 MARK-proxy\r\nAge: -1\r\nX")]
raw("length_with_plus", lambda body: with_headers(f"Content-Length: +{len(body)}")(body))
raw("length_twice_the_same", lambda body: with_headers(*[f"Content-Length: {len(body)}"] * 2)(body))
raw("reset_content", lambda body: b"HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n")
raw("partial_content", lambda body: b"HTTP/1.1 206 Partial Content\r\nContent-Length: 0\r\n\r\n")
raw("no_reason", lambda body: b"HTTP/1.1 200\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body), ends=False)
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

transforms("gzip_twice", lambda good, _: gzip.compress(gzip.compress(text_of(good))), "Content-Encoding: gzip, gzip")
transforms("gzip_members", lambda good, _: gzip.compress(text_of(good)[:9]) + gzip.compress(text_of(good)[9:]),
           "Content-Encoding: gzip")  # fmt: skip
transforms("gzip_and_tail", lambda good, _: gzip.compress(text_of(good)) + b"tail", "Content-Encoding: gzip")
transforms("gzip_unannounced", lambda good, _: gzip.compress(text_of(good)))
transforms("coding_twice", lambda good, _: text_of(good), "Content-Encoding: identity", "Content-Encoding: gzip")
transforms("coding_loud", lambda good, _: gzip.compress(text_of(good)), "Content-Encoding: X-GZIP")
for _coding in ("br", "zstd", "compress", "identity", "aws-chunked", ""):
    transforms(f"coding_{_coding or 'empty'}", lambda good, _: text_of(good), f"Content-Encoding: {_coding}")
for _charset in ("utf-16", "latin-1", "klingon", "utf-8; charset=utf-16"):
    transforms(
        f"charset_{_charset[:7]}", lambda good, _: text_of(good), f"Content-Type: application/json; charset={_charset}"
    )

BELOW_JSON = frozenset(FAULTS)
"""The kinds of this module."""
