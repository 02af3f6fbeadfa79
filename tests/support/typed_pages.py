"""Type checks the Python blocks of the front page and the guides; part of ``.ci/run``, after mypy, whose cache it uses.

Each page becomes a module in which lines have the numbers that they have in the page. Its blocks are one function, as
in ``tests/test_readme.py``; the arguments of the function are what the pages take as given.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "examples").glob("*/README.md"))]
FOLDER = ROOT / ".mypy_cache" / "pages"
# In place of the first three lines of a page. Examples may leave out annotations.
HEAD = """\
# mypy: disable-error-code="no-untyped-def, no-untyped-call"
from datetime import timedelta; from spapi_async import *; from spapi_async.workflows.orders import sync_orders
async def page(app: Application, seller: SellingPartner, report_document_id: str, client_id: str, client_secret: str):
""".splitlines()


def module_of(page: str) -> str:
    """The blocks of a page as a module."""
    lines, is_python = [*HEAD], False
    for line in page.splitlines()[len(HEAD) :]:
        if line.startswith("```"):
            is_python = line == "```python"
            lines.append("    ...")
        else:
            lines.append(f"    {line}" if is_python else "")
    return "\n".join([*lines, "    ...", ""])


def main() -> int:
    """Check all pages; the exit code is mypy's."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    for page in PAGES:
        name = "front_page" if page.parent == ROOT else f"guide_{page.parent.name}"
        (FOLDER / f"{name}.py").write_text(module_of(page.read_text(encoding="utf-8")), encoding="utf-8")
    return subprocess.run([sys.executable, "-m", "mypy", FOLDER], cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
