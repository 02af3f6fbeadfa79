"""Names speak the field's language: words of the glossary's right column are in none."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import spapi_async

PACKAGE = Path(spapi_async.__file__).parent
FORBIDDEN = {"klass", "dice", "goods", "believable", "pardon", "farewell", "hurried", "told"}
GENERATED = {"api", "models"}


def names_in(path: Path) -> Iterator[str]:
    """Every name that a module gives to something."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr


def test_no_name_is_one_of_the_forbidden_words() -> None:
    """One noun for each thing."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.relative_to(PACKAGE).parts[0] not in GENERATED:
            words = {word for name in names_in(path) for word in re.split(r"_|(?<=[a-z])(?=[A-Z])", name.lower())}
            assert words & FORBIDDEN == set(), path


def test_the_front_page_is_short_and_its_links_lead_somewhere() -> None:
    """At most 200 lines; every guide is on the map."""
    root = PACKAGE.parent
    front = (root / "README.md").read_text(encoding="utf-8")
    assert len(front.splitlines()) <= 200
    guides = sorted(path.parent.name for path in (root / "examples").glob("*/README.md"))
    guide_map = (root / "examples" / "README.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^\| \[(\w+)\]", guide_map, re.MULTILINE)) == guides
    pages = [root / "README.md", root / "examples" / "README.md", *(root / "examples").glob("*/README.md")]
    for page in pages:
        for target in re.findall(r"\]\(((?!http)[^)#]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page}: {target}"
