"""Login with Amazon's token endpoint: three grants, what is repeated, what is final, and what an error says."""

import asyncio

import pytest
from fake_amazon import FakeAmazon, Step, lwa_error, raising, raw
from virtual_time import VirtualClock, virtual_time

from spapi_async._core.endpoints import Endpoints
from spapi_async.auth._lwa import ASSUMED_LIFETIME, TokenEndpoint, lifetime, token_in
from spapi_async.credentials import Grant, Secret
from spapi_async.errors import ConnectionFailedError, LWAError, RequestTimeoutError

REFRESH = Grant.refresh_token("app", "Atzr|a").form()


def endpoint(amazon: FakeAmazon, secret: str = "secret") -> TokenEndpoint:
    """The endpoint's client."""
    return TokenEndpoint(
        client_id="app",
        client_secret=Secret(secret),
        endpoints=Endpoints(),
        exchange=amazon.exchange,
        clock=VirtualClock(),
    )


@virtual_time
async def test_each_grant_sends_its_fields() -> None:
    """Refresh token, scope and code are sent form-encoded with client id and secret."""
    amazon = FakeAmazon()
    lwa = endpoint(amazon)
    await lwa.issue(REFRESH)
    await lwa.issue(Grant.scope("app", "sellingpartnerapi::notifications").form())
    code = {"grant_type": "authorization_code", "code": "C&=", "redirect_uri": "https://x/y?z"}
    granted = await lwa.issue(code)
    both = {"client_id": "app", "client_secret": "secret"}
    assert amazon.forms == [
        {"grant_type": "refresh_token", "refresh_token": "Atzr|a", **both},
        {"grant_type": "client_credentials", "scope": "sellingpartnerapi::notifications", **both},
        {**code, **both},
    ]
    assert granted.refresh_token == Secret("Atzr|granted")


@pytest.mark.parametrize("value", [None, 5, "", "a b", "a\nb", "Atza|é", ["a"]])
def test_a_token_that_no_header_can_hold_is_refused(value: object) -> None:
    """The status of the reply does not matter."""
    assert token_in(value) is None
    assert token_in("Atza|a+/=") == Secret("Atza|a+/=")


@virtual_time
async def test_a_tokens_lifetime_begins_with_its_request() -> None:
    """A slow reply does not make it last longer."""
    amazon, clock = FakeAmazon(latency=7.0), VirtualClock()
    asked_at = clock.time()
    token = (await endpoint(amazon).issue(REFRESH)).access_token
    assert clock.time() == pytest.approx(asked_at + 7)
    assert (token.issued_at, token.expires_at) == (asked_at, asked_at + 3600)


@pytest.mark.parametrize(
    "code", ["invalid_grant", "invalid_client", "unauthorized_client", "invalid_scope", "access_denied"]
)
def test_a_refusal_is_final_at_once(code: str) -> None:
    """It costs one request, carries Amazon's code and says what to do."""

    @virtual_time
    async def scenario() -> None:
        amazon = FakeAmazon()
        amazon.script = [lwa_error(400, code, "Because.")]
        with pytest.raises(LWAError, match=rf"{code} \(Because\.\); \w+") as caught:
            await endpoint(amazon).issue(REFRESH)
        assert caught.value.code == code
        assert caught.value.status == 400
        assert len(amazon.forms) == 1

    scenario()


@pytest.mark.parametrize(
    "trouble",
    [
        lwa_error(500, "server_error"),
        lwa_error(503, "temporarily_unavailable"),
        raw(502, b"<html>Bad gateway"),
        raw(429, b""),
        raising(ConnectionFailedError("no route")),
        raising(RequestTimeoutError("too slow")),
    ],
)
def test_temporary_failures_are_retried(trouble: Step) -> None:
    """5xx, 429, timeouts and failed connections are repeated after a pause."""

    @virtual_time
    async def scenario() -> None:
        amazon = FakeAmazon(latency=0)
        amazon.script = [trouble, trouble]
        assert (await endpoint(amazon).issue(REFRESH)).access_token.value.reveal() == "Atza|Atzr|a#1"
        assert 0.75 <= asyncio.get_running_loop().time() <= 1.5

    scenario()


@virtual_time
async def test_retries_are_bounded() -> None:
    """After four requests the last error is raised."""
    amazon = FakeAmazon()
    amazon.script = [raw(503, b"")] * 10
    with pytest.raises(LWAError) as caught:
        await endpoint(amazon).issue(REFRESH)
    assert (caught.value.code, caught.value.status) == ("temporarily_unavailable", 503)
    assert len(amazon.forms) == 4


@virtual_time
async def test_an_unreachable_host_is_a_connection_error() -> None:
    """A request without an answer was not refused by Amazon."""
    amazon = FakeAmazon()
    amazon.script = [raising(ConnectionFailedError("no route"))] * 4
    with pytest.raises(ConnectionFailedError):
        await endpoint(amazon).issue(REFRESH)


@pytest.mark.parametrize(
    "answer",
    [
        raw(200, b"<html>Please log in to the hotel's network"),
        raw(200, b""),
        raw(200, b"[]", "application/json"),
        raw(200, b'{"access_token": null}', "application/json"),
        raw(200, b'{"access_token": "a\\nb"}', "application/json"),
        raw(302, b""),
        raw(200, b"\xff\xfe", "application/json"),
    ],
)
def test_an_answer_without_a_token_is_a_clear_error(answer: Step) -> None:
    """A foreign page, an empty body or JSON of the wrong shape is never taken for a token."""

    @virtual_time
    async def scenario() -> None:
        amazon = FakeAmazon()
        amazon.script = [answer]
        with pytest.raises(LWAError, match="invalid_response") as caught:
            await endpoint(amazon).issue(REFRESH)
        assert len(amazon.forms) == 1
        assert "hotel" not in str(caught.value)

    scenario()


@pytest.mark.parametrize(
    ("status", "code"), [(400, "invalid_request"), (401, "unauthorized_client"), (403, "access_denied")]
)
def test_a_refusal_that_is_not_json_is_named_after_its_status(status: int, code: str) -> None:
    """Amazon's own SDKs do the same."""

    @virtual_time
    async def scenario() -> None:
        amazon = FakeAmazon()
        amazon.script = [raw(status, b"<html>")]
        with pytest.raises(LWAError, match="text/html, is not JSON") as caught:
            await endpoint(amazon).issue(REFRESH)
        assert caught.value.code == code

    scenario()


@virtual_time
async def test_a_description_that_echoes_a_secret_is_redacted() -> None:
    """A proxy may write anything into its error."""
    amazon = FakeAmazon()
    amazon.script = [lambda form: lwa_error(400, "invalid_grant", f"bad {form}")(form)]
    with pytest.raises(LWAError) as caught:
        await endpoint(amazon).issue({"grant_type": "refresh_token", "refresh_token": "Atzr|MARK"})
    assert "MARK" not in str(caught.value)
    assert "'secret'" not in str(caught.value)


@pytest.mark.parametrize(
    ("expires_in", "seconds"),
    [
        (3600, 3600),
        (1, 1),
        (12.5, 12.5),
        ("1800", 1800),
        (0, 0),
        (-5, 0),
        (None, ASSUMED_LIFETIME),
        ("soon", ASSUMED_LIFETIME),
        (True, ASSUMED_LIFETIME),
        (float("inf"), ASSUMED_LIFETIME),
        (float("nan"), ASSUMED_LIFETIME),
        ([], ASSUMED_LIFETIME),
        (10**400, ASSUMED_LIFETIME),
    ],
)
def test_expires_in_is_used_where_it_is_a_plausible_number(expires_in: object, seconds: float) -> None:
    """Otherwise a default is used."""
    assert lifetime(expires_in) == seconds


@virtual_time
async def test_a_request_refused_with_the_old_secret_is_repeated_with_the_new() -> None:
    """A secret that is replaced while a request is under way costs no call."""
    amazon = FakeAmazon(latency=1.0)
    lwa = endpoint(amazon, "old")
    flight = asyncio.create_task(lwa.issue(REFRESH))
    await asyncio.sleep(0.5)
    lwa.replace_client_secret(Secret("secret"))  # the only one that this Amazon accepts
    assert (await flight).access_token.value.reveal() == "Atza|Atzr|a#1"
    assert [form["client_secret"] for form in amazon.forms] == ["old", "secret"]


@virtual_time
async def test_the_old_secret_is_used_until_the_new_one_works() -> None:
    """Both are valid for some days, and Amazon may know one before the other."""
    amazon = FakeAmazon()
    lwa = endpoint(amazon, "secret")
    lwa.replace_client_secret(Secret("new"))
    await lwa.issue(REFRESH)
    await lwa.issue(REFRESH)
    amazon.secrets = {"new"}
    await lwa.issue(REFRESH)
    amazon.secrets = {"secret"}
    with pytest.raises(LWAError, match="invalid_client"):
        await lwa.issue(REFRESH)
    assert [form["client_secret"] for form in amazon.forms] == ["new", "secret"] * 2 + ["new", "new"]
