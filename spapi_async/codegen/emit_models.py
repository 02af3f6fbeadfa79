"""The text of a models module: structs and open enums."""

from __future__ import annotations

import msgspec

from spapi_async.codegen.names import words
from spapi_async.codegen.text import Call, Tuple, assignment, docstring, header, layout, limits_in_words, quoted
from spapi_async.codegen.types import PARAMETER, EnumClass, Field, ModelClass, PyType, render

__all__ = ["emit_models"]

_MODEL_SAYS = {
    "optional": "required by Amazon's model",
    "text": "a date-time in Amazon's model",
    "timestamp": "a string in Amazon's model",
}

_WIRE_NAMES = ("Model", "Number", "OpenEnum", "Timestamp")


def emit_models(title: str, sources: tuple[str, ...], classes: tuple[ModelClass | EnumClass, ...]) -> str:
    """The source of ``models/<module>.py``."""
    blocks = [_model(item) if isinstance(item, ModelClass) else _enum(item) for item in classes]
    used = _scalars(classes)
    members = {name for item in classes if isinstance(item, EnumClass) for name, _ in item.members}
    suppressed = ["E741"] if members & {"I", "O"} else []
    if any(_looks_secret(item) for item in classes):
        suppressed.append("S105")
    body = "".join(f"\n\n{block}\n" for block in blocks)
    if "= msgspec.field(" in body:
        used.add("msgspec")
    return header(f"Types of {title}.", sources, suppressed) + _imports(used, classes) + body


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
    wire = {_base(item) if isinstance(item, ModelClass) else "OpenEnum" for item in classes} | (used & set(_WIRE_NAMES))
    ours = [f"from spapi_async._core.wire import {', '.join(sorted(wire))}"] if wire else []
    foreign = ["import msgspec"] if "msgspec" in used else []
    return "".join("\n" + "".join(f"{line}\n" for line in group) for group in (standard, foreign, ours) if group)


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
    members = "\n".join(f"    {assignment(name, quoted(value), 4)}" for name, value in item.members)
    return f"class {item.name}(OpenEnum):\n{docstring(_summary(item.definition), (), 4)}\n\n{members}"


def _model(item: ModelClass) -> str:
    notes = [line for field in item.fields if (line := _note(field))]
    text = docstring(_summary(item.definition), [["Attributes:", *notes]] if notes else [], 4)
    rule, exceptions = _rename(item.fields)
    keywords = (("kw_only", "True"), *((("rename", quoted(rule)),) if rule else ()))
    head = layout(Call(f"class {item.name}", (_base(item),), keywords), 0, after=":")
    fields = "\n".join(f"    {_field(field, renamed=field.wire_name in exceptions)}" for field in item.fields)
    return "\n\n".join(part for part in (f"{head}\n{text}", _personal(item), fields) if part)


def _base(item: ModelClass) -> str:
    return "PersonalModel" if item.hidden else "Model"


def _personal(item: ModelClass) -> str:
    """The assignment of ``__personal__``: the fields that the repr hides, unless it hides all or none."""
    if item.hidden in ("all", ()):
        return ""
    return "    " + layout(Tuple(tuple(quoted(name) for name in item.hidden)), 4, "__personal__ = ")


def _rename(fields: tuple[Field, ...]) -> tuple[str | None, set[str]]:
    """The rename rule of msgspec that produces the most of Amazon's names, and the names that it does not produce."""
    names, wire_names = [field.name for field in fields], [field.wire_name for field in fields]
    found: list[tuple[str | None, set[str]]] = []
    for rule in (None, "camel", "pascal"):
        probe = msgspec.defstruct("Probe", [(name, object) for name in names], rename=rule)
        made = zip(wire_names, probe.__struct_encode_fields__, strict=True)
        found.append((rule, {wire_name for wire_name, renamed in made if wire_name != renamed}))
    return min(found, key=lambda rule: len(rule[1]))


def _field(field: Field, *, renamed: bool) -> str:
    annotation = render(field.type)
    if not field.required and annotation != "Any":
        annotation += " | None"
    declared = f"{field.name}: {annotation}"
    if not renamed:
        return declared if field.required else f"{declared} = None"
    keywords = () if field.required else (("default", "None"),)
    call = Call("msgspec.field", keywords=(*keywords, ("name", quoted(field.wire_name))))
    return layout(call, 4, f"{declared} = ")


def _note(field: Field) -> str:
    """What the annotation cannot say about a field; the values of an enum are in its class."""
    limits = field.limits if field.type.kind != "enum" else msgspec.structs.replace(field.limits, enum=())
    items = field.item_limits
    if items is not None:
        items = msgspec.structs.replace(items, enum=())
    said = [limits_in_words(limits, items)]
    if field.overlay is not None:
        said.append(f"{_MODEL_SAYS[field.overlay.change]}, but {field.overlay.reason}")
    text = "; ".join(part for part in said if part)
    return f"    {field.name}: {text}." if text else ""


def _summary(definition: str) -> str:
    if definition.startswith(PARAMETER):
        return f"Values of Amazon's parameter ``{definition.removeprefix(PARAMETER)}``."
    owner, dot, name = definition.partition(".")
    return f"``{name}`` of Amazon's ``{owner}``." if dot else f"Amazon's ``{definition}``."


def _looks_secret(item: ModelClass | EnumClass) -> bool:
    """Whether a linter may mistake a member for a password, because its name contains ``token`` or the like."""
    return isinstance(item, EnumClass) and any(
        {word.lower() for word in words(name.lower())} & {"token", "secret", "password"} for name, _ in item.members
    )
