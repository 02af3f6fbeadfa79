"""All files of ``api/`` and ``models/`` from all model files: one pure function from JSON to text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from spapi_async.codegen.document import Document, ModelError, RawOperation, Schema, parse_document
from spapi_async.codegen.emit_api import emit_api
from spapi_async.codegen.emit_index import emit_api_index, emit_models_index
from spapi_async.codegen.emit_models import emit_models
from spapi_async.codegen.legacy import removed_part
from spapi_async.codegen.names import method_names, module_name
from spapi_async.codegen.operations import Status, build_methods
from spapi_async.codegen.types import ClassTable

__all__ = ["generate"]


class _Module(msgspec.Struct, frozen=True):
    name: str
    sources: tuple[str, ...]
    definitions: dict[str, Schema]
    operations: tuple[tuple[RawOperation, Status], ...]


def generate(models: Mapping[str, Any], legacy: Mapping[str, Any]) -> dict[str, str]:
    """Paths below the package and their text.

    Args:
        models: file names and their JSON.
        legacy: older models; their operations that ``models`` lacks are marked removed.

    Raises:
        ModelError: a file holds something that the generator does not understand.
    """
    modules: dict[str, _Module] = {}
    for file in sorted(models):
        module = _living(parse_document(models[file], file))
        if module.name in modules:
            raise ModelError(file, f"makes the module {module.name}, as {modules[module.name].sources[0]} does")
        modules[module.name] = module
    for file in sorted(legacy):
        _merge(modules, legacy[file], file)
    files: dict[str, str] = {}
    for name in sorted(modules):
        files |= _emit(modules[name])
    files["api/__init__.py"] = emit_api_index({name: _class_name(name) for name in modules})
    files["models/__init__.py"] = emit_models_index(list(modules))
    return files


def _living(document: Document) -> _Module:
    name = module_name(document.stem, document.version)
    operations: tuple[tuple[RawOperation, Status], ...] = tuple((entry, "current") for entry in document.operations)
    return _Module(name, (document.file,), document.definitions, operations)


def _merge(modules: dict[str, _Module], data: Mapping[str, Any], file: str) -> None:
    """Add what Amazon has removed to the module of the living API, or as a module of its own."""
    document = parse_document(data, file)
    name = module_name(document.stem, document.version)
    living = modules.get(name, _Module(name, (), {}, ()))
    removed, definitions = removed_part(document, living.definitions, [entry for entry, _ in living.operations])
    if not removed:
        return
    older: tuple[tuple[RawOperation, Status], ...] = tuple((entry, "removed") for entry in removed)
    sources = (*living.sources, f"an older {document.stem}.json" if living.sources else file)
    modules[name] = _Module(name, sources, living.definitions | definitions, living.operations + older)


def _emit(module: _Module) -> dict[str, str]:
    table = ClassTable(module.name, module.definitions)
    names = method_names([(operation.id, operation.verb) for operation, _ in module.operations])
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        places = [
            operation.where for (operation, _), name in zip(module.operations, names, strict=True) if name == twice
        ]
        raise ModelError(" and ".join(places), f"several operations are called {twice}")
    entries = [(operation, name, status) for (operation, status), name in zip(module.operations, names, strict=True)]
    methods = build_methods(module.name, entries, table)
    title = _title(module.name)
    return {
        f"api/{module.name}.py": emit_api(module.name, _class_name(module.name), title, module.sources, methods),
        f"models/{module.name}.py": emit_models(title, module.sources, table.classes),
    }


def _class_name(module: str) -> str:
    """``orders_v0`` is ``OrdersV0``, ``listings_items_2021_08_01`` is ``ListingsItems20210801``."""
    return "".join(word.capitalize() for word in module.split("_"))


def _title(module: str) -> str:
    """``listings_items_2021_08_01`` is ``Listings Items 2021-08-01``."""
    *name, last = module.split("_")
    if last.isdigit():
        name, last = name[:-2], "-".join([*name[-2:], last])
    return " ".join(word.upper() if word in _ACRONYMS else word.capitalize() for word in name) + f" {last}"


_ACRONYMS = {"awd", "fba"}
