"""Restricted data tokens: batches, delegation, bounds."""

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from fake_amazon import ADDRESS, ALL_ELEMENTS, DOCUMENT, ORDER, FakeAmazon, account, authenticator, document, request
from insides import task_of
from virtual_time import virtual_time

from spapi_async._core.options import call_options
from spapi_async.auth import Authenticator, RestrictedResource, restricted_resource
from spapi_async.auth._rdt import Batch, RestrictedKey
from spapi_async.auth._token import Token
from spapi_async.credentials import Account, Grant
from spapi_async.errors import AuthError, BadRequestError, ConfigurationError, QuotaExceededError
from spapi_async.marketplaces import Region


async def fetch_documents(auth: Authenticator, names: list[str], who: Account | None = None) -> list[Any]:
    """Request many documents' tokens at once."""
    with call_options(restricted=True):
        calls = [auth.token(DOCUMENT, who or account(), document(name)) for name in names]
        return await asyncio.gather(*calls, return_exceptions=True)


@virtual_time
async def test_documents_requested_together_share_a_tokens_call() -> None:
    """Up to fifty share one."""
    amazon = FakeAmazon()
    names = [f"d{number}" for number in range(120)]
    tokens = await fetch_documents(authenticator(amazon), names)
    assert [len(paths) for paths in amazon.paths] == [50, 50, 20]
    assert len(set(tokens)) == 3
    assert sorted(path for paths in amazon.paths for path in paths) == sorted(document(name).path for name in names)


@virtual_time
async def test_documents_requested_during_a_tokens_call_share_the_next() -> None:
    """Each seller has one call under way at a time."""
    amazon = FakeAmazon(latency=1.0)
    auth = authenticator(amazon)
    first = asyncio.create_task(fetch_documents(auth, ["a"]))
    await asyncio.sleep(0.5)
    second = asyncio.create_task(fetch_documents(auth, ["b", "c", "a"]))
    await asyncio.gather(first, second)
    assert [len(paths) for paths in amazon.paths] == [1, 2]
    assert second.result()[2] == first.result()[0]


@virtual_time
async def test_one_bad_document_does_not_cost_the_others_their_token() -> None:
    """A batch that Amazon refuses is halved until the bad document is alone."""
    amazon = FakeAmazon()

    async def create(who: Account, body: dict[str, Any]) -> Any:
        reply = await amazon.create(who, body)
        if any(resource["path"].endswith("/bad") for resource in body["restrictedResources"]):
            raise BadRequestError("Invalid or unsupported document ID found", status=400)
        return reply

    auth = authenticator(amazon, create_restricted_token=create)
    results = await fetch_documents(auth, ["a", "b", "bad", "c"])
    assert [isinstance(result, str) for result in results] == [True, True, False, True]
    assert isinstance(results[2], BadRequestError)
    assert len(amazon.bodies) == 5


@virtual_time
async def test_a_throttled_batch_is_not_split() -> None:
    """More calls would not help against a quota."""
    amazon = FakeAmazon()
    amazon.create_errors = [QuotaExceededError("429", status=429)]
    results = await fetch_documents(authenticator(amazon), ["a", "b", "c"])
    assert [type(result) for result in results] == [QuotaExceededError] * 3
    assert len(amazon.bodies) == 1


@virtual_time
async def test_a_batch_whose_token_is_too_long_is_split() -> None:
    """Tokens grow with their resources, and servers refuse long headers."""
    amazon = FakeAmazon()

    async def create(who: Account, body: dict[str, Any]) -> Any:
        await amazon.create(who, body)
        length = 1000 * len(body["restrictedResources"])
        return SimpleNamespace(restricted_data_token=f"{len(amazon.bodies)}".ljust(length, "x"), expires_in=3600)

    tokens = await fetch_documents(authenticator(amazon, create_restricted_token=create), [str(n) for n in range(16)])
    assert max(map(len, tokens)) <= 4096


@virtual_time
async def test_a_denied_document_loses_only_its_own_token() -> None:
    """The other documents of the batch keep theirs."""
    amazon = FakeAmazon()
    auth = authenticator(amazon)
    first, _ = await fetch_documents(auth, ["a", "b"])
    assert auth.rejected(first, DOCUMENT, account(), b"denied", request=document("a"))
    again, kept = await fetch_documents(auth, ["a", "b"])
    assert kept == first != again
    assert not auth.rejected(again, DOCUMENT, account(), b"denied", request=document("a"))


@virtual_time
async def test_an_expired_batch_token_is_replaced_for_all_its_documents() -> None:
    """The token itself is at fault."""
    auth = authenticator(FakeAmazon())
    first, _ = await fetch_documents(auth, ["a", "b"])
    body = b'{"errors": [{"details": "The access token you provided has expired."}]}'
    assert auth.rejected(first, DOCUMENT, account(), body, request=document("a"))
    assert first not in await fetch_documents(auth, ["a", "b"])


@virtual_time
async def test_cancelling_one_document_leaves_its_batch_alone() -> None:
    """The other documents get their tokens."""
    amazon = FakeAmazon(latency=1.0)
    auth = authenticator(amazon)
    with call_options(restricted=True):
        calls = [asyncio.create_task(auth.token(DOCUMENT, account(), document(name))) for name in "abc"]
    await asyncio.sleep(0.5)
    calls[0].cancel()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(result) for result in results] == [asyncio.CancelledError, str, str]
    assert len(amazon.bodies) == 1


@virtual_time
async def test_documents_do_not_displace_lasting_tokens() -> None:
    """After thousands of documents the token for addresses is still there, and the number of tokens is bounded."""
    amazon = FakeAmazon(latency=0)
    auth = authenticator(amazon)
    address = await auth.token(ADDRESS, account(), request())
    await fetch_documents(auth, [str(number) for number in range(2_500)])
    assert await auth.token(ADDRESS, account(), request()) == address
    assert auth.statistics().documents.tokens == 2_000


@virtual_time
async def test_the_number_of_tokens_is_bounded() -> None:
    """The least recently used one is dropped first."""
    auth = authenticator(FakeAmazon(latency=0), max_restricted_tokens=100)
    for number in range(150):
        await auth.token(ADDRESS, account(str(number)), request())
    assert auth.statistics().restricted.tokens == 100


@virtual_time
async def test_a_token_can_be_delegated_to_another_application() -> None:
    """It names the target, and is kept apart from the application's own."""
    amazon = FakeAmazon()
    auth = authenticator(amazon)
    resources = [restricted_resource(ADDRESS), restricted_resource(ORDER, data_elements=ALL_ELEMENTS)]
    target = "amzn1.sellerapps.app.target"
    delegated = await auth.delegate(account(), resources, target_application=target)
    own = await auth.token(ADDRESS, account(), request())
    assert amazon.bodies[0][1] == {
        "restrictedResources": [
            {"method": "GET", "path": ADDRESS.path},
            {"method": "GET", "path": ORDER.path, "dataElements": sorted(ALL_ELEMENTS)},
        ],
        "targetApplication": target,
    }
    assert delegated.token.reveal() != own
    assert (await auth.delegate(account(), resources, target_application=target)).token == delegated.token
    assert delegated.token.reveal() not in repr(delegated)


@pytest.mark.parametrize("count", [0, 51])
def test_a_token_takes_one_to_fifty_resources(count: int) -> None:
    """More or fewer are refused without a request."""

    @virtual_time
    async def scenario() -> None:
        resources = [restricted_resource(DOCUMENT, path=f"/d/{number}") for number in range(count)]
        with pytest.raises(ConfigurationError, match="1 to 50"):
            await authenticator(FakeAmazon()).delegate(account(), resources, target_application="x")

    scenario()


def test_a_report_document_has_no_template() -> None:
    """Amazon takes the path of one document there."""
    with pytest.raises(ConfigurationError, match="one document"):
        restricted_resource(DOCUMENT)


@virtual_time
async def test_a_reply_without_a_token_is_an_error() -> None:
    """No empty header is sent."""

    async def create(_: Account, __: dict[str, Any]) -> Any:
        return SimpleNamespace(restricted_data_token=None, expires_in=None)

    auth = authenticator(FakeAmazon(), create_restricted_token=create)
    with pytest.raises(AuthError, match="without a restricted data token"):
        await auth.token(ADDRESS, account(), request())


def test_a_batch_that_an_ended_loop_left_is_started_again() -> None:
    """One ``asyncio.run`` ends before the batch has begun, and a second one uses the same application."""
    resource = restricted_resource(DOCUMENT, path="/reports/2021-06-30/documents/a")
    token = Token("Atz.sprdt|a", issued_at=0.0, expires_at=1.0)

    async def issue(_: Sequence[RestrictedResource]) -> Token:
        return token

    batch = Batch(issue, on_idle=lambda: None)

    async def leave_at_once() -> None:
        batch.add(resource)
        task = task_of(batch)
        assert task
        task.cancel()

    async def use() -> Token:
        return await batch.add(resource)

    asyncio.run(leave_at_once())
    assert asyncio.run(use()) is token


@virtual_time
async def test_batches_whose_token_was_too_long_stay_smaller() -> None:
    """Later batches are not sent too large and halved again."""
    sizes: list[int] = []

    async def issue(resources: Sequence[RestrictedResource]) -> Token:
        sizes.append(len(resources))
        return Token("x" * 1000 * len(resources), issued_at=0.0, expires_at=3600.0)

    idle: list[int] = []
    batch = Batch(issue, on_idle=lambda: idle.append(len(sizes)))
    paths = [RestrictedResource(method="GET", path=f"/{number}") for number in range(16)]
    await asyncio.gather(*[batch.add(path) for path in paths[:8]])
    assert sizes == [8, 4, 4]
    await asyncio.sleep(0)
    assert idle == [3]  # entries of unused sizes may be forgotten
    await asyncio.gather(*[batch.add(path) for path in paths[8:]])
    assert sizes == [8, 4, 4, 4, 4]


def test_a_delegated_token_is_stored_apart_from_ones_own() -> None:
    """In a shared store it has another digest, since this application cannot use it."""
    resources = (RestrictedResource(method="GET", path="/a"),)
    digests = {
        RestrictedKey(who, resources, target).digest()
        for who in (account("a"), account("b"))
        for target in (None, "t", "u")
    }
    assert len(digests) == 6


@virtual_time
async def test_a_single_document_gets_a_token_however_long() -> None:
    """There is nothing left to halve."""

    async def issue(resources: Sequence[RestrictedResource]) -> Token:
        return Token("x" * 9000, issued_at=0.0, expires_at=3600.0)

    token = await Batch(issue, on_idle=lambda: None).add(RestrictedResource(method="GET", path="/1"))
    assert len(token.value.reveal()) == 9000


@pytest.mark.parametrize("reason", ["Access token has expired", "LWA client secret has expired", "no"])
def test_a_refused_token_of_another_application_is_final(reason: str) -> None:
    """Only the application that delegated it can make a new one."""
    holder = Account(Grant.restricted_data_token("app", "Atz.sprdt|theirs"), Region.NA)
    auth = authenticator(FakeAmazon())
    assert not auth.rejected("Atz.sprdt|theirs", DOCUMENT, holder, f'{{"message": "{reason}"}}', request=document("d"))


@virtual_time
async def test_each_caller_gets_the_delegated_token_made_for_it() -> None:
    """Another caller's may take its place in the cache at the same moment."""
    auth = authenticator(FakeAmazon(), max_restricted_tokens=1)
    resources = [restricted_resource(ADDRESS)]
    accounts = [account(name) for name in "abc"]
    made = await asyncio.gather(*(auth.delegate(each, resources, target_application="x") for each in accounts))
    assert [each.token.reveal().partition("@")[0] for each in made] == [f"Atz.sprdt|Atzr|{name}" for name in "abc"]
