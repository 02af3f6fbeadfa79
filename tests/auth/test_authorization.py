"""The consent workflow: the URL to which a browser is sent, and what comes back with it."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from fake_amazon import FakeAmazon, authenticator
from virtual_time import virtual_time

from spapi_async.auth import appstore_url, authorization_url, new_state, read_redirect, verify_state
from spapi_async.credentials import Secret
from spapi_async.errors import AuthError, ConfigurationError
from spapi_async.marketplaces import Marketplace

APP = "amzn1.sp.solution.1"


@pytest.mark.parametrize("place", list(Marketplace))
@pytest.mark.parametrize("vendor", [False, True])
def test_every_marketplace_has_a_seller_and_a_vendor_host(place: Marketplace, vendor: bool) -> None:
    """The page has the same path on each."""
    parts = urlsplit(authorization_url(APP, place, state="s", vendor=vendor))
    assert f"https://{parts.netloc}" == (place.vendor_central if vendor else place.seller_central)
    assert parts.path == "/apps/authorize/consent"


def test_state_and_redirect_uri_are_encoded() -> None:
    """They may contain any characters."""
    url = authorization_url(APP, "DE", state="a b&c=+/", redirect_uri="https://x.example/back?a=1&b=2", beta=True)
    assert parse_qs(urlsplit(url).query) == {
        "application_id": [APP],
        "state": ["a b&c=+/"],
        "redirect_uri": ["https://x.example/back?a=1&b=2"],
        "version": ["beta"],
    }


def test_optional_parameters_are_left_out() -> None:
    """Without a redirect URI Amazon uses the registered one; without beta the application must be published."""
    assert authorization_url(APP, "DE", state="s").endswith(f"/consent?application_id={APP}&state=s")


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"application_id": " "}, "application_id"),
        ({"state": ""}, "state"),
        ({"redirect_uri": "https://x/#top"}, "MD5110"),
        ({"redirect_uri": "http://x.example/"}, "https"),
        ({"redirect_uri": "javascript:alert(1)"}, "https"),
        ({"marketplace": "XX"}, "marketplace"),
    ],
)
def test_arguments_that_amazons_page_refuses_are_refused_first(changes: dict[str, str], what: str) -> None:
    """The selling partner sees no error page."""
    arguments = {"application_id": APP, "marketplace": "DE", "state": "s", **changes}
    with pytest.raises(ConfigurationError, match=what):
        authorization_url(arguments.pop("application_id"), arguments.pop("marketplace"), **arguments)  # type: ignore[arg-type]


def test_an_endpoint_replaces_the_host() -> None:
    """For the emulator, a plain http URL of this machine may be the redirect URI."""
    url = authorization_url(
        APP, "US", state="s", redirect_uri="http://localhost:1/back", endpoint="http://127.0.0.1:8080/"
    )
    assert url.startswith("http://127.0.0.1:8080/apps/authorize/consent?")


def test_states_are_unguessable() -> None:
    """A state has 256 bits, and can be put into a URL."""
    states = {new_state() for _ in range(100)}
    assert len(states) == 100
    assert all(len(state) == 43 and state.isascii() for state in states)


@pytest.mark.parametrize(
    ("expected", "returned"), [("a", "b"), ("a", None), (None, "a"), ("", ""), (None, None), ("ä", "a")]
)
def test_a_state_that_differs_is_refused(expected: str | None, returned: str | None) -> None:
    """A missing one, on either side, is refused too; the error shows neither."""
    with pytest.raises(AuthError, match="not the one sent"):
        verify_state(expected, returned)


def test_the_redirect_is_read_when_its_state_is_right() -> None:
    """The whole URL or its query can be given; the code is a Secret."""
    url = "https://x/back?state=s&selling_partner_id=A1&spapi_oauth_code=MARK&mws_auth_token=old"
    consent = read_redirect(url, expected_state="s")
    assert consent == read_redirect(
        {"state": "s", "selling_partner_id": "A1", "spapi_oauth_code": "MARK"}, expected_state="s"
    )
    assert consent.selling_partner_id == "A1"
    assert consent.code.reveal() == "MARK"
    assert "MARK" not in repr(consent)


@pytest.mark.parametrize(
    "query", ["state=other&spapi_oauth_code=MARK", "spapi_oauth_code=MARK", "state=s", "error=denied"]
)
def test_a_redirect_that_is_forged_or_empty_is_refused(query: str) -> None:
    """Without the right state and a code there is no consent."""
    with pytest.raises(AuthError) as caught:
        read_redirect(f"https://x/back?{query}", expected_state="s")
    assert "MARK" not in str(caught.value)


CALLBACK = "https://sellercentral.amazon.com/apps/authorize/confirm/amzn1.sp.solution.1"


def test_a_visit_from_the_app_store_goes_back_to_amazon() -> None:
    """It carries Amazon's state and the application's own."""
    visit = {"amazon_callback_uri": CALLBACK, "amazon_state": "a=&", "selling_partner_id": "A1"}
    url = appstore_url(visit, state="s", redirect_uri="https://x.example/back", beta=True)
    assert url.partition("?")[0] == CALLBACK
    assert parse_qs(urlsplit(url).query) == {
        "amazon_state": ["a=&"],
        "state": ["s"],
        "redirect_uri": ["https://x.example/back"],
        "version": ["beta"],
    }


@pytest.mark.parametrize(
    "callback",
    [
        "",
        "https://evil.example/apps/authorize/confirm/x",
        "http://sellercentral.amazon.com/apps",
        "https://sellercentral.amazon.com@evil.example/apps",
        "https://sellercentral.amazon.com.evil.example/apps",
        "https://sellercentral.amazon.com:444/apps",
        "//sellercentral.amazon.com/apps",
        CALLBACK + "?x=1",
    ],
)
def test_a_callback_that_is_not_amazons_is_refused(callback: str) -> None:
    """A forged visit must not turn the application into a redirector."""
    with pytest.raises(AuthError, match="app store"):
        appstore_url({"amazon_callback_uri": callback, "amazon_state": "a"}, state="s")


def test_a_state_that_is_not_valid_text_is_refused() -> None:
    """A hostile browser may send half of a surrogate pair."""
    with pytest.raises(AuthError, match="state"):
        verify_state(new_state(), "\ud800")


@virtual_time
async def test_an_empty_code_is_refused_without_a_request() -> None:
    """A web framework may turn a missing parameter into an empty one."""
    amazon = FakeAmazon()
    nothing: Any = None
    for code in ("", Secret(""), nothing):
        with pytest.raises(ConfigurationError, match="code is empty"):
            await authenticator(amazon).exchange_code(code)
    assert amazon.forms == []
