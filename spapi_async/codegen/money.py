"""Decides which numbers are money or otherwise exact and become Decimal; the others become float or int."""

from __future__ import annotations

import msgspec

from spapi_async.codegen.names import lower_words

__all__ = ["Context", "number_type", "string_type"]

# A definition whose name contains this word is a decimal wherever it is used.
_DECIMAL_WORD = "decimal"
_MONEY_OWNERS = {"currency", "money", "price", "amount"}
_MONEY_WORDS = {"amount", "amounts", "cost", "fee", "money", "price", "revenue"}
_VALUE_WORDS = _MONEY_WORDS | {"value"}
_RATIO_WORDS = {"penetration", "percent", "percentage", "quantity", "rate", "share", "units"}


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """The place of a schema: class, property and its siblings; ``aliases`` are the definitions that led to it."""

    owner: str
    name: str = ""
    siblings: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()

    def through(self, alias: str) -> Context:
        """The same place, seen through a definition."""
        return msgspec.structs.replace(self, aliases=(*self.aliases, alias))


def number_type(format_: str | None, context: Context) -> str:
    """The Python type of a JSON number.

    Amazon uses ``number`` with an integer format for counts (Replenishment, Services). Money becomes ``Number``, a
    Decimal that Amazon writes as a JSON number.
    """
    if format_ in ("int32", "int64"):
        return "int"
    return "Number" if _is_money(context) else "float"


def string_type(context: Context) -> str:
    """``Decimal`` for a decimal that Amazon writes as a JSON string, else ``str``."""
    if any(_DECIMAL_WORD in lower_words(alias) for alias in context.aliases):
        return "Decimal"
    name = lower_words(context.name)
    beside_currency = any("currency" in lower_words(sibling) for sibling in context.siblings)
    return "Decimal" if beside_currency and name == ["amount"] else "str"


def _is_money(context: Context) -> bool:
    if any(_DECIMAL_WORD in lower_words(alias) for alias in context.aliases):
        return True
    name = set(lower_words(context.name))
    if name & _RATIO_WORDS:
        return False
    if any("currency" in lower_words(sibling) for sibling in context.siblings):
        return bool(name & _VALUE_WORDS)
    if set(lower_words(context.owner)) & _MONEY_OWNERS:
        return bool(name & {"amount", "value"})
    return bool(name & _MONEY_WORDS)
