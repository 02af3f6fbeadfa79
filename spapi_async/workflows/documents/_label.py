"""Decodes a label that a reply contains as text.

Replies of Shipping, Merchant Fulfillment, Easy Ship and Direct Fulfillment contain labels as PDF, PNG or ZPL in base64;
Merchant Fulfillment compresses them with gzip first.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re

from spapi_async._core.frames import forget_locals
from spapi_async.errors import DecodeError, DocumentError
from spapi_async.workflows.documents._gzip import Gunzip, looks_gzipped

__all__ = ["label_bytes"]

LARGEST_LABEL = 64 * 1024 * 1024
"""The most bytes of a label after decompression."""


def label_bytes(contents: str, *, checksum: str | None = None) -> bytes:
    """A label as bytes, from ``PackageDocument.contents``, ``FileContents.contents`` or ``LabelData.content``.

    ``checksum`` is that of Merchant Fulfillment: the MD5, in base64, of the label or of its gzipped bytes.

    Raises:
        DecodeError: it is not base64, or does not match its checksum.
        DocumentError: it is damaged, or has more than 64 MB after decompression.
    """
    try:
        return _decoded(contents, checksum)
    except BaseException as error:
        forget_locals(error)
        del contents  # the error shows the local variables of this frame, too: a label has the buyer's address
        raise


def _decoded(contents: str, checksum: str | None) -> bytes:
    text = re.sub(r"\s+", "", contents).translate(_URL_SAFE).rstrip("=")
    try:
        packed = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        failure = DecodeError("the label is not base64")
    else:
        label = _inflated(packed) if looks_gzipped(packed) else packed
        if checksum is None or _matches(checksum, label) or _matches(checksum, packed):
            return label
        failure = DecodeError(f"the label ({len(packed):,} bytes) does not match its checksum: get it again")
    raise failure


_URL_SAFE = str.maketrans("-_", "+/")


def _matches(checksum: str, content: bytes) -> bool:
    digest = hashlib.md5(content, usedforsecurity=False).digest()
    return hmac.compare_digest(checksum.strip().encode(), base64.b64encode(digest))


def _inflated(packed: bytes) -> bytes:
    gunzip, out = Gunzip(), bytearray()
    for piece in gunzip.feed(packed):
        out += piece
        if len(out) > LARGEST_LABEL:
            raise DocumentError(f"the label has more than {LARGEST_LABEL:,} bytes after decompression")
    gunzip.finish()
    return bytes(out)
