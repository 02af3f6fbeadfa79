"""Limits that depend on an argument: how a rule reads a call, and from which limits a call pays."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from simulated import account

from spapi_async import Application, Marketplace
from spapi_async.api import operations
from spapi_async.api.feeds_2021_06_30 import CREATE_FEED
from spapi_async.api.listings_items_2021_08_01 import PATCH_LISTINGS_ITEM, PUT_LISTINGS_ITEM
from spapi_async.api.orders_v0 import GET_ORDERS
from spapi_async.api.reports_2021_06_30 import CREATE_REPORT, CREATE_REPORT_SCHEDULE
from spapi_async.errors import ConfigurationError
from spapi_async.models.reports_2021_06_30 import CreateReportSpecification
from spapi_async.ratelimit import Bucket, LocalRateLimiter, PlanRule, Window
from spapi_async.ratelimit._arguments import ArgumentReader
from spapi_async.ratelimit._book import PLAIN, PlanBook
from spapi_async.ratelimit._rules import BUILT_IN_RULES, VALUED_ARGUMENTS, named_level

SALES = "GET_SALES_AND_TRAFFIC_REPORT"
US, CA = Marketplace.US.value, Marketplace.CA.value
NEW_YEAR = "2026-01-01T00:00:00Z"


def labels(operation: Any, arguments: dict[str, Any], *rules: PlanRule) -> list[str]:
    """The limits from which a call pays beside its plan."""
    book = PlanBook(rules)
    return [
        charge.label or charge.kind for charge in book.charges(operation, account(), book.select(operation, arguments))
    ]


def patches(*attributes: str) -> dict[str, Any]:
    """The body of a patch of these attributes."""
    return {"patches": [{"op": "replace", "path": f"/attributes/{name}"} for name in attributes]}


@pytest.mark.parametrize(
    "body",
    [
        {"reportType": SALES},
        CreateReportSpecification(report_type=SALES, marketplace_ids=["ATVPDKIKX0DER"]),
    ],
)
def test_a_body_may_be_a_struct_or_a_mapping(body: Any) -> None:
    """The rule uses Amazon's name of the member, whatever the struct calls it."""
    assert ArgumentReader(CREATE_REPORT, "body.reportType").values({"body": body}) == (SALES,)


@pytest.mark.parametrize(
    ("path", "arguments", "found"),
    [
        ("OrderStatuses", {"order_statuses": ["Shipped", "Unshipped"]}, ("Shipped", "Unshipped")),
        ("order_statuses", {"order_statuses": "Shipped"}, ("Shipped",)),
        ("OrderStatuses", {"order_statuses": {"Shipped"}}, ("Shipped",)),
        ("MaxResultsPerPage", {"max_results_per_page": 50}, ("50",)),
        ("EasyShipShipmentStatuses", {}, ()),
        ("CreatedAfter", {"created_after": datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))}, (NEW_YEAR,)),
        (
            "MarketplaceIds",
            {"marketplace_ids": ["US", Marketplace.CA, "A2EUQ1WTGCTBG2", "newer"]},
            (US, CA, CA, "newer"),
        ),
    ],
)
def test_parameters_are_read_by_their_wire_name(path: str, arguments: dict[str, Any], found: tuple[str, ...]) -> None:
    """A list has several values, a number its text, an absent argument none."""
    assert ArgumentReader(GET_ORDERS, path).values(arguments) == found


def test_the_values_of_an_object_are_its_keys() -> None:
    """Of a mapping or a struct, the keys that are set count, by Amazon's names."""
    body = CreateReportSpecification(report_type=SALES, marketplace_ids=[US])
    plain = {"reportType": SALES, "marketplaceIds": [US]}
    read = [sorted(ArgumentReader(CREATE_REPORT, "body").values({"body": each})) for each in (body, plain)]
    assert read == [["marketplaceIds", "reportType"]] * 2


@pytest.mark.parametrize("body", [None, "text", 5, [], {"patches": None}, {"patches": "x"}, {"patches": [None, {}]}])
def test_a_body_of_another_form_has_no_values(body: Any) -> None:
    """The limiter does not check whether it is valid."""
    assert ArgumentReader(PATCH_LISTINGS_ITEM, "body.patches[].path").values({"body": body}) == ()


def test_a_rule_may_name_a_marketplace_by_its_country() -> None:
    """It applies to calls for that marketplace, in whichever form they name it."""
    rule = PlanRule(GET_ORDERS, "MarketplaceIds", ("US", "MX"), Window(1, 1))  # type: ignore[arg-type]
    book = PlanBook([rule])
    for place, applies in ((US, True), ("US", True), (Marketplace.MX, True), (CA, False)):
        assert bool(book.select(GET_ORDERS, {"marketplace_ids": [place]}).rules) is applies
    but = PlanRule(GET_ORDERS, "MarketplaceIds", "*", Window(1, 1), unless="US")  # type: ignore[arg-type]
    for places, applies in (([US], False), ([CA], True), ([US, CA], True)):
        assert bool(PlanBook([but]).select(GET_ORDERS, {"marketplace_ids": places}).rules) is applies


@pytest.mark.parametrize("path", ["body.report_type", "body[].reportType", "body.nonsense"])
def test_a_rule_with_an_unknown_member_names_the_members_of_the_body(path: str) -> None:
    """Otherwise it would never apply, unnoticed."""
    with pytest.raises(ConfigurationError, match=re.escape(path)):
        ArgumentReader(CREATE_REPORT, path)


def test_two_rules_about_the_same_calls_are_refused() -> None:
    """They would share one bucket. The same rule twice, another scope and other exceptions are accepted."""
    one, same, stricter, whole, but = (
        PlanRule(CREATE_REPORT, "body.reportType", "*", limit, **more)  # type: ignore[arg-type]
        for limit, more in (
            (Window(3, 60), {}),
            (Window(3, 60), {}),
            (Window(1, 60), {}),
            (Window(1, 60), {"scope": "application"}),
            (Window(1, 60), {"unless": "OTHER"}),
        )
    )
    with pytest.raises(ConfigurationError, match=r"create_report with body\.reportType="):
        PlanBook([one, stricter])
    book = PlanBook([one, same, whole, but])
    charges = book.charges(CREATE_REPORT, account(), book.select(CREATE_REPORT, {"body": {"reportType": "X"}}))
    assert [charge.limit for charge in charges[1:]] == [Window(3, 60), Window(1, 60), Window(1, 60)]
    assert len({charge.key for charge in charges}) == 4


def test_an_exception_given_as_one_text_is_that_text() -> None:
    """It is not split into letters, and does not match parts."""
    rule = PlanRule(CREATE_REPORT, "body.reportType", "*", Window(1, 1), unless="GET_SALES")  # type: ignore[arg-type]
    assert not rule.applies_to(("GET_SALES",))
    assert rule.applies_to(("SALES",))


@pytest.mark.parametrize(
    "rules",
    [
        5,
        PlanRule(GET_ORDERS.name, "OrderStatuses", "*", (Window(1, 1),)),
        ["rule"],
        [PlanRule("orders_v0.get_ordres", "OrderStatuses", "*", (Window(1, 1),))],
        [PlanRule("orders.get_orders", "OrderStatuses", "*", (Window(1, 1),))],
    ],
    ids=["number", "no list", "text", "operation", "api"],
)
def test_rules_that_could_never_apply_are_refused_with_the_application(rules: Any) -> None:
    """A misspelt operation would be a limit that is never kept."""
    with pytest.raises(ConfigurationError):
        Application("amzn1.application-oa2-client.x", "secret", plan_rules=rules)


@pytest.mark.parametrize("rules", [5, PlanRule(GET_ORDERS.name, "OrderStatuses", "*", (Window(1, 1),)), ["rule"]])
def test_a_limiters_own_rules_are_a_list_of_rules(rules: Any) -> None:
    """They may be about operations of any API."""
    with pytest.raises(ConfigurationError, match="must be a list of PlanRule"):
        LocalRateLimiter(rules=rules)


def test_a_rule_with_an_unknown_parameter_names_the_parameters() -> None:
    """The first call that it is about fails with the operation's parameters."""
    book = PlanBook([PlanRule(GET_ORDERS, "Status", "Shipped", Window(1, 1))])  # type: ignore[arg-type]
    with pytest.raises(
        ConfigurationError, match=r"names the parameter 'Status', which does not exist; there is .*OrderStatuses"
    ):
        book.select(GET_ORDERS, {"order_statuses": ["Shipped"]})


def test_a_sales_report_pays_from_its_window_too() -> None:
    """Another type does not; its value is kept in case a 429 shows a limit of its own."""
    assert labels(CREATE_REPORT, {"body": {"reportType": SALES}}) == ["plan", f"reportType={SALES}"]
    assert labels(CREATE_REPORT, {"body": {"reportType": "OTHER"}}) == ["plan"]
    assert PlanBook().select(CREATE_REPORT, {"body": {"reportType": "OTHER"}}).value == "OTHER"


@pytest.mark.parametrize(
    ("operation", "arguments", "expected"),
    [
        (PATCH_LISTINGS_ITEM, {"body": patches("purchasable_offer")}, []),
        (PATCH_LISTINGS_ITEM, {"body": patches("item_name")}, ["product data"]),
        (PATCH_LISTINGS_ITEM, {"body": patches("child_parent_sku_relationship")}, ["relationships"]),
        (
            PATCH_LISTINGS_ITEM,
            {"body": patches("item_name", "package_contains_sku")},
            ["relationships", "product data"],
        ),
        (
            PATCH_LISTINGS_ITEM,
            {"body": patches("purchasable_offer"), "mode": "VALIDATION_PREVIEW"},
            ["mode=VALIDATION_PREVIEW"],
        ),
        (PUT_LISTINGS_ITEM, {"body": {"attributes": {"child_parent_sku_relationship": []}}}, ["relationships"]),
        (PUT_LISTINGS_ITEM, {"body": {"attributes": {"item_name": []}}}, []),
    ],
)
def test_a_listings_update_pays_for_what_it_changes(
    operation: Any, arguments: dict[str, Any], expected: list[str]
) -> None:
    """Relationships, product data and previews have limits of the whole application beside its plan."""
    assert labels(operation, arguments) == ["plan", "application", *expected]


def test_a_json_listings_feed_has_a_window() -> None:
    """It allows five in five minutes."""
    book = PlanBook()
    selection = book.select(CREATE_FEED, {"body": {"feedType": "JSON_LISTINGS_FEED"}})
    assert book.charges(CREATE_FEED, account(), selection)[1].limit == Window(5, 300.0)


def test_a_rule_of_the_application_replaces_the_built_in_one() -> None:
    """It does so if operation, argument and value are equal; otherwise it is added."""
    own = PlanRule(CREATE_REPORT, "body.reportType", SALES, (Window(1, 60), Bucket(1, 5)))  # type: ignore[arg-type]
    book = PlanBook([own])
    selection = book.select(CREATE_REPORT, {"body": {"reportType": SALES}})
    assert [charge.limit for charge in book.charges(CREATE_REPORT, account(), selection)[1:]] == [*own.limits]


def test_a_rule_of_scope_application_has_one_key_for_all_sellers() -> None:
    """The key is one for each region; a rule of scope "seller" has one for each seller."""
    book = PlanBook([PlanRule(GET_ORDERS, "OrderStatuses", "*", Window(1, 1), "application")])  # type: ignore[arg-type]
    selection = book.select(GET_ORDERS, {"order_statuses": ["Shipped"]})
    first, second = (book.charges(GET_ORDERS, account(name), selection) for name in "ab")
    assert first[0].key != second[0].key
    assert first[1].key == second[1].key


def test_a_valued_operation_without_rules_is_read_for_its_value() -> None:
    """A schedule has a report type too, which may have a limit of its own."""
    book = PlanBook()
    arguments = {"body": {"reportType": SALES}}
    assert book.select(CREATE_REPORT_SCHEDULE, arguments).value == SALES


def test_arguments_of_operations_without_rules_are_not_read() -> None:
    """Their calls cost the limiter nothing more."""
    book = PlanBook()
    assert not book.is_keyed(GET_ORDERS)
    assert book.select(GET_ORDERS, {"order_statuses": ["Shipped"]}) is PLAIN


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense", "a", "b", (Window(1, 1),)),
        ("orders_v0.get_orders", "", "b", (Window(1, 1),)),
        ("orders_v0.get_orders", "a", (), (Window(1, 1),)),
        ("orders_v0.get_orders", "a", "b", ()),
        ("orders_v0.get_orders", "a", "b", (5,)),
        ("orders_v0.get_orders", "a", "b", 5),
        ("orders_v0.get_orders", "a", 5, (Window(1, 1),)),
        ("orders_v0.get_orders", "a", ("b", 5), (Window(1, 1),)),
        ("orders_v0.get_orders", "a", "b", (Window(1, 1),), "world"),
    ],
)
def test_a_rule_that_cannot_work_is_refused(arguments: tuple[Any, ...]) -> None:
    """The error comes when it is made, not in the middle of a call."""
    with pytest.raises(ConfigurationError):
        PlanRule(*arguments)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Window(0, 1),
        lambda: Window(1, 0),
        lambda: Window(1.5, 1),  # type: ignore[arg-type]
        lambda: Window("4", 1),  # type: ignore[arg-type]
        lambda: Window(4, timedelta(hours=1)),  # type: ignore[arg-type]
        lambda: Bucket(0, 1),
        lambda: Bucket(1, 0),
        lambda: Bucket("1", 1),  # type: ignore[arg-type]
    ],
)
def test_a_limit_that_lets_nothing_through_is_refused(make: Any) -> None:
    """So is NaN, which is neither above nor below any number."""
    with pytest.raises(ConfigurationError):
        make()
    with pytest.raises(ConfigurationError):
        Window(1, float("nan"))


def test_built_in_rules_name_parameters_that_exist() -> None:
    """Each rule, and each argument that may have limits of its own, can be read."""
    every = operations()
    read = [ArgumentReader(every[rule.operation], rule.argument) for rule in BUILT_IN_RULES]
    read += [ArgumentReader(every[name], argument) for name, argument in VALUED_ARGUMENTS.items()]
    assert len(read) == len(BUILT_IN_RULES) + len(VALUED_ARGUMENTS)


@pytest.mark.parametrize("level", ["application", "relationships", "product data"])
def test_the_messages_of_listings_429s_name_a_level(level: str) -> None:
    """The wording is Amazon's. An ordinary 429 names none, nor does a long reply with the words at its end."""
    the = "the " if level == "application" else ""
    message = f"The frequency of requests was greater than what is allowed for {the}{level}."
    assert named_level(f'{{"errors":[{{"code":"QuotaExceeded","message":"{message}"}}]}}'.encode()) == level
    assert named_level(b'{"errors":[{"message":"You exceeded your quota for the requested resource."}]}') == ""
    assert named_level(b"x" * 5000 + message.encode()) == ""
