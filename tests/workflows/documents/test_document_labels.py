"""Labels that are text in replies."""

import base64
import gzip
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spapi_async import DecodeError, DocumentError
from spapi_async.workflows.documents import label_bytes

PDF = b"%PDF-1.4 a label " * 50


def md5(content: bytes) -> str:
    """The checksum as Merchant Fulfillment writes it."""
    return base64.b64encode(hashlib.md5(content).digest()).decode()


@given(label=st.binary(max_size=300), gzipped=st.booleans(), width=st.integers(1, 80), padded=st.booleans())
def test_a_label_is_decoded_from_base64_and_gzip(label: bytes, gzipped: bool, width: int, padded: bool) -> None:
    """It may have line breaks, padding, and either alphabet."""
    if label.startswith(b"\x1f\x8b\x08"):
        gzipped = True
    packed = gzip.compress(label) if gzipped else label
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        text = encode(packed).decode()
        text = text if padded else text.rstrip("=")
        assert label_bytes("\r\n".join(text[at : at + width] for at in range(0, len(text), width))) == label


def test_a_checksum_is_that_of_the_label_or_of_its_gzip() -> None:
    """Amazon does not say which; any other is an error."""
    packed = gzip.compress(PDF)
    contents = base64.b64encode(packed).decode()
    assert label_bytes(contents, checksum=md5(PDF)) == label_bytes(contents, checksum=md5(packed)) == PDF
    with pytest.raises(DecodeError, match="checksum"):
        label_bytes(contents, checksum=md5(b"another"))


def test_an_invalid_label_is_an_error_of_the_library() -> None:
    """It is never binascii's or zlib's."""
    with pytest.raises(DecodeError, match="not base64"):
        label_bytes("<html>")
    with pytest.raises(DecodeError, match="not base64"):
        label_bytes("é")
    with pytest.raises(DocumentError):
        label_bytes(base64.b64encode(gzip.compress(PDF)[:-4]).decode())


def test_a_label_that_inflates_without_bound_is_refused() -> None:
    """Some hundred kilobytes of reply may not become a hundred megabytes."""
    bomb = base64.b64encode(gzip.compress(bytes(70_000_000), 1)).decode()
    with pytest.raises(DocumentError, match="more than 67,108,864 bytes"):
        label_bytes(bomb)
