"""The examples that read and write documents run."""

import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("read_documents.py", ("sold; the file is in cp1252, not quoted", "rows in orders.parquet")),
        (
            "send_and_fetch_files.py",
            ("uploaded as sc-", "bytes of application/json", "URL has expired: ", "^FDTEA"),
        ),
    ],
)
def test_an_example_runs(name: str, says: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """It has an emulator of its own."""
    runpy.run_path(str(EXAMPLES / "documents" / name), run_name="__main__")
    out = capsys.readouterr().out
    assert all(each in out for each in says), out
