"""Grants that Login with Amazon has refused are remembered for a minute."""

from __future__ import annotations

import asyncio

import pytest
from fake_amazon import ADDRESS, PLAIN, FakeAmazon, account, authenticator, lwa_error, raw, request
from virtual_time import virtual_time

from spapi_async.auth import Authenticator
from spapi_async.auth._refusals import REFUSED_FOR
from spapi_async.credentials import Secret
from spapi_async.errors import LWAError


async def refusal(auth: Authenticator, seller: str = "a") -> LWAError:
    """The error of one call."""
    with pytest.raises(LWAError) as caught:
        await auth.token(PLAIN, account(seller), request())
    return caught.value


@virtual_time
async def test_a_refused_grant_is_requested_once() -> None:
    """Each later call gets the same refusal, with Amazon's code, request id and hint."""
    amazon = FakeAmazon()
    amazon.script = [lwa_error(400, "invalid_grant", "revoked")]
    auth = authenticator(amazon)
    errors = [await refusal(auth) for _ in range(100)]
    assert len(amazon.forms) == 1
    assert {(error.code, error.status, error.operation) for error in errors} == {("invalid_grant", 400, PLAIN.name)}
    assert "again in 60 s" in str(errors[1])
    assert len({id(error) for error in errors}) == 100


@virtual_time
async def test_a_refused_grant_is_requested_again_after_a_minute() -> None:
    """The selling partner may have authorised the application again."""
    amazon = FakeAmazon()
    amazon.script = [lwa_error(400, "invalid_grant")]
    auth = authenticator(amazon)
    await refusal(auth)
    await asyncio.sleep(REFUSED_FOR - 1)
    await refusal(auth)
    await asyncio.sleep(2)
    assert await auth.token(PLAIN, account(), request()) == "Atza|Atzr|a#1"


@virtual_time
async def test_a_refusal_concerns_its_own_grant_only() -> None:
    """Another seller of the same application is served, restricted operations included."""
    amazon = FakeAmazon()
    amazon.script = [lwa_error(400, "invalid_grant")]
    auth = authenticator(amazon)
    await refusal(auth, "a")
    assert await auth.token(PLAIN, account("b"), request())
    assert await auth.token(ADDRESS, account("b"), request())


@virtual_time
@pytest.mark.parametrize("what", ["a new secret", "an exchanged code"])
async def test_a_new_secret_or_authorisation_clears_a_refusal(what: str) -> None:
    """A rotated secret cures invalid_client; a new authorisation may cure invalid_grant."""
    amazon = FakeAmazon()
    amazon.script = [lwa_error(401, "invalid_client")]
    auth = authenticator(amazon)
    await refusal(auth)
    if what == "a new secret":
        auth.replace_client_secret(Secret("the new one"))
    else:
        await auth.exchange_code("a-code")
    assert await auth.token(PLAIN, account(), request())


@virtual_time
async def test_a_refusal_of_an_older_secret_is_not_remembered() -> None:
    """The secret was replaced while a request with the old one was under way, and the new one was refused too."""
    amazon = FakeAmazon()
    amazon.script = [lwa_error(400, "invalid_grant")]
    auth = authenticator(amazon)
    call = asyncio.create_task(refusal(auth))
    await asyncio.sleep(0.01)
    auth.replace_client_secret(Secret("the new one"))
    await call
    assert await auth.token(PLAIN, account(), request())


@virtual_time
async def test_temporary_failures_are_not_remembered() -> None:
    """Login with Amazon was overloaded for as long as one call would wait; the next call tries again."""
    amazon = FakeAmazon()
    amazon.script = [lwa_error(503, "temporarily_unavailable")] * 4
    auth = authenticator(amazon)
    assert (await refusal(auth)).code == "temporarily_unavailable"
    assert await auth.token(PLAIN, account(), request())


@virtual_time
async def test_a_refusal_without_a_code_is_not_amazons() -> None:
    """A wrong endpoint answers 403 in its own words: the hint says so, and nothing is remembered."""
    amazon = FakeAmazon()
    amazon.script = [raw(403, b'{"errors": [{"code": "Unauthorized"}]}', "application/json")]
    auth = authenticator(amazon)
    error = await refusal(auth)
    assert error.code == "access_denied"
    assert "status 403 without an error code" in str(error)
    assert "is a proxy or a captive portal answering in Amazon's place?" in str(error)
    assert await auth.token(PLAIN, account(), request())
