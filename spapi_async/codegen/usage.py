"""Reads the usage plan that a model states in its prose, as a Markdown table."""

from __future__ import annotations

import re
from itertools import groupby

from spapi_async.codegen.document import ModelError

__all__ = ["read_usage_plan"]

_NUMBER = re.compile(r"(?:\d+(?:\.\d+)?|\.\d+)$")
_ANNOUNCED = re.compile(r"usage plan", re.IGNORECASE)
_FIGURES = re.compile(r"requests per second", re.IGNORECASE)
_TABLE_HEADERS = (["rate", "burst"], ["plan", "rate", "burst"])
_DEFAULT_ROW = "default"
_VARIABLE_ROW = "variable"


def read_usage_plan(prose: str, where: str) -> tuple[float, int] | None:
    r"""Rate (requests per second) and burst; None if the model has no table, or only a placeholder (``| n | n |``).

    Two forms are known: ``Rate | Burst`` with one row, and ``Plan type | Rate | Burst``, of which the ``Default`` row
    is used (the other says that a selling partner's plan varies). Two models write line breaks as a literal ``\n``.

    Raises:
        ModelError: there is a table that cannot be read.
    """
    lines = [line.strip() for line in prose.replace("\\n", "\n").split("\n")]
    runs = groupby(lines, key=lambda line: line.startswith("|"))
    tables = [[_cells(line) for line in run] for is_table, run in runs if is_table]
    table = next((table for table in tables if _is_header(table[0])), None)
    if table is None:
        if _ANNOUNCED.search(prose) and (tables or _FIGURES.search(prose)):
            raise ModelError(where, "the usage plan has no table that can be read")
        return None
    header = [cell.lower().partition(" ")[0] for cell in table[0]]
    rows = [cells for cells in table[1:] if not _is_ruler(cells)]
    if header not in _TABLE_HEADERS or not rows or any(len(cells) != len(header) for cells in rows):
        raise ModelError(where, f"the usage-plan table under {table[0]} cannot be read: {rows}")
    labelled = len(header) > len(_TABLE_HEADERS[0])
    return _choose([(cells[0], cells[-2], cells[-1]) for cells in rows], labelled=labelled, where=where)


def _choose(rows: list[tuple[str, str, str]], *, labelled: bool, where: str) -> tuple[float, int] | None:
    if labelled:
        rows = [row for row in rows if _VARIABLE_ROW not in (row[1].lower(), row[2].lower())]
        rows = [row for row in rows if row[0].lower() == _DEFAULT_ROW] or rows
    if len(rows) != 1:
        raise ModelError(where, f"the usage-plan table has {len(rows)} candidate rows: {rows}")
    _, rate, burst = rows[0]
    if (rate, burst) == ("n", "n"):  # Amazon's placeholder for a figure not yet decided
        return None
    if not _NUMBER.match(rate) or not burst.isdigit() or float(rate) <= 0 or int(burst) < 1:
        raise ModelError(where, f"the usage plan's figures cannot be read: rate {rate!r}, burst {burst!r}")
    return float(rate), int(burst)


def _is_header(cells: list[str]) -> bool:
    text = " ".join(cells).lower()
    return "rate" in text and "burst" in text


def _is_ruler(cells: list[str]) -> bool:
    return all(set(cell) <= {"-", ":", " "} and cell for cell in cells)


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]
