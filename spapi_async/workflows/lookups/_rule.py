"""What is true of one batch operation: the facts that drive the mechanism."""

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
"""One entry of a batch's reply: the key it belongs to (None: none that was asked), its value, its error.

A plain tuple: one is made and dropped with each look-up.
"""


class Rule(msgspec.Struct, Generic[G, K], frozen=True, kw_only=True):
    """One look-up.

    Attributes:
        name: such as ``"catalog.item"``.
        batch: the operation that takes many.
        maximum: how many it takes.
        arguments: a group's and its keys' arguments of ``batch``; what differs in the group never shares a request.
        answers: the entries of a reply's body in its order, given the keys that were asked; raises DecodeError for a
            body without its list.
        entries: where that list stands on the wire, and where in each entry the value does.
        answers_all: Amazon answers each key, the unknown ones too: one that a reply does not mention is asked again.
        combine: what the values of a key become that may come back several times; None where the first one counts.
        following: the arguments of the next page, beside those of the first; None on the last.
        every_page: read on when every key is answered: more of one may follow.
        single: the operation that takes one, whose quota is its own; it may be ``batch`` where only some keys need it.
        single_arguments, single_value, single_entry: the same of that one. A body without a value gives None.
        spare: use ``single`` also for keys that a batch could take, when its quota is at hand and that of ``batch`` is
            not.
        fits: whether a key may stand in a batch beside others.
        missing_codes, missing_statuses: Amazon's errors that say no more than "not found".
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
        """Whether Amazon's error says that there is no such thing."""
        return error.status in self.missing_statuses or error.code in self.missing_codes


_ASIN = re.compile(r"[0-9]{9}[0-9X]|[A-Z][A-Z0-9]{9}").fullmatch


def check_asin(asin: object) -> None:
    """Refuse what cannot be an ASIN: one such spoils the whole batch, and Amazon does not say which.

    Source of the pattern: Amazon's staff in github.com/amzn/selling-partner-api-docs/issues/2543.

    Raises:
        ConfigurationError: it is not one.
    """
    if not (isinstance(asin, str) and _ASIN(asin)):
        raise ConfigurationError(f"{asin!r} is not an ASIN: ten capital letters and digits, such as B07XJ8C8F5")


def check_sku(sku: object) -> None:
    """Refuse what cannot be a SKU.

    Raises:
        ConfigurationError: it is empty, or no text.
    """
    if not (isinstance(sku, str) and sku.strip()):
        raise ConfigurationError(f"{sku!r} is not a SKU")


def listed(body: Any, name: str, operation: Operation[Any]) -> list[Any]:
    """The list of a body; a body without it is no answer, and nobody is told "not found" for it.

    Raises:
        DecodeError: there is none.
    """
    entries = body if not name else getattr(body, name, None)
    if not isinstance(entries, list):
        raise DecodeError(
            f"the reply lacks its list of {name or 'results'}",
            path=f"$.{name}" if name else "$",
            operation=operation.name,
        )
    return entries


def following_token(body: Any, name: str) -> Mapping[str, Any] | None:
    """The argument of this name that asks for the next page; None on the last.

    Raises:
        DecodeError: something else stands in the token's place, so what this page lacks may be on another.
    """
    token = getattr(getattr(body, "pagination", None), "next_token", None)
    if token and not isinstance(token, str):
        raise DecodeError("the token of the next page is not text", path="$.pagination.nextToken")
    return {name: token} if token else None


_DETAILS = ("code", "message", "details")


def item_error(operation: Operation[Any], status: int, errors: object) -> ApiError:
    """The error of one entry in a batch's reply, in the class that its status would have had by itself."""
    details = tuple(
        ErrorDetail(*(on_one_line(str(getattr(error, name, None) or ""), LONGEST_PEER_TEXT) for name in _DETAILS))
        for error in (errors if isinstance(errors, list | tuple) else ())
    )
    what = "; ".join(f"{each.code}: {each.message}" for each in details) or "no errors in the reply"
    return error_for_status(status)(
        f"this item of the batch got status {status}, {what}", errors=details, operation=operation.name, status=status
    )


def not_found(rule: Rule[Any, Any], key: object, request_id: str | None) -> NotFoundError:
    """What a key becomes that the reply does not mention; the status is that of the single operation."""
    return NotFoundError(
        f"nothing found for {key!r}: the reply to the batch does not mention it",
        errors=(ErrorDetail("NOT_FOUND", "absent from the reply to the batch"),),
        operation=rule.batch.name,
        request_id=request_id,
        status=404,
    )


def absent(rule: Rule[Any, Any], key: object, request_id: str | None) -> DecodeError:
    """What a key becomes that was asked alone, and the reply is about something else, or about nothing."""
    return DecodeError(
        f"the reply to a request for {key!r} alone does not mention it",
        path="$",
        operation=rule.batch.name,
        request_id=request_id,
    )


def as_missing(error: ApiError) -> NotFoundError:
    """An error that says "not found" in other words, as NotFoundError; its status stays Amazon's."""
    return NotFoundError(
        error.message,
        errors=error.errors,
        operation=error.operation,
        request_id=error.request_id,
        status=error.status,
        attempts=error.attempts,
    )
