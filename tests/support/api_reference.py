"""The API reference, made from the docstrings without a network: ``python tests/support/api_reference.py docs-html``.

It has every module that a user may import; ``--written`` leaves the generated ones out.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pdoc
import pdoc.doc
import pdoc.render

import spapi_async

__all__ = ["GENERATED", "public_modules", "read_reference", "write_reference"]

INSIDE = ("spapi_async.cli", "spapi_async.codegen", "spapi_async.emulator.", "spapi_async.workflows.orders.migrations")
"""Programs and their parts."""
GENERATED = ("spapi_async.api", "spapi_async.models")


def public_modules() -> Iterator[str]:
    """Yield every module whose dotted name has no underscore and that has something to show."""
    yield spapi_async.__name__
    for found in pkgutil.walk_packages(spapi_async.__path__, "spapi_async."):
        name = found.name
        is_private = any(part.startswith("_") for part in name.split("."))
        if is_private or name.startswith(INSIDE) or name.startswith(tuple(f"{each}." for each in GENERATED)):
            continue
        if name in GENERATED or getattr(importlib.import_module(name), "__all__", None):
            yield name


def read_reference(name: str) -> None:
    """Read all that the page of one module shows: a name, docstring or value that cannot be shown is an error."""
    module = _import_shown(name)
    with _warnings_are_errors():
        _read_members(pdoc.doc.Module(module))


def _read_members(shown: pdoc.doc.Namespace[Any]) -> None:
    for member in shown.own_members:
        assert isinstance(member.docstring, str)
        if isinstance(member, pdoc.doc.Class):
            assert isinstance(member.bases, list)
            _read_members(member)
        elif isinstance(member, pdoc.doc.Function):
            assert str(member.signature)
        elif isinstance(member, pdoc.doc.Variable):
            assert isinstance(member.annotation_str + member.default_value_str, str)


def write_reference(folder: Path, names: Sequence[str], *, complete: bool) -> None:
    """Write the pages of these modules, with their source and a search if ``complete``: these take most of the time."""
    for name in names:
        _import_shown(name)
    with _warnings_are_errors():
        pdoc.render.configure(docformat="google", show_source=complete, search=complete)
        pdoc.pdoc(*names, output_directory=folder)


def _import_shown(name: str) -> ModuleType:
    """Import what is imported on first use, so that it can be shown."""
    module = importlib.import_module(name)
    for each in getattr(module, "__all__", ()):
        getattr(module, each)
    return module


@contextmanager
def _warnings_are_errors() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # Annotations are resolved in the package, which lacks the names of its private modules.
        warnings.filterwarnings("ignore", "Error parsing type annotation")
        yield


if __name__ == "__main__":
    written_only = "--written" in sys.argv
    chosen = [name for name in public_modules() if not written_only or name not in GENERATED]
    write_reference(Path(sys.argv[1]), chosen, complete=not written_only)
