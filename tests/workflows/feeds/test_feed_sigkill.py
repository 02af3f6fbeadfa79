"""A submission that is killed at any point and started again makes one feed, and gets its result."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from feed_fixtures import CREATE, UPLOAD
from killed_command import HELD, KilledCommand, faults

from spapi_async.emulator.server import Emulator

STOCK = "POST_FLAT_FILE_INVLOADER_DATA"


class Submission(KilledCommand):
    """``spapi-async feed`` on an emulator."""

    def __init__(self, emulator: Emulator, folder: Path) -> None:
        self.out = folder / "result.txt"
        file = folder / "stock.txt"
        file.write_text("sku\tquantity\nA\t1\n", encoding="utf-8")
        words = ["feed", STOCK, str(file), "--endpoint", emulator.url, "--marketplace", "US", "--out", str(self.out)]
        super().__init__(emulator, [*words, "--journal", f"sqlite:///{folder / 'runs.db'}"])

    def finish(self) -> None:
        """Continue to the end: there is one feed in the emulator, and its processing report on disk."""
        process = self.start()
        _, complaint = process.communicate(timeout=120)
        assert (process.returncode, complaint) == (0, b"")
        assert "records successful" in self.out.read_text("cp1252")
        made = [job for seller in self.emulator.world.sellers for job in seller.jobs.newest_first("feed")]
        assert len(made) == 1


@pytest.mark.parametrize("point", HELD)
@pytest.mark.spapi_emulator(throttle=False)
def test_killed_during_create_feed(spapi_emulator: Emulator, tmp_path: Path, point: str) -> None:
    """The next process looks for the feed, and sends the request again only if it was never made."""
    rule, held = HELD[point]
    submission = Submission(spapi_emulator, tmp_path)
    spapi_emulator.faults({"operation": CREATE, **rule})
    submission.kill_when(lambda: held(spapi_emulator, CREATE))
    submission.finish()


@pytest.mark.spapi_emulator(throttle=False)
def test_killed_before_the_upload(spapi_emulator: Emulator, tmp_path: Path) -> None:
    """Nothing was submitted; the next process uploads and submits."""
    submission = Submission(spapi_emulator, tmp_path)
    spapi_emulator.faults({"operation": UPLOAD, "delay": 2.0})
    submission.kill_when(lambda: faults(spapi_emulator) == 1)
    submission.finish()


@pytest.mark.parametrize("kill_at", ["waiting before", "finished before"])
@pytest.mark.spapi_emulator(throttle=False)
def test_killed_at_a_change_of_the_journal(spapi_emulator: Emulator, tmp_path: Path, kill_at: str) -> None:
    """The time between a reply and its commit matters most."""
    submission = Submission(spapi_emulator, tmp_path)
    process = submission.start(kill_at)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    submission.finish()


@pytest.mark.spapi_emulator(throttle=False)
def test_a_feed_is_closed_only_when_its_report_is_saved(spapi_emulator: Emulator, tmp_path: Path) -> None:
    """Once the journal calls it closed, the same command would submit a new feed, so the file must be complete."""
    submission = Submission(spapi_emulator, tmp_path)
    process = submission.start("closed after")
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert "records successful" in submission.out.read_text("cp1252")
