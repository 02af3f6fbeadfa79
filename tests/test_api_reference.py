"""The API reference is built from the docstrings without a warning."""

from pathlib import Path

from api_reference import GENERATED, public_modules, read_reference, write_reference


def test_every_public_module_can_be_shown() -> None:
    """Hand-written modules are checked; the generated ones are too many for a test, and alike."""
    names = list(public_modules())
    assert {"spapi_async", "spapi_async.fleet", "spapi_async.workflows.orders"} < set(names)
    for name in names:
        if name not in GENERATED:
            read_reference(name)


def test_a_page_shows_the_names_of_its_module(tmp_path: Path) -> None:
    """One module stands for all: to write every page takes several times as long as to read what is on them."""
    write_reference(tmp_path, ["spapi_async.workflows.orders"], complete=False)
    orders = (tmp_path / "spapi_async/workflows/orders.html").read_text(encoding="utf-8")
    assert "sync_orders" in orders
    assert "LeaseHeldError" in orders
