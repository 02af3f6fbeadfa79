"""A reply becomes a response, a violation or an error, but never a false success."""

import json
import pickle
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from spapi_async._codec.response import Response, Violation, decode, error_from_reply, parse_rate_limit
from spapi_async._core.operation import Operation, UsagePlan
from spapi_async._core.wire import Model, Timestamp
from spapi_async.api.orders_v0 import GET_ORDERS
from spapi_async.api.services_v1 import UPDATE_SCHEDULE
from spapi_async.errors import (
    ApiError,
    BadRequestError,
    ConflictError,
    DecodeError,
    ErrorDetail,
    ForbiddenError,
    NotFoundError,
    QuotaExceededError,
    ServerError,
)

HEADERS = CIMultiDictProxy(CIMultiDict({"X-Amzn-RequestId": "r-1", "x-amzn-ratelimit-limit": "0.5"}))


class Error(Model):
    """An entry of Amazon's error list."""

    code: str
    message: str
    details: str | None = None


class Thing(Model):
    """A payload."""

    id: str
    price: Decimal | None = None
    sold_at: Timestamp | None = None


class Envelope(Model):
    """Payload and errors."""

    payload: Thing | None = None
    errors: list[Error] | None = None


def an_operation(response_type: Any = Envelope, unwrap: str | None = "payload") -> Operation[Any]:
    """An operation of a made-up API."""
    return Operation(
        name="things_v1.get_thing",
        id="getThing",
        method="GET",
        path="/things",
        usage_plan=UsagePlan(rate=1, burst=1),
        response_type=response_type,
        unwrap=unwrap,
    )


THINGS = an_operation()
FLAT = an_operation(Thing, None)
NOTHING = an_operation(None, None)


def read(content: Any, operation: Operation[Any] = THINGS, *, status: int = 200, strict: bool = False) -> Response[Any]:
    """The response with this body; bytes stand for themselves."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    rate = parse_rate_limit(HEADERS)
    return decode(operation, status, HEADERS, body, strict=strict, attempts=1, rate_limit=rate)


def failure(content: Any, status: int = 400, headers: Mapping[str, str] = HEADERS) -> ApiError:
    """The error with this body."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return error_from_reply(THINGS, status, headers, body, attempts=2)


# --- success ---------------------------------------------------------------------------------------------------------


def test_the_payload_is_taken_out_of_its_envelope() -> None:
    """A method returns what the caller asked for; the whole reply stays available."""
    response = read({"payload": {"id": "1", "price": "1.10", "unknown": [1]}})
    assert response.body == Thing(id="1", price=Decimal("1.10"))
    assert (response.status, response.request_id, response.rate_limit, response.attempts) == (200, "r-1", 0.5, 1)
    assert (response.violations, response.errors) == ((), ())
    assert response.json()["payload"]["unknown"] == [1]


def test_errors_beside_a_payload_are_kept() -> None:
    """Batches may succeed in part."""
    response = read({"payload": {"id": "1"}, "errors": [{"code": "C", "message": "m", "details": ""}]})
    assert response.body.id == "1"
    assert response.errors == (ErrorDetail("C", "m", ""),)


def test_a_flat_body_is_returned_whole() -> None:
    """Most of the newer APIs have no envelope."""
    assert read({"id": "1"}, FLAT).body == Thing(id="1")


@pytest.mark.parametrize("headers", [{"X-AMZN-REQUESTID": "r-2"}, CIMultiDict({"x-Amzn-requestid": "r-2"})])
def test_header_names_are_case_insensitive(headers: Mapping[str, str]) -> None:
    """Amazon spells x-amzn-RequestId in more than one way."""
    assert decode(FLAT, 200, headers, b'{"id":"1"}', strict=False, attempts=1).request_id == "r-2"


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("0.0167", 0.0167),
        (" 5.0 ", 5.0),
        ("", None),
        ("string", None),
        ("0", None),
        ("-1", None),
        ("nan", None),
        ("inf", None),
        ("1e999", None),
    ],
)
def test_an_invalid_rate_header_is_ignored(text: str, rate: float | None) -> None:
    """Amazon has sent words, an empty value and zero; the known rate then stays."""
    assert parse_rate_limit({"x-amzn-RateLimit-Limit": text}) == rate
    assert parse_rate_limit({}) is None


def test_a_response_can_be_pickled_and_its_repr_shows_no_body() -> None:
    """Bodies hold names and addresses."""
    response = read({"payload": {"id": "Jane Doe"}})
    assert "Jane" not in repr(response)
    assert pickle.loads(pickle.dumps(read({"payload": {"id": "1"}}).raw)) == b'{"payload": {"id": "1"}}'


# --- empty -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("operation", "status"), [(THINGS, 204), (FLAT, 204), (NOTHING, 200), (NOTHING, 204)])
@pytest.mark.parametrize("strict", [True, False])
def test_an_empty_body_is_none_where_amazon_sends_none(operation: Operation[Any], status: int, strict: bool) -> None:
    """A 204 with a Content-Type and a declared schema may be empty, and a 200 of cancelReport."""
    response = read(b"", operation, status=status, strict=strict)
    assert (response.body, response.violations, response.json()) == (None, (), None)


@pytest.mark.parametrize("body", [b"", b" \r\n"])
def test_an_empty_200_where_a_body_is_declared_is_a_violation(body: bytes) -> None:
    """Lenient decoding gives None and a violation, strict decoding an error."""
    response = read(body, FLAT)
    assert response.body is None
    assert response.violations == (Violation("things_v1.get_thing", "$", "object", "empty body"),)
    with pytest.raises(DecodeError, match="expected object at \\$, got empty body"):
        read(body, FLAT, strict=True)


def test_an_undeclared_body_is_kept_in_raw() -> None:
    """A later version of the API may have begun to send one."""
    assert read({"status": "ok"}, NOTHING).json() == {"status": "ok"}
    assert read({"status": "ok"}, NOTHING).body is None


@pytest.mark.parametrize(
    ("body", "got"),
    [
        (b'{"payload":null,"errors":null}', "null"),
        (b'{"payload":{"id":"1"},"payload":null}', "null"),
        (b'{"payload":null,"id":"1"}', "null"),
        (b"{}", "absent"),
        (b'{"message":"Internal failure"}', "absent"),
        (b'{"payload":""}', "empty string"),
    ],
)
def test_a_read_without_a_payload_is_none_and_a_violation(body: bytes, got: str) -> None:
    """Of two members with one name the last counts. Strict decoding raises an error."""
    response = read(body)
    assert response.body is None
    assert response.violations == (Violation("things_v1.get_thing", "$.payload", "object", got),)
    with pytest.raises(DecodeError, match=rf"expected object at \$\.payload, got {got}"):
        read(body, strict=True)


@pytest.mark.parametrize("operation", [UPDATE_SCHEDULE, GET_ORDERS], ids=str)
def test_some_payloads_may_be_absent(operation: Operation[Any]) -> None:
    """A write may have none, as in an example of Amazon's, and an empty page may, which other tests are about."""
    assert "$.payload" not in [violation.path for violation in read({}, operation, strict=True).violations]


# --- not JSON --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", [THINGS, FLAT, NOTHING])
@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize(
    "body",
    [
        b"<html><body>jane@example.com</body></html>",
        b'{"id": "jane@example.com", "UOSS": UOSS}',
        b'{"id": "jane@example.com"',
        b'{"id": "jane@example.com"} {}',
        b'{"id": NaN, "mail": "jane@example.com"}',
        b"jane@example.com",
        b"[" * 1_000_000 + b"]" * 1_000_000,
    ],
)
def test_a_2xx_that_is_not_json_is_an_error(operation: Operation[Any], strict: bool, body: bytes) -> None:
    """The error has the body's length and declared type, and none of its content."""
    headers = {"content-type": "text/html", "x-amzn-requestid": "r-9"}
    with pytest.raises(DecodeError) as caught:
        decode(operation, 200, headers, body, strict=strict, attempts=3)
    error = caught.value
    assert f"is not JSON (text/html, {len(body)} bytes)" in str(error)
    assert "jane" not in str(error) + repr(error)
    assert (error.raw, error.operation, error.request_id, error.status, error.attempts) == (
        body,
        "things_v1.get_thing",
        "r-9",
        200,
        3,
    )
    assert b"jane" not in pickle.dumps(error)


@pytest.mark.parametrize(
    ("body", "got"),
    [
        (b'\xef\xbb\xbf{"id": "1"}', "JSON after a byte order mark"),
        (b'{"id": "1\xff"}', "other bytes"),
        (b'{"id": "1\x07"}', "JSON with broken characters in its strings"),
        (b'{"id": "1\\ud83c"}', "JSON with broken characters in its strings"),
    ],
)
def test_one_broken_character_does_not_lose_the_body(body: bytes, got: str) -> None:
    """Lenient decoding replaces it and records a violation, strict decoding raises."""
    response = read(body, FLAT)
    assert response.body.id[0] == response.json()["id"][0] == "1"
    assert [violation.got for violation in response.violations] == [got]
    with pytest.raises(DecodeError):
        read(body, FLAT, strict=True)


# --- broken models ---------------------------------------------------------------------------------------------------


def test_strict_decoding_names_the_path_and_types_but_no_value() -> None:
    """The raw body is an attribute of the error."""
    with pytest.raises(DecodeError) as caught:
        read({"payload": {"id": {"name": "Jane"}}}, strict=True)
    error = caught.value
    assert str(error) == "things_v1.get_thing [r-1]: expected string at $.payload.id, got object"
    assert (error.path, error.raw) == ("$.payload.id", b'{"payload": {"id": {"name": "Jane"}}}')


def test_lenient_decoding_keeps_the_page_and_records_the_violation() -> None:
    """The rest of the body is not affected."""
    response = read({"payload": {"price": 1.5, "sold_at": ""}})
    assert response.body.id is None
    assert response.body.price == Decimal("1.5")
    assert [(v.path, v.expected, v.got) for v in response.violations] == [
        ("$.payload.id", "string", "absent"),
        ("$.payload.sold_at", "datetime", "empty string"),
    ]
    assert str(response.violations[0]) == "things_v1.get_thing: expected string at $.payload.id, got absent"


@pytest.mark.parametrize("content", [[], [{"id": "1"}, {"id": "2"}], "text", 5, True, None])
def test_a_body_of_another_kind_is_kept_with_a_violation(content: Any) -> None:
    """No page is lost."""
    response = read(content, FLAT)
    assert response.body == content
    assert [(v.path, v.expected) for v in response.violations] == [("$", "object")]
    assert read(content).body is None


def test_a_payload_without_its_envelope_is_recognised() -> None:
    """Some of Amazon's samples have it so; its keys identify it."""
    response = read({"id": "1", "price": "2"})
    assert response.body == Thing(id="1", price=Decimal(2))
    assert [v.got for v in response.violations] == ["its content alone"]
    for other in ({}, {"something": 1}, {"payload": None, "id": "1"}):
        assert (read(other).body, [v.path for v in read(other).violations]) == (None, ["$.payload"])


def test_an_envelope_that_the_model_does_not_have_is_opened() -> None:
    """The finances 2024-06-19 model once lacked the payload that the replies had."""
    response = read({"payload": {"id": "1", "sold_at": "2026-01-01T00:00:00Z"}}, FLAT)
    assert response.body.id == "1"
    assert isinstance(response.body.sold_at, datetime)
    assert [v.got for v in response.violations] == ["object inside payload"]


def test_a_bare_array_is_returned_as_a_list() -> None:
    """The reply of getMyFeesEstimates has neither envelope nor object."""
    operation = an_operation(list[Thing], None)
    assert read([{"id": "1"}, {"id": "2"}], operation).body == [Thing(id="1"), Thing(id="2")]


# --- errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, BadRequestError),
        (401, ForbiddenError),
        (403, ForbiddenError),
        (404, NotFoundError),
        (408, ApiError),
        (409, ConflictError),
        (429, QuotaExceededError),
        (500, ServerError),
        (503, ServerError),
        (301, ApiError),
    ],
)
def test_a_status_outside_2xx_becomes_its_error(status: int, kind: type[ApiError]) -> None:
    """It has Amazon's code, message and details, the request id and the number of attempts."""
    error = failure({"errors": [{"code": "InvalidInput", "message": "No.", "details": "Why."}]}, status)
    assert type(error) is kind
    assert (error.code, error.details, error.status, error.attempts) == ("InvalidInput", "Why.", status, 2)
    assert str(error) == f"things_v1.get_thing [r-1]: HTTP {status}, InvalidInput: No. (Why.)"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"errors": [{"code": "A", "message": "b"}, {"code": "C", "message": "d"}]}, [("A", "b"), ("C", "d")]),
        ([{"code": "A", "message": "b"}], [("A", "b")]),
        ({"errors": {"code": "A", "message": "b"}}, [("A", "b")]),
        ({"errors": {"errors": [{"code": "A", "message": "b"}]}}, [("A", "b")]),
        ({"errors": [{"code": "A", "message": None}]}, [("A", "")]),
        ({"errors": [{"message": "b"}]}, [("", "b")]),
        ({"errors": [{"code": 400, "message": "b", "errorLevel": "ERROR"}]}, [("400", "b")]),
        ({"errors": ["b"]}, [("", "b")]),
        ({"payload": {}, "errors": [{"code": "A", "message": "b"}]}, [("A", "b")]),
        ({"Errors": [{"Code": "A", "Message": "b"}]}, [("A", "b")]),
        ({"message": "b"}, [("", "b")]),
        ({"error": "invalid_grant", "error_description": "b"}, [("invalid_grant", "b")]),
        ({"error": {"code": "A", "message": "b"}}, [("A", "b")]),
        ({"__type": "com.amazon.coral#AccessDeniedException", "message": "b"}, [("AccessDeniedException", "b")]),
        ({"message": None}, []),
        ({"errors": []}, []),
        ({"errors": None}, []),
        ({"errors": [None, 5, []]}, []),
        (None, []),
        (5, []),
        ("text", []),
        (b"", []),
        (b"<html><head><title>502</title></head></html>", []),
        (b"<Error><Code>AccessDenied</Code><Message>Expired</Message></Error>", [("AccessDenied", "Expired")]),
        (b'{"errors": [{"code": "A", "message": "b\xff"}]}', [("A", "b�")]),
        (b"\xff\xfe\x00", []),
        (b"[" * 100_000, []),
    ],
)
def test_every_shape_of_error_body_is_read(content: Any, expected: list[tuple[str, str]]) -> None:
    """Shapes are those of the models, the bare list of 34 samples, gateways, LWA, S3, HTML and an empty body."""
    error = failure(content, 403, {})
    assert [(entry.code, entry.message) for entry in error.errors] == expected
    assert str(error).startswith("things_v1.get_thing: HTTP 403, ")


def test_a_body_without_errors_is_described_and_not_shown() -> None:
    """A page of HTML in a log helps nobody."""
    error = failure(b"<html>jane@example.com</html>", 503, {"Content-Type": "text/html"})
    assert str(error) == "things_v1.get_thing: HTTP 503, no errors in the reply (text/html, 29 bytes)"
    assert "(empty body)" in str(failure(b"", 429))


def test_the_gateways_error_type_stands_in_for_a_missing_code() -> None:
    """A 401 of the gateway is {"message": …} with the code in x-amzn-ErrorType."""
    headers = {"x-amzn-errortype": "AccessDeniedException:http://internal.amazon.com/x"}
    assert failure({"message": "Denied"}, 401, headers).code == "AccessDeniedException"
    assert failure({"errors": [{"code": "A"}]}, 403, headers).code == "A"
    assert "AccessDeniedException: no errors" in str(failure(b"", 403, headers))


def test_a_message_is_bounded_and_on_one_line() -> None:
    """A log line stays one line, whatever a server sends."""
    error = failure({"errors": [{"code": "A\n", "message": "x\r\ny " * 5000}] * 1000})
    assert len(str(error)) < 700
    assert "\n" not in str(error)
    assert len(error.errors) == 100
    assert len(pickle.dumps(error)) < 200_000


def test_tokens_quoted_in_a_message_are_redacted() -> None:
    """Neither message nor details carry a credential into a log."""
    quoted = "The token Atza|IwEBIabc-def_123 and Atzr|IwEB, amzn1.application-oa2-client.abc, amzn1.oa2-cs.v1.xyz"
    error = failure({"errors": [{"code": "Unauthorized", "message": quoted, "details": quoted}]}, 403)
    text = f"{error} {error.errors}"
    assert "The token Atza|…" in text
    assert not any(secret in text for secret in ("IwEB", "abc", "xyz"))


@pytest.mark.parametrize(("text", "seconds"), [("2", 2.0), ("1.5", 1.5), ("-1", None), ("soon", None), ("nan", None)])
def test_retry_after_is_in_seconds(text: str, seconds: float | None) -> None:
    """Any other value of the header is ignored."""
    assert failure(b"", 429, {"Retry-After": text}).retry_after == seconds


def test_errors_pickle_with_their_facts() -> None:
    """They cross process boundaries in job queues."""
    error = pickle.loads(pickle.dumps(failure({"errors": [{"code": "A", "message": "b"}]}, 404)))
    assert (type(error), error.code, error.request_id, error.operation) == (
        NotFoundError,
        "A",
        "r-1",
        "things_v1.get_thing",
    )
