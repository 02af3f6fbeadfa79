"""The facts about one batch operation, from which a batcher knows how to use it."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar

import msgspec

from spapi_async._core.operation import Operation
from spapi_async._core.peer_text import LONGEST_PEER_TEXT, on_one_line
from spapi_async.errors import (
    ApiError,
    ConfigurationError,
    DecodeError,
    ErrorDetail,
    NotFoundError,
    error_for_status,
)

__all__ = [
    "Answer",
    "Rule",
    "absent",
    "as_missing",
    "check_asin",
    "check_sku",
    "following_token",
    "item_error",
    "listed",
    "not_found",
]

G = TypeVar("G")
K = TypeVar("K", bound=Hashable)


Answer = tuple[Any, Any, ApiError | None]
"""One entry of a batch's reply: its key (None if it belongs to none of the requested keys), its value, its error.

A plain tuple, because one is created and dropped with each look-up.
"""


class Rule(msgspec.Struct, Generic[G, K], frozen=True, kw_only=True):
    """One look-up.

    Attributes:
        name: such as ``"catalog.item"``.
        batch: the operation for several keys.
        maximum: how many keys it accepts.
        arguments: the arguments of ``batch`` for a group and its keys; different groups never share a request.
        answers: the entries of a reply's body in its order, given the requested keys; raises DecodeError for a body
            without its list.
        entries: the path of that list in the JSON of the body, and the path of the value in each entry.
        answers_all: whether Amazon answers every key, including unknown ones: a key without an entry is then requested
            again.
        combine: combines the values of a key that may have several entries; None if the first one counts.
        following: the additional arguments for the next page; None on the last page.
        every_page: whether to read all pages, because keys that are answered may have further entries.
        single: the operation for one key, which has its own quota; it may be ``batch`` if only some keys need it.
        single_arguments, single_value, single_entry: as above, for ``single``. The value is None if the body has none.
        spare: whether to use ``single`` also for keys that fit into a batch, if it has quota and ``batch`` has not.
        fits: whether a key can be in a batch with others.
        missing_codes, missing_statuses: errors of Amazon that mean "not found".
    """

    name: str
    batch: Operation[Any]
    maximum: int
    arguments: Callable[[G, Sequence[K]], dict[str, Any]]
    answers: Callable[[G, Sequence[K], Any], Iterable[Answer]]
    entries: tuple[tuple[str, ...], tuple[str, ...]]
    answers_all: bool = False
    combine: Callable[[list[Any]], Any] | None = None
    following: Callable[[Any], Mapping[str, Any] | None] = lambda _: None
    every_page: bool = False
    single: Callable[[K], Operation[Any]] | None = None
    single_arguments: Callable[[G, K], dict[str, Any]] | None = None
    single_value: Callable[[Any], Any] = lambda body: body
    single_entry: tuple[str, ...] = ()
    spare: bool = True
    fits: Callable[[K], bool] = lambda _: True
    missing_codes: frozenset[str] = frozenset()
    missing_statuses: frozenset[int] = frozenset({404})

    def is_missing(self, error: ApiError) -> bool:
        """Whether Amazon's error means "not found"."""
        return error.status in self.missing_statuses or error.code in self.missing_codes


_ASIN = re.compile(r"[0-9]{9}[0-9X]|[A-Z][A-Z0-9]{9}").fullmatch


def check_asin(asin: object) -> None:
    """Refuse what cannot be an ASIN: Amazon would refuse the whole batch without saying why.

    Source of the pattern: Amazon's staff in github.com/amzn/selling-partner-api-docs/issues/2543.

    Raises:
        ConfigurationError: it is not an ASIN.
    """
    if not (isinstance(asin, str) and _ASIN(asin)):
        raise ConfigurationError(f"{asin!r} is not an ASIN: ten capital letters and digits, such as B07XJ8C8F5")


def check_sku(sku: object) -> None:
    """Refuse what cannot be a SKU.

    Raises:
        ConfigurationError: it is empty, or not text.
    """
    if not (isinstance(sku, str) and sku.strip()):
        raise ConfigurationError(f"{sku!r} is not a SKU: give text that is not empty")


def listed(body: Any, name: str, operation: Operation[Any]) -> list[Any]:
    """The list in a body.

    Raises:
        DecodeError: there is none, which must not be taken for "not found".
    """
    entries = body if not name else getattr(body, name, None)
    if not isinstance(entries, list):
        raise DecodeError(
            f"the reply has no list of {name or 'results'}",
            path=f"$.{name}" if name else "$",
            operation=operation.name,
        )
    return entries


def following_token(body: Any, name: str) -> Mapping[str, Any] | None:
    """The page token as the argument of this name; None on the last page.

    Raises:
        DecodeError: the token is not text, so that keys on further pages would seem not found.
    """
    token = getattr(getattr(body, "pagination", None), "next_token", None)
    if token and not isinstance(token, str):
        raise DecodeError("the token of the next page is not text", path="$.pagination.nextToken")
    return {name: token} if token else None


_DETAILS = ("code", "message", "details")


def item_error(operation: Operation[Any], status: int, errors: object) -> ApiError:
    """The error of one entry in a batch's reply, of the class for its status."""
    details = tuple(
        ErrorDetail(*(on_one_line(str(getattr(error, name, None) or ""), LONGEST_PEER_TEXT) for name in _DETAILS))
        for error in (errors if isinstance(errors, list | tuple) else ())
    )
    what = "; ".join(f"{each.code}: {each.message}" for each in details) or "no errors in the reply"
    return error_for_status(status)(
        f"this item of the batch has status {status}: {what}", errors=details, operation=operation.name, status=status
    )


def not_found(rule: Rule[Any, Any], key: object, request_id: str | None) -> NotFoundError:
    """The error for a key that the reply does not mention, with the status that the single operation would have."""
    return NotFoundError(
        f"nothing found for {key!r}: the reply to the batch does not mention it",
        errors=(ErrorDetail("NOT_FOUND", "absent from the reply to the batch"),),
        operation=rule.batch.name,
        request_id=request_id,
        status=404,
    )


def absent(rule: Rule[Any, Any], key: object, request_id: str | None) -> DecodeError:
    """The error for a key that was requested alone, if the reply does not mention it."""
    return DecodeError(
        f"the reply to a request for {key!r} alone does not mention it",
        path="$",
        operation=rule.batch.name,
        request_id=request_id,
    )


def as_missing(error: ApiError) -> NotFoundError:
    """An error of Amazon that means "not found", as NotFoundError with Amazon's status."""
    return NotFoundError(
        error.message,
        errors=error.errors,
        operation=error.operation,
        request_id=error.request_id,
        status=error.status,
        attempts=error.attempts,
    )
