"""An operation of the Selling Partner API as a value: the facts that Amazon publishes about it.

The generated modules in ``api/`` are lists of operations; the request builder, the limiter, the token broker, the
iterators, the emulator and the command line all use them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from types import MappingProxyType
from typing import Any, Generic, Literal, TypeVar

import msgspec

__all__ = ["Constraints", "Encoding", "Operation", "OtherPlan", "Paging", "Parameter", "Restriction", "UsagePlan",
           "operation_exists"]  # fmt: skip

T = TypeVar("T")

Encoding = Literal[
    "segment",
    "segment_csv",
    "greedy",
    "plain",
    "csv",
    "multi",
    "csv_double",
    "multi_double",
    "header",
    "header_csv",
    "json",
]
"""How an argument reaches the wire.

``segment``  one path segment, every byte outside the unreserved set percent-encoded, ``/`` too
``greedy``   a path tail in which ``/`` stays
``plain``    one query value
``csv``      items encoded one by one, then joined by literal commas
``multi``    the parameter repeated for each item
``csv_double``, ``multi_double``  as above, but ``% + ,`` inside an item are encoded twice
``header``   a header value
``segment_csv``, ``header_csv``  a list in one path segment or one header value, joined by commas
``json``     the body; nothing is percent-encoded
"""


class Constraints(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The limits that Amazon's model puts on a parameter."""

    enum: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    min_length: int | None = None
    max_length: int | None = None
    min_items: int | None = None
    max_items: int | None = None
    pattern: str | None = None
    default: str | int | float | bool | None = None
    format: str | None = None


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """One argument of an operation.

    ``type`` is the annotation as written in the method's signature, without ``| None``.
    """

    name: str
    wire_name: str
    location: Literal["path", "query", "header", "body"]
    type: str
    encoding: Encoding
    required: bool = False
    constraints: Constraints = Constraints()


class OtherPlan(msgspec.Struct, frozen=True):
    """Figures for the same usage plan from another source of Amazon's."""

    source: Literal["model", "sdk", "docs"]
    rate: float
    burst: int | None = None


class UsagePlan(msgspec.Struct, frozen=True, kw_only=True):
    """A token bucket as Amazon publishes it: ``rate`` tokens a second flow in, at most ``burst`` are kept.

    Source: developer-docs.amazon.com/sp-api/docs/usage-plans-and-rate-limits. ``source`` says where the figures come
    from; ``assumed`` means that Amazon publishes none, and these are a cautious guess or, for the ``reason`` given,
    another operation's figures. ``others`` are the figures of sources that disagree. ``application_rate`` and
    ``application_burst`` limit all sellers of one application together.
    """

    rate: float
    burst: int
    source: Literal["model", "sdk", "docs", "assumed"] = "model"
    reason: str | None = None
    others: tuple[OtherPlan, ...] = ()
    application_rate: float | None = None
    application_burst: int | None = None

    @property
    def burst_of_application(self) -> float:
        """The burst that all sellers share: by default the requests of one second, or one seller's burst."""
        return float(self.application_burst or max(self.burst, self.application_rate or 0.0))


class Restriction(msgspec.Struct, frozen=True, kw_only=True):
    """When an operation needs a restricted data token (RDT).

    ``always``: every call. ``optional``: when the caller asks for ``data_elements``. ``report``: when the document's
    report type is restricted. ``generic_path``: one token may name the path template and so cover every resource
    under it.
    """

    mode: Literal["always", "optional", "report"]
    data_elements: tuple[str, ...] = ()
    generic_path: bool = True


class Paging(msgspec.Struct, frozen=True, kw_only=True):
    """How an operation splits its result into pages.

    ``token_parameter`` and ``page_size_parameter`` name a parameter, or an attribute of the body where no parameter has
    that name. ``token_path`` and ``items_path`` are attribute names from the decoded body (payload already unwrapped)
    down.
    ``rule``: ``repeat`` the other arguments beside the token, send the token ``alone``, or ``next_token_query``
    (``query_type="NEXT_TOKEN"`` and the marketplace beside the token). ``token_lifetime`` is in seconds where known.
    ``token_parameter`` is None where the operation returns a token that it cannot take back.
    """

    token_parameter: str | None
    token_path: tuple[str, ...]
    items_path: tuple[str, ...]
    rule: Literal["repeat", "alone", "next_token_query"] = "repeat"
    page_size_parameter: str | None = None
    token_lifetime: float | None = None


class Operation(msgspec.Struct, Generic[T], frozen=True, kw_only=True, eq=False):
    """One operation of one API version; compared and hashed by identity, there is one object of each.

    Attributes:
        name: ``"orders_v0.get_order"``: module and method.
        id: Amazon's operation id, ``"getOrder"``.
        method, path: the HTTP verb and the path template.
        parameters: in the order of the method's signature.
        response_type: the type of the whole 2xx body; None where Amazon sends none.
        response_types: the types by status where the success replies differ, None for a status without a body; else
            empty. A status that is not listed has ``response_type``.
        unwrap: the attribute of the response type that the method returns (``"payload"``); None for the whole body.
        body_type: the type of the request body, or None.
        decimals: how a Decimal in the request body is written: Amazon's models use JSON strings or JSON numbers. If the
            request body has no decimals, how the reply writes them, so that an encoded reply has Amazon's form.
        usage_plan: rate and burst.
        idempotent: repeating the request after an unknown outcome does no harm.
        restriction: when a restricted data token is needed.
        grantless_scope: the scope of an operation that needs no seller.
        paging: how pages follow one another.
        success: the declared 2xx statuses.
        status: the status in Amazon's models; ``removed`` operations are no longer in them and may answer 404 or 410.
        removal: the day on which Amazon will remove the operation; None if no day has been announced.
        successor: the name of the operation to use instead, if Amazon names one.
        sandbox_only: whether Amazon serves it only on the sandbox host.
    """

    name: str
    id: str
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: str
    usage_plan: UsagePlan
    parameters: tuple[Parameter, ...] = ()
    response_type: Any = None
    response_types: Mapping[int, Any] = MappingProxyType({})
    unwrap: str | None = None
    body_type: Any = None
    decimals: Literal["string", "number"] = "string"
    idempotent: bool = False
    restriction: Restriction | None = None
    grantless_scope: str | None = None
    paging: Paging | None = None
    success: tuple[int, ...] = (200,)
    status: Literal["current", "deprecated", "removed"] = "current"
    removal: date | None = None
    successor: str | None = None
    sandbox_only: bool = False

    @property
    def api(self) -> str:
        """The module of the operation: ``"orders_v0"``."""
        return self.name.partition(".")[0]

    @property
    def restricted_data_elements(self) -> tuple[str, ...]:
        """The data elements that a caller may request; empty if there is no choice."""
        return self.restriction.data_elements if self.restriction else ()

    @property
    def stays(self) -> bool:
        """Whether Amazon has neither removed nor deprecated it, nor announced that it will be removed."""
        return self.removal is None and self.status == "current"

    def __repr__(self) -> str:
        return f"<Operation {self.name} {self.method} {self.path}>"

    def __reduce__(self) -> Any:
        return _by_name, (self.name,)


def _by_name(name: str) -> Operation[Any]:
    """The single object with this name, so that unpickling preserves identity."""
    from importlib import import_module

    module, _, method = name.partition(".")
    operation = getattr(import_module(f"spapi_async.api.{module}"), method.upper())
    assert isinstance(operation, Operation)
    return operation


def operation_exists(name: str) -> bool:
    """Whether there is an operation of this name."""
    try:
        return _by_name(name).name == name
    except (AttributeError, ImportError, ValueError, AssertionError):
        return False
