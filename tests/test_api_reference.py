"""The API reference is built from the docstrings without a warning."""

from pathlib import Path

import pytest
from api_reference import public_modules, write_reference


@pytest.mark.long
def test_every_public_module_is_shown(tmp_path: Path) -> None:
    """Hand-written modules are checked; the generated ones are too many for a test, and alike."""
    write_reference(tmp_path, generated=False)
    for name in public_modules():
        page = tmp_path / f"{name.replace('.', '/')}.html"
        assert page.exists() is (name not in ("spapi_async.api", "spapi_async.models")), name
    orders = (tmp_path / "spapi_async/workflows/orders.html").read_text(encoding="utf-8")
    assert "sync_orders" in orders
    assert "LeaseHeldError" in orders
