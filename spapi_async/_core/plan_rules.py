"""Limits that depend on an argument of the call, as values: what a user may add to what Amazon publishes."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from spapi_async._core.operation import Operation
from spapi_async.errors import ConfigurationError

__all__ = ["ANY", "Bucket", "Limit", "PlanRule", "Window"]

ANY = "*"
"""As a rule's value: whatever the argument is."""


class Window(msgspec.Struct, frozen=True):
    """At most ``requests`` in any ``seconds``: a sliding log. A bucket of these figures lets twice as many through."""

    requests: int
    seconds: float

    def __post_init__(self) -> None:
        if not self.requests >= 1 or not 0 < self.seconds < float("inf"):
            raise ConfigurationError(f"Window needs 1 request or more in a time above zero, not {self!r}")

    def __str__(self) -> str:
        return f"{self.requests} in {self.seconds:g} s"


class Bucket(msgspec.Struct, frozen=True):
    """A token bucket: ``rate`` tokens a second flow in, at most ``burst`` are kept."""

    rate: float
    burst: float

    def __post_init__(self) -> None:
        if not 0 < self.rate < float("inf") or not 1 <= self.burst < float("inf"):
            raise ConfigurationError(f"Bucket needs a rate above zero and a burst of 1 or more, not {self!r}")

    def __str__(self) -> str:
        return f"{self.rate:g}/s, burst {self.burst:g}"


Limit = Bucket | Window


class PlanRule(msgspec.Struct, frozen=True):
    """Limits on those calls of an operation that have a certain value in an argument.

    All calls to which a rule applies share its limits, whichever of its values they have.

    Attributes:
        operation: ``"reports_2021_06_30.create_report"``, or the operation itself.
        argument: Amazon's name of a parameter, or a path into the body: ``"mode"``, ``"body.reportType"``,
            ``"body.patches[].path"``. Of a mapping, its keys count: ``"body.attributes"``.
        value: the value, several of which one suffices, or ``"*"`` for any.
        limits: one or more of :class:`Window` and :class:`Bucket`; each must have room.
        scope: ``"seller"``: each seller (and region) has its own; ``"application"``: all sellers share one.
        unless: values that do not count.
        level: how Amazon's 429 names this limit, where it does.
    """

    operation: str
    argument: str
    value: str | tuple[str, ...]
    limits: tuple[Limit, ...]
    scope: Literal["seller", "application"] = "seller"
    unless: tuple[str, ...] = ()
    level: str = ""

    def __post_init__(self) -> None:
        operation: Any = self.operation
        if isinstance(operation, Operation):
            msgspec.structs.force_setattr(self, "operation", operation.name)
        if not isinstance(self.operation, str) or "." not in self.operation:
            raise ConfigurationError(f'operation must be like "orders_v0.get_order", not {operation!r}')
        limits: Any = self.limits
        if isinstance(limits, Bucket | Window):
            msgspec.structs.force_setattr(self, "limits", (limits,))
        msgspec.structs.force_setattr(self, "limits", tuple(self.limits))
        if not self.limits or not all(isinstance(limit, Bucket | Window) for limit in self.limits):
            raise ConfigurationError(f"limits must be one or more of Window and Bucket, not {limits!r}")
        if self.scope not in ("seller", "application"):
            raise ConfigurationError(f'scope must be "seller" or "application", not {self.scope!r}')
        if not self.argument or not self.values:
            raise ConfigurationError(f"a rule for {self.operation} needs an argument and a value")

    @property
    def values(self) -> tuple[str, ...]:
        """``value`` as a tuple."""
        return (self.value,) if isinstance(self.value, str) else tuple(self.value)

    def applies_to(self, found: tuple[str, ...]) -> bool:
        """Whether a call with these values in the argument is meant."""
        values = self.values
        return any((ANY in values or value in values) and value not in self.unless for value in found)

    @property
    def label(self) -> str:
        """For people: ``reportType=GET_SALES_AND_TRAFFIC_REPORT``; the level where Amazon has a name for it."""
        name = self.argument.rpartition(".")[2]
        return self.level or f"{name}={'|'.join(self.values)}"
