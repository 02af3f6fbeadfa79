"""The command: it writes files, reports stale ones, and fails with one line."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from swagger_snippets import made, operation, swagger

from spapi_async.codegen.__main__ import main


def run(folder: Path, model: dict[str, Any], *flags: str) -> int:
    """The command on a folder with one model file."""
    models = folder / "models" / "things-api"
    models.mkdir(parents=True, exist_ok=True)
    (models / "thingsV0.json").write_text(json.dumps(model), encoding="utf-8")
    return main(["--models", str(folder / "models"), "--output", str(folder / "out"), *flags])


def test_the_command_writes_one_module_for_each_version(tmp_path: Path) -> None:
    """Models are searched below the folder; api, models and their indexes are written."""
    assert run(tmp_path, swagger()) == 0
    written = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.py"))
    assert written == ["api/__init__.py", "api/things_v0.py", "models/__init__.py", "models/things_v0.py"]


def test_check_finds_stale_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``--check`` writes nothing and names each file that differs, is missing or, with ``--prune``, is left over."""
    run(tmp_path, swagger())
    assert run(tmp_path, swagger(), "--check") == 0
    (tmp_path / "out/api/things_v0.py").write_text("changed", encoding="utf-8")
    (tmp_path / "out/models/things_v0.py").unlink()
    (tmp_path / "out/models/left_over.py").touch()
    capsys.readouterr()
    assert run(tmp_path, swagger(), "--check", "--prune") == 1
    named = [line.split()[1] for line in capsys.readouterr().err.splitlines()]
    assert named == ["api/things_v0.py", "models/left_over.py", "models/things_v0.py"]
    assert (tmp_path / "out/api/things_v0.py").read_text(encoding="utf-8") == "changed"


def test_pruning_removes_what_is_no_longer_made(tmp_path: Path) -> None:
    """Nothing is left of an API that Amazon has withdrawn; other files stay."""
    run(tmp_path, swagger())
    (tmp_path / "out/models/left_over.py").touch()
    kept = (tmp_path / "out/api/things_v0.py").stat().st_mtime_ns
    assert run(tmp_path, swagger(), "--prune") == 0
    assert not (tmp_path / "out/models/left_over.py").exists()
    assert (tmp_path / "out/api/things_v0.py").stat().st_mtime_ns == kept


def test_a_folder_without_models_is_one_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelt folder does not print a line for each module that it lacks."""
    run(tmp_path, swagger())
    capsys.readouterr()
    assert main(["--models", str(tmp_path / "model"), "--output", str(tmp_path / "out")]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first == f"codegen: {tmp_path / 'model'}: contains no model file"
    assert second.startswith("codegen: nothing was written")


def test_a_model_that_is_not_understood_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """There is a line on stderr with file and JSON path and one with the cure; the exit code is 2."""
    assert run(tmp_path, swagger({"Thing": {"oneOf": []}})) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first == "codegen: thingsV0.json: $.definitions.Thing: 'oneOf' is not supported"
    assert second.startswith("codegen: nothing was written")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_file_that_is_not_a_json_object_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    """Broken files are refused like unknown constructs."""
    (tmp_path / "broken.json").write_text(text, encoding="utf-8")
    assert main(["--models", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("codegen: broken.json: ")


def test_json_nested_too_deeply_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Either Python's parser or the check after it does so."""
    (tmp_path / "deepV0.json").write_text('{"a": ' * 100_000 + "1" + "}" * 100_000, encoding="utf-8")
    assert main(["--models", str(tmp_path), "--output", str(tmp_path)]) == 2
    assert re.match(r"codegen: deepV0\.json\S* .*nested", capsys.readouterr().err)


def test_an_empty_folder_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong folder does not empty the package."""
    assert main(["--models", str(tmp_path)]) == 2
    assert "contains no model file" in capsys.readouterr().err


def test_two_files_of_one_version_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither replaces the other."""
    for name in ("things_v0.json", "thingsV0.json"):
        (tmp_path / name).write_text(json.dumps(swagger()), encoding="utf-8")
    assert main(["--models", str(tmp_path)]) == 2
    assert "things_v0" in capsys.readouterr().err


def test_the_order_of_files_and_operations_does_not_matter() -> None:
    """The same input gives the same bytes."""
    first, second = operation(operationId="getA"), operation(operationId="getB")
    one = swagger(paths={"/a": {"get": first}, "/b": {"get": second}})
    other = swagger(paths={"/b": {"get": second}, "/a": {"get": first}})
    forward = made({"aV0.json": one, "bV0.json": one})
    backward = made({"bV0.json": other, "aV0.json": other})
    assert forward == backward


def test_a_generated_file_names_the_command_that_made_it() -> None:
    """It should not be edited by hand."""
    for text in made({"aV0.json": swagger()}).values():
        assert "Generated by ``python -m spapi_async.codegen``" in text


def test_a_new_model_needs_no_code() -> None:
    """It gives a new module, named after the file, with plans that say they are assumed."""
    files = made({"aV0.json": swagger(), "brandNew-2031-02-03.json": swagger()})
    assert 'brand_new_2031_02_03": "BrandNew20310203"' in files["api/__init__.py"]
    assert "class BrandNew20310203(Namespace):" in files["api/brand_new_2031_02_03.py"]
    assert 'UsagePlan(rate=1, burst=1, source="assumed")' in files["api/brand_new_2031_02_03.py"]


def test_the_legacy_folder_may_hold_an_api_of_its_own(tmp_path: Path) -> None:
    """A withdrawn API is still generated, and marked as removed."""
    legacy = tmp_path / "legacy"
    legacy.mkdir()
    (legacy / "gone_2020-01-02.json").write_text(json.dumps(swagger()), encoding="utf-8")
    assert run(tmp_path, swagger(), "--legacy", str(legacy)) == 0
    assert 'status="removed"' in (tmp_path / "out/api/gone_2020_01_02.py").read_text(encoding="utf-8")


def withdrawn(folder: Path, *flags: str) -> int:
    """Run the command again on a model that has lost one of its two operations."""
    paths = {"/a": {"get": operation(operationId="getA")}, "/b": {"get": operation(operationId="getB")}}
    assert run(folder, swagger(paths=paths)) == 0
    return run(folder, swagger(paths={"/a": paths["/a"]}), *flags)


def test_operations_missing_from_the_folders_are_not_deleted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A forgotten ``--legacy`` looks like a withdrawal: nothing is written, and the error says why."""
    assert withdrawn(tmp_path) == 2
    error = capsys.readouterr().err
    assert "things_v0 is left unchanged: no model file that was read defines get_b" in error
    assert "--legacy" in error
    assert "--prune" in error
    assert "GET_B" in (tmp_path / "out/api/things_v0.py").read_text(encoding="utf-8")


def test_pruning_deletes_operations_missing_from_the_folders(tmp_path: Path) -> None:
    """``--prune`` confirms the deletion."""
    assert withdrawn(tmp_path, "--prune") == 0
    assert "GET_B" not in (tmp_path / "out/api/things_v0.py").read_text(encoding="utf-8")


def test_keep_going_generates_the_other_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The module of the refused file stays, in the indexes too; the exit code is an error's."""
    assert run(tmp_path, swagger()) == 0
    models = tmp_path / "models"
    (models / "newV1.json").write_text(json.dumps(swagger()), encoding="utf-8")
    (models / "brokenV1.json").write_text("{", encoding="utf-8")
    before = (tmp_path / "out/api/things_v0.py").read_text(encoding="utf-8")
    assert run(tmp_path, swagger({"Thing": {"oneOf": []}}), "--keep-going") == 2
    error = capsys.readouterr().err
    assert "brokenV1.json: cannot be read as JSON" in error
    assert "thingsV0.json: $.definitions.Thing: 'oneOf' is not supported" in error
    assert (tmp_path / "out/api/things_v0.py").read_text(encoding="utf-8") == before
    index = (tmp_path / "out/api/__init__.py").read_text(encoding="utf-8")
    assert '"new_v1": "NewV1"' in index
    assert '"things_v0": "ThingsV0"' in index


def test_nothing_is_pruned_while_a_file_is_refused(tmp_path: Path) -> None:
    """Its module is not made, but Amazon has not withdrawn it."""
    assert run(tmp_path, swagger()) == 0
    (tmp_path / "models/newV1.json").write_text(json.dumps(swagger()), encoding="utf-8")
    assert run(tmp_path, swagger({"Thing": {"oneOf": []}}), "--keep-going", "--prune") == 2
    assert (tmp_path / "out/api/new_v1.py").exists()
    assert (tmp_path / "out/api/things_v0.py").exists()


def test_nothing_is_written_where_no_file_is_understood(tmp_path: Path) -> None:
    """An index without modules would not be valid Python."""
    assert run(tmp_path, swagger({"Thing": {"oneOf": []}}), "--keep-going", "--prune") == 2
    assert not (tmp_path / "out").exists()
