"""Each folder imports only from those before it, also inside functions."""

from __future__ import annotations

import ast
import functools
import re
import statistics
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from source_blocks import parse_where

import spapi_async

PACKAGE = Path(spapi_async.__file__).parent

VOCABULARY = {"_version", "_error_base", "errors", "marketplaces", "credentials"}
FOLDERS = ("_core", "_codec", "ratelimit", "auth", "_engine", "models", "api", "_client", "workflows")
EDGES = {"web", "fleet", "observe", "cli", "emulator", "codegen"}
ENTRANCES = {"__init__", "__main__"}  # of the package itself: they re-export what lies below
EMULATOR = ("gateway", "identity", "data", "apis")  # the emulator's own folders; the one that assembles it comes last

# The modules that may import from later folders, and what.
LOOKS_DOWN = {
    ("_client/registry.py", "workflows"),  # the registry of workflows
    ("_core/operation.py", "api"),  # pickling finds an operation by its name
}


def modules() -> list[Path]:
    """Every hand-written or generated module of the package."""
    return sorted(PACKAGE.rglob("*.py"))


def part_of(path: Path) -> str:
    """The first name below the package: ``ratelimit`` of ``ratelimit/_bucket.py``."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def rank(part: str) -> int:
    """The position of a folder in the order; the vocabulary comes before all of them, edges after."""
    if part in VOCABULARY:
        return 0
    if part in FOLDERS:
        return 1 + FOLDERS.index(part)
    assert part in EDGES | ENTRANCES, f"{part} is in no layer: say where it belongs"
    return 1 + len(FOLDERS)


@functools.cache
def named_modules(path: Path) -> frozenset[str]:
    """What a module imports of the package: in functions, only for type checkers, and by a name in a string."""
    trees = parse_where(path.read_text(encoding="utf-8"), lambda block: "spapi_async" in block or "from ." in block)
    return frozenset(name for tree in trees for name in _named(tree))


def _named(tree: ast.Module) -> Iterator[str]:
    ahead: list[ast.AST] = [tree]
    while ahead:
        node = ahead.pop()
        if _is_logger(node):
            continue
        ahead += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and re.fullmatch(r"spapi_async(\.\w+)+\.?", str(node.value)):
            yield str(node.value)


def _is_logger(node: ast.AST) -> bool:
    """A logger is named after a folder without importing it."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "getLogger"


def imported_parts(path: Path) -> set[str]:
    """The parts of the package that a module names; a public name of the package itself is ``__init__``."""
    parts = set()
    for name in named_modules(path):
        package, _, rest = name.partition(".")
        if package == "spapi_async" and rest:
            part = rest.partition(".")[0]
            known = (PACKAGE / part).is_dir() or (PACKAGE / f"{part}.py").exists()
            parts.add(part if known else "__init__")
    return parts


def test_a_module_imports_only_from_folders_before_its_own() -> None:
    """Nothing knows the layers that are built on it."""
    wrong = {f"{place} imports from {other}" for path in modules() for place, other in imports_from_later(path)}
    assert wrong == set()


def imports_from_later(path: Path) -> Iterator[tuple[str, str]]:
    """The imports of a module from its own or later folders that are not allowed."""
    part, place = part_of(path), path.relative_to(PACKAGE).as_posix()
    own = rank(part)
    if part in ENTRANCES:
        return
    for other in imported_parts(path) - {part}:
        allowed = rank(other) < own or (part in EDGES and other in EDGES | ENTRANCES)
        if part in VOCABULARY:
            allowed = other in VOCABULARY
        if not allowed and (place, other) not in LOOKS_DOWN:
            yield place, other


def test_the_exceptions_are_used() -> None:
    """An exception that no module needs must be removed."""
    seen = {(path.relative_to(PACKAGE).as_posix(), other) for path in modules() for other in imported_parts(path)}
    assert seen >= LOOKS_DOWN


def module_of(path: Path) -> str:
    """A module's name below the package; a folder's is that of its ``__init__``."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix("__init__").removesuffix(".")


def imported_modules(path: Path, known: Collection[str]) -> set[str]:
    """The modules of the package that a module names: of ``a.b.Name`` it is ``a.b``."""
    found = set()
    for name in named_modules(path):
        package, _, rest = name.partition(".")
        while package == "spapi_async" and rest and rest not in known:
            rest = rest.rpartition(".")[0]
        if package == "spapi_async" and rest:
            found.add(rest)
    return found - {module_of(path)}


def test_there_are_no_import_cycles() -> None:
    """Imports inside one folder and for type checkers count."""
    paths = {module_of(path): path for path in modules() if part_of(path) not in ENTRANCES | {"api", "models"}}
    below = {name: imported_modules(path, paths) for name, path in paths.items()}
    reachable = {name: _reached(name, below) for name in below}
    circles = {frozenset({name, *(each for each in reachable[name] if name in reachable[each])}) for name in below}
    assert {circle for circle in circles if len(circle) > 1} == set()


def _reached(name: str, below: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    ahead = [name]
    while ahead:
        ahead += (fresh := below.get(ahead.pop(), set()) - found)
        found |= fresh
    return found


def test_the_emulators_folders_are_layers_too() -> None:
    """The gateway knows neither the client nor the replies; an API knows all of them."""
    for own, folder in enumerate(EMULATOR):
        for path in (PACKAGE / "emulator" / folder).rglob("*.py"):
            named = {name.split(".")[2] for name in named_modules(path) if name.startswith("spapi_async.emulator.")}
            assert named <= set(EMULATOR[: own + 1]), path


def test_the_emulator_shares_no_code_with_the_client() -> None:
    """A bug in the limiter or the pipeline must not cancel itself out in the emulator."""
    for path in (PACKAGE / "emulator").rglob("*.py"):
        assert not imported_parts(path) & {"ratelimit", "_engine", "_client"}


def test_the_root_holds_the_public_vocabulary_alone() -> None:
    """The modules that programs name are at the root; all others have a folder."""
    assert len(list(PACKAGE.glob("*.py"))) <= 8


def test_half_of_the_modules_are_short() -> None:
    """Half of those written by hand have at most 200 lines."""
    written = [path for path in modules() if part_of(path) not in ("api", "models")]
    assert statistics.median(len(path.read_text(encoding="utf-8").splitlines()) for path in written) <= 200


def test_no_module_written_by_hand_is_too_long() -> None:
    """One with more than 400 lines should be split."""
    written = [path for path in modules() if part_of(path) not in {"api", "models"} and "payloads" not in path.parts]
    lines = {str(path): path.read_text(encoding="utf-8").count("\n") for path in written}
    assert {path: count for path, count in lines.items() if count > 400} == {}
