"""The plots, drawn from results: they decide nothing and measure nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt

__all__ = ["limiter_picture", "overhead_picture", "queueing_picture", "scaling_picture"]

Result = dict[str, Any]

# A colour for each client, the same in every picture; ours is the strong one.
_COLOURS = {
    "spapi_async": "#d9480f",
    "aiohttp + msgspec, untyped": "#868e96",
    "fixed-interval pacer": "#868e96",
    "amzn-selling-partner": "#1971c2",
    "amzn-selling-partner (async)": "#1971c2",
    "python-amazon-sp-api, async": "#2f9e44",
    "python-amazon-sp-api (async)": "#2f9e44",
    "python-amazon-sp-api, @throttle_retry": "#82c91e",
    "amzn-sp-api (sync)": "#6741d9",
}
_DPI = 130


def limiter_picture(rows: list[Result], path: Path, *, rate: float = 5.0, burst: int = 10) -> None:
    """Requests answered, callers waiting, tokens left in Amazon's bucket, over time; a column for each crew."""
    counts = sorted({row["workers"] for row in rows})
    figure, axes = plt.subplots(3, len(counts), figsize=(6 * len(counts), 9), sharex="col", squeeze=False)
    for column, count in enumerate(counts):
        group = [row for row in rows if row["workers"] == count]
        horizon = max(row["ideal"] for row in group) * 1.35
        answered, waiting, tokens = (axes[line][column] for line in range(3))
        answered.set_title(f"{count} worker{'s' if count > 1 else ''}")
        total = group[0]["requests"]
        edge = [0.0, group[0]["ideal"]]
        answered.plot(edge, [burst, total], color="black", linewidth=0.8, linestyle=":", label="the quota")
        for row in group:
            colour = _COLOURS[row["racer"]]
            moments = row["answered_at"]
            label = f"{row['racer']}: {row['throttled']}x 429, {row['lost']} lost"
            answered.step(
                [0, *moments, horizon],
                [0, *range(1, len(moments) + 1), len(moments)],
                where="post",
                color=colour,
                label=label,
            )
            gone = sorted(moments + row["refused_at"])
            waiting.step(
                [0, *gone, horizon],
                [total - index for index in range(len(gone) + 1)] + [total - len(gone)],
                where="post",
                color=colour,
            )
            times, levels = _bucket(moments, horizon, rate, burst)
            tokens.plot(times, levels, color=colour, linewidth=1.4 if row["racer"] == "spapi_async" else 0.8)
        answered.set_ylabel("requests answered")
        answered.legend(fontsize=7, loc="lower right")
        waiting.set_ylabel("callers waiting")
        tokens.set_ylabel("tokens left in Amazon's bucket")
        tokens.set_ylim(-0.5, burst + 0.5)
        tokens.set_xlabel("seconds")
        tokens.set_xlim(0, horizon)
    figure.suptitle(f"{rows[0]['requests']} calls of getListingsItem, quota {rate:g}/s, burst {burst}")
    _save(figure, path)


def _bucket(moments: list[float], horizon: float, rate: float, burst: int) -> tuple[list[float], list[float]]:
    """The level of Amazon's bucket, reconstructed from the requests that it let through."""
    times, levels, level, last = [0.0], [float(burst)], float(burst), 0.0
    for moment in [*moments, horizon]:
        full_at = last + (burst - level) / rate
        if full_at < moment:
            times.append(full_at)
            levels.append(burst)
        level = min(burst, level + (moment - last) * rate)
        times.append(moment)
        levels.append(level)
        level = max(0.0, level - 1)
        times.append(moment)
        levels.append(level)
        last = moment
    return times[:-1], levels[:-1]


def overhead_picture(result: Result, path: Path) -> None:
    """Processor time per call at each concurrency, logarithmic, a panel for each kind of call."""
    cases = list(dict.fromkeys(row["case"] for row in result["rows"]))
    figure, axes = plt.subplots(1, len(cases), figsize=(5 * len(cases), 4.2), squeeze=False)
    for panel, case in zip(axes[0], cases, strict=True):
        rows = [row for row in result["rows"] if row["case"] == case]
        for subject in dict.fromkeys(row["subject"] for row in rows):
            own = [row for row in rows if row["subject"] == subject]
            widths = [row["concurrency"] for row in own]
            panel.plot(widths, [row["us"] for row in own], marker="o", color=_COLOURS[subject], label=subject)
        panel.set(xscale="log", yscale="log", title=case, xlabel="calls at once")
        panel.grid(visible=True, which="both", alpha=0.2)
    axes[0][0].set_ylabel("processor time per call, µs")
    axes[0][-1].legend(fontsize=7)
    _save(figure, path)


def scaling_picture(result: Result, path: Path) -> None:
    """Cost per call against sellers and against concurrency."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), sharey=True)
    left.plot(
        [row["sellers"] for row in result["sellers"]],
        [row["us"] for row in result["sellers"]],
        marker="o",
        color=_COLOURS["spapi_async"],
    )
    left.set(xscale="log", xlabel="sellers (100 calls at once)", ylabel="processor time per call, µs")
    widths = [row["concurrency"] for row in result["concurrency"]]
    ours, floor = "spapi_async", "aiohttp + msgspec, untyped"
    right.plot(widths, [row["us"] for row in result["concurrency"]], marker="o", color=_COLOURS[ours], label=ours)
    right.plot(
        widths, [row["floor_us"] for row in result["concurrency"]], marker="o", color=_COLOURS[floor], label=floor
    )
    right.set(xscale="log", xlabel="calls at once (one seller)")
    right.legend(fontsize=8)
    left.set_ylim(bottom=0)
    for panel in (left, right):
        panel.grid(visible=True, alpha=0.2)
    _save(figure, path)


def queueing_picture(result: Result, path: Path) -> None:
    """Cost of joining a queue and of a hand-over against its length."""
    figure, panel = plt.subplots(figsize=(5, 4))
    waiters = [row["waiters"] for row in result["queues"]]
    panel.plot(waiters, [row["enqueue_us"] for row in result["queues"]], marker="o", label="joining the queue")
    panel.plot(waiters, [row["hand_over_us"] for row in result["queues"]], marker="o", label="hand-over")
    panel.axhline(result["uncontended_us"], color="black", linestyle=":", label="a token at hand")
    panel.set(xscale="log", xlabel="callers waiting for one bucket", ylabel="processor time each, µs")
    panel.set_ylim(bottom=0)
    panel.grid(visible=True, alpha=0.2)
    panel.legend(fontsize=8)
    _save(figure, path)


def _save(figure: Any, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, dpi=_DPI)
    plt.close(figure)
