"""The consent workflow: the address to send a browser to, and what it brings back."""

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


def test_the_query_carries_everything_encoded() -> None:
    """State and redirect URI survive whatever they are made of."""
    url = authorization_url(APP, "DE", state="a b&c=+/", redirect_uri="https://x.example/back?a=1&b=2", beta=True)
    assert parse_qs(urlsplit(url).query) == {
        "application_id": [APP],
        "state": ["a b&c=+/"],
        "redirect_uri": ["https://x.example/back?a=1&b=2"],
        "version": ["beta"],
    }


def test_what_is_not_asked_for_is_not_sent() -> None:
    """Without a redirect URI Amazon takes the registered one; without beta the application must be published."""
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
def test_what_amazons_page_would_refuse_is_refused_here(changes: dict[str, str], what: str) -> None:
    """Before the selling partner sees an error page."""
    arguments = {"application_id": APP, "marketplace": "DE", "state": "s", **changes}
    with pytest.raises(ConfigurationError, match=what):
        authorization_url(arguments.pop("application_id"), arguments.pop("marketplace"), **arguments)  # type: ignore[arg-type]


def test_an_endpoint_replaces_the_host() -> None:
    """For the emulator; there a plain http address of this machine may be the redirect URI."""
    url = authorization_url(
        APP, "US", state="s", redirect_uri="http://localhost:1/back", endpoint="http://127.0.0.1:8080/"
    )
    assert url.startswith("http://127.0.0.1:8080/apps/authorize/consent?")


def test_states_are_unguessable() -> None:
    """256 bits, fit for a URL."""
    states = {new_state() for _ in range(100)}
    assert len(states) == 100
    assert all(len(state) == 43 and state.isascii() for state in states)


@pytest.mark.parametrize(
    ("expected", "returned"), [("a", "b"), ("a", None), (None, "a"), ("", ""), (None, None), ("ä", "a")]
)
def test_a_state_that_differs_is_refused(expected: str | None, returned: str | None) -> None:
    """So is one that is missing, on either side; the error shows neither."""
    with pytest.raises(AuthError, match="not the one sent"):
        verify_state(expected, returned)


def test_the_redirect_is_read_when_its_state_is_right() -> None:
    """From the whole address or from its query; the code is a secret."""
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
    """With Amazon's state and one's own."""
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
def test_nobody_is_sent_to_a_page_that_is_not_amazons(callback: str) -> None:
    """A forged visit must not turn the application into a redirector."""
    with pytest.raises(AuthError, match="app store"):
        appstore_url({"amazon_callback_uri": callback, "amazon_state": "a"}, state="s")


def test_a_state_that_is_no_text_is_a_wrong_state() -> None:
    """Half of a surrogate pair, as a hostile browser may send it, is refused like any other."""
    with pytest.raises(AuthError, match="state"):
        verify_state(new_state(), "\ud800")


@virtual_time
async def test_an_empty_code_is_not_sent() -> None:
    """It cannot be exchanged, whatever the web framework made of a missing parameter."""
    amazon = FakeAmazon()
    nothing: Any = None
    for code in ("", Secret(""), nothing):
        with pytest.raises(ConfigurationError, match="code is empty"):
            await authenticator(amazon).exchange_code(code)
    assert amazon.forms == []
