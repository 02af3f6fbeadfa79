"""The generator's hand-written facts speak of operations, arguments and fields that exist."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from importlib import import_module

import pytest

from spapi_async.api import NAMESPACES, operations
from spapi_async.codegen import conditions, overlay, paging, plans, repeats, restrictions

MODULES_NOT_AT_HAND = {"finances_invoices_2026_06_25", "fulfillment_outbound_2026_07_04", "tracking_2026_01_30"}


def named(table: dict[str, dict[object, str]] | dict[str, str]) -> set[str]:
    """The operations that a table of facts names."""
    found: set[str] = set()
    for module, entry in table.items():
        lists: Iterable[str] = [entry] if isinstance(entry, str) else entry.values()
        found |= {f"{module}.{method}" for methods in lists for method in methods.split()}
    return found


TABLES: dict[str, set[str]] = {
    "sdk": named(plans._SDK),  # type: ignore[arg-type]
    "docs": named(plans._DOCS),  # type: ignore[arg-type]
    "application": named(plans._APPLICATION),  # type: ignore[arg-type]
    "successors": named(plans._SUCCESSORS),  # type: ignore[arg-type]
    "restricted": named(restrictions._ALWAYS) | set(restrictions._SPECIAL),
    "scopes": {name for modules in restrictions._SCOPES.values() for name in named(modules)},
    "puts": named(repeats._DOUBTFUL_PUTS),
    "posts": named(repeats._HARMLESS_POSTS),
    "paging": {*paging._ALONE, *paging._NEXT_TOKEN_QUERY, *paging._LIFETIMES, *paging._ITEMS, *paging._WHOLE_BODY},
    "conditions": set(conditions._CONDITIONS),
}


@pytest.mark.parametrize("table", sorted(TABLES))
def test_facts_name_operations_that_exist(table: str) -> None:
    """A misspelt name would be a fact that nobody sees."""
    unknown = TABLES[table] - operations().keys()
    assert {name.partition(".")[0] for name in unknown} <= MODULES_NOT_AT_HAND
    assert TABLES[table] - unknown


def test_conditions_name_arguments_that_exist() -> None:
    """What stands in code in a condition is an argument, the start of several, or one of Amazon's values."""
    for name, sentences in conditions._CONDITIONS.items():
        module, _, method = name.partition(".")
        arguments = inspect.signature(getattr(_namespace(module), method)).parameters
        values = {value for p in operations()[name].parameters for value in p.constraints.enum}
        for word in re.findall(r"``([^`]+)``", " ".join(sentences)):
            assert word in values or any(word in argument for argument in arguments), f"{name}: {word}"


def _namespace(module: str) -> type:
    found = getattr(import_module(f"spapi_async.api.{module}"), NAMESPACES[module])
    assert isinstance(found, type)
    return found


def test_overlays_loosen_fields_that_exist() -> None:
    """Each entry shows in the docstring of its class, with its reason."""
    for module, fields in overlay._OVERLAY.items():
        models = import_module(f"spapi_async.models.{module}")
        for path, entry in fields.items():
            made = getattr(models, path.partition(".")[0])
            assert entry.reason in made.__doc__, path
            field = next(
                n
                for n, wire in zip(made.__struct_fields__, made.__struct_encode_fields__, strict=True)
                if wire == path.partition(".")[2]
            )
            assert (
                "None" in made.__annotations__[field]
                if entry.change == "optional"
                else "str" in made.__annotations__[field]
            )
