"""The limits of one kind of calls, as a store knows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from redis_worker import make_account, make_operation

from spapi_async._core.plan_rules import Bucket, PlanRule
from spapi_async.credentials import Account, Grant
from spapi_async.marketplaces import Region
from spapi_async.ratelimit._book import Charge, PlanBook, Selection
from spapi_async.ratelimit.shared._terms import Terms, terms_of

REPORTS = make_operation(0.0167, 15, "reports_2021_06_30.create_report", application_rate=5.0)
RULES = [
    PlanRule(REPORTS.name, "body.reportType", "SALES", (Bucket(0.1, 2),)),
    PlanRule(REPORTS.name, "body.reportType", "SALES", (Bucket(0.5, 2),), scope="application"),
]


class KeysOnly:
    """The part of a store that names keys."""

    def keys(self, charges: Sequence[Charge], application: str, region: str, name: str) -> tuple[str, ...]:
        return (f"{name} plan", f"{application} memory", *(charge.key[-1] for charge in charges[1:]))


def terms(account: Account, *rules: int, value: str = "") -> Terms:
    """The terms of calls to which these rules apply."""
    store: Any = KeysOnly()
    return terms_of(REPORTS, account, Selection(rules, value), book=PlanBook(RULES), store=store)


def test_calls_without_rules_have_no_kind() -> None:
    """They use the plan and its counterpart for all sellers."""
    plain = terms(make_account())
    assert (plain.kind, plain.value, plain.former) == ("", "", ())
    assert [spec.kind for spec in plain.specs] == ["plan", "application"]


def test_kinds_differ_by_rules_and_by_values_but_not_by_sellers() -> None:
    """Each process gives the same kind the same name."""
    seller, other = make_account("A"), make_account("B")
    assert terms(seller, 0).kind == terms(other, 0).kind
    kinds = [terms(seller, *rules, value=value).kind for rules in ((), (0,), (1,)) for value in ("", "A", "B")]
    assert len(set(kinds)) == len(kinds)


def test_a_limit_of_a_single_value_exists_once_it_was_learned() -> None:
    """The others exist from the beginning."""
    assert [spec.optional for spec in terms(make_account(), 0, value="SALES").specs] == [False, False, False, True]


def test_the_limits_that_amazon_names_are_known_by_their_places() -> None:
    """The place of the usage plan is 1."""
    assert terms(make_account()).places == {"application": 2}


@pytest.mark.parametrize("seller_id", [None, "A1"])
def test_a_plan_is_taken_over_from_before_the_seller_id_was_known(seller_id: str | None) -> None:
    """Its key had the name of the credential."""
    account = Account(Grant.refresh_token("amzn1.app", "Atzr|token"), Region.NA, seller_id)
    found = terms(account)
    assert found.keys[0] == f"{account.name} plan"
    assert found.former == (() if seller_id is None else (f"{account.key} plan",))
