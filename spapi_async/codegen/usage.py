"""The usage plan that a model states in its prose, as a table in Markdown."""

from __future__ import annotations

import re

from spapi_async.codegen.document import ModelError

__all__ = ["read_usage_plan"]

_NUMBER = re.compile(r"(?:\d+(?:\.\d+)?|\.\d+)$")
_DEFAULT_ROW = "default"
_VARIABLE_ROW = "variable"


def read_usage_plan(prose: str, where: str) -> tuple[float, int] | None:
    r"""Rate (requests a second) and burst, or None where the model has no table or a placeholder (``| n | n |``).

    Two shapes are known: ``Rate | Burst`` with one row, and ``Plan type | Rate | Burst`` whose ``Default`` row counts
    (the other says that a selling partner's own plan varies). Two models write their line breaks as a literal ``\n``.

    Raises:
        ModelError: there is a table that cannot be read.
    """
    lines = [line.strip() for line in prose.replace("\\n", "\n").split("\n")]
    tables = [line for line in lines if line.startswith("|")]
    start = next((i for i, line in enumerate(tables) if _is_header(_cells(line))), None)
    if start is None:
        if re.search(r"usage plan", prose, re.IGNORECASE) and re.search(
            r"\|\s*burst|requests per second", prose, re.IGNORECASE
        ):
            raise ModelError(where, "the usage plan has no table that can be read")
        return None
    header = _cells(tables[start])
    rows = [cells for line in tables[start + 1 :] if not _is_ruler(cells := _cells(line))]
    if any(len(cells) != len(header) for cells in rows) or not rows:
        raise ModelError(where, f"the usage-plan table under {header} cannot be read: {rows}")
    rate_at = next(i for i, cell in enumerate(header) if "rate" in cell.lower())
    burst_at = next(i for i, cell in enumerate(header) if "burst" in cell.lower())
    return _choose(
        [(cells[0], cells[rate_at], cells[burst_at]) for cells in rows], labelled=len(header) > 2, where=where
    )


def _choose(rows: list[tuple[str, str, str]], *, labelled: bool, where: str) -> tuple[float, int] | None:
    if labelled:
        rows = [row for row in rows if _VARIABLE_ROW not in (row[1].lower(), row[2].lower())]
        rows = [row for row in rows if row[0].lower() == _DEFAULT_ROW] or rows
    if len(rows) != 1:
        raise ModelError(where, f"the usage-plan table has {len(rows)} rows that could count: {rows}")
    _, rate, burst = rows[0]
    if (rate, burst) == ("n", "n"):  # Amazon's placeholder for a figure not yet decided
        return None
    if not _NUMBER.match(rate) or not burst.isdigit() or float(rate) <= 0 or int(burst) < 1:
        raise ModelError(where, f"the usage plan's figures cannot be read: rate {rate!r}, burst {burst!r}")
    return float(rate), int(burst)


def _is_header(cells: list[str]) -> bool:
    return any("rate" in cell.lower() for cell in cells) and any("burst" in cell.lower() for cell in cells)


def _is_ruler(cells: list[str]) -> bool:
    return all(set(cell) <= {"-", ":", " "} and cell for cell in cells)


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]
