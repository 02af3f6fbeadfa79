"""Turns operations into what the generated modules contain: signature, ``Operation`` fields and documented facts."""

from __future__ import annotations

from typing import Literal

import msgspec

from spapi_async._core.operation import Constraints, Encoding, Paging, Parameter, Restriction, UsagePlan
from spapi_async.codegen.conditions import conditions
from spapi_async.codegen.document import ModelError, RawOperation, RawParameter
from spapi_async.codegen.money import Context
from spapi_async.codegen.names import class_name, constant, field_name, lower_words, singular
from spapi_async.codegen.overlay import is_date_time
from spapi_async.codegen.paging import find_paging
from spapi_async.codegen.plans import usage_plan
from spapi_async.codegen.removals import Removal, removal
from spapi_async.codegen.repeats import is_idempotent
from spapi_async.codegen.restrictions import grantless_scope, restriction
from spapi_async.codegen.schemas import Schema
from spapi_async.codegen.types import ClassTable, Field, PyType, render, walk
from spapi_async.codegen.usage import read_usage_plan

__all__ = ["NO_CONTENT", "Argument", "Method", "Status", "build_methods"]

Status = Literal["current", "deprecated", "removed"]
# Amazon decodes these lists twice, according to the notes on these operations and to reports of developers.
_DOUBLE: dict[str, dict[str, Encoding]] = {
    "fulfillment_inbound_2024_03_20": {"mskus": "multi_double"},
    "product_pricing_v0": {"Skus": "csv_double", "Asins": "csv_double"},
}

NO_CONTENT = 204
_SUCCESS = 200


class Argument(msgspec.Struct, frozen=True, kw_only=True):
    """One argument of a method; ``item_limits`` are those of a list's items."""

    parameter: Parameter
    item_limits: Constraints | None = None


class Method(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is generated for one operation.

    Attributes:
        response: the type of the 2xx body; if the types differ by status, the first of them.
        responses: the types by status if they differ, else empty.
        returns: the types that the method can return; empty if Amazon sends no body.
        maybe_none: whether a success reply may have no body (204, or another status without a type).
        iterator: the name of its ``iter_`` method.
        item: the type of the iterator's items.
        states_success: whether the model has a 2xx reply; if not, 200 is assumed.
    """

    name: str
    constant: str
    id: str
    verb: str
    path: str
    arguments: tuple[Argument, ...]
    conditions: tuple[str, ...]
    response: PyType | None
    responses: tuple[tuple[int, PyType | None], ...]
    unwrap: str | None
    returns: tuple[PyType, ...]
    maybe_none: bool
    body: PyType | None
    decimals: Literal["string", "number"]
    usage_plan: UsagePlan
    idempotent: bool
    restriction: Restriction | None
    grantless_scope: str | None
    paging: Paging | None
    iterator: str | None
    item: PyType | None
    success: tuple[int, ...]
    states_success: bool
    errors: tuple[int, ...]
    status: Status
    removal: Removal | None
    sandbox_only: bool


class _Names(msgspec.Struct, frozen=True):
    """The facts about a module that are needed to name the parameters and types of its operations."""

    module: str
    table: ClassTable
    shared_enums: frozenset[str]
    warnings: list[str]


def build_methods(
    module: str, operations: list[tuple[RawOperation, str, Status]], table: ClassTable, warnings: list[str]
) -> tuple[Method, ...]:
    """The methods of one module, by name; adds enums of parameters to the table and assumptions to the warnings."""
    names = _Names(module, table, _shared_enums([operation for operation, _, _ in operations]), warnings)
    methods = [_method(operation, name, status, names) for operation, name, status in sorted(operations, key=_by_name)]
    return _with_iterators(methods)


def _by_name(entry: tuple[RawOperation, str, Status]) -> str:
    return entry[1]


def _method(operation: RawOperation, name: str, status: Status, names: _Names) -> Method:
    arguments = _arguments(operation, names)
    body = next((p for p in operation.parameters if p.location == "body"), None)
    body_type = names.table.type_of(body.schema, Context(owner=class_name(operation.id), name="body")) if body else None
    replies = _replies(operation, names.table)
    responses = tuple(dict.fromkeys(type_ for _, type_ in replies if type_ is not None))
    differ = len({type_ for _, type_ in replies}) > 1
    unwrap, returns = _unwrapped(names.table, responses)
    python_names = {a.parameter.wire_name: a.parameter.name for a in arguments if a.parameter.location == "query"}
    pages = (
        find_paging(
            f"{names.module}.{name}",
            python_names,
            names.table,
            body=body_type,
            result=result,
            reads=operation.verb == "GET",
        )
        for result in returns
    )
    paged = next(filter(None, pages), None)
    declared = tuple(code for code, _ in operation.responses if 200 <= code < 300)
    success = declared or (_SUCCESS,)
    return Method(
        name=name,
        constant=constant(name),
        id=operation.id,
        verb=operation.verb,
        path=operation.path,
        arguments=arguments,
        conditions=conditions(f"{names.module}.{name}"),
        response=responses[0] if responses else None,
        responses=replies if differ else (),
        unwrap=unwrap,
        returns=returns,
        maybe_none=bool(responses) and (NO_CONTENT in success or (differ and None in dict(replies).values())),
        body=body_type,
        decimals=_decimals(names.table, body_type, responses, operation.where),
        usage_plan=usage_plan(names.module, name, _published_plan(operation, names.warnings)),
        idempotent=is_idempotent(names.module, name, operation.verb),
        restriction=restriction(names.module, name),
        grantless_scope=grantless_scope(names.module, name),
        paging=paged.paging if paged else None,
        iterator=_iterator(name) if paged else None,
        item=paged.item if paged else None,
        success=success,
        states_success=bool(declared),
        errors=tuple(code for code, _ in operation.responses if code >= 300),
        status="deprecated" if status == "current" and operation.deprecated else status,
        removal=removal(names.module, name),
        sandbox_only=operation.sandbox_only,
    )


def _published_plan(operation: RawOperation, warnings: list[str]) -> tuple[float, int] | None:
    """The usage plan in the model; None, with a warning, if it cannot be read (one table says "deprecated")."""
    try:
        return read_usage_plan(operation.prose, operation.where)
    except ModelError as problem:
        warnings.append(f"{problem}; its plan is taken from another source or assumed")
        return None


def _arguments(operation: RawOperation, names: _Names) -> tuple[Argument, ...]:
    """Path parameters in path order, then body, required and optional ones."""
    order = [piece.partition("}")[0] for piece in operation.path.split("{")[1:]]
    taken = {"self", "data_elements", "cursor"}
    arguments = []
    for parameter in sorted(operation.parameters, key=lambda p: _rank(p, order)):
        name = "body" if parameter.location == "body" else field_name(parameter.name, taken | {"body"})
        taken.add(name)
        arguments.append(_argument(parameter, name, operation, names))
    return tuple(arguments)


def _rank(parameter: RawParameter, order: list[str]) -> tuple[int, int]:
    if parameter.location == "path":
        return 0, order.index(parameter.name)
    groups = {("body", True): 1, ("query", True): 2, ("header", True): 3, ("body", False): 4, ("query", False): 5}
    return groups.get((parameter.location, parameter.required), 6), 0


def _argument(parameter: RawParameter, name: str, operation: RawOperation, names: _Names) -> Argument:
    schema = parameter.schema
    items = names.table.resolve(schema.items) if schema.items and parameter.location != "body" else None
    return Argument(
        parameter=Parameter(
            name=name,
            wire_name=parameter.name,
            location=parameter.location,
            type=_annotation(parameter, operation, names),
            encoding=_encoding(parameter, names.module),
            required=parameter.required or parameter.location == "path",
            constraints=_with_items(schema.limits, items),
        ),
        item_limits=items.limits if items else None,
    )


def _with_items(limits: Constraints, items: Schema | None) -> Constraints:
    """A list's own limits with the allowed values, lengths and pattern of its items."""
    if items is None:
        return limits
    inner = items.limits
    return msgspec.structs.replace(
        limits,
        enum=inner.enum,
        min_length=inner.min_length,
        max_length=inner.max_length,
        minimum=inner.minimum,
        maximum=inner.maximum,
        pattern=inner.pattern,
        format=inner.format,
    )


def _encoding(parameter: RawParameter, module: str) -> Encoding:
    is_list = parameter.schema.kind == "array"
    if parameter.location == "path":
        return "segment_csv" if is_list else "greedy" if parameter.greedy else "segment"
    if parameter.location == "header":
        return "header_csv" if is_list else "header"
    if parameter.location == "body":
        return "json"
    if not is_list:
        return "plain"
    double = _DOUBLE.get(module, {}).get(parameter.name)
    if double is not None:
        return double
    return "multi" if parameter.collection_format == "multi" else "csv"


def _annotation(parameter: RawParameter, operation: RawOperation, names: _Names) -> str:
    schema = parameter.schema
    if parameter.location == "body":
        return _body_annotation(names.table.type_of(schema, Context(owner=class_name(operation.id), name="body")))
    if schema.kind == "array":
        assert schema.items is not None
        return f"Sequence[{_scalar(schema.items, parameter, operation, names)}]"
    return _scalar(schema, parameter, operation, names)


def _body_annotation(type_: PyType) -> str:
    if type_.kind == "model":
        return f"m.{type_.name} | Mapping[str, Any]"
    if type_.kind == "list":
        assert type_.item is not None
        return f"Sequence[{_body_annotation(type_.item)}]"
    return "Mapping[str, Any]" if type_.kind == "dict" else render(type_, "m.")


def _scalar(schema: Schema, parameter: RawParameter, operation: RawOperation, names: _Names) -> str:
    lowered = lower_words(parameter.name)
    target = names.table.resolve(schema)
    if target.is_enum:
        return f"m.{_enum_of(schema, parameter, operation, names).name} | str"
    if target.kind == "string":
        return _string(target, parameter, lowered, names.module)
    if target.kind == "number":
        return "Decimal" if "amount" in lowered or "price" in lowered else "float"
    kinds = {"integer": "int", "boolean": "bool"}
    if target.kind not in kinds:
        raise ModelError(schema.where, f"a list of {target.kind} as a parameter is not supported")
    return kinds[target.kind]


def _enum_of(schema: Schema, parameter: RawParameter, operation: RawOperation, names: _Names) -> PyType:
    """The enum of a parameter: the definition to which it refers (Swagger allows that only in bodies), or its own."""
    if schema.kind == "ref":
        return names.table.type_of(schema, Context(owner=class_name(operation.id), name=parameter.name))
    name = singular(class_name(parameter.name)) if parameter.schema.kind == "array" else class_name(parameter.name)
    own = f"{class_name(operation.id)}{name}"
    wanted = name if name in names.shared_enums else own
    return names.table.enum_for(wanted, own, parameter, schema.limits.enum)


def _string(schema: Schema, parameter: RawParameter, lowered: list[str], module: str) -> str:
    if lowered[-2:] in (["marketplace", "id"], ["marketplace", "ids"]):
        return "Marketplace | str"
    by_format = {"date-time": "datetime | str", "dateTime": "datetime | str", "date": "date | str", "boolean": "bool"}
    if schema.limits.format is None and parameter.location == "query" and is_date_time(module, parameter.name):
        return by_format["date-time"]
    return by_format.get(schema.limits.format or "", "str")


def _shared_enums(operations: list[RawOperation]) -> frozenset[str]:
    """The names of enum parameters that have the same values wherever they occur in the module."""
    values: dict[str, set[tuple[str, ...]]] = {}
    for operation in operations:
        for parameter in operation.parameters:
            schema = parameter.schema
            is_list = parameter.location != "body" and schema.items is not None
            inner = schema.items if is_list and schema.items else schema
            if parameter.location != "body" and inner.is_enum:
                name = class_name(parameter.name)
                values.setdefault(singular(name) if is_list else name, set()).add(inner.limits.enum)
    return frozenset(name for name, sets in values.items() if len(sets) == 1)


def _replies(operation: RawOperation, table: ClassTable) -> tuple[tuple[int, PyType | None], ...]:
    """Types by 2xx status. A 204 is left out: it has no body, whatever the model says (Supply Sources, Services)."""
    return tuple(
        (code, table.type_of(schema, _reply_context(operation, code)) if schema is not None else None)
        for code, schema in operation.responses
        if 200 <= code < 300 and code != NO_CONTENT
    )


def _reply_context(operation: RawOperation, code: int) -> Context:
    """The context that names an inline type after its operation; a second one after its status, too."""
    first = min(status for status, schema in operation.responses if status >= 200 and schema is not None)
    return Context(owner=f"{class_name(operation.id)}Response{'' if code == first else code}")


def _unwrapped(table: ClassTable, responses: tuple[PyType, ...]) -> tuple[str | None, tuple[PyType, ...]]:
    """``payload`` if each envelope has nothing else except errors, and the types that the method returns."""
    inner = [_payload(table, response) for response in responses]
    names = {field.name for field in inner if field is not None}
    if len(names) != 1 or None in inner:
        return None, responses
    return names.pop(), tuple(dict.fromkeys(field.type for field in inner if field is not None))


def _payload(table: ClassTable, response: PyType) -> Field | None:
    if response.kind != "model":
        return None
    fields = {field.wire_name: field for field in table.model(response.name).fields}
    return fields["payload"] if "payload" in fields and fields.keys() <= {"payload", "errors"} else None


def _decimals(
    table: ClassTable, body: PyType | None, responses: tuple[PyType, ...], where: str
) -> Literal["string", "number"]:
    """How Amazon writes this operation's decimals: in the request body if it has any, else in the reply.

    No module of Amazon's mixes the two forms, and a body that mixes them could not be encoded.
    """
    asked = _decimal_kinds(table, body) if body is not None else set()
    answered = {kind for response in responses for kind in _decimal_kinds(table, response)}
    if len(asked) > 1:
        raise ModelError(where, "the body mixes decimals written as strings with decimals written as numbers")
    return "number" if (asked or answered) == {"Number"} else "string"


def _decimal_kinds(table: ClassTable, type_: PyType) -> set[str]:
    return {found.name for found in walk(table, type_) if found.kind == "scalar"} & {"Decimal", "Number"}


def _iterator(name: str) -> str:
    head, _, rest = name.partition("_")
    return f"iter_{rest}" if head in ("get", "list", "search") and rest else f"iter_{name}"


def _with_iterators(methods: list[Method]) -> tuple[Method, ...]:
    """The methods; iterators that would have the same name get the full names of their methods."""
    names = [method.iterator for method in methods if method.iterator] + [method.name for method in methods]
    return tuple(
        msgspec.structs.replace(method, iterator=f"iter_{method.name}")
        if method.iterator and names.count(method.iterator) > 1
        else method
        for method in methods
    )
