"""The text of a models module: structs and open enums."""

from __future__ import annotations

import msgspec

from spapi_async.codegen.names import words
from spapi_async.codegen.text import Call, Dictionary, docstring, header, layout, limits_in_words, quoted
from spapi_async.codegen.types import EnumClass, Field, ModelClass, PyType, render

__all__ = ["emit_models"]

_WIRE_NAMES = ("Model", "Number", "OpenEnum", "Timestamp")


def emit_models(title: str, sources: tuple[str, ...], classes: tuple[ModelClass | EnumClass, ...]) -> str:
    """The source of ``models/<module>.py``."""
    blocks = [_model(item) if isinstance(item, ModelClass) else _enum(item) for item in classes]
    used = _scalars(classes)
    members = {name for item in classes if isinstance(item, EnumClass) for name, _ in item.members}
    suppressed = ["E741"] if members & {"I", "O"} else []
    if any(_looks_secret(item) for item in classes):
        suppressed.append("S105")
    imports = _imports(used, classes)
    return header(f"Types of {title}.", sources, suppressed) + imports + "".join(f"\n\n{block}\n" for block in blocks)


def _imports(used: set[str], classes: tuple[ModelClass | EnumClass, ...]) -> str:
    standard = [
        line
        for name, line in (
            ("dt.date", "import datetime as dt"),
            ("Decimal", "from decimal import Decimal"),
            ("Any", "from typing import Any"),
        )
        if name in used
    ]
    wire = {"Model" if isinstance(item, ModelClass) else "OpenEnum" for item in classes} | (used & set(_WIRE_NAMES))
    ours = [f"from spapi_async._wire import {', '.join(sorted(wire))}"] if wire else []
    return "".join("\n" + "".join(f"{line}\n" for line in group) for group in (standard, ours) if group)


def _scalars(classes: tuple[ModelClass | EnumClass, ...]) -> set[str]:
    found = set()
    for item in classes:
        for field in item.fields if isinstance(item, ModelClass) else ():
            type_: PyType | None = field.type
            while type_ is not None:
                found.add(type_.name)
                type_ = type_.item
    return found


def _enum(item: EnumClass) -> str:
    members = "\n".join(f"    {name} = {quoted(value)}" for name, value in item.members)
    return f"class {item.name}(OpenEnum):\n{docstring(_summary(item.definition), (), 4)}\n\n{members}"


def _model(item: ModelClass) -> str:
    notes = [line for field in item.fields if (line := _note(field))]
    text = docstring(_summary(item.definition), [["Attributes:", *notes]] if notes else [], 4)
    bases = _bases(item)
    fields = "\n".join(f"    {_field(field)}" for field in item.fields)
    return f"{bases}\n{text}" + (f"\n\n{fields}" if fields else "")


def _bases(item: ModelClass) -> str:
    rename = _rename(item.fields)
    keywords: tuple[tuple[str, str | Dictionary], ...] = (("kw_only", "True"),)
    if rename is not None:
        keywords = (*keywords, ("rename", rename))
    return layout(Call(f"class {item.name}", ("Model",), keywords), 0, after=":")


def _rename(fields: tuple[Field, ...]) -> str | Dictionary | None:
    """The rule of msgspec where it gives Amazon's names, else the names one by one."""
    names, wire_names = [field.name for field in fields], tuple(field.wire_name for field in fields)
    if tuple(names) == wire_names:
        return None
    for rule in ("camel", "pascal"):
        probe = msgspec.defstruct("Probe", [(name, object) for name in names], rename=rule)
        if probe.__struct_encode_fields__ == wire_names:
            return quoted(rule)
    return Dictionary(tuple((quoted(f.name), quoted(f.wire_name)) for f in fields if f.name != f.wire_name))


def _field(field: Field) -> str:
    annotation = render(field.type)
    if field.required:
        return f"{field.name}: {annotation}"
    return f"{field.name}: {annotation} = None" if annotation == "Any" else f"{field.name}: {annotation} | None = None"


def _note(field: Field) -> str:
    """What the annotation cannot say about a field; the values of an enum are in its class."""
    limits = field.limits if field.type.kind != "enum" else msgspec.structs.replace(field.limits, enum=())
    items = field.item_limits
    if items is not None:
        items = msgspec.structs.replace(items, enum=())
    said = [limits_in_words(limits, items)]
    if field.loosened is not None:
        what = "required by Amazon's model" if field.loosened.change == "optional" else "a date-time in Amazon's model"
        said.append(f"{what}, but {field.loosened.reason}")
    text = "; ".join(part for part in said if part)
    return f"    {field.name}: {text}." if text else ""


def _summary(definition: str) -> str:
    owner, dot, name = definition.partition(".")
    return f"``{name}`` of Amazon's ``{owner}``." if dot else f"Amazon's ``{definition}``."


def _looks_secret(item: ModelClass | EnumClass) -> bool:
    """Whether a linter takes a member for a password: the name holds ``token`` or the like."""
    return isinstance(item, EnumClass) and any(
        {word.lower() for word in words(name.lower())} & {"token", "secret", "password"} for name, _ in item.members
    )
