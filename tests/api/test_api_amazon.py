"""The generated modules against Amazon's own files, if they are available (``../shared`` beside the repository)."""

from __future__ import annotations

import ast
import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from response_examples import resolve, successes

from spapi_async.api import operations
from spapi_async.codegen import overlay
from spapi_async.codegen.__main__ import main

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"

pytestmark = pytest.mark.skipif(
    not (SHARED / "models").is_dir(), reason="Amazon's model files are not beside the repository"
)


def table(name: str) -> list[dict[str, str]]:
    """The rows of a tab-separated file."""
    with (SHARED / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def by_route() -> dict[tuple[str, str], Any]:
    """The current operations by verb and path."""
    return {(found.method, found.path): found for found in operations().values() if found.status != "removed"}


def test_the_generated_files_are_up_to_date() -> None:
    """A change of the generator or of the models appears in the repository."""
    models = SHARED / "models"
    assert main(["--models", str(models / "current"), "--legacy", str(models / "legacy"), "--check"]) == 0


def test_every_row_has_its_operation() -> None:
    """Name, operation id, verb, path and status are Amazon's, and there is no further operation."""
    rows = {f"{row['module']}.{row['method']}": row for row in table("operations.tsv")}
    assert len(rows) == 413
    assert rows.keys() == operations().keys()
    for name, row in rows.items():
        found = operations()[name]
        assert (found.id, found.method, found.path, found.status) == (
            row["operationId"],
            row["http"],
            row["path"],
            row["status"],
        )


def figures(row: dict[str, str]) -> dict[str, tuple[float, int | None]]:
    """Rate and burst by source, in the order of precedence."""
    columns = {"model": "model_rate", "sdk": "sdk_rate_per_s", "docs": "docs_account_rate"}
    bursts = {"model": "model_burst", "sdk": "sdk_burst", "docs": "docs_burst"}
    return {
        source: (float(row[column]), int(row[bursts[source]]) if row[bursts[source]] else None)
        for source, column in columns.items()
        if row[column]
    }


def differ(one: tuple[float, int | None], other: tuple[float, int | None]) -> bool:
    """Whether two figures mean different plans; 0.0167 and 0.01667 do not."""
    return abs(one[0] - other[0]) > 0.05 * max(one[0], other[0]) or (
        None not in (one[1], other[1]) and one[1] != other[1]
    )


# Published only for a sibling.
SIBLINGS = {"support_2025_02_01.get_case": (0.1, 10), "support_2025_02_01.list_contacts": (0.1, 10)}


def test_every_plan_has_the_first_published_figure_and_names_the_others() -> None:
    """The order is model, SDK, documentation; differences are recorded, and unpublished plans are assumed."""
    checked = 0
    for row in table("rates.tsv"):
        found = by_route().get((row["method"], row["path"]))
        if found is None:  # an API whose model is not available
            continue
        plan, published = found.usage_plan, figures(row)
        source = next(iter(published), "assumed")
        assert plan.source == source, found.name
        recorded = {other.source: (other.rate, other.burst) for other in plan.others}
        own = published.pop(source, SIBLINGS.get(found.name, (1.0, 1)))
        assert not differ((plan.rate, plan.burst), own), found.name
        assert recorded.keys() <= published.keys(), found.name
        for other, figure in published.items():
            assert not differ(recorded.get(other, own), figure), (found.name, other)
        application = row["docs_app_rate"]
        assert plan.application_rate == (float(application) if application[:1].isdigit() else None), found.name
        checked += 1
    assert checked == 384


def test_every_restricted_operation_is_marked() -> None:
    """Its data elements are known, and whether a generic path is accepted."""
    rows = {(row["method"], row["path"]): row for row in table("restricted.tsv")}
    marked = {route for route, found in by_route().items() if found.restriction is not None}
    assert marked == rows.keys()
    for route, row in rows.items():
        restriction = by_route()[route].restriction
        assert restriction.data_elements == tuple(filter(None, row["dataElements"].split(",")))
        assert restriction.generic_path == (row["generic_path_ok"] == "yes")


def test_every_list_parameter_has_its_encoding() -> None:
    """Of 112 lists, each is csv unless Amazon says multi; allowed values and sizes are those of the model."""
    modules = {(Path(row["source"]).stem, row["operationId"]): row["module"] for row in table("operations.tsv")}
    by_id = {(found.api, found.id): found for found in by_route().values()}
    rows = table("array_params.tsv")
    assert len(rows) >= 112
    for row in rows:
        found = by_id[modules[row["api"], row["operationId"]], row["operationId"]]
        (parameter,) = (p for p in found.parameters if p.wire_name == row["name"])
        assert parameter.location == row["in"]
        assert parameter.type.startswith("Sequence["), found.name
        base = parameter.encoding.removesuffix("_double")
        assert base == ("multi" if row["collectionFormat"] == "multi" else "csv"), found.name
        limits = parameter.constraints
        assert [str(n or "") if n != 0 else "0" for n in (limits.min_items, limits.max_items)] == [
            row["minItems"],
            row["maxItems"],
        ], found.name
        assert bool(limits.enum) == (row["enum"] == "enum"), found.name


def test_every_page_token_is_known() -> None:
    """The token's names in request and reply, the page size and the items are Amazon's."""
    checked = 0
    for row in table("pagination.tsv"):
        found = by_route().get((row["method"], row["path"]))
        if found is None or not row["response_token"]:
            continue
        paging = found.paging
        assert paging is not None, found.name
        wire: dict[str | None, str] = {p.name: p.wire_name for p in found.parameters}
        asked = row["request_params(parenthesised=non-token)"].split(", ")
        token = next((name.partition(":")[2] for name in asked if not name.startswith("(")), "")
        assert wire.get(paging.token_parameter, "") == token, found.name
        assert wire.get(paging.page_size_parameter, "") == row["page_size_param"].partition("(")[0], found.name
        if paging.token_path:
            assert spelled(found, paging.token_path) in places(row["response_token"]), found.name
        if paging.items_path and "+34 lists" not in row["response_arrays"]:  # financial events: an object of lists
            assert spelled(found, paging.items_path) in places(row["response_arrays"]), found.name
        checked += 1
    assert checked == 75


def spelled(found: Any, attributes: tuple[str, ...]) -> str:
    """A path of attributes from the top of the body, without regard to case."""
    return ".".join([*filter(None, [found.unwrap]), *attributes]).replace("_", "")


def places(cell: str) -> list[str]:
    """The paths that a cell of the table lists."""
    return [place.strip().lower() for place in cell.split(",")]


def strings(schema: Any, value: Any, owner: str, model: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Each property of a body that its schema knows, as ``Definition.property``, with its value."""
    while "$ref" in schema:
        owner = schema["$ref"].rpartition("/")[2]
        schema = resolve({"$ref": schema["$ref"]}, model)
    for part in schema.get("allOf", ()):
        yield from strings(part, value, owner, model)
    if isinstance(value, list):
        for item in value:
            yield from strings(schema.get("items", {}), item, owner, model)
    elif isinstance(value, dict):
        for name, inner in schema.get("properties", {}).items():
            if name in value:
                yield f"{owner}.{name}", value[name]
                yield from strings(inner, value[name], f"{owner}.{name}", model)


def test_a_string_is_a_date_time_only_where_all_of_amazons_examples_agree() -> None:
    """Each such field has an example, and none that is not a date-time; a description is not enough."""
    seen: dict[str, list[Any]] = {}
    for example in successes():
        if example.has_reply and example.schema is not None:
            for place, value in strings(example.schema, example.reply, "", example.model):
                seen.setdefault(f"{example.operation.api}:{place}", []).append(value)
    tightened = [
        f"{module}:{place}"
        for module, fields in overlay.OVERLAY.items()
        for place, change in fields.items()
        if change.change == "timestamp"
    ]
    assert len(tightened) == 16
    for place in tightened:
        assert seen.get(place), place
        assert all(re.match(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d", value) for value in seen[place]), place


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
    nodes: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    for node in nodes:
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield re.sub(r"``[^`]*``", " ", ast.get_docstring(node) or "")
            nodes += node.body


def test_none_of_amazons_sentences_is_copied() -> None:
    """No eight consecutive words of a description are in the generated docstrings."""
    models = (json.loads(path.read_text(encoding="utf-8")) for path in (SHARED / "models").rglob("*.json"))
    amazon = {run for model in models for prose in prose_of(model) for run in runs(prose)}
    assert len(amazon) > 10_000
    package = ROOT / "spapi_async"
    for path in [*(package / "api").glob("*.py"), *(package / "models").glob("*.py")]:
        copied = {run for text in docstrings_of(path) for run in runs(text) if run in amazon}
        assert not copied, path.name
