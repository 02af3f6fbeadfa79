"""Folders are the architecture: each imports only from those before it, wherever the import stands."""

from __future__ import annotations

import ast
import functools
import re
import statistics
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import spapi_async

PACKAGE = Path(spapi_async.__file__).parent

VOCABULARY = {"_version", "_error_base", "errors", "marketplaces", "credentials"}
FOLDERS = ("_core", "_codec", "ratelimit", "auth", "_engine", "models", "api", "_client", "workflows")
EDGES = {"web", "fleet", "observe", "cli", "emulator", "codegen"}
ENTRANCES = {"__init__", "__main__"}  # of the package itself: they show what lies below
EMULATOR = ("gateway", "identity", "data", "apis")  # the emulator's own folders; what it is put together in comes last

# The places that may look down, and at what.
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
    """The place of a folder in the order; the vocabulary comes before all of them, edges after."""
    if part in VOCABULARY:
        return 0
    if part in FOLDERS:
        return 1 + FOLDERS.index(part)
    assert part in EDGES | ENTRANCES, f"{part} is in no layer: say where it belongs"
    return 1 + len(FOLDERS)


@functools.cache
def named_modules(path: Path) -> frozenset[str]:
    """What a module imports: in functions, for type checkers alone, and by a name in a string."""
    return frozenset(_named(ast.parse(path.read_text(encoding="utf-8"))))


def _named(tree: ast.Module) -> Iterator[str]:
    loggers = {id(part) for node in ast.walk(tree) if _is_logger(node) for part in ast.walk(node)}
    for node in ast.walk(tree):
        if id(node) in loggers:
            continue
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
    """A request walks straight down: nothing knows what stands on it."""
    wrong = {f"{place} imports from {other}" for path in modules() for place, other in looks_down(path)}
    assert wrong == set()


def looks_down(path: Path) -> Iterator[tuple[str, str]]:
    """Where a module looks at what stands on it, or beside it, without leave."""
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
    """An exception that no module needs is struck off."""
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


def test_no_two_modules_know_each_other() -> None:
    """Also inside one folder, and by any way round, for type checkers alone too."""
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
    """The gateway knows neither who asks nor what is answered; an API knows all of them."""
    for own, folder in enumerate(EMULATOR):
        for path in (PACKAGE / "emulator" / folder).rglob("*.py"):
            named = {name.split(".")[2] for name in named_modules(path) if name.startswith("spapi_async.emulator.")}
            assert named <= set(EMULATOR[: own + 1]), path


def test_the_emulator_shares_no_code_with_what_it_referees() -> None:
    """A bug in the limiter or the pipeline cannot cancel itself out in the emulator."""
    for path in (PACKAGE / "emulator").rglob("*.py"):
        assert not imported_parts(path) & {"ratelimit", "_engine", "_client"}


def test_the_root_holds_the_public_vocabulary_alone() -> None:
    """What a program names lies at the root; everything else has a folder."""
    assert len(list(PACKAGE.glob("*.py"))) <= 8


def test_a_module_fits_in_the_head() -> None:
    """Half of those written by hand have at most 200 lines."""
    written = [path for path in modules() if part_of(path) not in ("api", "models")]
    assert statistics.median(len(path.read_text(encoding="utf-8").splitlines()) for path in written) <= 200


def test_a_module_written_by_hand_can_be_read_in_one_sitting() -> None:
    """One that grows past 400 lines knows too much: split it by what it knows."""
    written = [path for path in modules() if part_of(path) not in {"api", "models"} and "payloads" not in path.parts]
    lines = {str(path): path.read_text(encoding="utf-8").count("\n") for path in written}
    assert {path: count for path, count in lines.items() if count > 400} == {}
