"""The API reference, made from the docstrings without a network: ``python tests/support/api_reference.py docs-html``.

It has every module that a user may import; ``--written`` leaves the generated ones out.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pdoc
import pdoc.render

import spapi_async

__all__ = ["public_modules", "write_reference"]

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


def write_reference(folder: Path, *, generated: bool) -> None:
    """Write the pages.

    A docstring or name that cannot be shown is an error. Pages of hand-written modules alone have no source and no
    search, which take most of the time.
    """
    names = [name for name in public_modules() if generated or name not in GENERATED]
    for name in names:
        module = importlib.import_module(name)
        for each in getattr(module, "__all__", ()):
            getattr(module, each)  # names that are imported on first use must be imported to be shown
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # Annotations are resolved in the package, which lacks the names of its private modules.
        warnings.filterwarnings("ignore", "Error parsing type annotation")
        pdoc.render.configure(docformat="google", show_source=generated, search=generated)
        pdoc.pdoc(*names, output_directory=folder)


if __name__ == "__main__":
    write_reference(Path(sys.argv[1]), generated="--written" not in sys.argv)
