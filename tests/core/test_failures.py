"""The error inside exception groups, however deeply nested."""

from __future__ import annotations

from spapi_async._core.failures import first_of


def test_the_first_error_is_found_in_nested_groups() -> None:
    """As task groups within task groups raise them; an error by itself stays."""
    first = ValueError("first")
    inner = ExceptionGroup("inner", [first, ValueError("second")])
    assert first_of(BaseExceptionGroup("outer", [inner, KeyError("third")])) is first
    assert first_of(first) is first
