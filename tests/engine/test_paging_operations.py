"""Every paged operation: pages made from its own types are followed by its own rule."""

import json
from typing import Any

import msgspec
import pytest

from spapi_async._codec.known_limits import ALTERNATIVES
from spapi_async._codec.request import prepare
from spapi_async._codec.response import decode
from spapi_async._core.operation import Operation
from spapi_async._engine.paging import PageIterator
from spapi_async.api import operations

PAGED = sorted(name for name, operation in operations().items() if operation.paging)


def struct_in(declared: Any) -> Any:
    """The struct that an annotation allows."""
    kinds = [declared, *getattr(declared, "__args__", ())]
    return next(kind for kind in kinds if isinstance(kind, type) and issubclass(kind, msgspec.Struct))


def wire_path(operation: Operation[Any], attributes: tuple[str, ...]) -> list[str]:
    """Amazon's names on the path from the top of the body to an attribute."""
    keys, declared = [], operation.response_type
    for attribute in ((operation.unwrap,) if operation.unwrap else ()) + attributes:
        field = next(f for f in msgspec.structs.fields(struct_in(declared)) if f.name == attribute)
        keys.append(field.encode_name)
        declared = field.type
    return keys


def put(content: dict[str, Any], path: list[str], value: Any) -> None:
    """Set a value deep inside."""
    for key in path[:-1]:
        content = content.setdefault(key, {})
    content[path[-1]] = value


def a_page(operation: Operation[Any], token: str | None) -> bytes:
    """The JSON of a page with one empty item and a token."""
    assert operation.paging
    content: dict[str, Any] = {}
    if operation.paging.items_path:
        put(content, wire_path(operation, operation.paging.items_path), [{}])
    put(content, wire_path(operation, operation.paging.token_path), token)
    return json.dumps(content).encode()


def test_there_are_as_many_paged_operations_as_amazon_has() -> None:
    """Current and removed operations count."""
    assert len(PAGED) == 84


@pytest.mark.parametrize("name", PAGED)
async def test_the_second_page_of_every_paged_operation_is_fetched(name: str) -> None:
    """Token and items are where the operation says, and the request for the second page can be built."""
    operation = operations()[name]
    assert operation.paging
    requests = []

    async def fetch(operation: Operation[Any], /, **arguments: Any) -> Any:
        requests.append(prepare(operation, arguments))
        return decode(
            operation, 200, {}, a_page(operation, None if len(requests) > 1 else "to/k+en="), strict=False
        ).body

    required = {p.name: {} if p.location == "body" else "x" for p in operation.parameters if p.required}
    required |= {rule.names[0]: "2026-01-01" for rule in ALTERNATIVES.get(name, ())}
    if operation.paging.token_parameter is None or not operation.paging.token_path:
        pytest.skip("Amazon takes or returns no token here: one page is all")
    assert len([item async for item in PageIterator[Any](fetch, operation, required)]) == 2
    first, second = requests
    parameter = next((p for p in operation.parameters if p.name == operation.paging.token_parameter), None)
    if parameter is None:
        assert [json.loads(request.body or b"") for request in requests] == [{}, {"nextToken": "to/k+en="}]
        return
    assert f"{parameter.wire_name}=to%2Fk%2Ben%3D" in second.target.partition("?")[2].split("&")
    assert "=to%2F" not in first.target
    if operation.paging.rule == "alone":
        assert second.target.count("=") == 1


PLACES = {
    "finance_remittance_2026_03_17.get_remittance": ("next_token_for_line_items", "remittance_items"),
    "finance_remittance_2026_03_17.get_remittance_headers": ("next_token", "remittances"),
    "finances_invoices_2026_06_25.get_invoice": ("next_token_for_line_items", "invoice_items"),
    "promotions_2025_12_01.get_selection": (
        "selection.selection_details.pagination.next_token",
        "selection.selection_details.items",
    ),
    "promotions_2025_12_01.search_promotions": ("pagination.next_token", "promotions"),
    "support_2025_02_01.list_cases": ("next_token", "cases"),
    "support_2025_02_01.list_contacts": ("next_token", "contacts"),
}


@pytest.mark.parametrize("name", sorted(PLACES))
def test_tokens_deep_in_a_reply_are_found(name: str) -> None:
    """Tokens are up to four levels deep, with items beside them."""
    paging = operations()[name].paging
    assert paging
    assert (".".join(paging.token_path), ".".join(paging.items_path)) == PLACES[name]


def test_a_token_that_no_parameter_takes_makes_no_pages() -> None:
    """A promotion holds the first page of its selection; the next pages are getSelection's."""
    assert operations()["promotions_2025_12_01.get_promotion"].paging is None
