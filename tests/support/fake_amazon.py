"""Login with Amazon and the Tokens API as two callables, for tests of the auth layer alone."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from virtual_time import VirtualClock

from spapi_async._core.endpoints import Endpoints
from spapi_async._core.operation import Operation, Restriction, UsagePlan
from spapi_async.auth import Authenticator
from spapi_async.auth._access import AccessTokens
from spapi_async.credentials import Account, Grant, Secret
from spapi_async.marketplaces import Region

PLAN = UsagePlan(rate=1, burst=1)
ALL_ELEMENTS = ("buyerInfo", "shippingAddress", "buyerTaxInformation")


def operation(name: str, path: str, **facts: Any) -> Operation[Any]:
    """Return an operation with the facts that matter here."""
    return Operation(name=name, id=name, method="GET", path=path, usage_plan=PLAN, **facts)


PLAIN = operation("sellers_v1.get_marketplace_participations", "/sellers/v1/marketplaceParticipations")
ADDRESS = operation(
    "orders_v0.get_order_address", "/orders/v0/orders/{orderId}/address", restriction=Restriction(mode="always")
)
BUYER = operation(
    "orders_v0.get_order_buyer_info", "/orders/v0/orders/{orderId}/buyerInfo", restriction=Restriction(mode="always")
)
ORDER = operation(
    "orders_v0.get_order",
    "/orders/v0/orders/{orderId}",
    restriction=Restriction(mode="optional", data_elements=ALL_ELEMENTS),
)
ORDER_2026 = operation("orders_2026_01_01.get_order", "/orders/2026-01-01/orders/{orderId}")
CREATE = operation("tokens_2021_03_01.create_restricted_data_token", "/tokens/2021-03-01/restrictedDataToken")
DOCUMENT = operation(
    "reports_2021_06_30.get_report_document",
    "/reports/2021-06-30/documents/{reportDocumentId}",
    restriction=Restriction(mode="report", generic_path=False),
)
REPORT = operation("reports_2021_06_30.get_report", "/reports/2021-06-30/reports/{reportId}")
REPORTS = operation("reports_2021_06_30.get_reports", "/reports/2021-06-30/reports")
DESTINATIONS = operation(
    "notifications_v1.get_destinations",
    "/notifications/v1/destinations",
    grantless_scope="sellingpartnerapi::notifications",
)


def request(path: str = "/") -> Any:
    """Return what the authenticator sees of a request."""
    return SimpleNamespace(path=path)


def document(document_id: str) -> Any:
    """Return the request for a report document."""
    return request(f"/reports/2021-06-30/documents/{document_id}")


def account(name: str = "a", region: Region = Region.NA) -> Account:
    """Return a seller's account."""
    return Account(Grant.refresh_token("app", f"Atzr|{name}"), region)


class FakeReply(msgspec.Struct, frozen=True):
    """An HTTP reply."""

    status: int
    headers: Mapping[str, str]
    body: bytes


Step = Callable[[dict[str, str]], FakeReply | BaseException]


def lwa_error(status: int, code: str, description: str = "no") -> Step:
    """Answer with an error in the form of Login with Amazon."""
    body = msgspec.json.encode({"error": code, "error_description": description, "request_id": "r"})
    return lambda _: FakeReply(status, {"Content-Type": "application/json"}, body)


def raw(status: int, body: bytes, content_type: str = "text/html") -> Step:
    """Answer with exactly these bytes."""
    return lambda _: FakeReply(status, {"Content-Type": content_type}, body)


def raising(error: BaseException) -> Step:
    """Raise this error instead of answering."""
    return lambda _: error


class FakeAmazon:
    """Hands out numbered tokens that name their seller.

    ``script`` holds other answers for the next requests, in order. ``calls`` counts token requests by grant, ``bodies``
    keeps the Tokens calls, ``latency`` is in (virtual) seconds.
    """

    def __init__(self, *, latency: float = 0.2, expires_in: object = 3600) -> None:
        self.latency = latency
        self.expires_in = expires_in
        self.script: list[Step] = []
        self.forms: list[dict[str, str]] = []
        self.calls: Counter[str] = Counter()
        self.bodies: list[tuple[Account, dict[str, Any]]] = []
        self.create_errors: list[BaseException] = []
        self.secrets = {"secret"}

    async def exchange(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | Secret | None,
        timeout: float | None,
        session_key: str,
    ) -> FakeReply:
        """Answer as the token endpoint does."""
        assert (method, url, session_key) == ("POST", "https://api.amazon.com/auth/o2/token", "lwa")
        assert headers["Content-Type"].startswith("application/x-www-form-urlencoded")
        assert timeout
        form = dict(parse_qsl(body.reveal() if isinstance(body, Secret) else ""))
        self.forms.append(form)
        step = self.script.pop(0) if self.script else None
        await asyncio.sleep(self.latency)
        outcome = step(form) if step else self.grant(form)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def grant(self, form: dict[str, str]) -> FakeReply:
        if form["client_secret"] not in self.secrets:
            return lwa_error(401, "invalid_client", "Client authentication failed")(form)  # type: ignore[return-value]
        owner = form.get("refresh_token") or form.get("scope") or form["code"]
        self.calls[owner] += 1
        reply = {"access_token": f"Atza|{owner}#{self.calls[owner]}", "expires_in": self.expires_in}
        if form["grant_type"] == "authorization_code":
            reply["refresh_token"] = "Atzr|granted"
        return FakeReply(200, {"Content-Type": "application/json"}, msgspec.json.encode(reply))

    async def create(self, account: Account, body: dict[str, Any]) -> Any:
        """Answer as createRestrictedDataToken does."""
        self.bodies.append((account, body))
        number = len(self.bodies)
        await asyncio.sleep(self.latency)
        if self.create_errors:
            raise self.create_errors.pop(0)
        seller = account.grant.reveal()
        return SimpleNamespace(restricted_data_token=f"Atz.sprdt|{seller}@{account.region}#{number}", expires_in=3600)

    @property
    def paths(self) -> list[list[str]]:
        """Return the paths of each call of the Tokens API."""
        return [[resource["path"] for resource in body["restrictedResources"]] for _, body in self.bodies]


def authenticator(amazon: FakeAmazon, **options: Any) -> "RevealingAuthenticator":
    """Return an Authenticator that talks to ``amazon`` in virtual time."""
    exchange: Callable[..., Awaitable[FakeReply]] = amazon.exchange
    options = {
        "client_secret": Secret("secret"),
        "endpoints": Endpoints(),
        "create_restricted_token": amazon.create,
        "clock": VirtualClock(),
        **options,
    }
    return RevealingAuthenticator(client_id="app", exchange=exchange, **options)


class RevealingAuthenticator(Authenticator):
    """An Authenticator whose tokens tests can compare, and some of its parts."""

    @property
    def access(self) -> AccessTokens:
        """Return the source of access tokens, and the cache behind it."""
        return self._access

    def wait_for_the_store(self, seconds: float) -> None:
        """Wait for the token store for as long as it takes, even on a slow machine."""
        self._shared.timeout = self._shared.longest_wait = seconds

    async def token(self, *arguments: Any, **options: Any) -> str:  # type: ignore[override]
        return (await super().token(*arguments, **options)).reveal()

    def rejected(self, token: str, *arguments: Any, **options: Any) -> bool:  # type: ignore[override]
        return super().rejected(Secret(token), *arguments, **options)
