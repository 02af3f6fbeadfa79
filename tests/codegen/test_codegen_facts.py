"""The generator's hand-written facts name existing operations, arguments and fields."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from importlib import import_module

import pytest

from spapi_async._core.wire import PersonalModel
from spapi_async.api import NAMESPACES, operations
from spapi_async.codegen import conditions, overlay, paging, personal, plans, repeats, restrictions
from spapi_async.models import support_2025_02_01
from spapi_async.models.notifications import MODULES as PAYLOADS


def named(table: dict[str, dict[object, str]] | dict[str, str]) -> set[str]:
    """The operations that a table of facts names."""
    found: set[str] = set()
    for module, entry in table.items():
        lists: Iterable[str] = [entry] if isinstance(entry, str) else entry.values()
        found |= {f"{module}.{method}" for methods in lists for method in methods.split()}
    return found


TABLES: dict[str, set[str]] = {
    "sdk": named(plans.SDK),  # type: ignore[arg-type]
    "docs": named(plans.DOCS),  # type: ignore[arg-type]
    "application": named(plans.APPLICATION),  # type: ignore[arg-type]
    "successors": named(plans.SUCCESSORS),  # type: ignore[arg-type]
    "siblings": named(plans.SIBLINGS),  # type: ignore[arg-type]
    "restricted": named(restrictions.ALWAYS) | set(restrictions.SPECIAL),
    "scopes": {name for modules in restrictions.SCOPES.values() for name in named(modules)},
    "replacing": named(repeats.REPLACING),
    "reading": named(repeats.READING),
    "harmless": named(repeats.HARMLESS),
    "paging": {*paging.ALONE, *paging.NEXT_TOKEN_QUERY, *paging.LIFETIMES, *paging.ITEMS, *paging.WHOLE_BODY},
    "conditions": set(conditions.CONDITIONS),
}


@pytest.mark.parametrize("table", sorted(TABLES))
def test_facts_name_operations_that_exist(table: str) -> None:
    """A fact with a misspelt name would never apply."""
    assert TABLES[table]
    assert TABLES[table] <= operations().keys()


def test_conditions_name_arguments_that_exist() -> None:
    """Code in a condition is an argument, the beginning of several, or one of Amazon's values."""
    for name, sentences in conditions.CONDITIONS.items():
        module, _, method = name.partition(".")
        arguments = inspect.signature(getattr(_namespace(module), method)).parameters
        values = {value for p in operations()[name].parameters for value in p.constraints.enum}
        for word in re.findall(r"``([^`]+)``", " ".join(sentences)):
            assert word in values or any(word in argument for argument in arguments), f"{name}: {word}"


def _namespace(module: str) -> type:
    found = getattr(import_module(f"spapi_async.api.{module}"), NAMESPACES[module])
    assert isinstance(found, type)
    return found


def test_overlays_change_fields_that_exist() -> None:
    """Each entry is in the docstring of its class, with its reason."""
    for module, fields in overlay.OVERLAY.items():
        models = import_module(f"spapi_async.models.{module}")
        for path, entry in fields.items():
            made = getattr(models, path.partition(".")[0])
            assert entry.reason in made.__doc__, path
            field = next(
                n
                for n, wire in zip(made.__struct_fields__, made.__struct_encode_fields__, strict=True)
                if wire == path.partition(".")[2]
            )
            expected = {"optional": "None", "text": "str", "timestamp": "Timestamp"}[entry.change]
            assert expected in made.__annotations__[field], path


def test_date_time_parameters_exist() -> None:
    """Each name of the table is a parameter that takes a datetime."""
    for module, names in overlay.DATE_TIME_PARAMETERS.items():
        here = [p for found in operations().values() if found.api == module for p in found.parameters]
        for name in names.split():
            types = {p.type for p in here if p.wire_name == name}
            assert types, (module, name)
            assert "datetime | str" in types, (module, name)


def test_bounds_of_a_time_span_are_datetimes() -> None:
    """Only those of unknown form are strings; Amazon's own type does not matter."""
    plain = {
        (operation.name, parameter.wire_name)
        for operation in operations().values()
        for parameter in operation.parameters
        if parameter.location == "query"
        and parameter.type == "str"
        and re.search(
            r"(After|Before|Since|Until|(Start|End)(Date|Time)|^(start|end)(Date|Time))$", parameter.wire_name
        )
    }
    remittances = "finance_remittance_2026_03_17.get_remittance_headers"
    assert plain == {(remittances, "startDate"), (remittances, "endDate")}


@pytest.mark.parametrize(
    ("name", "fields", "expected"),
    [
        ("ShipToAddress", [("city", True), ("is_business", False)], "all"),
        ("BuyerInfo", [("anything", True)], "all"),
        ("OrderDropOffLocation", [("type", True), ("attributes", True)], "all"),
        ("ProofOfDelivery", [("delivery_photo_url", True), ("received_by", True)], "all"),
        ("CarrierDetails", [("name", True), ("phone", True)], "all"),
        ("ShipmentDetail", [("order_id", True), ("buyer_name", True)], ("buyer_name",)),
        ("ReportDocument", [("report_document_id", True), ("url", True)], ("url",)),
        ("AddressList", [("address", False)], ()),  # only a container
        ("Carrier", [("name", True)], ()),
        ("PackageDimensions", [("length", False)], ()),
    ],
)
def test_personal_data_is_found_by_names(
    name: str, fields: list[tuple[str, bool]], expected: tuple[str, ...] | str
) -> None:
    """The name of the type decides, then a field that only contacts have, otherwise each field's name."""
    assert personal.hidden_fields("reports_2021_06_30", name, fields) == expected


def test_places_of_personal_data_exist() -> None:
    """Each entry of the table applies to its class, so that a field that Amazon renames is noticed."""
    for module, classes in personal.PLACES.items():
        package = "spapi_async.models" if module in NAMESPACES else "spapi_async.models.notifications"
        models = import_module(f"{package}.{module}")
        for name, fields in classes.items():
            assert set(fields) <= set(getattr(models, name).__personal__), (module, name)


def test_hidden_names_are_used() -> None:
    """No entry of the lists of names is without effect."""
    payloads = {f"notifications.{module}" for versions in PAYLOADS.values() for module in versions.values()}
    modules = [import_module(f"spapi_async.models.{module}") for module in {*NAMESPACES, *payloads}]
    classes = [c for m in modules for c in vars(m).values() if isinstance(c, type) and issubclass(c, PersonalModel)]
    single = {name for made in classes for name in made.__personal__}
    whole = {name for made in classes if not made.__personal__ for name in made.__struct_fields__}
    assert single >= personal.FIELDS - whole
    assert whole >= personal.MARKS


def test_support_cases_hide_personal_data_in_their_repr() -> None:
    """E-mail addresses, phone numbers, names, messages and links to attachments are hidden."""
    secret = "hide-me"
    fields: dict[str, dict[str, object]] = {
        "Case": {"subject": secret, "primary_email": secret, "cc_emails": [secret]},
        "CaseFilters": {"primary_emails": [secret], "cc_emails": [secret], "subject_keywords": secret},
        "PhoneNumber": {"country_code": secret, "number": secret, "extension": secret},
        "Participant": {"display_name": secret},
        "ChatEvent": {"message": secret},
        "ChatContent": {"transcript": secret},
        "EmailContent": {"message": secret},
        "PhoneContent": {"call_notes": secret},
        "Attachment": {"name": secret, "download_url": secret},
    }
    for name, values in fields.items():
        made = getattr(support_2025_02_01, name)
        text = repr(made(**(dict.fromkeys(made.__struct_fields__) | values)))
        assert secret not in text, text
