"""Tokens 2021-03-01: restricted data tokens, refused in Amazon's recorded words."""

from __future__ import annotations

from typing import Any

from spapi_async._core.operation import Operation
from spapi_async.emulator.data.world import Call, Handler
from spapi_async.emulator.gateway.replies import Refusal, Reply, bad_input
from spapi_async.emulator.identity.tokens import AccessToken, Covers

__all__ = ["HANDLERS", "RESTRICTED_REPORTS"]

_RDT_LIFETIME = 3600.0
_MAX_RESOURCES = 50

# The report types with personal data; the same list in Amazon's guides of 2021, 2022 and 2023.
RESTRICTED_REPORTS = frozenset(
    {
        "GET_AMAZON_FULFILLED_SHIPMENTS_DATA_INVOICING",
        "GET_AMAZON_FULFILLED_SHIPMENTS_DATA_TAX",
        "GET_FLAT_FILE_ACTIONABLE_ORDER_DATA_SHIPPING",
        "GET_FLAT_FILE_ORDER_REPORT_DATA_SHIPPING",
        "GET_FLAT_FILE_ORDER_REPORT_DATA_INVOICING",
        "GET_FLAT_FILE_ORDER_REPORT_DATA_TAX",
        "GET_FLAT_FILE_ORDERS_RECONCILIATION_DATA_TAX",
        "GET_FLAT_FILE_ORDERS_RECONCILIATION_DATA_INVOICING",
        "GET_FLAT_FILE_ORDERS_RECONCILIATION_DATA_SHIPPING",
        "GET_ORDER_REPORT_DATA_INVOICING",
        "GET_ORDER_REPORT_DATA_TAX",
        "GET_ORDER_REPORT_DATA_SHIPPING",
        "GET_EASYSHIP_DOCUMENTS",
        "GET_GST_MTR_B2B_CUSTOM",
        "GET_VAT_TRANSACTION_DATA",
        "SC_VAT_TAX_REPORT",
    }
)


def _create(call: Call) -> Reply:
    resources = call.body["restrictedResources"]
    if not 1 <= len(resources) <= _MAX_RESOURCES:
        raise bad_input(
            "restrictedResources is not valid.", f"1 to 50 resources are allowed, {len(resources)} were sent",
            code="InvalidRequest",
        )  # fmt: skip
    covered = [_resource(call, resource) for resource in resources]
    token = AccessToken(
        application=call.token.application,
        seller=call.token.seller,
        refresh_token=call.token.refresh_token,
        expires_at=call.now + _RDT_LIFETIME,
        covers=Covers(covered),
    )
    value = call.world.tokens.issue("Atz.sprdt|", token)
    # Without an envelope, although an old guide shows "payload".
    return Reply.json({"restrictedDataToken": value, "expiresIn": int(_RDT_LIFETIME)})


def _resource(call: Call, resource: dict[str, Any]) -> tuple[str, str, frozenset[str]]:
    method, path = resource["method"], resource["path"]
    elements = frozenset(resource.get("dataElements") or ())
    found = call.world.restricted.find(method, path)
    if call.world.settings.synthetic and (found is None or _mode(found[0]) == "report"):
        return method, path, elements
    if found is None:
        raise _unsupported(method, path)
    operation, values = found
    if _mode(operation) == "report":
        _check_document(call, path, values)
    _check_elements(operation, elements)
    return method, path, elements


def _mode(operation: Operation[Any]) -> str:
    assert operation.restriction is not None
    return operation.restriction.mode


def _check_elements(operation: Operation[Any], elements: frozenset[str]) -> None:
    allowed = frozenset(operation.restricted_data_elements)
    if not allowed:
        return  # Amazon ignores the elements if the operation has none to choose from
    if not elements:
        raise bad_input("dataElements is missing.", f"{operation.id} needs some of {', '.join(sorted(allowed))}")
    if wrong := sorted(elements - allowed):
        raise bad_input(
            f"Application does not have access to one or more requested data elements: [{', '.join(wrong)}]",
            f"{operation.id} has {', '.join(sorted(allowed))}",
        )


def _check_document(call: Call, path: str, values: dict[str, str]) -> None:
    """Refuse a path that is not the exact path of a document of a restricted report type."""
    (document_id,) = values.values()
    document = call.world.documents.get(document_id)
    if document is None or document.owner != call.seller.id or document.report_type not in RESTRICTED_REPORTS:
        raise bad_input(
            "Invalid or unsupported document ID found", f"{path} is not a document of a restricted report type"
        )


def _unsupported(method: str, path: str) -> Refusal:
    if path.startswith("/reports/"):
        return bad_input("Invalid or unsupported document ID found", f"{method} {path} is not a report document")
    return bad_input(
        "Application do not have access to some or all requested resource", f"{method} {path} is not restricted"
    )


HANDLERS: dict[str, Handler] = {"tokens_2021_03_01.create_restricted_data_token": _create}
