"""Names use the words of the glossary, and none of its right column."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from source_blocks import parse_where

import spapi_async

PACKAGE = Path(spapi_async.__file__).parent
FORBIDDEN = {"klass", "dice", "goods", "believable", "pardon", "farewell", "hurried", "told"}
ALLOWED = re.compile(r'(?<![\w.])(self|cls)\._|^ *from [\w.]+|"spapi_async\.[\w.]+', re.MULTILINE)
IMPORTED = re.compile(r"^ *from spapi_async[\w.]* import (?:\([^)]*?|.*?)\b_", re.MULTILINE)
NAMED_TUPLE = {"_replace", "_fields", "_asdict", "_value2member_map_"}  # public, whatever they are called
GENERATED = {"api", "models"}


def names_in(source: str) -> Iterator[str]:
    """Every name that a module gives to something."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr


def hand_written() -> Iterator[Path]:
    """Every module of the package that is not generated, and every test."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.relative_to(PACKAGE).parts[0] not in GENERATED:
            yield path
    yield from sorted((PACKAGE.parent / "tests").rglob("*.py"))


def test_no_name_is_one_of_the_forbidden_words() -> None:
    """There is one noun for each thing."""
    for path in hand_written():
        source = path.read_text(encoding="utf-8")
        text = source.lower()
        if any(word in text for word in FORBIDDEN):  # else none can be in a name: few modules are parsed
            words = {word for name in names_in(source) for word in re.split(r"_|(?<=[a-z])(?=[A-Z])", name.lower())}
            assert words & FORBIDDEN == set(), path


def may_hold_privates(source: str) -> bool:
    """Whether an underscore follows a dot, but not self, cls or a module, or begins a name that is imported."""
    return "._" in ALLOWED.sub("", source) or IMPORTED.search(source) is not None


def privates_in(path: Path) -> Iterator[str]:
    """Private names of other objects that a test reads, sets or imports; private modules do not count."""
    trees = parse_where(path.read_text(encoding="utf-8"), may_hold_privates)
    for node in (node for tree in trees for node in ast.walk(tree)):
        if isinstance(node, ast.Attribute):
            own = isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"}
            private = node.attr.startswith("_") and not node.attr.startswith("__") and node.attr not in NAMED_TUPLE
            if private and not own:
                yield f"{path.name}:{node.lineno}: {ast.unparse(node)}"
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("spapi_async"):
            folder = PACKAGE.parent.joinpath(*(node.module or "").split("."))
            for name in (each.name for each in node.names):
                if name.startswith("_") and not (folder / f"{name}.py").exists() and not (folder / name).is_dir():
                    yield f"{path.name}:{node.lineno}: {node.module}.{name}"


def test_tests_use_few_private_names() -> None:
    """The exceptions are in ``insides.py``, each name once."""
    found = [name for path in sorted((PACKAGE.parent / "tests").rglob("*.py")) for name in privates_in(path)]
    assert len(found) <= 20, found


def test_the_front_page_is_short_and_its_links_exist() -> None:
    """It has at most 200 lines, and every guide is on the map."""
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
