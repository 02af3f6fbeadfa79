"""A campaign of SIGKILLs against the commands that make reports, feeds or queries; each is started again until done.

``python tests/support/kill_campaign.py SEED JOBS [KIND]...``: each job is a command on an emulator of its own with a
journal of its own. It is killed one to four times: while the emulator holds a request, before it acts or after, at a
change of the journal, before or after its commit, or at any moment. Then it is started again without a kill. It must
end with the file that an undisturbed command writes, and with as many reports, feeds or queries at the emulator as that
one makes.
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from killed_command import HELD, KilledCommand, faults
from kiosk_queries import QUERY
from report_fixtures import ALL_ORDERS, LISTINGS
from request_counts import requests_of
from warm_python import Process

from spapi_async.emulator.pytest_plugin import running
from spapi_async.emulator.server import Emulator

WORKERS = 3
_PATIENCE_SECONDS = 180.0
_STAGES = ("sending", "waiting", "finished", "closed")
_SETTINGS: Mapping[str, Any] = {
    "throttle": False,
    "orders": 120,
    "processing": 0.2,
    "anchor": datetime(2026, 3, 10, tzinfo=UTC),
}
_CREATE_REPORT, _CREATE_FEED = "reports_2021_06_30.create_report", "feeds_2021_06_30.create_feed"
_CREATE_QUERY = "data_kiosk_2023_11_15.create_query"


class Kind(NamedTuple):
    """A command, what it makes, and the requests at which it may be killed."""

    makes: str
    words: Sequence[str]
    operations: Sequence[str]
    content: str = ""


KINDS: Mapping[str, Kind] = {
    "report": Kind("report", ["report", LISTINGS, "--marketplace", "US"], [_CREATE_REPORT, "document"]),
    "window": Kind(
        "report",
        ["report", ALL_ORDERS, "--marketplace", "US", "--start", "2026-01-01", "--end", "2026-03-15",
         "--no-data", "empty"],
        [_CREATE_REPORT, "document"],
    ),
    "feed": Kind(
        "feed",
        ["feed", "POST_FLAT_FILE_INVLOADER_DATA", "INPUT", "--marketplace", "US"],
        ["feeds_2021_06_30.create_feed_document", "document", _CREATE_FEED],
        "sku\tquantity\nA\t1\nB\t2\n",
    ),
    "query": Kind("query", ["kiosk", "INPUT"], [_CREATE_QUERY, "document"], QUERY),
    "pages": Kind("query", ["kiosk", "INPUT"], [_CREATE_QUERY], f"# emulatorOutcome_PAGED\n{QUERY}"),
}  # fmt: skip


class Result(NamedTuple):
    """What a finished job leaves: its file, and how many jobs the emulator made."""

    content: bytes
    made: int


class Job:
    """One command on an emulator, with the folder of its journal and file."""

    def __init__(self, kind: Kind, emulator: Emulator, folder: Path) -> None:
        self.kind = kind
        self.emulator = emulator
        self.out = folder / "out"
        self._journal = folder / "runs.db"
        given = folder / "input"
        given.write_text(kind.content, encoding="utf-8")
        words = [str(given) if word == "INPUT" else word for word in kind.words]
        more = ["--endpoint", emulator.url, "--out", str(self.out), "--journal", f"sqlite:///{self._journal}"]
        self._command = KilledCommand(emulator, [*words, *more])

    @property
    def is_over(self) -> bool:
        """Return whether the file is complete and the journal says so: the same command again would be another job."""
        with closing(sqlite3.connect(self._journal)) as journal, suppress(sqlite3.OperationalError):  # no table yet
            return bool(journal.execute("SELECT count(*) FROM runs WHERE stage = 'closed'").fetchone()[0])
        return False

    def kill(self, rng: random.Random) -> str:
        """Start it and kill it at some point; which, or ``""`` where it ended before it came to that."""
        how = rng.choice(("held", "held", "journal", "journal", "any moment"))
        if how == "held":
            return self._kill_held(rng.choice(self.kind.operations), rng.choice([*HELD]), rng.randrange(2))
        if how == "journal":
            point = f"{rng.choice(_STAGES)} {rng.choice(('before', 'after'))}"
            return self._killed(self._command.start(point), point)
        process = self._command.start()
        try:
            process.wait(rng.uniform(0.5, 6.0))
        except subprocess.TimeoutExpired:
            process.kill()
        return self._killed(process, "any moment")

    def finish(self) -> Result:
        """Start it without a kill, and return what it leaves.

        Raises:
            AssertionError: it fails, or leaves other files.
        """
        self._killed(self._command.start(), "")
        return self.ended()

    def ended(self) -> Result:
        """What it leaves.

        Raises:
            AssertionError: an unfinished file beside the finished one.
        """
        left = [path.name for path in self.out.parent.iterdir() if ".part" in path.name]
        assert not left, f"beside the file: {left}"
        made = sum(len(list(each.jobs.newest_first(self.kind.makes))) for each in self.emulator.world.sellers)
        return Result(self.out.read_bytes(), made)

    def _kill_held(self, operation: str, point: str, passed: int) -> str:
        """Kill it while the emulator holds a request to an operation, after ``passed`` earlier ones."""
        rule, _ = HELD[point]
        before, faults_before = requests_of(self.emulator, operation), faults(self.emulator)
        harmless = [{"operation": operation}] * passed
        self.emulator.faults(*harmless, {"operation": operation, **rule})
        process, give_up_at = self._command.start(), time.monotonic() + _PATIENCE_SECONDS
        while process.poll() is None and time.monotonic() < give_up_at:
            held = faults(self.emulator) - faults_before > passed
            if held and ("hold" not in rule or requests_of(self.emulator, operation) - before > passed):
                process.kill()
                break
            time.sleep(0.002)
        name = self._killed(process, f"{operation}, {point}")
        self.emulator.faults({"clear": True})
        return name

    def _killed(self, process: Process, point: str) -> str:
        _, complaint = process.communicate(timeout=_PATIENCE_SECONDS)
        if process.returncode == -signal.SIGKILL:
            return point
        assert process.returncode == 0, f"exit code {process.returncode}: {complaint.decode()}"
        return ""


def run_job(name: str, seed: int, expected: Mapping[str, Result]) -> tuple[Counter[str], str]:
    """Return the points at which one job was killed, and what was wrong at its end."""
    rng, kills = random.Random(seed), Counter[str]()
    with tempfile.TemporaryDirectory() as folder:
        emulator = Emulator(**_SETTINGS)
        with running(emulator):
            job = Job(KINDS[name], emulator, Path(folder))
            try:
                for _ in range(rng.randint(1, 4)):
                    if point := job.kill(rng):
                        kills[point] += 1
                    if job.is_over:
                        break
                result = job.ended() if job.is_over else job.finish()
            except (AssertionError, subprocess.TimeoutExpired) as error:
                return kills, f"{name}, seed {seed}: {error}"
    wanted = expected[name]
    if result.made != wanted.made:
        return kills, f"{name}, seed {seed}: {result.made} made, not {wanted.made}, after {dict(kills)}"
    if result.content != wanted.content:
        return kills, f"{name}, seed {seed}: another file ({len(result.content)} bytes) after {dict(kills)}"
    return kills, ""


def undisturbed(name: str) -> Result:
    """Return what a job leaves that is not killed."""
    with tempfile.TemporaryDirectory() as folder:
        emulator = Emulator(**_SETTINGS)
        with running(emulator):
            return Job(KINDS[name], emulator, Path(folder)).finish()


def main(seed: int, count: int, names: Sequence[str]) -> int:
    """Run so many jobs of these kinds, and return the exit code."""
    began, load = time.monotonic(), "/".join(f"{each:.1f}" for each in os.getloadavg())
    expected = {name: undisturbed(name) for name in names}
    kills, jobs, complaints = Counter[str](), Counter[str](), list[str]()
    with ThreadPoolExecutor(WORKERS) as workers:
        running_jobs = [
            (name, workers.submit(run_job, name, seed * 1_000_000 + number, expected))
            for number in range(count)
            for name in [names[number % len(names)]]
        ]
        for name, job in running_jobs:
            found, complaint = job.result()
            kills, jobs[name] = kills + found, jobs[name] + 1
            if complaint:
                complaints.append(complaint)
                sys.stderr.write(f"{complaint}\n")
    for point, times in sorted(kills.items()):
        sys.stdout.write(f"{times:5} {point}\n")
    sys.stdout.write(
        f"seed {seed}: {count} jobs {dict(jobs)}, {kills.total()} SIGKILLs at {len(kills)} points, {len(complaints)} "
        f"wrong, {time.monotonic() - began:.0f} s, load {load} at the start\n"
    )
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:] or [*KINDS]))
