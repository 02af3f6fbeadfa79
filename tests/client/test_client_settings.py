"""What an application refuses before it sends anything, and which forms of values it accepts."""

from __future__ import annotations

from typing import Any

import pytest

from spapi_async import Application, ClosedError, ConfigurationError, RetryPolicy, Timeout, call_options, connect
from spapi_async.api.orders_v0 import GET_ORDER
from spapi_async.auth import RedisTokenStore
from spapi_async.credentials import Secret
from spapi_async.ratelimit import RedisRateLimiter


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("connections", 0, "1 or more"),
        ("proxy", "proxy.example:3128", "proxy must be like"),
        ("proxy", "http://[::1", "proxy must be like"),
        ("timeout", -1, "total must be more than zero"),
        ("timeout", Timeout(connect=0), "connect must be more than zero"),
        ("timeout", "30", "seconds, not str"),
        ("retry", 3, "RetryPolicy, not int"),
        ("endpoint", "http://[::1", "endpoint must be like"),
        ("endpoint", "http://host:port", "endpoint must be like"),
        ("endpoint", " https://host", "endpoint must be like"),
        ("endpoint", "https://ho st", "endpoint must be like"),
        ("connections", True, "connections must be 1 or more"),
        ("max_reply_size", "", "max_reply_size must be 1 or more"),
        ("proxy", "", "proxy must be like"),
        ("user_agent", " ", 'user_agent must be like "name/version"'),
        ("user_agent", 5, 'user_agent must be like "name/version"'),
        ("limiter", "redis://:MARK@host", "limiter must be a limiter: .*, not str"),
        ("limiter", RedisRateLimiter, "limiter must be a limiter"),
        ("tokens", "", "tokens must be a token store: .*, not str"),
        ("journal", "sqlite:///runs.db", "journal must be a Journal: .*, not str"),
        ("clock", 5, "clock must be a Clock, not int"),
        ("ssl", "ca.pem", "ssl must be an ssl.SSLContext, not str"),
        ("sandbox", "false", "sandbox must be True or False, not 'false'"),
        ("trust_env", "", "trust_env must be True or False"),
        ("decoding", "", "decoding must be"),
    ],
)
def test_settings_that_cannot_work_are_refused_at_once(option: str, value: Any, message: str) -> None:
    """The error names the setting, instead of failing in a call or looking like an unreachable Amazon."""
    with pytest.raises(ConfigurationError, match=message) as caught:
        Application("app", "secret", **{option: value})
    assert "MARK" not in str(caught.value)


def test_valid_settings_are_accepted() -> None:
    """Seconds or a Timeout, whole numbers or not, and a proxy with a password are valid."""
    for timeout in (1, 0.5, Timeout(read=2.0), None):
        Application("app", "secret", timeout=timeout, proxy="http://user:word@[::1]:3128", retry=RetryPolicy())


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("max_wait", -1),
        ("max_wait", "5"),
        ("max_wait", float("nan")),
        ("deadline", -0.1),
        ("timeout", 0),
        ("priority", 2),
        ("restricted", "yes"),
    ],
)
def test_call_options_that_cannot_work_are_refused(option: str, value: Any) -> None:
    """The error comes where they are set, and names them."""
    options: dict[str, Any] = {option: value}
    with pytest.raises(ConfigurationError, match=f"^{option} must be"), call_options(**options):
        pass


async def test_missing_variables_are_named_together() -> None:
    """A new user can set them all at once."""
    with pytest.raises(ConfigurationError, match="SP_API_REFRESH_TOKEN, LWA_APP_ID and LWA_CLIENT_SECRET are not set"):
        async with connect({}):
            pass


def test_secrets_of_exchange_code_and_delegate_are_accepted() -> None:
    """A Secret opens the same account as its text."""
    app = Application("app", Secret("secret"))
    seller = app.selling_partner(Secret("Atzr|a"), region="na")
    assert seller.key == app.selling_partner("Atzr|a", region="na").key
    assert app.delegated(Secret("Atz.sprdt|a"), region="na").key == app.delegated("Atz.sprdt|a", region="na").key
    app.replace_client_secret(Secret("another"))


@pytest.mark.parametrize("token", [5, b"Atzr|a", None])
def test_a_refresh_token_of_another_type_is_refused(token: Any) -> None:
    """The error names its type, not its value."""
    with pytest.raises(ConfigurationError, match="refresh_token must be a string, not") as caught:
        Application("app", "secret").selling_partner(token, region="na")
    assert "Atzr" not in str(caught.value)


def test_a_marketplace_of_another_type_is_refused() -> None:
    """It is refused like one that does not exist."""
    wrong: Any = 5
    with pytest.raises(ConfigurationError, match="unknown marketplace 5"):
        Application("app", "secret").selling_partner("Atzr|a", marketplace=wrong)


@pytest.mark.parametrize("secret", ["", " ", "new\n", "amzn1.sp.solution.MARK", 5])
def test_a_client_secret_is_not_replaced_by_an_empty_one(secret: Any) -> None:
    """A forgotten variable would lock every seller out at the next token."""
    app = Application("app", "secret")
    with pytest.raises(ConfigurationError, match="client_secret") as caught:
        app.replace_client_secret(secret)
    assert "MARK" not in str(caught.value)


@pytest.mark.parametrize("url", ["", " ", "host:6379", "http://:MARK@host", "redis://:MARK@h:99999", None, 5])
def test_a_bad_redis_url_is_refused_when_it_is_given(url: Any) -> None:
    """Limiter and token store refuse it alike, without showing the password."""
    makers: list[Any] = [RedisRateLimiter, lambda url: RedisTokenStore(url, keys=[RedisTokenStore.new_key()])]
    for make in makers:
        with pytest.raises(ConfigurationError, match="the Redis URL") as caught:
            make(url)
        assert "MARK" not in str(caught.value)


async def test_a_closed_application_says_that_it_is_closed() -> None:
    """Every kind of call, and entering it again, raises ClosedError."""
    app = Application("app", "secret")
    seller = app.selling_partner("Atzr|a", region="na")
    await app.aclose()
    for call in (seller.orders_v0.get_order("1"), seller.call(GET_ORDER, order_id="1"), app.__aenter__()):
        with pytest.raises(ClosedError, match="the application is closed"):
            await call


@pytest.mark.parametrize("observers", [print, [5]])
def test_invalid_observers_are_refused(observers: Any) -> None:
    """One is not in a list, the other cannot be called."""
    with pytest.raises(ConfigurationError, match="observer"):
        Application("app", "secret", observers=observers)


def test_a_coroutine_function_is_refused_as_an_observer() -> None:
    """It would not be awaited, and its first event would be a warning."""

    async def observe(event: object) -> None: ...

    wrong: Any = [observe]
    with pytest.raises(ConfigurationError, match="plain function"):
        Application("app", "secret", observers=wrong)


@pytest.mark.parametrize(
    ("client_id", "client_secret", "message"),
    [
        ("amzn1.sp.solution.MARK", "secret", "client_id is not an LWA client id but a solution id"),
        ("amzn1.oa2-cs.v1.MARK", "secret", "client_id is not an LWA client id but an LWA client secret"),
        ("app", "amzn1.application-oa2-client.MARK", "client_secret is not an LWA client secret but an LWA client id"),
        ("app", " MARK\n", "client_secret begins or ends with white space: remove it"),
        ("app ", "MARK", "client_id begins or ends with white space"),
    ],
)
def test_credentials_of_the_wrong_kind_are_refused(client_id: str, client_secret: str, message: str) -> None:
    """Their first letters show the kind; the message shows none of them."""
    with pytest.raises(ConfigurationError, match=message) as caught:
        Application(client_id, client_secret)
    assert "MARK" not in str(caught.value)


@pytest.mark.parametrize(
    ("token", "message"),
    [
        ("Atza|MARK", "refresh_token is not a refresh token but an access token"),
        ("Atz.sprdt|MARK", "refresh_token is not a refresh token but a restricted data token"),
        ("Atzr|MARK ", "refresh_token begins or ends with white space"),
    ],
)
async def test_a_token_of_another_kind_is_refused_as_a_refresh_token(token: str, message: str) -> None:
    """Nothing is sent."""
    async with Application("app", "secret") as app:
        with pytest.raises(ConfigurationError, match=message) as caught:
            app.selling_partner(token, region="na")
    assert "MARK" not in str(caught.value)


@pytest.mark.parametrize("endpoint", ["", " ", "localhost:8080", "ftp://host"])
def test_an_empty_or_invalid_endpoint_is_refused(endpoint: str) -> None:
    """With a forgotten variable, tokens meant for an emulator would go to Amazon otherwise."""
    with pytest.raises(ConfigurationError, match="endpoint"):
        Application("app", "secret", endpoint=endpoint)
