"""``python -m spapi_async.codegen --models DIR [--legacy DIR] [--notifications DIR] [--check]``.

Exit codes: 0 success; 1 ``--check`` found stale files; 2 a file was refused. Problems are printed to stderr.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from spapi_async.codegen.document import ModelError, read_json
from spapi_async.codegen.generate import generate
from spapi_async.codegen.notifications import generate_notifications
from spapi_async.codegen.output import Output, plan, plan_notifications

__all__ = ["main"]

_PACKAGE = Path(__file__).resolve().parent.parent


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the generated packages, or list the stale files with ``--check``; returns the exit code."""
    options = _parser().parse_args(arguments)
    refused: list[ModelError] = []
    models = _read(options.models, refused)
    legacy = _read(options.legacy, refused) if options.legacy else {}
    made = generate(models, legacy)
    output = Output(options.output)
    # The modules of a refused model file must not be deleted.
    change = plan(made, output, prune=options.prune and not (refused or made.refused))
    if options.notifications:
        payloads = generate_notifications(_read(options.notifications, refused))
        refused += payloads.refused
        if not refused:
            change += plan_notifications(payloads, output, prune=options.prune)
    for warning in made.warnings:
        _say(f"warning: {warning}")
    problems = [str(problem) for problem in (*refused, *made.refused)]
    if made.operations:  # otherwise every module would be reported as missing
        problems += change.refused
    for problem in problems:
        _say(problem)
    if problems and not (options.keep_going and made.operations):
        _say("nothing was written; --keep-going generates the files that were not refused")
        return 2
    stale = output.stale(change)
    if options.check:
        for path in stale:
            _say(f"{path} is stale")
        return 2 if problems else 1 if stale else 0
    output.write(change)
    sys.stdout.write(f"codegen: {len(change.files)} files, {len(stale)} changed\n")
    return 2 if problems else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m spapi_async.codegen", description="Generate api/ and models/.")
    parser.add_argument(
        "--models", type=Path, required=True, help="folder of Amazon's model files; includes subfolders"
    )
    parser.add_argument("--legacy", type=Path, help="folder of older model files, for operations removed since")
    parser.add_argument("--notifications", type=Path, help="folder of the JSON Schemas of Amazon's notifications")
    parser.add_argument("--output", type=Path, default=_PACKAGE, help="package folder to write to; default: this one")
    parser.add_argument("--check", action="store_true", help="write nothing, and fail if the output is stale")
    parser.add_argument(
        "--keep-going", action="store_true", help="if a file is refused, generate the others and exit with 2"
    )
    parser.add_argument("--prune", action="store_true", help="delete modules that no file in the given folders defines")
    return parser


def _read(folder: Path, refused: list[ModelError]) -> dict[str, dict[str, Any] | ModelError]:
    """The model files in a folder and its subfolders, by name; an error in the place of one that cannot be read."""
    found: dict[str, dict[str, Any] | ModelError] = {}
    paths = sorted(folder.rglob("*.json"))
    for path in paths:
        if path.name in found:
            refused.append(ModelError(str(path), "has the same name as another model file"))
            continue
        try:
            found[path.name] = read_json(path)
        except ModelError as problem:
            found[path.name] = problem
    if not paths:
        refused.append(ModelError(str(folder), "contains no model file"))
    return found


def _say(text: str) -> None:
    sys.stderr.write(f"codegen: {text}\n")


if __name__ == "__main__":
    sys.exit(main())
