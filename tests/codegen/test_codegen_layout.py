"""The generator writes files as the formatter would, for any lengths and characters."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from swagger_snippets import FILE, loaded, made, operation, swagger

from spapi_async.codegen.text import Call, Dictionary, Tuple, docstring, layout, quoted

ROOT = Path(__file__).resolve().parent.parent.parent
STRING = {"type": "string"}
LONG = "aNameLongerThanTheLongestOneThatAmazonHasThoughtOfYet"


def large_model() -> dict[str, Any]:
    """A model that tests every line: long names, quotes, backslashes, many values, all kinds of schemas."""
    thing = {"$ref": f"#/definitions/{LONG}"}
    properties = {
        LONG: STRING | {"pattern": '^["\\\\]{3}$', "maxLength": 1},
        "SKUs": {
            "type": "array",
            "items": STRING
            | {"enum": ["A", "a", "1", "", "it's", 'say "x"', "O", "token", 'a"""b', "new\nline", "\u2019"]},
        },
        "format": {"type": "number"},
        "currencyCode": STRING,
        "price": {"type": "number"},
        "when": STRING | {"format": "date-time"},
        "day": STRING | {"format": "date"},
        "free": {},
        "deep": {"type": "object", "additionalProperties": {"type": "array", "items": thing}},
        "inline": {"type": "object", "properties": {"nextToken": STRING, "count": {"type": "integer", "enum": [1, 2]}}},
    }
    page = {"type": "object", "properties": {"nextToken": STRING, "list": {"type": "array", "items": thing}}}
    queries = [
        {"name": f"{LONG}{i}", "in": "query", "type": "string", "enum": [f"{LONG}{j}" for j in range(9)]}
        for i in (1, 2)
    ]
    paged = operation(
        operationId=f"list{LONG}",
        parameters=[*queries, {"name": "nextToken", "in": "query", **STRING}, {"name": "id", "in": "header", **STRING}],
        responses={"200": {"description": "", "schema": {"$ref": "#/definitions/Page"}}},
    )
    body = {"name": "body", "in": "body", "schema": {"type": "array", "items": thing}}
    posted = operation(operationId="postIt", parameters=[body], responses={"200": {"description": "", "schema": thing}})
    listed = [
        {"name": "xIds", "in": "header", "type": "array", "items": STRING},
        {"name": "ids", "in": "path", "type": "array", "items": STRING, "required": True},
    ]
    either = {
        status: {"description": "", "schema": {"$ref": f"#/definitions/{name}"}}
        for status, name in (("200", LONG), ("202", f"{LONG}Too"))
    }
    deleted = operation(operationId="remove", parameters=listed, responses=either)
    unstated = operation(operationId="unstated", responses={"400": {"description": ""}})
    short = operation(operationId=f"short{LONG}", responses=either)
    empty = {"type": "object", "allOf": [{"type": "object", "properties": {}}]}
    return swagger(
        {
            LONG: {"type": "object", "properties": properties},
            f"{LONG}Too": {"type": "object", "properties": {"a": STRING}},
            "Page": page,
            "Empty": empty,
        },
        {
            f"/{LONG}": {"get": paged, "post": posted},
            "/none": {"get": unstated, "post": short},
            "/none/{ids}": {"delete": deleted},
        },
    )


def test_the_large_model_can_be_imported() -> None:
    """It is valid Python with working types."""
    models, api = loaded(large_model())
    assert len(api.ThingsV0.__dict__) > 3
    assert models.Empty() == models.Empty()


@pytest.mark.skipif(importlib.util.find_spec("ruff") is None, reason="ruff is not installed")
@pytest.mark.parametrize("command", [["format", "--diff"], ["check"]], ids=["format", "check"])
def test_the_linter_finds_nothing(tmp_path: Path, command: list[str]) -> None:
    """Generated files pass the project's own ruff configuration unchanged."""
    for path, text in made({FILE: large_model(), "cV1.json": swagger()}).items():
        target = tmp_path / "spapi_async" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    (tmp_path / "spapi_async/__init__.py").write_text('"""A package."""\n', encoding="utf-8")
    (tmp_path / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    found = subprocess.run(
        [sys.executable, "-m", "ruff", *command, "--no-cache", "spapi_async"],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert found.returncode == 0, found.stdout + found.stderr


@given(st.text(max_size=40))
def test_any_string_is_quoted_as_itself(text: str) -> None:
    """Quotes, backslashes and control characters come back."""
    assert eval(quoted(text)) == text


def test_a_value_that_fits_stays_on_one_line() -> None:
    """The whole line may have 120 characters."""
    call = Call("f", ("x" * 110,))
    assert layout(call, 0, "a = ") == f"a = f({'x' * 110})"
    assert len(layout(call, 0, "abcd = ", after=":").splitlines()) == 3


def test_a_value_that_does_not_fit_is_split_by_items() -> None:
    """Nested values are split only as far as needed."""
    value = Call("f", (Tuple(("1",)), Dictionary((("a", "b" * 100),))), (("key", "c"),))
    assert layout(value, 0).splitlines() == ["f(", "    (1,),", f"    {{a: {'b' * 100}}},", "    key=c,", ")"]


def test_backslashes_make_a_raw_docstring() -> None:
    """A pattern is shown as it is."""
    assert docstring("A.", [["\\d"]], 0) == 'r"""A.\n\n\\d\n"""'


def test_quotes_in_a_name_do_not_end_a_docstring() -> None:
    """A definition may have any name."""
    assert docstring('A """ b.', [], 0) == '"""A \'\'\' b."""'
    assert docstring('A """ b.', [["c"]], 0) == '"""A \'\'\' b.\n\nc\n"""'
