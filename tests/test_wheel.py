"""The files of an installed package beside its modules."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from hatchling.build import build_wheel

import spapi_async

PACKAGE = Path(spapi_async.__file__).parent


def test_a_wheel_holds_every_file_of_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It includes scripts for Redis and the marker of typed packages, which are read at run time."""
    monkeypatch.chdir(PACKAGE.parent)
    with zipfile.ZipFile(tmp_path / build_wheel(str(tmp_path))) as wheel:
        held = {name for name in wheel.namelist() if name.startswith("spapi_async/")}
    files = {path.relative_to(PACKAGE.parent).as_posix() for path in PACKAGE.rglob("*.*") if path.is_file()}
    assert held == {name for name in files if "__pycache__" not in name}
    assert {"spapi_async/py.typed", *(name for name in files if name.endswith(".lua"))} <= held
