"""Usage plans: read from the model's table, taken from other sources, or assumed, with the reason."""

from __future__ import annotations

import pytest

from spapi_async.codegen.document import ModelError
from spapi_async.codegen.plans import usage_plan
from spapi_async.codegen.usage import read_usage_plan

HEAD = "**Usage Plan:**\n\n| Rate (requests per second) | Burst |\n| ---- | ---- |\n"
TYPED = "| Plan type | Rate (requests per second) | Burst |\n| ---- | ---- | ---- |\n"


@pytest.mark.parametrize(
    ("prose", "expected"),
    [
        (f"Does it.\n\n{HEAD}| 0.5 | 30 |\n\nMore.", (0.5, 30)),
        (f"{HEAD}| .5 | 15 |", (0.5, 15)),
        (f"{HEAD}| 2 | 6 |".replace("\n", "\\n"), (2.0, 6)),
        (f"{TYPED}|Default| 5 | 10 |\n|Selling partner specific| Variable | Variable |", (5.0, 10)),
        (f"{HEAD}| 1 | 2 |\n\n| Other | Table | Here |\n| - | - | - |\n| a | b | c |", (1.0, 2)),
        (f"{HEAD}| n | n |", None),
        ("No table at all.", None),
    ],
)
def test_a_table_gives_rate_and_burst(prose: str, expected: tuple[float, int] | None) -> None:
    """Each form of table in Amazon's models is read; a placeholder counts as none."""
    assert read_usage_plan(prose, "here") == expected


@pytest.mark.parametrize(
    "rows",
    ["| five | 30 |", "| 5 |", "| 5 | 30 |\n| 6 | 30 |", "", "| 0 | 1 |", "| 5 | 0 |", "| 1/60 | 15 |"],
)
def test_an_unreadable_table_fails(rows: str) -> None:
    """The generator stops with the place of the table."""
    with pytest.raises(ModelError, match=r"^ordersV0\.json: here: "):
        read_usage_plan(HEAD + rows, "ordersV0.json: here")


@pytest.mark.parametrize(
    "prose",
    [
        "Usage plan: 5 requests per second.",
        "**Usage Plan:**\n\n| Requests | Peak |\n| ---- | ---- |\n| 5 | 10 |",
        "**Usage Plan:**\n\n| Rate (requests per second) | Burst | Application |\n| - | - | - |\n| 5 | 10 | 100 |",
    ],
)
def test_a_plan_in_another_form_fails(prose: str) -> None:
    """An announced usage plan is never taken for none, and an unknown column never ignored."""
    with pytest.raises(ModelError):
        read_usage_plan(prose, "here")


def test_the_models_figure_comes_first_and_the_others_are_kept() -> None:
    """Where sources disagree, the operation records the others."""
    plan = usage_plan("listings_items_2021_08_01", "get_listings_item", (5, 10))
    assert (plan.rate, plan.burst, plan.source) == (5, 10, "model")
    assert {(other.source, other.rate, other.burst) for other in plan.others} == {("sdk", 5, 5), ("docs", 5, 5)}
    assert plan.application_rate == 100


def test_gaps_are_filled_from_the_sdk() -> None:
    """An operation without a table has the SDK's plan, with the documentation's beside it."""
    plan = usage_plan("external_fulfillment_returns_2024_09_11", "get_return", None)
    assert (plan.rate, plan.burst, plan.source) == (1, 1, "sdk")
    assert [(other.source, other.rate, other.burst) for other in plan.others] == [("docs", 10, 20)]


def test_an_operation_without_any_source_says_so() -> None:
    """It has a cautious plan."""
    plan = usage_plan("never_seen_v9", "get_it", None)
    assert plan.source == "assumed"
    assert plan.rate <= 1
