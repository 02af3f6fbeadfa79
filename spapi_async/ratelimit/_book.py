"""Which limits a call uses: its usage plan, the application's, and the rules that its arguments match. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec

from spapi_async._core.operation import Operation
from spapi_async._core.plan_rules import Bucket, Limit, PlanRule
from spapi_async.credentials import Account
from spapi_async.errors import ConfigurationError
from spapi_async.ratelimit._arguments import ArgumentReader
from spapi_async.ratelimit._rules import BUILT_IN_RULES, VALUED_ARGUMENTS

__all__ = ["PLAIN", "Charge", "PlanBook", "Selection"]


class Selection(msgspec.Struct, frozen=True):
    """The relevant part of a call's arguments: the rules that apply, and the value that may have its own limit."""

    rules: tuple[int, ...] = ()
    value: str = ""


PLAIN = Selection()
"""The selection of every call of an operation without rules."""


class Charge(msgspec.Struct, frozen=True, kw_only=True):
    """One limit that a call uses.

    Attributes:
        key: identifies the bucket: operation and payer, or operation, application and region if all sellers share it;
            a rule adds two parts.
        limit: a token bucket or a window.
        kind: ``plan`` (the usage plan), ``application`` (its counterpart for all sellers) or ``rule``.
        shared: whether all sellers of the application use it.
        label: the arguments to which a rule's limit applies, for display; ``""`` for a plan.
        level: the name of the limit in Amazon's 429, if it has one.
    """

    key: tuple[str, ...]
    limit: Limit
    kind: Literal["plan", "application", "rule"]
    shared: bool
    label: str = ""
    level: str = ""


class _Keyed:
    """The rules of one operation, ready to be applied."""

    __slots__ = ("_readers", "_valued", "rules")

    def __init__(self, operation: Operation[Any], rules: tuple[PlanRule, ...]) -> None:
        self._readers = [ArgumentReader(operation, rule.argument) for rule in rules]
        self.rules = tuple(map(_as_sent, rules, self._readers))
        valued = VALUED_ARGUMENTS.get(operation.name)
        self._valued = ArgumentReader(operation, valued) if valued else None

    def select(self, arguments: Mapping[str, Any]) -> Selection:
        applying = tuple(
            number
            for number, (rule, reader) in enumerate(zip(self.rules, self._readers, strict=True))
            if rule.applies_to(reader.values(arguments))
        )
        value = self._valued.values(arguments)[:1] if self._valued else ()
        return Selection(applying, *value)


def _name(rule: PlanRule) -> str:
    """Distinguishes a rule's limits from those of the operation's other rules with the same scope."""
    unless = f" unless {'|'.join(rule.unless)}" if rule.unless else ""
    return f"{rule.argument}={'|'.join(rule.values)}{unless}"


def _apply_to_same_calls(rule: PlanRule, other: PlanRule) -> bool:
    return (rule.operation, rule.scope, _name(rule)) == (other.operation, other.scope, _name(other))


def _as_sent(rule: PlanRule, reader: ArgumentReader) -> PlanRule:
    values, unless = reader.on_the_wire(rule.values), reader.on_the_wire(rule.unless)
    return msgspec.structs.replace(rule, value=values, unless=unless)


class PlanBook:
    """All rules.

    Args:
        rules: the user's rules; one with the same operation, argument and value as a built-in rule replaces it.

    Raises:
        ConfigurationError: two rules apply to the same calls and differ.
    """

    __slots__ = ("_by_name", "_keyed")

    def __init__(self, rules: Iterable[PlanRule] = ()) -> None:
        own = tuple(dict.fromkeys(rules))
        replaced = {(rule.operation, rule.argument, rule.values) for rule in own}
        for number, rule in enumerate(own):
            if any(_apply_to_same_calls(rule, other) for other in own[:number]):
                # They would share one bucket with the figures of the first, and each call would use it twice.
                raise ConfigurationError(
                    f"two rules apply to the same calls, {rule.operation} with {_name(rule)}: combine them into one"
                )
        kept = [rule for rule in BUILT_IN_RULES if (rule.operation, rule.argument, rule.values) not in replaced]
        self._by_name: dict[str, tuple[PlanRule, ...]] = {}
        for rule in (*kept, *own):
            self._by_name[rule.operation] = (*self._by_name.get(rule.operation, ()), rule)
        self._keyed: dict[Operation[Any], _Keyed] = {}

    def is_keyed(self, operation: Operation[Any]) -> bool:
        """Whether arguments matter to this operation's limits."""
        return operation.name in self._by_name or operation.name in VALUED_ARGUMENTS

    def select(self, operation: Operation[Any], arguments: Mapping[str, Any] | None) -> Selection:
        """The relevant part of a call's arguments.

        Raises:
            ConfigurationError: a rule names a parameter that the operation does not have.
        """
        if not arguments or not self.is_keyed(operation):
            return PLAIN
        keyed = self._keyed.get(operation)
        if keyed is None:
            keyed = self._keyed[operation] = _Keyed(operation, self._by_name.get(operation.name, ()))
        return keyed.select(arguments)

    def charges(self, operation: Operation[Any], account: Account, selection: Selection) -> tuple[Charge, ...]:
        """Every limit that such a call uses, the usage plan first."""
        plan = operation.usage_plan
        own = (operation.name, account.payer)
        shared = (operation.name, account.application, account.region.value)
        charges = [Charge(key=own, limit=Bucket(float(plan.rate), float(plan.burst)), kind="plan", shared=False)]
        if plan.application_rate is not None:
            whole = Bucket(float(plan.application_rate), plan.burst_of_application)
            charges.append(Charge(key=shared, limit=whole, kind="application", shared=True, level="application"))
        rules = self._by_name.get(operation.name, ())
        for rule in (rules[number] for number in selection.rules):
            by_all_sellers = rule.scope == "application"
            for number, limit in enumerate(rule.limits):
                key = (*(shared if by_all_sellers else own), _name(rule), str(number))
                charges.append(
                    Charge(key=key, limit=limit, kind="rule", shared=by_all_sellers, label=rule.label, level=rule.level)
                )
        return tuple(charges)

    def value_charge(self, operation: Operation[Any], account: Account, value: str) -> Charge:
        """The limit of a single value, learned from a 429: it has the plan's figures until more is learned."""
        plan = operation.usage_plan
        name = VALUED_ARGUMENTS[operation.name]
        key = (operation.name, account.payer, f"{name}={value}", "learned")
        limit = Bucket(float(plan.rate), float(plan.burst))
        return Charge(key=key, limit=limit, kind="rule", shared=False, label=f"{name.rpartition('.')[2]}={value}")
