"""What is kept of a run: its figures. The series that pictures are drawn from are as good as the pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

__all__ = ["save"]

_SERIES = 30  # a list of more plain values, or of pairs, is one


def save(results: Any, path: Path) -> None:
    """Write results as JSON, without their series."""
    path.write_text(json.dumps(_figures(results), indent=1) + "\n", encoding="utf-8")


def _figures(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _figures(each) for name, each in value.items() if not _is_series(each)}
    return [_figures(each) for each in value if not _is_series(each)] if isinstance(value, list) else value


def _is_series(value: Any) -> bool:
    return isinstance(value, list) and len(value) > _SERIES and not isinstance(value[0], dict)
