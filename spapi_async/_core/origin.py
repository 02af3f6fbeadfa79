"""The line in the user's program that a warning is about; Python shows the line and warns once for each."""

from __future__ import annotations

import sys
import warnings
from typing import Any

from spapi_async.errors import SPAPIWarning

__all__ = ["Origin"]


class Origin:
    """The nearest line outside this library at the time it was made; a later warning still points to that line."""

    __slots__ = ("_file", "_line", "_module", "_registry")

    def __init__(self) -> None:
        frame = sys._getframe(1)  # noqa: SLF001 - what warnings.warn() does
        while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "spapi_async":
            frame = frame.f_back
        self._file, self._line = frame.f_code.co_filename, frame.f_lineno
        self._module = frame.f_globals.get("__name__", "__main__")
        self._registry: dict[Any, Any] = frame.f_globals.setdefault("__warningregistry__", {})

    def warn(self, message: str) -> None:
        """Issue a warning; Python shows the same text for one line only once."""
        warnings.warn_explicit(
            message, SPAPIWarning, self._file, self._line, module=self._module, registry=self._registry
        )

    def __repr__(self) -> str:
        return f"<Origin {self._file}:{self._line}>"
