"""Puts bugs into the code, one at a time, and lists those that no test detects.

    python tests/support/mutate.py map                            once: which tests run which lines, and for how long
    python tests/support/mutate.py map tests/auth                 only these anew, such as tests that were just written
    python tests/support/mutate.py random --count 150             bugs by rule, those of changed files first
    python tests/support/mutate.py random spapi_async/auth spapi_async/_codec --count 25 --seed 1 2
    python tests/support/mutate.py written                        the bugs of tests/support/mutants.json

``--count`` bugs are drawn for each path and seed. A file counts as changed when it differs from the commit that
``--changed`` names: the last one, or say ``main``.

Each bug goes into a copy of the tree, never into yours. The tests that run its line are run against it, the most direct
ones (those that run the fewest lines in all) first, until one fails. A test that does not end is stopped, and counts as
one that noticed. A line for each bug goes to standard output, and a summary for each module to
``benchmarks/results/mutation.json`` with ``--save``, in place of that of the last command of the same kind.

A survivor shows a missing test, or a change without effect; ``mutants.json`` names the latter with their reason.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import hashlib
import json
import os
import queue
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from mutation_rules import applied, changes

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "spapi_async"
GENERATED = ("spapi_async/api/", "spapi_async/models/")
ELSEWHERE = ("spapi_async/cli/",)  # its text is for people
MAP = ROOT / ".mutation" / "coverage"
TIMES = MAP.parent / "seconds.json"
DIGESTS = MAP.parent / "digests.json"
WRITTEN = ROOT / "tests/support/mutants.json"
SUMMARY = ROOT / "benchmarks/results/mutation.json"
NOT_COPIED = shutil.ignore_patterns(".git", ".venv", ".mutation")  # compiled files save seconds for each bug
SCRIPT_RUNS = "spapi_async/ratelimit/shared/redis/_store.py", "_decode(result)"
"""Where Redis answers: the tests that come by here are those of its script, whose own lines are not counted."""

ATTEMPTS = ((60, 1.0, 10.0), (300, 5.0, 40.0))
"""Of the first attempt and of both: most tests, and how long one and all of them may take with the code as it is."""
STALLED = 40.0
"""Seconds without a word from pytest: the test under way will not end."""
GIVEN_UP = 240
"""Seconds after which tests that are merely slow are stopped, without a verdict."""


class Mutant(NamedTuple):
    """One bug: what stands in which file is replaced."""

    file: str
    line: int
    before: str
    after: str
    text: str
    """The whole file with the bug in it."""
    about: str = ""
    """What it does, in words."""


class Verdict(NamedTuple):
    """What the tests found of a bug."""

    mutant: Mutant
    noticed: bool
    by: str
    """The test that failed or hung, or how many passed."""


# bugs ------------------------------------------------------------------------------------------------


def drawn(files: Iterable[str], count: int, seed: str, first: set[str]) -> list[Mutant]:
    """Returns bugs at random, each file by its size, those of changed files before the rest."""
    sources = {file: (ROOT / file).read_text(encoding="utf-8") for file in files}
    every = [(file, change) for file, source in sources.items() for change in changes(source)]
    random.Random(seed).shuffle(every)
    every.sort(key=lambda each: each[0] not in first)
    made = (
        Mutant(file, change.line, change.before, change.after, text)
        for file, change in every
        if (text := applied(sources[file], change)) is not None
    )
    return list(islice(made, count))


def by_hand(path: Path) -> list[Mutant]:
    """Returns the bugs in a file that lists them. A bug whose code is gone is an error, so that the list stays true."""
    found = []
    for each in json.loads(path.read_text(encoding="utf-8"))["written"]:
        source = (ROOT / each["file"]).read_text(encoding="utf-8")
        times = source.count(each["old"])
        if times != 1:
            sys.exit(f"{each['file']} has {times} times {each['old']!r}: bring {path.name} up to date")
        line = source[: source.index(each["old"])].count("\n") + 1
        text = source.replace(each["old"], each["new"])
        found.append(Mutant(each["file"], line, each["old"], each["new"], text, each["about"]))
    return found


def meaningless(path: Path) -> dict[tuple[str, str, str], str]:
    """Returns why no test can or need detect a bug, by file and replacement."""
    listed = json.loads(path.read_text(encoding="utf-8"))["meaningless"] if path.exists() else []
    return {(each["file"], each["old"], each["new"]): each["why"] for each in listed}


def hand_written() -> list[str]:
    """Returns the files that bugs are put into."""
    files = (str(path.relative_to(ROOT)) for path in sorted((ROOT / PACKAGE).rglob("*.py")))
    return [each for each in files if not each.startswith(GENERATED + ELSEWHERE)]


def changed_since(commit: str) -> set[str]:
    """Returns the files that differ from a commit."""
    command = ["git", "diff", "--name-only", commit]
    return set(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split())


# which tests -----------------------------------------------------------------------------------------


class Reach:
    """Which tests run which lines, by the coverage that ``map`` has measured."""

    def __init__(self, path: Path) -> None:
        database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        contexts = database.execute("SELECT id, context FROM context")
        self._tests = {number: name.rpartition("|")[0] for number, name in contexts if name}
        self._files = {
            Path(name).as_posix().split(f"/{PACKAGE}/")[-1]: number
            for number, name in database.execute("SELECT id, path FROM file")
        }
        self._size: Counter[int] = Counter()
        self._lines: dict[int, dict[int, frozenset[int]]] = defaultdict(dict)
        for file, context, numbits in database.execute("SELECT file_id, context_id, numbits FROM line_bits"):
            lines = frozenset(
                byte * 8 + bit for byte, bits in enumerate(numbits) for bit in range(8) if bits >> bit & 1
            )
            self._size[context] += len(lines)
            if context in self._tests:
                self._lines[file][context] = lines
        database.close()
        self._digests = json.loads(DIGESTS.read_text())
        self.seconds: dict[str, float] = json.loads(TIMES.read_text())

    def tests(self, mutant: Mutant) -> list[str]:
        """Returns the tests that run any of its lines, or else its file; the most direct first."""
        file, first, last = mutant.file, mutant.line, mutant.line + mutant.before.count("\n")
        if not file.endswith(".py"):
            file, mark = SCRIPT_RUNS
            first = last = (ROOT / file).read_text().partition(mark)[0].count("\n") + 1
        number = self._files.get(file.removeprefix(f"{PACKAGE}/"))
        contexts = self._lines[number] if number is not None else {}
        chosen = list(contexts)
        if self._digests.get(file) == digest(ROOT / file):
            wanted = set(range(first, last + 1))
            chosen = [each for each, run in contexts.items() if run & wanted] or chosen
        ordered = sorted(chosen, key=lambda each: self._size[each])
        return in_turn(dict.fromkeys(self._tests[each] for each in ordered))


def in_turn(tests: Iterable[str]) -> list[str]:
    """Returns the tests in their order, but two cases of each function before any third: forty may differ little."""
    seen: Counter[str] = Counter()
    places = []
    for test in tests:
        function = test.partition("[")[0]
        places.append((seen[function] // 2, test))
        seen[function] += 1
    return [test for _, test in sorted(places, key=lambda each: each[0])]


def measure(tests: list[str]) -> None:
    """Runs tests with coverage, by test, and with their times; some alone are added to what is known."""
    MAP.parent.mkdir(exist_ok=True)
    (MAP.parent / ".gitignore").write_text("*\n")
    settings = MAP.parent / "settings"
    settings.write_text(f"[run]\nsource = {PACKAGE}\ndata_file = {MAP}\nomit = {PACKAGE}/api/*\n  {PACKAGE}/models/*\n")
    added = ["--cov-append"] if tests and MAP.exists() else []
    subprocess.run(
        [sys.executable, "-m", "pytest", f"--cov={PACKAGE}", f"--cov-config={settings}", "--cov-context=test",
         "--cov-report=", *added, "-p", "mutate", *(tests or ["tests"])],
        cwd=ROOT, check=False, env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
    )  # fmt: skip
    known = json.loads(DIGESTS.read_text()) if added else {}
    found = {each: digest(ROOT / each) for each in hand_written()}
    # Measurements of a file that has changed since concern other lines.
    DIGESTS.write_text(
        json.dumps({file: each if known.get(file, each) == each else "" for file, each in found.items()})
    )


_seconds: dict[str, float] = defaultdict(float)


def pytest_runtest_logreport(report: Any) -> None:
    """Adds up what each test took: ``map`` runs pytest with this module as a plugin."""
    _seconds[report.nodeid] += report.duration


def pytest_sessionfinish(session: Any) -> None:
    """Keeps the times beside the map."""
    if not hasattr(session.config, "workerinput"):
        known = json.loads(TIMES.read_text()) if TIMES.exists() else {}
        TIMES.write_text(json.dumps({**known, **_seconds}))


def digest(path: Path) -> str:
    """Returns what changes when a file does."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


# running ---------------------------------------------------------------------------------------------


def judged(mutants: list[Mutant], workers: int) -> Iterator[Verdict]:
    """Yields each bug's verdict, as they come."""
    reach = Reach(MAP)
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(workers) as pool:
        free = [Path(folder) / str(number) for number in range(workers)]
        for tree in free:
            shutil.copytree(ROOT, tree, ignore=NOT_COPIED, symlinks=True)

        def judge(mutant: Mutant) -> Verdict:
            tree = free.pop()
            try:
                return verdict(mutant, reach, tree)
            finally:
                free.append(tree)

        for done in concurrent.futures.as_completed([pool.submit(judge, each) for each in mutants]):
            yield done.result()


def verdict(mutant: Mutant, reach: Reach, tree: Path) -> Verdict:
    """Runs the tests against the tree with the bug in it."""
    tests = reach.tests(mutant)
    target = tree / mutant.file
    clean, was = target.read_text(encoding="utf-8"), target.stat()
    target.write_text(mutant.text, encoding="utf-8")
    tried: dict[str, None] = {}
    try:
        for most, one, all_of_them in ATTEMPTS:
            some = [test for test in affordable(tests, reach.seconds, most, one, all_of_them) if test not in tried]
            if some and (by := first_failure(some, tree)):
                return Verdict(mutant, by[0], by[1])
            tried |= dict.fromkeys(some)
    finally:
        target.write_text(clean, encoding="utf-8")
        os.utime(target, ns=(was.st_atime_ns, was.st_mtime_ns))  # its compiled file is valid again
    return Verdict(mutant, noticed=False, by=f"{len(tried)} of {len(tests)} tests passed")


def affordable(tests: list[str], seconds: dict[str, float], most: int, one: float, all_of_them: float) -> list[str]:
    """Returns the first of the tests that are quick enough; where none is, the first of all."""
    chosen: list[str] = []
    for test in tests:
        took = seconds.get(test, 0.1)
        if took <= min(one, all_of_them) and len(chosen) < most:
            chosen.append(test)
            all_of_them -= took
    return chosen or tests[:1]


def first_failure(tests: list[str], tree: Path) -> tuple[bool, str] | None:
    """Returns the first of the tests that fails or does not end; None where all pass."""
    code, output = run(tests, tree)
    gone = set(re.findall(r"^ERROR: not found: .*?(tests/.+)$", output, re.MULTILINE))
    if code == pytest.ExitCode.USAGE_ERROR and gone:  # tests that were renamed since the map was made
        there = [each for each in tests if each not in gone and each.partition("[")[0] not in gone]
        code, output = run(there, tree) if there else (0, "")
    if code in (0, pytest.ExitCode.NO_TESTS_COLLECTED):
        return None
    if code is None:
        under_way = output.rpartition("\n")[2]
        return None if under_way.endswith("[100%]") else (True, f"hang in {under_way}")
    failed = re.search(r"^(?:FAILED|ERROR) (tests/.+?)(?: - .*)?$", output, re.MULTILINE)
    return (True, failed[1]) if failed else (code != GIVEN_UP, f"pytest ended with {code}: {output[-300:]}")


def run(tests: list[str], tree: Path) -> tuple[int | None, str]:
    """Returns pytest's exit code and output; no code where a test does not end."""
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-vv", "-x", "-n", "0", "-p", "no:cacheprovider", "--tb=no", "-rfE"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    process = subprocess.Popen([*command, *tests], cwd=tree, env=environment, start_new_session=True, **pipes)  # type: ignore[call-overload]
    pieces: queue.Queue[bytes] = queue.Queue()

    def read() -> None:
        while piece := os.read(process.stdout.fileno(), 65536):
            pieces.put(piece)
        pieces.put(b"")

    threading.Thread(target=read, daemon=True).start()
    output, ends_at = b"", time.monotonic() + GIVEN_UP
    try:
        while piece := pieces.get(timeout=STALLED):
            output += piece
            if time.monotonic() > ends_at:
                return GIVEN_UP, output.decode(errors="replace")
        return process.wait(), output.decode(errors="replace")
    except queue.Empty:
        return None, output.decode(errors="replace")
    finally:
        if process.poll() is None:
            os.killpg(process.pid, 9)
            process.wait()


# telling ---------------------------------------------------------------------------------------------


def report(verdicts: list[Verdict], reasons: dict[tuple[str, str, str], str]) -> dict[str, Any]:
    """Returns the summary by module, the survivors, and for bugs in words the test that notices each."""
    modules: dict[str, Counter[str]] = defaultdict(Counter)
    survivors, noticed = [], []
    for mutant, was_noticed, by in sorted(verdicts, key=lambda each: (each.mutant.file, each.mutant.line)):
        why = reasons.get((mutant.file, mutant.before, mutant.after), "")
        kind = "killed" if was_noticed else "equivalent" if why else "survived"
        modules[str(Path(mutant.file).parent)][kind] += 1
        at = f"{mutant.file}:{mutant.line}"
        if not was_noticed:
            survivors.append({"at": at, "old": mutant.before, "new": mutant.after, "why": why or by})
        elif mutant.about:
            noticed.append({"at": at, "bug": mutant.about, "by": by})
    total = sum(modules.values(), Counter())
    return {
        "total": dict(sorted(total.items())),
        "modules": {name: dict(sorted(counts.items())) for name, counts in sorted(modules.items())},
        "survivors": survivors,
        "noticed": noticed,
    }


def main() -> None:
    """Reads the command line and does one of the three."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("what", choices=["map", "random", "written"])
    parser.add_argument("paths", nargs="*", help="of the code; for map, of the tests")
    parser.add_argument("--count", type=int, default=150, help="bugs for each path and seed")
    parser.add_argument("--seed", nargs="+", default=["1"])
    parser.add_argument("--changed", default="HEAD", help="files that differ from this commit come first")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--mutants", type=Path, default=WRITTEN)
    parser.add_argument("--save", type=Path, nargs="?", const=SUMMARY)
    asked = parser.parse_intermixed_args()
    if asked.what == "map":
        measure(asked.paths)
        return
    paths = asked.paths or [PACKAGE]
    if asked.what == "written":
        mutants = [each for each in by_hand(asked.mutants) if each.file.startswith(tuple(paths))]
    else:
        first = changed_since(asked.changed)
        draws = [
            drawn([each for each in hand_written() if each.startswith(path)], asked.count, f"{seed} {path}", first)
            for path in paths
            for seed in asked.seed
        ]
        mutants = list(dict.fromkeys(mutant for draw in draws for mutant in draw))
    verdicts = []
    for each in judged(mutants, asked.workers):
        verdicts.append(each)
        change = f"{each.mutant.before[:60]!r} -> {each.mutant.after[:60]!r}"
        sys.stdout.write(
            f"{'.' if each.noticed else 'S'} {each.mutant.file}:{each.mutant.line}  "
            f"{each.mutant.about or change}  {each.by}\n"
        )
        sys.stdout.flush()
    summary = report(verdicts, meaningless(asked.mutants))
    sys.stdout.write(json.dumps(summary["total"]) + "\n")
    if asked.save:
        kept = json.loads(asked.save.read_text()) if asked.save.exists() else {}
        asked.save.write_text(json.dumps({**kept, asked.what: summary}, indent=1) + "\n")


if __name__ == "__main__":
    main()
