"""What `import spapi_async` imports, and what it must not."""

import ast
import functools
import subprocess
import sys
from pathlib import Path

import pytest

import spapi_async

PACKAGE = Path(spapi_async.__file__).parent

HEAVY = ("spapi_async.api", "spapi_async.models", "redis", "sqlalchemy", "aiohttp.web", "typer", "rich", "cryptography")


@functools.cache
def loaded_after(statement: str) -> frozenset[str]:
    """The modules loaded in a fresh interpreter after a statement."""
    code = f"{statement}\nimport sys\nprint('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return frozenset(done.stdout.split())


def test_importing_the_package_stays_light() -> None:
    """No API, model or optional dependency is imported before it is used."""
    loaded = loaded_after("from spapi_async import *")
    assert not [name for name in loaded for heavy in HEAVY if name == heavy or name.startswith(f"{heavy}.")]


def test_using_one_api_imports_that_one() -> None:
    """The first access to a namespace imports its module and its models, no others."""
    loaded = loaded_after(
        "import spapi_async as s\ns.Application('a', 'b').selling_partner('Atzr|x', region='na').orders_v0"
    )
    assert {name for name in loaded if name.startswith(("spapi_async.api.", "spapi_async.models."))} == {
        "spapi_async.api.orders_v0",
        "spapi_async.models.orders_v0",
    }


ROOTS = ("", "._version", "._error_base", ".errors")


def test_packages_on_the_import_path_are_empty_or_lazy() -> None:
    """Importing one module of a folder does not import its neighbours; the package itself imports its errors."""
    for name in sorted(loaded_after("from spapi_async import *")):
        init = PACKAGE.parent.joinpath(*name.split("."), "__init__.py")
        if name.partition(".")[0] == "spapi_async" and init.exists():
            imported = {
                node.module
                for node in ast.parse(init.read_text(encoding="utf-8")).body
                if isinstance(node, ast.ImportFrom) and str(node.module).startswith("spapi_async")
            }
            own = {f"spapi_async{name}" for name in ROOTS} if init.parent == PACKAGE else set()
            assert imported <= own, name


def test_asking_for_an_error_does_not_import_the_client() -> None:
    """Neither does the version: names are imported on first use."""
    loaded = loaded_after("from spapi_async import NotFoundError, __version__")
    assert not {"aiohttp", "asyncio", "spapi_async._client.application"} & loaded


def test_documents_import_only_what_is_used() -> None:
    """No API, Arrow or XML is imported before a document is read with it."""
    loaded = loaded_after("import spapi_async.workflows.documents")
    assert not [name for name in loaded if name.startswith(("spapi_async.api.", "pyarrow", "xml.etree"))]


def test_every_exported_name_exists() -> None:
    """`__all__` has no missing name."""
    assert [name for name in spapi_async.__all__ if not hasattr(spapi_async, name)] == []


def test_exported_names_are_sorted_groups_without_repeats() -> None:
    """Readers find a name by the alphabet."""
    own = [name for name in spapi_async.__all__ if name not in spapi_async.errors.__all__]
    assert own == sorted(own)
    assert len(set(spapi_async.__all__)) == len(spapi_async.__all__)


def test_names_come_from_where_type_checkers_look_for_them() -> None:
    """Errors come from their module, all of them; an unknown name is an AttributeError."""
    assert set(spapi_async.errors.__all__) <= set(spapi_async.__all__)
    assert {name for names in spapi_async._HOMES.values() for name in names} == {*spapi_async.__all__} - {"__version__"}
    assert set(spapi_async.__all__) <= set(dir(spapi_async))
    with pytest.raises(AttributeError, match="'spapi_async' has no attribute 'Applicaton'"):
        getattr(spapi_async, "Applicaton")  # noqa: B009 - for a type checker it is misspelt


def test_nothing_heavy_is_imported_before_the_first_name_is_used() -> None:
    """The command line answers Ctrl-C from its first line on, without half a second of imports."""
    loaded = loaded_after("import spapi_async.cli")
    assert not loaded & {"aiohttp", "msgspec", "asyncio", "ssl", "typing"}


def test_the_command_line_does_not_import_the_client_before_a_command_calls() -> None:
    """Help, lists and errors of usage do not wait for aiohttp and its TLS context, which take half of their time."""
    loaded = loaded_after("import spapi_async.cli.application")
    heavy = ("aiohttp", "spapi_async._engine.", "spapi_async.api.", "spapi_async.workflows.orders", "sqlalchemy")
    assert [name for name in loaded if name.startswith(heavy)] == []
