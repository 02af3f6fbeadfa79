"""``python -m spapi_async.codegen --models DIR [--legacy DIR] [--check]``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from spapi_async.codegen.document import ModelError, read_json
from spapi_async.codegen.generate import generate

__all__ = ["main"]

_PACKAGE = Path(__file__).resolve().parent.parent
_GENERATED = ("api", "models")


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the generated packages, or with ``--check`` say which files are stale; 0 when all is well."""
    options = _parser().parse_args(arguments)
    try:
        files = generate(_read(options.models), _read(options.legacy) if options.legacy else {})
    except ModelError as error:
        sys.stderr.write(f"codegen: {error}\n")
        return 2
    stale = _stale(options.output, files)
    if options.check:
        for path in stale:
            sys.stderr.write(f"codegen: {path} is stale\n")
        return 1 if stale else 0
    for path in stale:
        target = options.output / path
        if path not in files:
            target.unlink()
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(files[path], encoding="utf-8", newline="\n")
    sys.stdout.write(f"codegen: {len(files)} files, {len(stale)} changed\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m spapi_async.codegen", description="Generate api/ and models/.")
    parser.add_argument("--models", type=Path, required=True, help="folder of Amazon's model files, searched below too")
    parser.add_argument("--legacy", type=Path, help="folder of older model files: what Amazon has removed since")
    parser.add_argument("--output", type=Path, default=_PACKAGE, help="package folder to write into (this package)")
    parser.add_argument("--check", action="store_true", help="write nothing, fail when the output is stale")
    return parser


def _read(folder: Path) -> dict[str, Any]:
    """The model files in a folder and below it (Amazon's repository has a folder for each API)."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*.json")):
        if path.name in found:
            raise ModelError(str(path), "has the name of another model file")
        found[path.name] = read_json(path)
    if not found:
        raise ModelError(str(folder), "holds no model file")
    return found


def _stale(output: Path, files: dict[str, str]) -> list[str]:
    """Files that are missing, differ, or are no longer made."""
    present = {f"{package}/{path.name}" for package in _GENERATED for path in sorted((output / package).glob("*.py"))}
    differing = [path for path, text in files.items() if path not in present or _text(output / path) != text]
    return sorted([*differing, *(present - files.keys())])


def _text(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "replace")


if __name__ == "__main__":
    sys.exit(main())
