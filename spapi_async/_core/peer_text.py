"""Prepares text from a server before a pattern is applied to it or a message quotes it.

A server decides the length and content of its text. So the text is cut first, and whatever looks like a token, a client
secret or the signature of a presigned URL is removed before it is shown.
"""

from __future__ import annotations

import re

__all__ = ["LONGEST_PEER_TEXT", "cut", "on_one_line", "without_secrets"]

LONGEST_PEER_TEXT = 4096
"""Characters (or bytes) of a server's text that are used; Amazon's longest error texts have a few hundred."""


def cut(text: str | bytes) -> str:
    """The beginning of a server's text; invalid UTF-8 is replaced, since it could not be written to a log."""
    head = text[:LONGEST_PEER_TEXT]
    if isinstance(head, str):
        if head.isascii():
            return head
        head = head.encode("utf-8", "replace")  # aiohttp keeps a header's stray bytes as halves of surrogate pairs
    return head.decode("utf-8", "replace")


def without_secrets(text: str) -> str:
    """The beginning of the text, with three dots in the place of tokens, client secrets and signatures."""
    return re.sub(_SECRETS, r"\1…", cut(text))


def on_one_line(text: str, longest: int) -> str:
    """The same on one line, without terminal control characters, of bounded length: suitable for a message."""
    return without_secrets(" ".join(re.sub(_CONTROLS, " ", cut(text)).split()))[:longest]


_CONTROLS = r"[\x00-\x1f\x7f-\x9f]"


# Login with Amazon's prefixes (Atza, Atzr, Atz.sprdt for restricted tokens, Atc), also percent-encoded; client ids and
# secrets; the signature of a presigned URL. Nothing here can match in two ways, so it runs in linear time.
_SECRETS = (
    r"(At[cz][a-z]?(?:\.[a-z]{1,16})?(?:\||%7[Cc])"
    r"|amzn1\.(?:application-)?oa2?-?"
    r"|X-Amz-(?:Signature|Credential|Security-Token)(?:=|%3[Dd]))[^\s\"'<>,;)]+"
)
