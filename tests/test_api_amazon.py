"""The generated modules against Amazon's own files, where those are at hand (``../shared`` beside the repository)."""

from __future__ import annotations

import ast
import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from spapi_async.api import operations
from spapi_async.codegen.__main__ import main

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"

pytestmark = pytest.mark.skipif(
    not (SHARED / "models").is_dir(), reason="Amazon's model files are not beside the repository"
)


def table(name: str) -> list[dict[str, str]]:
    """The rows of a tab-separated file."""
    with (SHARED / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def by_route() -> dict[tuple[str, str], Any]:
    """The living operations by verb and path."""
    return {(found.method, found.path): found for found in operations().values() if found.status != "removed"}


def test_the_generated_files_are_up_to_date() -> None:
    """A change of the generator or of the models shows in the repository."""
    models = SHARED / "models"
    assert main(["--models", str(models / "current"), "--legacy", str(models / "legacy"), "--check"]) == 0


def test_every_row_has_its_operation() -> None:
    """Name, operation id, verb, path and status of each of Amazon's operations; and no operation more."""
    rows = {f"{row['module']}.{row['method']}": row for row in table("operations.tsv")}
    assert rows.keys() == operations().keys()
    for name, row in rows.items():
        found = operations()[name]
        assert (found.id, found.method, found.path, found.status) == (
            row["operationId"],
            row["http"],
            row["path"],
            row["status"],
        )


def test_every_published_rate_is_in_a_plan() -> None:
    """Figures of model, SDK and documentation: the plan's own, or among ``others``."""
    routes = by_route()
    for row in table("rates.tsv"):
        found = routes.get((row["method"], row["path"]))
        if found is None:  # an API whose model is not at hand
            continue
        plan = found.usage_plan
        known = {(plan.source, plan.rate, plan.burst), *((o.source, o.rate, o.burst) for o in plan.others)}
        if row["model_rate"]:
            assert ("model", float(row["model_rate"]), int(row["model_burst"])) in known, found.name
        if row["sdk_rate_per_s"]:
            rate, burst = float(row["sdk_rate_per_s"]), int(row["sdk_burst"])
            assert any(abs(r - rate) <= 0.05 * rate and b == burst for _, r, b in known), found.name
        if row["docs_app_rate"].replace(".", "").isdigit():
            assert plan.application_rate == float(row["docs_app_rate"]), found.name


def test_every_restricted_operation_is_marked() -> None:
    """Restricted operations, their data elements, and whether a generic path will do."""
    rows = {(row["method"], row["path"]): row for row in table("restricted.tsv")}
    marked = {route for route, found in by_route().items() if found.restriction is not None}
    assert marked == rows.keys()
    for route, row in rows.items():
        restriction = by_route()[route].restriction
        assert restriction.data_elements == tuple(filter(None, row["dataElements"].split(",")))
        assert restriction.generic_path == (row["generic_path_ok"] == "yes")


def test_every_list_parameter_has_its_encoding() -> None:
    """112 lists: csv unless Amazon says multi; allowed numbers of items as in the model."""
    checked = 0
    for row in table("array_params.tsv"):
        for found in (f for f in by_route().values() if f.id == row["operationId"]):
            for parameter in (p for p in found.parameters if p.wire_name == row["name"] and p.type.startswith("Seq")):
                base = parameter.encoding.removesuffix("_double")
                assert base == ("multi" if row["collectionFormat"] == "multi" else "csv")
                checked += 1
    assert checked >= 112


def test_every_page_token_is_known() -> None:
    """Each operation with a page token has Paging; the token's place in the reply is Amazon's."""
    for row in table("pagination.tsv"):
        found = by_route().get((row["method"], row["path"]))
        if found is None or not row["response_token"]:
            continue
        assert found.paging is not None, found.name
        path = [found.unwrap, *found.paging.token_path] if found.unwrap else list(found.paging.token_path)
        spelled = [name.replace("_", "") for name in path]
        assert spelled in [place.strip().lower().split(".") for place in row["response_token"].split(",")], found.name


WORD = re.compile(r"[A-Za-z']+")
RUN = 8


def runs(text: str) -> Iterator[tuple[str, ...]]:
    """Every run of eight words."""
    words = [word.lower() for word in WORD.findall(text)]
    return (tuple(words[i : i + RUN]) for i in range(len(words) - RUN + 1))


def prose_of(node: Any) -> Iterator[str]:
    """Every sentence of Amazon's in a model file."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("description", "summary", "title") and isinstance(value, str):
                yield value
            else:
                yield from prose_of(value)
    elif isinstance(node, list):
        for value in node:
            yield from prose_of(value)


def docstrings_of(path: Path) -> Iterator[str]:
    """The docstrings of a module without their code spans."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield re.sub(r"``[^`]*``", " ", ast.get_docstring(node) or "")


def test_none_of_amazons_sentences_is_copied() -> None:
    """No eight words in a row of any description occur in the generated docstrings."""
    models = (json.loads(path.read_text(encoding="utf-8")) for path in (SHARED / "models").rglob("*.json"))
    amazon = {run for model in models for prose in prose_of(model) for run in runs(prose)}
    assert len(amazon) > 10_000
    package = ROOT / "spapi_async"
    for path in [*(package / "api").glob("*.py"), *(package / "models").glob("*.py")]:
        copied = {run for text in docstrings_of(path) for run in runs(text) if run in amazon}
        assert not copied, path.name
