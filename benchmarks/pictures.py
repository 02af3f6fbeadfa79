"""Draws the plots from the results."""

from __future__ import annotations

import math
import textwrap
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt

__all__ = [
    "bulk_pictures",
    "limiter_picture",
    "live_picture",
    "orders_picture",
    "overhead_picture",
    "queueing_picture",
    "scaling_picture",
]

Result = dict[str, Any]

_OURS = "spapi_async"
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
    """Answered requests, waiting callers and tokens in the bucket over time; a column for each number of workers."""
    counts = sorted({row["workers"] for row in rows})
    figure, axes = plt.subplots(3, len(counts), figsize=(6 * len(counts), 9), sharex="col", sharey="row", squeeze=False)
    for column, count in enumerate(counts):
        group = [row for row in rows if row["workers"] == count]
        horizon = max(row["ideal"] for row in group) * 1.35
        answered, waiting, tokens = (axes[line][column] for line in range(3))
        answered.set_title(f"{count} process{'es, sharing the quota' if count > 1 else ''}")
        total = group[0]["requests"]
        edge = [0.0, group[0]["ideal"]]
        lines = answered.plot(
            edge, [burst, total], color="black", linewidth=1, linestyle=":", label="what the quota allows"
        )
        # Ours is drawn last, so that it is on top.
        for row in sorted(group, key=lambda row: row["racer"] == _OURS):
            style: Result = {"color": _COLOURS[row["racer"]], "linewidth": 2.2 if row["racer"] == _OURS else 1.2}
            moments = row["answered_at"]
            label = f"{row['racer']}: {row['throttled']} × 429, {row['lost']} lost"  # noqa: RUF001  # a times sign
            steps = [0, *range(1, len(moments) + 1), len(moments)]
            lines += answered.step([0, *moments, horizon], steps, where="post", label=label, **style)
            gone = sorted(moments + row["refused_at"])
            left = [total - index for index in range(len(gone) + 1)] + [total - len(gone)]
            waiting.step([0, *gone, horizon], left, where="post", **style)
            tokens.plot(*_bucket(moments, horizon, rate, burst), **style)
        # The curves fall, so there is room for the legend at the upper right.
        waiting.legend(handles=[lines[0], *lines[:0:-1]], fontsize=7, loc="upper right")
        tokens.set(xlabel="time, seconds", xlim=(0, horizon), ylim=(-0.5, burst + 0.5))
    for panel, name in zip(
        (axes[line][0] for line in range(3)),
        ("requests answered", "callers waiting", "tokens left in the emulator's bucket\nafter each request"),
        strict=True,
    ):
        panel.set_ylabel(name)
    for panel in axes.flat:
        panel.grid(visible=True, alpha=0.2)
    figure.suptitle(f"{rows[0]['requests']} calls of getListingsItem against the emulator: {rate:g}/s, burst {burst}")
    _save(figure, path)


def _bucket(moments: list[float], horizon: float, rate: float, burst: int) -> tuple[list[float], list[float]]:
    """The tokens after each admitted request, calculated from their times, and the refilling at the end."""
    times, levels, level, last = [0.0], [float(burst)], float(burst), 0.0
    for moment in moments:
        level = max(0.0, min(burst, level + (moment - last) * rate) - 1)
        times.append(moment)
        levels.append(level)
        last = moment
    full_at = last + (burst - level) / rate
    return [*times, full_at, max(full_at, horizon)], [*levels, burst, burst]


def overhead_picture(result: Result, path: Path) -> None:
    """Processor time per call over concurrency, both logarithmic, with a panel for each kind of call."""
    rows = [row for row in result["rows"] if row["subject"] in _COLOURS]
    cases = list(dict.fromkeys(row["case"] for row in rows))
    figure, axes = plt.subplots(1, len(cases), figsize=(5 * len(cases), 4.8), squeeze=False)
    for panel, case in zip(axes[0], cases, strict=True):
        for subject in dict.fromkeys(row["subject"] for row in rows):
            own = [row for row in rows if (row["case"], row["subject"]) == (case, subject)]
            widths = [row["concurrency"] for row in own]
            panel.plot(widths, [row["us"] for row in own], marker="o", color=_COLOURS[subject], label=subject)
        panel.set(xscale="log", yscale="log", title=case)
        _plain_ticks(panel, sorted({row["concurrency"] for row in rows}), "calls at once (logarithmic)")
        panel.yaxis.set_major_formatter(_number)
        panel.yaxis.set_minor_formatter(_sparse if _decades(panel) < 2 else "")
    axes[0][0].set_ylabel("processor time per call, µs (logarithmic)")
    figure.suptitle("Processor time of one call in the client's process")
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=len(labels), fontsize=9, frameon=False)
    _save(figure, path, bottom=0.07)


def scaling_picture(result: Result, path: Path) -> None:
    """Cost per call of this client and of the floor over sellers and over concurrency; below, the ratio."""
    figure, axes = plt.subplots(2, 2, figsize=(11, 7), sharex="col", sharey="row", height_ratios=(3, 2))
    names = {"sellers": "sellers (100 calls at once)", "concurrency": "calls at once (one seller)"}
    for column, (key, name) in enumerate(names.items()):
        rows = result[key]
        points = [row[key] for row in rows]
        cost, ratio = axes[0][column], axes[1][column]
        for subject, figures in ((_OURS, "us"), ("aiohttp + msgspec, untyped", "floor_us")):
            cost.plot(points, [row[figures] for row in rows], marker="o", color=_COLOURS[subject], label=subject)
        below = [row["ratio"] - row["ratio_quartiles"][0] for row in rows]
        above = [row["ratio_quartiles"][1] - row["ratio"] for row in rows]
        ratio.errorbar(
            points, [row["ratio"] for row in rows], [below, above], marker="o", capsize=3, color=_COLOURS[_OURS]
        )
        ratio.set_xscale("log")
        _plain_ticks(ratio, points, name)
        cost.grid(visible=True, alpha=0.2)
    axes[0][0].set(ylabel="processor time per call, µs", ylim=(0, None))
    axes[1][0].set(ylabel="times the floor\n(bars: quartiles)", ylim=(0.8, None))
    axes[0][1].legend(fontsize=9, loc="lower right")
    figure.suptitle("How the cost of getOrder grows")
    _save(figure, path)


def queueing_picture(result: Result, path: Path) -> None:
    """Cost of joining a queue and of a hand-over, over the length of the queue."""
    figure, panel = plt.subplots(figsize=(6, 4.4))
    waiters = [row["waiters"] for row in result["queues"]]
    panel.plot(waiters, [row["hand_over_us"] for row in result["queues"]], marker="o", label="hand-over")
    panel.plot(waiters, [row["enqueue_us"] for row in result["queues"]], marker="o", label="joining the queue")
    panel.axhline(result["uncontended_us"], color="black", linestyle=":", label="no queue, a token at hand")
    panel.set(xscale="log", ylabel="processor time each, µs", title="The limiter alone, tasks included")
    _plain_ticks(panel, waiters, "callers waiting for one bucket")
    top = max(max(row["hand_over_us"], row["enqueue_us"]) for row in result["queues"])
    panel.set_ylim(0, top * 1.4)
    panel.legend(fontsize=8, loc="upper right", ncols=2)
    _save(figure, path)


def _plain_ticks(panel: Any, points: list[int], name: str) -> None:
    """Ticks at the measured points, as whole numbers."""
    panel.set_xticks(points, [f"{point:,}" for point in points])
    panel.set_xticks([], minor=True)
    panel.set_xlabel(name)
    panel.grid(visible=True, which="both", alpha=0.2)


def _number(value: float, _position: float) -> str:
    return f"{value:,.0f}"


def _sparse(value: float, _position: int) -> str:
    """Labels only for ticks at 2 and 5 times a power of ten."""
    return f"{value:,.0f}" if f"{value:e}"[0] in "25" else ""


def _decades(panel: Any) -> float:
    low, high = panel.get_ylim()
    return math.log10(high / low)


def _save(figure: Any, path: Path, *, bottom: float = 0.0) -> None:
    figure.tight_layout(rect=(0, bottom, 1, 1))
    figure.savefig(path, dpi=_DPI)
    plt.close(figure)


def bulk_pictures(result: Result, folder: Path) -> None:
    """Items over time at one quota; processor time of an item; the crawl's progress and memory."""
    figure, axes = plt.subplots(1, 3, figsize=(17, 5))
    for row, colour in zip(result["rates"], ("#868e96", "#d9480f", "#1971c2"), strict=True):
        share = row["items"] / max(len(row["moments"]), 1)
        counts = [share * (index + 1) for index in range(len(row["moments"]))]
        axes[0].plot(row["moments"], counts, color=colour, label=f"{row['way']}: {row['rate']:,.0f} a second")
    axes[0].set(title="Items of the catalogue at one quota", xlabel="seconds", ylabel="items", yscale="log")
    axes[0].legend()
    cost = result["cost"]
    bars = axes[1].bar(
        ["page of 20\nby hand", "looked up\none by one"],
        [cost["hand_us"], cost["look_up_us"]],
        color=["#868e96", "#d9480f"],
    )
    axes[1].bar_label(bars, fmt="%.1f µs")
    axes[1].axhline(1.5 * cost["hand_us"], color="black", linestyle=":", linewidth=1, label="1.5 times by hand")
    axes[1].set(title=f"Processor time of an item ({cost['ratio']:.2f}x)", ylabel="µs")
    axes[1].legend()
    crawled = result["crawl"]
    axes[2].plot(*zip(*crawled["done"], strict=True), color="#d9480f", label="identifiers done")
    memory = axes[2].twinx()
    memory.plot(*zip(*crawled["memory"], strict=True), color="#1971c2", label="MB of memory")
    memory.axhline(150, color="black", linestyle=":", linewidth=1)
    memory.set(ylabel="MB", ylim=(0, 170))
    axes[2].set(
        title=f"Crawl of {crawled['identifiers']:,}: {crawled['throttled']} 429s, {crawled['peak_mb']:.0f} MB",
        xlabel="seconds", ylabel="identifiers",
    )  # fmt: skip
    figure.tight_layout()
    figure.savefig(folder / "bulk.png", dpi=_DPI)
    plt.close(figure)


def orders_picture(result: Result, path: Path) -> None:
    """A column for each run: orders over hours, compared with what quota allows, and the forecast end over hours."""
    rows = result["runs"]
    figure, axes = plt.subplots(2, len(rows), figsize=(4.2 * len(rows), 7), squeeze=False, sharex="col")
    for column, row in enumerate(rows):
        done, foreseen = axes[0][column], axes[1][column]
        end = row["hours"]
        done.plot(*zip(*row["curve"], strict=True), color=_COLOURS[_OURS], linewidth=2.2, label="stored")
        if row["allowed"]:
            done.plot(*zip(*row["allowed"], strict=True), color="black", linestyle=":", label="what the quotas allow")
        done.set_title("\n".join(textwrap.wrap(f"{row['run']}: {end:.2f} h, {row['throttled']} × 429", 36)), fontsize=9)  # noqa: RUF001  # a times sign
        if row["foreseen"]:
            foreseen.plot(*zip(*row["foreseen"], strict=True), color=_COLOURS[_OURS], label="forecast end")
            foreseen.axhspan(0.9 * end, 1.1 * end, color="#868e96", alpha=0.2, label="the end, ± 10 %")
            foreseen.axvline(row["tenth_at"], color="black", linewidth=0.8, linestyle=":", label="a tenth is done")
            foreseen.set(xlabel="hours of quota", ylim=(0, 1.6 * end), xlim=(0, None))
        else:
            foreseen.axis("off")
            done.tick_params(labelbottom=True)
        for panel in (done, foreseen) if row["foreseen"] else (done,):
            panel.grid(visible=True, alpha=0.2)
            panel.legend(fontsize=7, loc="lower right")
    axes[0][0].set_ylabel("orders")
    axes[1][0].set_ylabel("forecast end, hours")
    figure.suptitle("A new seller's orders, by the sources in use")
    _save(figure, path)


def live_picture(result: Result, path: Path) -> None:
    """The cumulative share of changes over the seconds to their commit, for each way of following."""
    figure, panel = plt.subplots(figsize=(8, 4.8))
    for row, colour in zip(result["runs"], ("#d9480f", "#1971c2", "#2f9e44"), strict=True):
        late = sorted(max(seconds, 0.1) for seconds in row["late"])
        shares = [100 * (index + 1) / len(late) for index in range(len(late))]
        label = f"{row['run']}: median {row['median_seconds']:.1f} s, {row['missing_after_it']} missing once reconciled"
        panel.step(late, shares, where="post", color=colour, label=label)
    panel.axvline(120, color="black", linestyle=":", linewidth=1, label="Amazon's own delay of searches")
    panel.set(
        xscale="log", xlabel="seconds from a change to its commit (logarithmic)", ylabel="% of the changes",
        title=f"{result['sellers']} sellers followed; 10 % of messages lost, 10 % twice",
    )  # fmt: skip
    panel.xaxis.set_major_formatter(_number)
    panel.grid(visible=True, alpha=0.2)
    panel.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2)
    _save(figure, path)
