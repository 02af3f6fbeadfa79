"""Saves the figures of a run, without the series from which the pictures are drawn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

__all__ = ["save"]

_MAX_FIGURES = 30  # a longer list of plain values or pairs is a series


def save(results: Any, path: Path) -> None:
    """Write results as JSON, without their series."""
    path.write_text(json.dumps(_figures(results), indent=1) + "\n", encoding="utf-8")


def _figures(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _figures(each) for name, each in value.items() if not _is_series(each)}
    return [_figures(each) for each in value if not _is_series(each)] if isinstance(value, list) else value


def _is_series(value: Any) -> bool:
    return isinstance(value, list) and len(value) > _MAX_FIGURES and not isinstance(value[0], dict)
