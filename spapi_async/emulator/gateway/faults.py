"""Faults on demand: what goes wrong, for which operation, how often.

A rule is a JSON object; the first one that matches a request applies to it:

``operation``    ``"orders_v0.get_order"``, ``"lwa"``, ``"document"`` or ``"*"`` (the default: any operation)
``times``        how many requests it applies to (1; null: no limit)
``probability``  that it applies to a matching request (1.0); drawn from the emulator's seed
``delay``        seconds before the request is acted on
``status``       the status to answer with instead of acting; if it is one of the operation's success statuses and there
                 is no ``body``, the request is acted on and the reply is the one that belongs to this status
``body``         the body of that answer: ``"json"`` (Amazon's error, the default), ``"html"``, ``"empty"``, any text or
                 object; without ``status``, it replaces the body of the real answer
``headers``      to set on the answer; null removes one
``hold``         seconds that the answer is held back after the request was acted on
``disconnect``   ``"before"`` or ``"after"`` acting: close the connection without an answer
``truncate``     true: send half of the body, then close the connection
``outcome``      of a report, feed or query created by this request: ``"FATAL"`` or ``"CANCELLED"``
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any, Literal

import msgspec

__all__ = ["FaultRule", "Faults"]


class FaultRule(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One rule; the module's docstring says what each field does."""

    operation: str = "*"
    times: int | None = 1
    probability: float = 1.0
    delay: float = 0.0
    hold: float = 0.0
    status: int | None = None
    body: Any = None
    headers: dict[str, str | None] = {}
    disconnect: Literal["before", "after"] | None = None
    truncate: bool = False
    outcome: Literal["FATAL", "CANCELLED"] | None = None


class Faults:
    """The rules in force."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(f"faults {seed}")  # noqa: S311  chance, not secrecy
        self._rules: list[FaultRule] = []
        self.injected = 0

    def add(self, rules: Iterable[Any]) -> None:
        """Add rules given as JSON objects.

        Raises:
            msgspec.ValidationError: a rule has an unknown field or a value of the wrong type; the message names it.
        """
        self._rules += [msgspec.convert(rule, FaultRule) for rule in rules]

    def clear(self) -> None:
        """Remove all rules."""
        self._rules.clear()

    def draw(self, operation: str) -> FaultRule | None:
        """The rule that applies to this request, if any."""
        for rule in self._rules:
            if rule.operation != operation and not (rule.operation == "*" and "." in operation):
                continue
            if rule.probability < 1.0 and self._random.random() >= rule.probability:
                continue
            if rule.times is not None:
                rule.times -= 1
                if rule.times <= 0:
                    self._rules.remove(rule)
            self.injected += 1
            return rule
        return None
