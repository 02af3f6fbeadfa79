"""Each layer imports only from the layers above it; the list is the design's."""

import ast
from pathlib import Path

import pytest

import spapi_async

PACKAGE = Path(spapi_async.__file__).parent

LAYERS: list[set[str]] = [
    {
        "errors",
        "_clock",
        "credentials",
        "marketplaces",
        "_endpoints",
        "_operation",
        "_removal",
        "_wire",
        "_options",
        "_events",
        "_version",
        "models",
    },
    {"_request", "_response", "_lenient", "_scalars", "_retry", "_paging", "_json", "_watch"},
    {"ratelimit", "_transport", "auth"},
    {"_pipeline", "_namespace"},
    {"api"},
    {"_client", "_settings", "__init__"},
    {"documents", "sync"},
    {"cli", "emulator", "codegen", "__main__"},
]
EDGES = LAYERS[-1]


def modules() -> list[Path]:
    """Every hand-written or generated module of the package."""
    return sorted(PACKAGE.rglob("*.py"))


def part_of(path: Path) -> str:
    """The first name below the package: ``ratelimit`` of ``ratelimit/_bucket.py``."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def layer_of(part: str) -> int:
    for number, names in enumerate(LAYERS):
        if part in names:
            return number
    raise AssertionError(f"{part} is in no layer: say where it belongs")


def imported_parts(path: Path) -> set[str]:
    """The parts of the package that a module imports at run time, wherever the import stands."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    hidden = {
        id(node)
        for guard in ast.walk(tree)
        if isinstance(guard, ast.If) and ast.unparse(guard.test) == "TYPE_CHECKING"
        for node in ast.walk(guard)
    }
    names: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in hidden:
            continue
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            if node.module == "spapi_async":
                names.update(f"spapi_async.{alias.name}" for alias in node.names)
            else:
                names.add(node.module)
    return {name.split(".")[1] for name in names if name.startswith("spapi_async.")}


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_from_layers_above_its_own(path: Path) -> None:
    """A request walks straight down: nothing above knows what is below."""
    part = part_of(path)
    own = layer_of(part)
    for other in imported_parts(path) - {part}:
        if other in {"api", "tokens_2021_03_01"} and part == "_operation":
            continue  # pickling finds an operation by its name
        public = other not in {name for names in LAYERS for name in names}
        assert public or layer_of(other) <= own, f"{path.name} (layer {own}) imports {other} (layer {layer_of(other)})"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_imports_an_edge(path: Path) -> None:
    """The command line, the emulator and the generator are used by nobody but each other."""
    part = part_of(path)
    if part not in EDGES:
        assert not imported_parts(path) & EDGES


def test_the_emulator_shares_no_code_with_what_it_referees() -> None:
    """A bug in the limiter or the pipeline cannot cancel itself out in the emulator."""
    for path in (PACKAGE / "emulator").rglob("*.py"):
        assert not imported_parts(path) & {"ratelimit", "_pipeline", "_client", "_transport", "_retry"}
