"""A command that is killed at any point and started again makes one report, and the complete file."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from killed_command import HELD, KilledCommand, faults
from report_fixtures import ALL_ORDERS, CREATE, LISTINGS, calls

from spapi_async.emulator.server import Emulator


class Job(KilledCommand):
    """``spapi-async report`` on an emulator, started again and again with one journal."""

    def __init__(self, emulator: Emulator, folder: Path, report_type: str = LISTINGS, *more: str) -> None:
        self.out = folder / "report.tsv"
        words = [
            "report",
            report_type,
            "--endpoint",
            emulator.url,
            "--marketplace",
            "US",
            "--out",
            str(self.out),
            "--json",
        ]
        # The last journal counts.
        super().__init__(emulator, [*words, "--journal", f"sqlite:///{folder / 'runs.db'}", *more])

    def finish(self) -> None:
        """Continue to the end: there is one report in the emulator, and the file is complete with nothing beside it."""
        process = self.start()
        _, complaint = process.communicate(timeout=120)
        assert (process.returncode, complaint) == (0, b"")
        assert len(self.out.read_text("cp1252").splitlines()) == 61
        assert [path.name for path in self.out.parent.iterdir() if ".part" in path.name] == []

    def reports(self) -> int:
        """How many reports there are."""
        return sum(len(list(seller.jobs.newest_first("report"))) for seller in self.emulator.world.sellers)


@pytest.mark.parametrize("point", HELD)
@pytest.mark.spapi_emulator(throttle=False)
def test_killed_during_the_request(spapi_emulator: Emulator, tmp_path: Path, point: str) -> None:
    """The next process looks for the report, and sends the request again only if it was never made."""
    rule, held = HELD[point]
    job = Job(spapi_emulator, tmp_path)
    spapi_emulator.faults({"operation": CREATE, **rule})
    job.kill_when(lambda: held(spapi_emulator, CREATE))
    job.finish()
    assert job.reports() == 1


@pytest.mark.parametrize("kill_at", ["waiting before", "finished before"])
@pytest.mark.spapi_emulator(throttle=False)
def test_killed_at_a_change_of_the_journal(spapi_emulator: Emulator, tmp_path: Path, kill_at: str) -> None:
    """It is before or after a stage is recorded; the time between a reply and its commit matters most."""
    job = Job(spapi_emulator, tmp_path)
    process = job.start(kill_at)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    job.finish()
    assert job.reports() == 1


@pytest.mark.spapi_emulator(throttle=False)
def test_killed_with_a_journal_in_postgresql(spapi_emulator: Emulator, tmp_path: Path, postgres_url: str) -> None:
    """It is between a reply and its commit, as with SQLite."""
    job = Job(spapi_emulator, tmp_path, LISTINGS, "--journal", postgres_url)
    process = job.start("waiting before")
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    job.finish()
    assert job.reports() == 1


@pytest.mark.spapi_emulator(throttle=False)
def test_killed_while_it_reads(spapi_emulator: Emulator, tmp_path: Path) -> None:
    """The document is read again; the report is not requested again."""
    job = Job(spapi_emulator, tmp_path)
    spapi_emulator.faults({"operation": "document", "delay": 2.0})
    job.kill_when(lambda: faults(spapi_emulator) == 1)
    job.finish()
    assert job.reports() == 1


@pytest.mark.spapi_emulator(throttle=False)
def test_killed_between_the_parts_of_a_window(spapi_emulator: Emulator, tmp_path: Path) -> None:
    """Requested parts are found and the others requested: there are three reports in all."""
    job = Job(
        spapi_emulator, tmp_path, ALL_ORDERS, "--start", "2026-01-01", "--end", "2026-03-15", "--no-data", "empty"
    )
    spapi_emulator.faults({"operation": CREATE, "times": 1}, {"operation": CREATE, "hold": 1.0})
    job.kill_when(lambda: calls(spapi_emulator) == 2)
    process = job.start()
    process.communicate(timeout=120)
    assert process.returncode == 0
    assert job.reports() == 3


@pytest.mark.spapi_emulator(throttle=False, processing=1.0)
def test_two_processes_with_one_journal_share_a_report(spapi_emulator: Emulator, tmp_path: Path) -> None:
    """Started at the same moment with the same request, each gets the file, and one makes the request."""
    job = Job(spapi_emulator, tmp_path)
    running = [job.start() for _ in range(2)]
    for process in running:
        process.communicate(timeout=120)
        assert process.returncode == 0
    assert len(job.out.read_text("cp1252").splitlines()) == 61
    assert job.reports() == 1
