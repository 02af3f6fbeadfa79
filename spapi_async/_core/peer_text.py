"""Text that a peer wrote, before a pattern sees it or a message quotes it.

A server decides how long its text is and what stands in it. So it is cut first, whatever is done with it next, and what
looks like a token, a client secret or the signature of a presigned URL is taken out of what is shown.
"""

from __future__ import annotations

import re

__all__ = ["LONGEST", "cut", "on_one_line", "without_secrets"]

LONGEST = 4096
"""Characters (or bytes) of a peer's text that are looked at; Amazon's longest refusals have a few hundred."""


def cut(text: str | bytes) -> str:
    """The beginning of a peer's text; what is not UTF-8 in it is replaced: no log could be written."""
    head = text[:LONGEST]
    if isinstance(head, str):
        if head.isascii():
            return head
        head = head.encode("utf-8", "replace")  # aiohttp keeps a header's stray bytes as halves of surrogate pairs
    return head.decode("utf-8", "replace")


def without_secrets(text: str) -> str:
    """The beginning of the text, with three dots in the place of tokens, client secrets and signatures."""
    return re.sub(_SECRETS, r"\1…", cut(text))


def on_one_line(text: str, longest: int) -> str:
    """The same without line breaks or what moves a terminal's cursor, of bounded length: fit for a message."""
    return without_secrets(" ".join(re.sub(_CONTROLS, " ", cut(text)).split()))[:longest]


_CONTROLS = r"[\x00-\x1f\x7f-\x9f]"


# Login with Amazon's prefixes (Atza, Atzr, Atz.sprdt for restricted tokens, Atc), also percent-encoded; client ids and
# secrets; what makes a presigned URL worth stealing. Nothing here can match in two ways, so it runs in linear time.
_SECRETS = (
    r"(At[cz][a-z]?(?:\.[a-z]{1,16})?(?:\||%7[Cc])"
    r"|amzn1\.(?:application-)?oa2?-?"
    r"|X-Amz-(?:Signature|Credential|Security-Token)(?:=|%3[Dd]))[^\s\"'<>,;)]+"
)
