"""Which token a call carries, and what happens when Amazon refuses it."""

import asyncio
import weakref
from types import SimpleNamespace
from typing import Any

import pytest
from fake_amazon import (
    ADDRESS,
    BUYER,
    CREATE,
    DESTINATIONS,
    DOCUMENT,
    ORDER,
    ORDER_2026,
    PLAIN,
    REPORT,
    REPORTS,
    FakeAmazon,
    account,
    authenticator,
    document,
    lwa_error,
    request,
)
from virtual_time import VirtualClock, run, virtual_time

from spapi_async._core.endpoints import Endpoints
from spapi_async._core.events import Event, Observers, TokenIssued
from spapi_async._core.operation import Operation
from spapi_async._core.options import call_options
from spapi_async.auth import Authenticator, MemoryTokenStore, NewClientSecret
from spapi_async.credentials import Account, Grant, Secret
from spapi_async.errors import AuthError, ClosedError, ConfigurationError, LWAError
from spapi_async.marketplaces import Region

DENIED = b'{"errors": [{"message": "Access to requested resource is denied.", "code": "Unauthorized", "details": ""}]}'
REVOKED = DENIED.replace(b'""', b'"The access token you provided is revoked, malformed or invalid."')
EXPIRED = DENIED.replace(b'""', b'"The access token you provided has expired."')
OLD_SECRET = DENIED.replace(b'""', b'"The LWA client secret of your application has expired."')


@virtual_time
async def test_a_sellers_call_carries_the_sellers_token_in_every_region() -> None:
    """One access token serves every operation of a grant, in every region."""
    amazon = FakeAmazon()
    auth = authenticator(amazon)
    tokens = [
        await auth.token(operation, account(region=region), request())
        for operation in (PLAIN, ORDER, ORDER_2026)
        for region in Region
    ]
    assert set(tokens) == {"Atza|Atzr|a#1"}
    assert amazon.bodies == []


@virtual_time
async def test_a_grantless_operation_uses_a_token_of_its_scope() -> None:
    """It does so on a seller's handle and on one without a seller."""
    auth = authenticator(FakeAmazon())
    nobody = Account(Grant.scope("app", "x"), Region.NA)
    tokens = {await auth.token(DESTINATIONS, who, request()) for who in (account(), nobody)}
    assert tokens == {"Atza|sellingpartnerapi::notifications#1"}


@virtual_time
async def test_a_sellers_operation_without_a_seller_is_refused() -> None:
    """The error says on which object to call it."""
    auth = authenticator(FakeAmazon())
    with pytest.raises(ConfigurationError, match="selling_partner"):
        await auth.token(PLAIN, Account(Grant.scope("app", "x"), Region.NA), request())


@virtual_time
async def test_an_operation_that_is_always_restricted_gets_a_restricted_token() -> None:
    """The token is for the template of its path: a thousand addresses cost one Tokens call."""
    amazon = FakeAmazon()
    auth = authenticator(amazon)
    calls = (auth.token(ADDRESS, account(), request(f"/orders/v0/orders/{n}/address")) for n in range(1000))
    assert set(await asyncio.gather(*calls)) == {"Atz.sprdt|Atzr|a@na#1"}
    assert amazon.paths == [["/orders/v0/orders/{orderId}/address"]]


@virtual_time
async def test_data_elements_need_a_restricted_token() -> None:
    """Their order does not matter; without them the call carries an access token."""
    amazon = FakeAmazon()
    auth = authenticator(amazon)
    first = await auth.token(ORDER, account(), request(), data_elements=("shippingAddress", "buyerInfo"))
    again = await auth.token(ORDER, account(), request(), data_elements=["buyerInfo", "shippingAddress"])
    fewer = await auth.token(ORDER, account(), request(), data_elements=("buyerInfo",))
    assert first == again != fewer
    assert [body["restrictedResources"][0]["dataElements"] for _, body in amazon.bodies] == [
        ["buyerInfo", "shippingAddress"],
        ["buyerInfo"],
    ]
    assert (await auth.token(ORDER, account(), request())).startswith("Atza|")


@pytest.mark.parametrize("wrong", [("buyerinfo",), ("buyerInfo", "BuyerInfo"), ("x",)])
def test_unknown_data_elements_are_refused_by_name(wrong: tuple[str, ...]) -> None:
    """No request is sent."""

    @virtual_time
    async def scenario() -> None:
        amazon = FakeAmazon()
        with pytest.raises(ConfigurationError, match=rf"{wrong[-1]}.*it takes buyerInfo, shippingAddress"):
            await authenticator(amazon).token(ORDER, account(), request(), data_elements=wrong)
        assert amazon.forms == []

    scenario()


@virtual_time
async def test_a_string_is_not_a_list_of_data_elements() -> None:
    """It is refused instead of being split into letters."""
    with pytest.raises(ConfigurationError, match="not one string"):
        await authenticator(FakeAmazon()).token(ORDER, account(), request(), data_elements="buyerInfo")


@pytest.mark.parametrize("operation", [PLAIN, ADDRESS, ORDER_2026, DOCUMENT, DESTINATIONS], ids=lambda op: op.name)
def test_data_elements_are_refused_where_an_operation_has_none(operation: object) -> None:
    """Orders 2026-01-01, which needs no restricted token, is such an API."""

    @virtual_time
    async def scenario() -> None:
        with pytest.raises(ConfigurationError, match="takes none"):
            await authenticator(FakeAmazon()).token(operation, account(), document("d"), data_elements=["buyerInfo"])

    scenario()


@virtual_time
async def test_the_sandbox_needs_no_restricted_token() -> None:
    """Every call in it carries the access token."""
    amazon = FakeAmazon()
    auth = authenticator(amazon, endpoints=Endpoints(sandbox=True))
    with call_options(restricted=True):
        for operation, elements in ((ADDRESS, ()), (ORDER, ("buyerInfo",)), (DOCUMENT, ())):
            assert (await auth.token(operation, account(), document("d"), data_elements=elements)).startswith("Atza|")
    assert amazon.bodies == []


# Report documents


@pytest.mark.parametrize(
    ("report_type", "restricted"),
    [
        ("GET_FLAT_FILE_ORDER_REPORT_DATA_SHIPPING", True),
        ("GET_VAT_TRANSACTION_DATA", True),
        ("GET_FLAT_FILE_VAT_INVOICE_DATA_REPORT", False),
        ("GET_MERCHANT_LISTINGS_ALL_DATA", False),
    ],
)
def test_a_report_document_is_restricted_if_its_type_is(report_type: str, restricted: bool) -> None:
    """The type is learned from the reply that named the document."""

    @virtual_time
    async def scenario() -> None:
        amazon = FakeAmazon()
        auth = authenticator(amazon)
        report = SimpleNamespace(report_document_id="d1", report_type=report_type)
        auth.learn(REPORT, report)
        auth.learn(REPORTS, SimpleNamespace(reports=[SimpleNamespace(**{**vars(report), "report_document_id": "d2"})]))
        for name in ("d1", "d2"):
            token = await auth.token(DOCUMENT, account(), document(name))
            assert token.startswith("Atz.sprdt|") == restricted

    scenario()


@virtual_time
async def test_the_type_of_an_unknown_document_is_looked_up_once() -> None:
    """It is known from then on."""
    asked = []

    async def report_type_of(_: Account, document_id: str) -> str:
        asked.append(document_id)
        return "GET_ORDER_REPORT_DATA_TAX"

    auth = authenticator(FakeAmazon(), report_type_of=report_type_of)
    for _ in range(2):
        assert (await auth.token(DOCUMENT, account(), document("amzn1.spdoc%3A1"))).startswith("Atz.sprdt|")
    assert asked == ["amzn1.spdoc:1"]


@virtual_time
async def test_an_unknown_document_that_is_denied_gets_a_restricted_token() -> None:
    """The access token is tried first; a 403 shows that the document is restricted."""
    auth = authenticator(FakeAmazon())
    token = await auth.token(DOCUMENT, account(), document("d"))
    assert token.startswith("Atza|")
    assert auth.rejected(token, DOCUMENT, account(), DENIED, request=document("d"))
    assert (await auth.token(DOCUMENT, account(), document("d"))).startswith("Atz.sprdt|")
    assert (await auth.token(DOCUMENT, account(), document("other"))).startswith("Atza|")


@pytest.mark.parametrize("restricted", [True, False])
def test_the_caller_can_say_whether_a_document_is_restricted(restricted: bool) -> None:
    """A denial is then final."""

    @virtual_time
    async def scenario() -> None:
        auth = authenticator(FakeAmazon())
        with call_options(restricted=restricted):
            token = await auth.token(DOCUMENT, account(), document("d"))
            assert token.startswith("Atz.sprdt|") == restricted
            assert auth.rejected(token, DOCUMENT, account(), DENIED, request=document("d")) == restricted

    scenario()


# Refusals


@pytest.mark.parametrize("body", [REVOKED, EXPIRED, b'{"message": "The incoming token has expired"}'])
def test_an_expired_or_revoked_token_is_replaced_once(body: bytes) -> None:
    """It is replaced once for all calls that it failed; a replacement that fails too is not replaced again."""

    @virtual_time
    async def scenario() -> None:
        amazon = FakeAmazon()
        auth = authenticator(amazon)
        old = await auth.token(PLAIN, account(), request())
        assert [auth.rejected(old, PLAIN, account(), body) for _ in range(50)] == [True] * 50
        calls = (auth.token(PLAIN, account(), request()) for _ in range(50))
        assert set(await asyncio.gather(*calls)) == {"Atza|Atzr|a#2"}
        assert not auth.rejected("Atza|Atzr|a#2", PLAIN, account(), body)
        assert auth.rejected(old, PLAIN, account(), body)  # a late rejection: the newer token has not been tried yet
        assert len(amazon.forms) == 2

    scenario()


@pytest.mark.parametrize(
    "body",
    [
        DENIED,
        b"",
        b"<html>",
        b'{"message": "Forbidden"}',
        OLD_SECRET,
        DENIED.replace(b'""', b'"Access token is missing in the request header."'),
        DENIED.replace(b"Access to requested resource is denied.", b"Access to the resource is forbidden"),
    ],
)
def test_a_refusal_that_is_not_the_tokens_fault_is_final(body: bytes) -> None:
    """Another token does not cure a missing role."""

    @virtual_time
    async def scenario() -> None:
        amazon = FakeAmazon()
        auth = authenticator(amazon)
        token = await auth.token(PLAIN, account(), request())
        assert not auth.rejected(token, PLAIN, account(), body)
        assert await auth.token(PLAIN, account(), request()) == token

    scenario()


@virtual_time
async def test_the_denial_of_a_restricted_token_that_is_no_longer_known_is_final() -> None:
    """Only a report document may have been asked for with an access token by mistake."""
    auth = authenticator(FakeAmazon())
    assert not auth.rejected("Atz.sprdt|displaced", ADDRESS, account(), DENIED, request=request())
    assert auth.rejected("Atz.sprdt|displaced", DOCUMENT, account(), DENIED, request=document("d"))


@virtual_time
async def test_a_denied_restricted_token_is_dropped_and_renewed_once() -> None:
    """The message of the 403 does not matter, and the access token behind it stays."""
    amazon = FakeAmazon()
    auth = authenticator(amazon)
    first = await auth.token(ADDRESS, account(), request())
    assert auth.rejected(first, ADDRESS, account(), DENIED, request=request())
    second = await auth.token(ADDRESS, account(), request())
    assert not auth.rejected(second, ADDRESS, account(), DENIED, request=request())
    assert await auth.token(ADDRESS, account(), request()) == second
    assert auth.rejected(first, ADDRESS, account(), DENIED, request=request())
    assert len(amazon.bodies) == 2
    assert amazon.forms == []


@virtual_time
async def test_retiring_one_restricted_token_leaves_the_others() -> None:
    """Each operation and each seller has its own."""
    amazon = FakeAmazon()
    auth = authenticator(amazon)
    address = await auth.token(ADDRESS, account(), request())
    buyer = await auth.token(BUYER, account(), request())
    other = await auth.token(ADDRESS, account("b"), request())
    auth.rejected(address, ADDRESS, account(), REVOKED)
    assert await auth.token(BUYER, account(), request()) == buyer
    assert await auth.token(ADDRESS, account("b"), request()) == other


# Cancellation


class NestedAmazon(FakeAmazon):
    """A Tokens call that first needs an access token, as in production."""

    auth: Authenticator

    async def create(self, account: Account, body: dict[str, Any]) -> Any:
        """Fetch an access token, then answer."""
        await self.auth.token(CREATE, account, request())
        return await super().create(account, body)


@pytest.mark.parametrize("with_store", [False, True])
@pytest.mark.parametrize("what", [ADDRESS, DOCUMENT, PLAIN], ids=lambda operation: operation.id)
def test_cancelled_callers_do_not_affect_the_others(what: Operation[Any], with_store: bool) -> None:
    """At every step of the loop, for access tokens, restricted tokens and batches, the other callers get theirs."""

    async def scenario(step: int, victims: tuple[int, ...]) -> bool:
        amazon = NestedAmazon(latency=0)
        store = MemoryTokenStore(clock=VirtualClock()) if with_store else None
        auth = amazon.auth = authenticator(amazon, store=store)
        with call_options(restricted=True):
            callers = [asyncio.create_task(auth.token(what, account(), document("d"))) for _ in range(4)]
        for _ in range(step):
            await asyncio.sleep(0)
        finished = all(caller.done() for caller in callers)
        for victim in victims:
            callers[victim].cancel()
        results = await asyncio.gather(*callers, return_exceptions=True)
        kept = {result for number, result in enumerate(results) if number not in victims}
        assert len(kept) == (len(victims) < len(callers))
        await asyncio.sleep(1)
        asked = 1 if step or kept else 0  # cancelled before they began, they requested nothing
        assert (len(amazon.forms), len(amazon.bodies)) == (asked, 0 if what is PLAIN else asked)
        await auth.aclose()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return finished

    for victims in ((0,), (3,), (0, 1, 2), (0, 1, 2, 3)):
        steps = next(step for step in range(100) if run(scenario(step, victims)))
        assert steps > 2


# Secrets, events, codes, closing


@virtual_time
async def test_a_new_secret_renews_tokens_that_the_old_one_cannot() -> None:
    """An expired client secret shows as a 403; after its replacement, a call that fails like this is repeated."""
    amazon = FakeAmazon()
    auth = authenticator(amazon)
    token = await auth.token(PLAIN, account(), request())
    assert not auth.rejected(token, PLAIN, account(), OLD_SECRET)
    await asyncio.sleep(5)
    amazon.secrets = {"new"}
    auth.replace_client_secret(
        NewClientSecret(client_id="app", client_secret=Secret("new"), expires_at=None, old_expires_at=None)
    )
    assert auth.rejected(token, PLAIN, account(), OLD_SECRET)
    fresh = await auth.token(PLAIN, account(), request())
    assert fresh != token
    assert not auth.rejected(fresh, PLAIN, account(), OLD_SECRET)


@virtual_time
async def test_another_applications_secret_is_refused() -> None:
    """One queue may serve several applications."""
    news = NewClientSecret(client_id="other", client_secret=Secret("new"), expires_at=None, old_expires_at=None)
    with pytest.raises(ConfigurationError, match="another application"):
        authenticator(FakeAmazon()).replace_client_secret(news)


@virtual_time
async def test_an_error_names_the_operation_that_wanted_the_token() -> None:
    """Each caller's error names its own operation, though they shared one request."""
    amazon = FakeAmazon()
    amazon.script = [lwa_error(400, "invalid_grant")]
    auth = authenticator(amazon)
    calls = (auth.token(operation, account(), request()) for operation in (PLAIN, ORDER))
    errors = await asyncio.gather(*calls, return_exceptions=True)
    assert [error.operation for error in errors if isinstance(error, LWAError)] == [PLAIN.name, ORDER.name]


@virtual_time
async def test_observers_are_called_with_every_token_fetched() -> None:
    """The event has the token's kind and lifetime, never the token."""
    seen: list[Event] = []
    auth = authenticator(FakeAmazon(), observers=Observers([seen.append]))
    for _ in range(3):
        await auth.token(PLAIN, account(), request())
        await auth.token(ADDRESS, account(), request())
    assert [(event.kind, event.lifetime) for event in seen if isinstance(event, TokenIssued)] == [
        ("lwa", 3600.0),
        ("rdt", 3600.0),
    ]
    assert "Atz" not in repr(seen)


class Name(str):
    """A name whose end can be observed."""

    __slots__ = ("__weakref__",)


@virtual_time
async def test_names_for_events_are_kept_as_long_as_tokens() -> None:
    """A backend whose users come and go for weeks keeps no more of them; a renewal still knows whose token it is."""
    seen: list[Event] = []
    auth = authenticator(FakeAmazon(), observers=Observers([seen.append]), max_grants=3)
    alive: weakref.WeakSet[Name] = weakref.WeakSet()
    for number in range(20):
        name = Name(f"A{number}@na")
        alive.add(name)
        await auth.access.get(account(f"Atzr|{number}").grant, name)
    seen.clear()
    del name
    assert sorted(alive) == ["A17@na", "A18@na", "A19@na"]
    await asyncio.sleep(3600)
    auth.access.cached(account("Atzr|17").grant)
    await auth.access.get(account("Atzr|17").grant)
    assert [event.account for event in seen if isinstance(event, TokenIssued)] == ["A17@na"]


@virtual_time
async def test_a_code_is_exchanged_for_a_refresh_token() -> None:
    """The redirect URI that the consent page was given is sent with it."""
    amazon = FakeAmazon()
    granted = await authenticator(amazon).exchange_code(Secret("code"), "https://x/y")
    assert granted.refresh_token == Secret("Atzr|granted")
    assert granted.expires_in == 3600
    assert amazon.forms[0]["redirect_uri"] == "https://x/y"


@virtual_time
async def test_a_reply_to_a_code_without_a_refresh_token_is_an_error() -> None:
    """Such a reply is not an authorisation."""
    amazon = FakeAmazon()
    amazon.script = [lambda _: amazon.grant({"client_secret": "secret", "grant_type": "x", "code": "c"})]
    with pytest.raises(AuthError, match="no refresh token"):
        await authenticator(amazon).exchange_code("code")


@virtual_time
async def test_closing_ends_tasks_and_waiting_callers() -> None:
    """It does so for single and for batched tokens."""
    auth = authenticator(FakeAmazon(latency=60))
    calls = [(PLAIN, request()), (ADDRESS, request())]
    with call_options(restricted=True):
        waiting = [
            asyncio.create_task(auth.token(op, account(), req)) for op, req in [*calls, (DOCUMENT, document("d"))]
        ]
        await asyncio.sleep(1)
    await auth.aclose()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(result) for result in results] == [ClosedError] * 3
    assert asyncio.all_tasks() == {asyncio.current_task()}
