"""Presigned URLs of replies: which are valid, how long they live, and how they are renewed."""

import traceback
from typing import Any

import pytest
from document_fixtures import emulated, report_at, s3, served
from hypothesis import given
from hypothesis import strategies as st

from spapi_async import Application, ConfigurationError, DecodeError, DocumentError, DocumentUrlExpiredError, SPAPIError
from spapi_async.workflows.documents._location import checked_url, life_span

EXPIRED = s3("403 Forbidden", b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>")


@pytest.mark.parametrize(
    "url",
    [
        "http://[::1",
        "http://127.0.0.1:99999/x",
        "http://127.0.0.1:x/",
        "http://127.0.0.1:0/",
        "//x",
        "x",
        "ftp://example.com/x",
        "http:///x",
        "http://exämple.com/x",
        "http://user:secret@127.0.0.1/x",
        "http://127.0.0.1/a b",
        "http://127.0.0.1/a\r\nx: y",
        "http://a..b/x",
        f"http://{'a' * 64}.com/x",
        "http://127.0.0.1\\@example.com/",
        "http://\ud83d/",
        "http://127.0.0.1/\ud83d",
    ],
)
async def test_an_invalid_url_is_a_document_error(url: str) -> None:
    """It is raised at once, without the URL in the message."""
    async with emulated() as (_, seller):
        for document in (seller.documents.url(url), report_at(seller, url)):
            with pytest.raises(DocumentError, match="presigned URL") as caught:
                async with document:
                    pass
            assert "127.0.0.1" not in str(caught.value)


@given(st.text(max_size=40) | st.text(st.sampled_from("htps:/[]@%.?#&=é1 \\"), max_size=30).map("http://{}".format))
def test_any_text_is_a_valid_url_or_a_document_error(url: str) -> None:
    """A valid one is ASCII and cannot break a request."""
    try:
        checked = checked_url(url, "x.y")
    except DocumentError:
        return
    assert checked.isascii()
    assert checked.isprintable()


async def test_characters_beyond_ascii_are_percent_encoded() -> None:
    """They are in the path; encoded ones stay."""
    async with (
        emulated() as (_, seller),
        served(s3("200 OK", b"x")) as server,
        seller.documents.url(server.url + "/é/%2F?a=%C3%A9") as document,
    ):
        assert await document.read() == b"x"
    assert server.requests[0].startswith(b"GET /%C3%A9/%2F?a=%C3%A9 HTTP")


async def test_a_url_works_without_the_api() -> None:
    """No token is sent, observers are called, and gzip and charset are handled as in reports."""
    heard: list[Any] = []
    async with served(s3("200 OK", b"label")) as server, Application("a", "b", observers=[heard.append]) as app:
        seller = app.selling_partner("Atzr|x", region="na")
        async with seller.documents.url(server.url + "/label") as document:
            assert await document.read() == b"label"
    assert b"x-amz" not in server.requests[0].lower()
    assert [(event.operation, event.size, event.complete) for event in heard] == [("documents.url", 5, True)]


async def test_an_expired_url_says_how_long_it_worked() -> None:
    """Those of Brazilian invoices live for 30 seconds, and only the caller can get another."""
    async with emulated() as (_, seller), served(EXPIRED) as server:
        with pytest.raises(DocumentUrlExpiredError, match=r"valid for 30 s.*fresh="):
            async with seller.documents.url(server.url + "/x?X-Amz-Expires=30&X-Amz-Signature=1"):
                pass
    assert len(server.requests) == 1
    assert life_span("https://x/y?a=1&X-Amz-Expires=604800") == 604_800
    assert life_span("https://x/y?X-Amz-Expires=soon") is None


async def test_a_fresh_url_continues_a_download() -> None:
    """The caller can provide one."""
    first = s3("200 OK", b"12345", 'ETag: "1"', length=10)
    rest = s3("206 Partial Content", b"67890", "Content-Range: bytes 5-9/10", 'ETag: "1"')
    async with emulated() as (_, seller), served(first, EXPIRED, rest) as server:

        async def fresh() -> str:
            return server.url + "/fresh"

        async with seller.documents.url(server.url + "/old", fresh=fresh) as document:
            assert await document.read() == b"1234567890"
    assert [request.split()[1] for request in server.requests] == [b"/old", b"/old", b"/fresh"]


@pytest.mark.parametrize("url", ["", None, 5])
async def test_a_missing_url_is_refused(url: Any) -> None:
    """The caller's reply had none."""
    async with emulated() as (_, seller):
        with pytest.raises(ConfigurationError, match="url"):
            seller.documents.url(url)


@pytest.mark.parametrize("body", ["json", [], {}, {"reportDocumentId": "x"}, {"url": None}, {"url": " "}, {"url": []}])
async def test_a_reply_without_a_url_is_a_decode_error(body: Any) -> None:
    """It names the operation of the download or upload; it is never an AttributeError or a request to nowhere."""
    async with emulated() as (emulator, seller):
        emulator.faults(
            {"operation": "reports_2021_06_30.get_report_document", "status": 200, "body": body, "times": None},
            {"operation": "feeds_2021_06_30.create_feed_document", "status": 201, "body": body, "times": None},
        )
        with pytest.raises(DecodeError, match="get_report_document"):
            async with seller.documents.report("x"):
                pass
        with pytest.raises(DecodeError, match="create_feed_document"):
            await seller.documents.upload(b"x")


async def test_tracebacks_with_local_variables_do_not_show_the_url() -> None:
    """It gives access to the document, and the library's frames hold it."""
    url = "http://127.0.0.1:1/x?X-Amz-Signature=MARKED"
    async with emulated() as (_, seller):
        try:
            async with report_at(seller, url):
                pass
        except SPAPIError as error:
            shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    ours = [frame for frame in shown.stack if "spapi_async/workflows" in frame.filename]
    assert ours
    assert not any("MARKED" in shown for frame in ours for shown in (frame.locals or {}).values())
