"""The error tree: what every error has, and what it never shows."""

import pickle
from typing import Any

import pytest

from spapi_async import errors
from spapi_async.errors import (
    ApiError,
    DecodeError,
    ErrorDetail,
    ForbiddenError,
    LWAError,
    SPAPIError,
    error_for_status,
)

CLASSES = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, SPAPIError)]


def an(kind: type[SPAPIError]) -> SPAPIError:
    """An error of this class with every fact filled in."""
    extra: dict[str, Any] = {"code": "invalid_grant"} if issubclass(kind, LWAError) else {}
    return kind("refused", operation="orders_v0.get_order", request_id="r-1", status=403, retry_after=2.0, **extra)


def test_every_error_pickles_with_its_facts() -> None:
    """A worker process can raise it in another process."""
    for kind in CLASSES:
        error = an(kind)
        copy = pickle.loads(pickle.dumps(error))
        assert type(copy) is kind
        assert str(copy) == str(error) == "orders_v0.get_order [r-1]: refused", kind
        assert (copy.status, copy.retry_after, copy.request_id) == (403, 2.0, "r-1"), kind


def test_every_error_is_exported_and_in_the_tree() -> None:
    """The docstring's drawing names each class."""
    names = {kind.__name__ for kind in CLASSES}
    assert names - set(errors.__all__) == set()
    assert {name for name in names if name not in (errors.__doc__ or "")} == set()


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (400, "BadRequestError"),
        (401, "ForbiddenError"),
        (403, "ForbiddenError"),
        (404, "NotFoundError"),
        (409, "ConflictError"),
        (413, "PayloadTooLargeError"),
        (415, "UnsupportedMediaTypeError"),
        (422, "UnprocessableError"),
        (429, "QuotaExceededError"),
        (500, "ServerError"),
        (503, "ServerError"),
        (302, "ApiError"),
        (418, "ApiError"),
    ],
)
def test_a_status_names_its_error(status: int, name: str) -> None:
    """Each status outside 2xx has one class."""
    assert error_for_status(status).__name__ == name


def test_an_api_error_has_amazons_code() -> None:
    """It is that of the first entry of Amazon's list; an empty list is no error."""
    error = ForbiddenError("no", errors=(ErrorDetail("Unauthorized", "denied", "why"),))
    assert (error.code, error.details) == ("Unauthorized", "why")
    assert ApiError("no").code == ""


def test_a_decode_error_does_not_show_the_body() -> None:
    """The raw body may hold personal data: it is only an attribute."""
    error = DecodeError("not JSON", raw=b"buyer@example.com")
    assert error.raw == b"buyer@example.com"
    assert "buyer" not in f"{error} {error!r}"
    assert b"buyer" not in pickle.dumps(error)
