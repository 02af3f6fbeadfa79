"""What the figures are held to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

__all__ = ["Bar", "bars", "bars_table"]

Result = dict[str, Any]

_OURS = "spapi_async"
_PAGE = "getOrders page of 100"


class Bar(msgspec.Struct, frozen=True):
    """One promise and what was measured; ``at_most`` says which side is good."""

    promise: str
    bound: float
    measured: float
    at_most: bool = True

    @property
    def held(self) -> bool:
        """Whether the figure is on the good side."""
        return self.measured <= self.bound if self.at_most else self.measured >= self.bound


def bars(results: Result) -> list[Bar]:
    """The bars of those measurements that were taken."""
    judges: dict[str, Callable[[Any], list[Bar]]] = {"overhead": _overhead, "limiter": _limiter, "imports": _imports}
    return [bar for name, judge in judges.items() if name in results for bar in judge(results[name])]


def _overhead(result: Result) -> list[Bar]:
    def row(case: str, subject: str) -> Result:
        return next(r for r in result["rows"] if (r["case"], r["concurrency"], r["subject"]) == (case, 100, subject))

    def cheaper(case: str, subject: str) -> float:
        return float(row(case, subject)["ratio"] / row(case, _OURS)["ratio"])

    at = "100 at once"
    rivals = (
        ("getOrder", "amzn-selling-partner (async)", 5),
        ("getOrder", "python-amazon-sp-api (async)", 10),
        (_PAGE, "amzn-sp-api (sync)", 300),
    )
    return [
        Bar(f"getOrder, {at}: times the floor", 1.30, row("getOrder", _OURS)["ratio"]),
        Bar(f"{_PAGE}, {at}: times the floor", 1.15, row(_PAGE, _OURS)["ratio"]),
        *(
            Bar(f"{case}, {at}: times cheaper than {name}", bound, cheaper(case, name), at_most=False)
            for case, name, bound in rivals
        ),
    ]


def _limiter(rows: list[Result]) -> list[Bar]:
    return [
        bar
        for row in rows
        if row["racer"] == _OURS
        for bar in (
            Bar(f"{row['workers']} worker(s): requests lost", 0, row["lost"]),
            Bar(f"{row['workers']} worker(s): throttled replies", 1, row["throttled"]),
            Bar(f"{row['workers']} worker(s): times the ideal duration", 1.03, row["total"] / row["ideal"]),
        )
    ]


def _imports(result: Result) -> list[Bar]:
    first = result["ms"]["first call (orders_v0.get_order) after that"]
    return [
        Bar("import: times import aiohttp, msgspec", 1.15, result["ratio"]),
        Bar("first call of one API, ms", 60, first),
    ]


def bars_table(judged: list[Bar]) -> str:
    """Markdown."""
    lines = ["| bar | bound | measured | |", "|---|---:|---:|---|"]
    for bar in judged:
        sign = "≤" if bar.at_most else "≥"
        lines.append(
            f"| {bar.promise} | {sign} {bar.bound:g} | {bar.measured:.2f} | {'held' if bar.held else 'missed'} |"
        )
    return "\n".join(lines)
