"""What can be uploaded, and what is refused before a document is created for it."""

from __future__ import annotations

import base64
import hashlib
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from document_fixtures import emulated, s3, served
from insides import session_pool

from spapi_async import ConfigurationError, DocumentError


@pytest.mark.parametrize("data", ["text", ["a", "list"], None])
async def test_a_string_is_refused_as_an_upload(data: Any) -> None:
    """It could be a path or a content, so nothing is sent."""
    async with emulated() as (emulator, seller):
        with pytest.raises(ConfigurationError, match=f"data must be bytes, a Path .*, not {type(data).__name__}"):
            await seller.documents.upload(data)
        assert not emulator.received


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
async def test_bytes_like_objects_are_uploaded(kind: Any) -> None:
    """A bytearray is not iterated byte by byte."""
    async with emulated() as (_, seller):
        assert await seller.documents.upload(kind(b"<feed/>"), "text/xml; charset=UTF-8")


UPLOADS = "uploads_2020_11_01.create_upload_destination_for_resource"
RESOURCE = "aplus/2020-11-01/contentDocuments"


async def test_an_upload_for_a_resource_carries_the_headers_of_its_destination() -> None:
    """The signature covers them; the API gets the content's MD5 and type."""
    content = b"a picture" * 20_000
    async with emulated() as (emulator, seller), served(s3("200 OK", b"")) as server:
        body = {
            "uploadDestinationId": "sc/1.png",
            "url": server.url + "/up?X-Amz-Signature=1",
            "headers": {"x-amz-server-side-encryption": "aws:kms", "Content-Type": "image/png", "Host": "evil"},
        }
        emulator.faults({"operation": UPLOADS, "status": 201, "body": {"payload": body}})
        wanted = await seller.documents.upload(content, "image/png", resource=RESOURCE, marketplace="US")
        (asked,) = [each for each in emulator.received if each.operation == UPLOADS]
    assert wanted == "sc/1.png"
    md5 = base64.b64encode(hashlib.md5(content).digest()).decode()
    assert parse_qs(urlsplit(asked.target).query)["contentMD5"] == [md5]
    head, _, sent = server.requests[0].partition(b"\r\n\r\n")
    assert b"x-amz-server-side-encryption: aws:kms" in head.lower()
    assert head.lower().count(b"content-type: image/png") == 1
    assert b"evil" not in head
    assert sent == content


@pytest.mark.parametrize("headers", [{"a b": "c"}, {"x": "a\r\ny: z"}, {"x": "é"}])
async def test_a_header_that_cannot_be_sent_is_an_error(headers: dict[str, str]) -> None:
    """A reply cannot add lines to a request."""
    async with emulated() as (emulator, seller):
        body = {"uploadDestinationId": "x", "url": "http://127.0.0.1:1/", "headers": headers}
        emulator.faults({"operation": UPLOADS, "status": 201, "body": {"payload": body}})
        with pytest.raises(DocumentError, match="header"):
            await seller.documents.upload(b"x", "image/png", resource=RESOURCE, marketplace="US")


async def test_resource_and_marketplace_belong_together() -> None:
    """One without the other is refused before anything is sent."""
    async with emulated() as (emulator, seller):
        for options in ({"resource": RESOURCE}, {"marketplace": "US"}):
            with pytest.raises(ConfigurationError, match="marketplace"):
                await seller.documents.upload(b"x", "image/png", **options)  # type: ignore[arg-type]
        assert not emulator.received


async def test_the_emulators_store_checks_what_its_destination_signed() -> None:
    """MD5, type and further headers are required, and the library's upload has them."""
    async with emulated() as (emulator, seller):
        wanted = await seller.documents.upload(b"a picture", "image/png", resource=RESOURCE, marketplace="US")
        stored = emulator.world.documents.get(wanted)
        assert stored is not None
        assert stored.content == b"a picture"
        stored.upload_headers = {**stored.upload_headers, "x-amz-meta-other": "1"}
        form = emulator.world.documents.url(emulator.url, stored, emulator.world.now())
        async with session_pool(seller.application).stream(
            "PUT", form, headers={"content-type": "image/png"}, body=b"x", session_key="documents"
        ) as reply:
            assert reply.status == 403
