"""Hypothesis tries the same examples in every run, whichever tests run before, and says how to repeat a failure."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import warm_python
from hypothesis import settings

ROOT = Path(__file__).parents[1]
NUMBERS = "tests/ratelimit/test_window.py::test_no_window_holds_more_than_it_may"
TEXTS = "tests/codegen/test_codegen_names.py::test_any_text_gives_legal_names"


PYTEST = "import sys, pytest; sys.path[:0] = {places}; sys.exit(pytest.main(sys.argv[1:]))"


def drawn(folder: Path, *tests: str, warm: bool) -> dict[str, str]:
    """A digest of the examples that each of these tests was given, run in this order in a new process."""
    found = folder / "drawn.json"
    words = ["-c", PYTEST.format(places=[str(ROOT), str(ROOT / "tests/support")]), f"--drawn={found}", *tests]
    options = ["-q", "-n", "0", "-p", "no:cacheprovider", "-p", "drawn_examples"]
    if warm:
        options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # modules are imported already
        process = warm_python.start([*words, *options], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        said, _ = process.communicate()
        assert process.returncode == 0, said
    else:
        done = subprocess.run([sys.executable, *words, *options], cwd=ROOT, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout
    return dict(json.loads(found.read_text()))


@pytest.mark.long
def test_examples_depend_neither_on_order_nor_on_what_else_is_loaded(tmp_path: Path) -> None:
    """Tests are run in either order, with and without the whole library imported."""
    few_modules = drawn(tmp_path, NUMBERS, TEXTS, warm=False)
    assert len(few_modules) == 2
    assert drawn(tmp_path, TEXTS, NUMBERS, warm=True) == few_modules


def test_every_run_is_the_same_and_a_failure_repeats_itself(request: pytest.FixtureRequest) -> None:
    """Examples depend on no chance, earlier failures or clock; a failure prints its example and how to repeat it."""
    if request.config.getoption("hypothesis_profile", None):
        pytest.skip("another profile was asked for")
    chosen = settings()
    assert (chosen.derandomize, chosen.database, chosen.deadline, chosen.print_blob) == (True, None, None, True)
