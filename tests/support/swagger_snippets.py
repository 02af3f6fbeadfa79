"""Tiny model files, and the modules that the generator makes of them."""

from __future__ import annotations

import sys
import types
from typing import Any

from spapi_async.codegen.generate import generate

__all__ = ["loaded", "made", "operation", "swagger", "text_of"]

FILE = "thingsV0.json"


def operation(**changes: Any) -> dict[str, Any]:
    """A GET without parameters that answers 204."""
    return {"operationId": "getThing", "responses": {"204": {"description": ""}}} | changes


def swagger(
    definitions: dict[str, Any] | None = None,
    paths: dict[str, Any] | None = None,
    **changes: Any,
) -> dict[str, Any]:
    """A whole model file."""
    return {
        "swagger": "2.0",
        "info": {"title": "Things", "version": "v0"},
        "consumes": ["application/json"],
        "produces": ["application/json"],
        "paths": paths if paths is not None else {"/things/v0/thing": {"get": operation()}},
        "definitions": definitions or {},
    } | changes


def text_of(part: str, model: dict[str, Any]) -> str:
    """The text of ``api`` or ``models`` for one model file."""
    return made({FILE: model})[f"{part}/things_v0.py"]


def made(models: dict[str, Any], legacy: dict[str, Any] | None = None) -> dict[str, str]:
    """The generated files, indexes included; the first refusal is raised."""
    result = generate(models, legacy or {})
    for refusal in result.refused:
        raise refusal
    return result.with_indexes()


def loaded(model: dict[str, Any], legacy: dict[str, Any] | None = None) -> tuple[Any, Any]:
    """The generated models and api modules, executed."""
    files = made({FILE: model}, {FILE: legacy} if legacy else {})
    models = types.ModuleType("things_v0_models")
    sys.modules[models.__name__] = models  # msgspec looks names up in the class's module
    exec(files["models/things_v0.py"], models.__dict__)
    api = types.ModuleType("things_v0_api")
    source = files["api/things_v0.py"].replace(
        "from spapi_async.models import things_v0 as m", "import things_v0_models as m"
    )
    exec(source, api.__dict__)
    return models, api
