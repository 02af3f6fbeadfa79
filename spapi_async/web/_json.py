"""Structs as JSON responses, in Amazon's spelling, for frameworks that cannot encode them."""

from __future__ import annotations

from typing import Any

from spapi_async import to_json

__all__ = ["json_response"]


def json_response(value: Any, status: int = 200, response_class: Any = None) -> Any:
    """A JSON response with Amazon's names and number formats, for a route of FastAPI or Starlette.

    Args:
        value: a struct, or lists and mappings of them.
        status: the HTTP status.
        response_class: called with ``content``, ``status_code`` and ``media_type`` to make the response; Starlette's
            ``Response`` by default.
    """
    if response_class is None:
        from starlette.responses import Response as response_class  # noqa: N813 - it stands for the argument
    return response_class(content=to_json(value), status_code=status, media_type="application/json")
