"""Errors as HTTP responses."""

from __future__ import annotations

import json
from typing import Any

import pytest

from spapi_async import errors
from spapi_async.errors import (
    BadRequestError,
    ErrorDetail,
    NotFoundError,
    QuotaExceededError,
    RateLimitWaitError,
    SPAPIError,
)
from spapi_async.web import problem


@pytest.mark.parametrize(
    ("error", "status", "retry_after"),
    [
        (RateLimitWaitError("later", retry_after=3.2), 503, "4"),
        (RateLimitWaitError("later", retry_after=0.01), 503, "1"),
        (QuotaExceededError("429", retry_after=None), 503, "1"),
        (QuotaExceededError("429", retry_after=float("inf")), 503, "1"),
        (NotFoundError("none"), 404, None),
        (SPAPIError("what?"), 500, None),
        (ValueError("what?"), 500, None),
    ],
)
def test_short_quota_is_503_with_retry_after(error: Exception, status: int, retry_after: str | None) -> None:
    """The seconds are whole, rounded up and never zero; no other error asks for a repetition."""
    answer = problem(error)
    assert answer.status == status
    assert answer.headers.get("retry-after") == retry_after
    content = json.loads(answer.body)
    assert (content["status"], content["type"]) == (status, "about:blank")
    assert answer.headers["content-length"] == str(len(answer.body))


def every_error() -> list[type[SPAPIError]]:
    """The whole tree."""
    found = [getattr(errors, name) for name in errors.__all__]
    return [each for each in found if isinstance(each, type) and issubclass(each, SPAPIError)]


@pytest.mark.parametrize("kind", every_error())
def test_every_error_has_a_response_without_its_message(kind: type[SPAPIError]) -> None:
    """It has the operation and the request id."""
    facts: dict[str, Any] = {"operation": "orders_v0.get_order", "request_id": "r-1"}
    if kind is errors.LWAError:
        facts["code"] = "invalid_grant"
    error = kind("MARK Jane Doe", **facts)
    answer = problem(error)
    assert 400 <= answer.status < 600
    assert b"MARK" not in answer.body
    content = json.loads(answer.body)
    assert (content["operation"], content["request_id"]) == ("orders_v0.get_order", "r-1")
    assert (answer.status == 500) == (kind in (SPAPIError, errors.ConfigurationError))


def test_amazons_message_is_not_in_the_response() -> None:
    """It may repeat what a buyer wrote."""
    error = BadRequestError("MARK", errors=(ErrorDetail("InvalidInput", "MARK", "MARK"),), status=400)
    assert problem(error).status == 400
    assert b"MARK" not in problem(error).body
