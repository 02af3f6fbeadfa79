"""The replies that Amazon's models show as examples."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from spapi_async._core.operation import Operation
from spapi_async.api import operations

MODELS = Path(__file__).parents[3] / "shared" / "models"


class Example(NamedTuple):
    """One request and reply of the static sandbox."""

    operation: Operation[Any]
    status: int
    arguments: dict[str, Any]
    has_reply: bool
    reply: Any
    schema: dict[str, Any] | None
    model: dict[str, Any]

    @property
    def body(self) -> bytes:
        """The reply as sent."""
        return json.dumps(self.reply).encode() if self.has_reply and self.status != 204 else b""


@cache
def examples() -> list[Example]:
    """All of them, in the order of the files."""
    by_route = {(operation.method, operation.path): operation for operation in operations().values()}
    found = []
    for file in sorted(MODELS.glob("*/*.json")):
        model = json.loads(file.read_text(encoding="utf-8"))
        for path, item in model.get("paths", {}).items():
            for verb, facts in item.items():
                if verb in ("get", "post", "put", "patch", "delete"):
                    operation = by_route[verb.upper(), path]
                    found += list(_examples_of(operation, facts, model))
    return found


def _examples_of(operation: Operation[Any], facts: dict[str, Any], model: dict[str, Any]) -> Iterator[Example]:
    for status, response in facts["responses"].items():
        declared = resolve(response, model)
        for static in (declared.get("x-amzn-api-sandbox") or {}).get("static") or []:
            parameters = (static.get("request") or {}).get("parameters") or {}
            arguments = {name: holder["value"] for name, holder in parameters.items() if "value" in holder}
            yield Example(
                operation,
                int(status),
                arguments,
                "response" in static,
                static.get("response"),
                declared.get("schema"),
                model,
            )


def resolve(schema: Any, model: dict[str, Any]) -> Any:
    """What a $ref points to."""
    while isinstance(schema, dict) and "$ref" in schema:
        target: Any = model
        for part in schema["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        schema = target
    return schema


def successes() -> Iterator[Example]:
    """The examples of 2xx replies."""
    return (example for example in examples() if example.status // 100 == 2)
