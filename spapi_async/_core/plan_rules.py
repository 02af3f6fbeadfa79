"""Limits that depend on an argument of the call, as values; users may add rules to those that Amazon publishes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from spapi_async._core.operation import Operation, operation_exists
from spapi_async.errors import ConfigurationError

__all__ = ["ANY", "Bucket", "Limit", "PlanRule", "Window", "checked_rules"]

ANY = "*"
"""As a rule's value: matches every value of the argument."""


class Window(msgspec.Struct, frozen=True):
    """At most ``requests`` in any ``seconds``: a sliding log. A bucket with these figures admits twice as many."""

    requests: int
    seconds: float

    def __post_init__(self) -> None:
        if type(self.requests) is not int or self.requests < 1 or not _is_number(self.seconds) or self.seconds <= 0:
            raise ConfigurationError(
                f"Window needs a whole number of requests, 1 or more, in a number of seconds above zero, not {self!r}"
            )

    def __str__(self) -> str:
        return f"{self.requests} in {self.seconds:g} s"


class Bucket(msgspec.Struct, frozen=True):
    """A token bucket: ``rate`` tokens a second flow in, at most ``burst`` are kept."""

    rate: float
    burst: float

    def __post_init__(self) -> None:
        if not (_is_number(self.rate) and _is_number(self.burst)) or self.rate <= 0 or self.burst < 1:
            raise ConfigurationError(f"Bucket needs a rate above zero and a burst of 1 or more, not {self!r}")

    def __str__(self) -> str:
        return f"{self.rate:g}/s, burst {self.burst:g}"


Limit = Bucket | Window


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")


class PlanRule(msgspec.Struct, frozen=True):
    """Limits on those calls of an operation that have a certain value in an argument.

    All calls to which a rule applies share its limits, even if the rule has several values.

    Attributes:
        operation: ``"reports_2021_06_30.create_report"``, or the operation itself.
        argument: Amazon's name of a parameter, or a path into the body: ``"mode"``, ``"body.reportType"``,
            ``"body.patches[].path"``. If it is a mapping, its keys are the values: ``"body.attributes"``.
        value: the value; or several, of which one must match; or ``"*"`` for any.
        limits: one or more of :class:`Window` and :class:`Bucket`; a call needs room in each.
        scope: ``"seller"``: each seller (and region) has its own limits; ``"application"``: all sellers share them.
        unless: values that are ignored.
        level: the name of this limit in Amazon's 429, if it has one.
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
        several = (limits,) if isinstance(limits, Bucket | Window) else _tuple_of(limits, Bucket | Window)
        if not several:
            raise ConfigurationError(f"limits must be one or more of Window and Bucket, not {limits!r}")
        msgspec.structs.force_setattr(self, "limits", several)
        if self.scope not in ("seller", "application"):
            raise ConfigurationError(f'scope must be "seller" or "application", not {self.scope!r}')
        if not self.argument or not self.value:
            raise ConfigurationError(f"a rule for {self.operation} needs an argument and a value")
        for name in ("value", "unless"):
            given: Any = getattr(self, name)
            texts = given if name == "value" and isinstance(given, str) else _texts_of(given)
            if texts is None:
                raise ConfigurationError(f"{name} must be text as Amazon writes it, or several, not {given!r}")
            msgspec.structs.force_setattr(self, name, texts)

    @property
    def values(self) -> tuple[str, ...]:
        """``value`` as a tuple."""
        return (self.value,) if isinstance(self.value, str) else self.value

    def applies_to(self, found: tuple[str, ...]) -> bool:
        """Whether the rule applies to a call with these values in the argument."""
        values = self.values
        return any((ANY in values or value in values) and value not in self.unless for value in found)

    @property
    def label(self) -> str:
        """A label for display: ``reportType=GET_SALES_AND_TRAFFIC_REPORT``, or the level if Amazon has named it."""
        name = self.argument.rpartition(".")[2]
        return self.level or f"{name}={'|'.join(self.values)}"


def _tuple_of(values: Any, kind: Any) -> tuple[Any, ...] | None:
    """Several values of a kind as a tuple; None if they are anything else."""
    if not isinstance(values, list | tuple | set | frozenset):
        return None
    several = tuple(values) if isinstance(values, list | tuple) else tuple(sorted(values, key=str))
    return several if all(isinstance(value, kind) for value in several) else None


def _texts_of(given: Any) -> tuple[str, ...] | None:
    return (given,) if isinstance(given, str) else _tuple_of(given, str)


def checked_rules(rules: Iterable[PlanRule], *, of_amazon: bool = False) -> tuple[PlanRule, ...]:
    """Check a user's rules; with ``of_amazon`` each must be about one of Amazon's operations.

    Raises:
        ConfigurationError: this is not a list of PlanRule, or a rule is about an operation that does not exist.
    """
    several = None if isinstance(rules, PlanRule) or not isinstance(rules, Iterable) else tuple(rules)
    if several is None or not all(isinstance(rule, PlanRule) for rule in several):
        raise ConfigurationError(f"rules must be a list of PlanRule, not {rules!r}")
    for rule in several if of_amazon else ():
        if not operation_exists(rule.operation):
            raise ConfigurationError(f"a rule is about {rule.operation!r}, but there is no such operation")
    return several
