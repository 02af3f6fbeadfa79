"""Generates all files of ``api/`` and ``models/`` from all model files: one pure function from JSON to text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from spapi_async.codegen.document import Document, ModelError, RawOperation, parse_document
from spapi_async.codegen.emit_api import emit_api
from spapi_async.codegen.emit_index import emit_api_index, emit_models_index
from spapi_async.codegen.emit_models import emit_models
from spapi_async.codegen.legacy import removed_part
from spapi_async.codegen.names import method_names, module_name
from spapi_async.codegen.nodes import noting
from spapi_async.codegen.operations import Status, build_methods
from spapi_async.codegen.schemas import Schema
from spapi_async.codegen.types import ClassTable

__all__ = ["Generated", "generate"]


class Generated(msgspec.Struct, frozen=True, kw_only=True):
    """The result of generating from the model files.

    Attributes:
        files: paths below the package and their text, without the two indexes.
        operations: the methods of each module.
        refused: the errors of refused files, with JSON path; nothing is generated from such a file.
        warnings: gaps in the files that were filled by an assumption.
    """

    files: dict[str, str]
    operations: dict[str, tuple[str, ...]]
    refused: tuple[ModelError, ...] = ()
    warnings: tuple[str, ...] = ()

    def with_indexes(self, beside: Iterable[str] = ()) -> dict[str, str]:
        """All files; the indexes list the modules ``beside`` those of this run too."""
        modules = sorted({*self.operations, *beside})
        return self.files | {
            "api/__init__.py": emit_api_index({name: _class_name(name) for name in modules}),
            "models/__init__.py": emit_models_index(modules),
        }

    def without(self, modules: Iterable[str]) -> Generated:
        """The same without the files and operations of some modules."""
        left_out = set(modules)
        paths = {f"{package}/{module}.py" for package in ("api", "models") for module in left_out}
        return msgspec.structs.replace(
            self,
            files={path: text for path, text in self.files.items() if path not in paths},
            operations={name: found for name, found in self.operations.items() if name not in left_out},
        )


class _Module(msgspec.Struct, frozen=True):
    name: str
    sources: tuple[str, ...]
    definitions: dict[str, Schema]
    operations: tuple[tuple[RawOperation, Status], ...]


def generate(
    models: Mapping[str, dict[str, Any] | ModelError], legacy: Mapping[str, dict[str, Any] | ModelError]
) -> Generated:
    """The modules of all model files; an error in one file does not affect the others' modules.

    Args:
        models: file names and their JSON, or the error if a file could not be read.
        legacy: older models; their operations that ``models`` lacks are marked removed.
    """
    modules: dict[str, _Module] = {}
    refused: list[ModelError] = []
    for file in sorted(models):
        with noting(refused, file):
            _add(modules, models[file], file)
    understood = {source for module in modules.values() for source in module.sources}
    for file in sorted(legacy):
        if file in models and file not in understood:
            continue  # without the current file, every operation of the older one would look removed
        with noting(refused, file):
            _merge(modules, legacy[file], file)
    files: dict[str, str] = {}
    operations: dict[str, tuple[str, ...]] = {}
    warnings: list[str] = []
    for name in sorted(modules):
        with noting(refused, " and ".join(modules[name].sources)):
            made, methods = _emit(modules[name], warnings)
            files |= made
            operations[name] = methods
    return Generated(files=files, operations=operations, refused=tuple(refused), warnings=tuple(warnings))


def _add(modules: dict[str, _Module], data: dict[str, Any] | ModelError, file: str) -> None:
    module = _current(_parsed(data, file))
    if module.name in modules:
        raise ModelError(file, f"defines the module {module.name}, as {modules[module.name].sources[0]} does")
    modules[module.name] = module


def _parsed(data: dict[str, Any] | ModelError, file: str) -> Document:
    if isinstance(data, ModelError):
        raise data
    return parse_document(data, file)


def _current(document: Document) -> _Module:
    name = module_name(document.stem, document.version)
    operations: tuple[tuple[RawOperation, Status], ...] = tuple((entry, "current") for entry in document.operations)
    return _Module(name, (document.file,), document.definitions, operations)


def _merge(modules: dict[str, _Module], data: dict[str, Any] | ModelError, file: str) -> None:
    """Add operations that Amazon has removed to the module of the current API, or as a module of their own."""
    document = _parsed(data, file)
    name = module_name(document.stem, document.version)
    current = modules.get(name, _Module(name, (), {}, ()))
    removed, definitions = removed_part(document, current.definitions, [entry for entry, _ in current.operations])
    if not removed:
        return
    older: tuple[tuple[RawOperation, Status], ...] = tuple((entry, "removed") for entry in removed)
    sources = (*current.sources, f"an older {document.stem}.json" if current.sources else file)
    modules[name] = _Module(name, sources, current.definitions | definitions, current.operations + older)


def _emit(module: _Module, warnings: list[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """The text of a module's two files, and its methods."""
    table = ClassTable(module.name, module.definitions)
    names = method_names([(operation.id, operation.verb) for operation, _ in module.operations])
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        places = [
            operation.where for (operation, _), name in zip(module.operations, names, strict=True) if name == twice
        ]
        raise ModelError(" and ".join(places), f"several operations are called {twice}")
    entries = [(operation, name, status) for (operation, status), name in zip(module.operations, names, strict=True)]
    methods = build_methods(module.name, entries, table, warnings)
    title = _title(module.name)
    text = {
        f"api/{module.name}.py": emit_api(module.name, _class_name(module.name), title, module.sources, methods),
        f"models/{module.name}.py": emit_models(title, module.sources, table.classes),
    }
    return text, tuple(method.name for method in methods)


def _class_name(module: str) -> str:
    """``orders_v0`` is ``OrdersV0``, ``listings_items_2021_08_01`` is ``ListingsItems20210801``."""
    return "".join(word.capitalize() for word in module.split("_"))


def _title(module: str) -> str:
    """``listings_items_2021_08_01`` is ``Listings Items 2021-08-01``."""
    dated = re.fullmatch(r"(.+)_(\d{4})_(\d\d)_(\d\d)", module)
    name, version = (dated[1], "-".join(dated.groups()[1:])) if dated else module.rsplit("_", 1)
    words = [word.upper() if word in _ACRONYMS else word.capitalize() for word in name.split("_")]
    return f"{' '.join(words)} {version}"


_ACRONYMS = {"api", "awd", "fba"}
