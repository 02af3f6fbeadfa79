"""How a selling partner authorises an application: the consent page, the redirect, and the exchange of the code.

The application sends the browser to ``authorization_url``; Amazon sends it back to the registered redirect URI with
``state``, ``selling_partner_id`` and ``spapi_oauth_code``; ``read_redirect`` checks and reads these; the code is
exchanged for a refresh token within five minutes. The whole flow must take no longer than ten minutes.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import msgspec

from spapi_async.credentials import Secret
from spapi_async.errors import AuthError, ConfigurationError
from spapi_async.marketplaces import Marketplace

__all__ = [
    "Authorization",
    "Consent",
    "appstore_url",
    "authorization_url",
    "new_state",
    "read_redirect",
    "verify_state",
]

CONSENT_PATH = "/apps/authorize/consent"
_AMAZON_HOSTS = frozenset(host for place in Marketplace for host in (place.seller_central, place.vendor_central))


class Consent(msgspec.Struct, frozen=True, kw_only=True):
    """The result of the consent page; the code is valid for five minutes and works once."""

    selling_partner_id: str
    code: Secret


class Authorization(msgspec.Struct, frozen=True, kw_only=True):
    """The result of exchanging a code: a refresh token to store, and an access token valid for ``expires_in`` s."""

    refresh_token: Secret
    access_token: Secret
    expires_in: float


def authorization_url(
    application_id: str,
    marketplace: Marketplace | str,
    *,
    state: str,
    redirect_uri: str | None = None,
    vendor: bool = False,
    beta: bool = False,
    endpoint: str | None = None,
) -> str:
    """The URL of the page on which a selling partner of ``marketplace`` consents.

    ``beta`` is needed while the application is a draft. ``vendor`` selects Vendor Central. ``redirect_uri`` must be a
    registered URI; without it Amazon uses the first registered one. ``endpoint`` replaces the host (emulator).

    Raises:
        ConfigurationError: an argument that Amazon would refuse on its page.
    """
    place = Marketplace.parse(marketplace)
    if not application_id.strip():
        raise ConfigurationError("application_id is empty; it looks like amzn1.sp.solution.… in the developer console")
    if not state:
        raise ConfigurationError("state is empty; it ties the redirect to this browser: make one with new_state()")
    query = {"application_id": application_id.strip(), "state": state}
    if redirect_uri is not None:
        query["redirect_uri"] = _checked_redirect(redirect_uri)
    if beta:
        query["version"] = "beta"
    host = endpoint.rstrip("/") if endpoint else place.vendor_central if vendor else place.seller_central
    return f"{host}{CONSENT_PATH}?{urlencode(query, quote_via=quote, safe='')}"


def appstore_url(
    login: str | Mapping[str, str],
    *,
    state: str,
    redirect_uri: str | None = None,
    beta: bool = False,
) -> str:
    """The URL to which to send a selling partner that came from Amazon's app store to the application's login page.

    ``login`` is the URL of that visit, or its query, in which Amazon put ``amazon_callback_uri``, ``amazon_state`` and
    ``selling_partner_id``. Call this after the partner has logged in; the next steps are those after
    ``authorization_url``.

    Raises:
        AuthError: the callback is not one of Amazon's pages, so the browser must not be sent there.
        ConfigurationError: an argument that Amazon would refuse.
    """
    query = _query(login)
    callback, amazon_state = query.get("amazon_callback_uri", ""), query.get("amazon_state")
    parts = urlsplit(callback)
    if f"{parts.scheme}://{parts.netloc}" not in _AMAZON_HOSTS or parts.query or parts.fragment or not amazon_state:
        raise AuthError("this visit does not come from Amazon's app store: its callback is not one of Amazon's pages")
    if not state:
        raise ConfigurationError("state is empty; make one with new_state()")
    answer = {"amazon_state": amazon_state, "state": state}
    if redirect_uri is not None:
        answer["redirect_uri"] = _checked_redirect(redirect_uri)
    if beta:
        answer["version"] = "beta"
    return f"{callback}?{urlencode(answer, quote_via=quote, safe='')}"


def new_state() -> str:
    """A new unguessable state: store it in the browser's session, and compare it when the browser returns."""
    return secrets.token_urlsafe(32)


def verify_state(expected: str | None, returned: str | None) -> None:
    """Compare in constant time.

    Raises:
        AuthError: they differ, or one is missing: the redirect belongs to another browser, or is forged.
    """
    # The returned state may be any text: with half of a surrogate pair it is wrong, and must not break the encoding.
    both = [(state or "").encode(errors="backslashreplace") for state in (expected, returned)]
    if not all(both) or not hmac.compare_digest(*both):
        raise AuthError("the state that came back is not the one sent: start the authorisation again from this browser")


def read_redirect(redirect: str | Mapping[str, str], *, expected_state: str | None) -> Consent:
    """Read a request to the redirect URI, given as its URL or its query parameters.

    Raises:
        AuthError: the state differs, or Amazon sent no code.
    """
    query = _query(redirect)
    verify_state(expected_state, query.get("state"))
    code = query.get("spapi_oauth_code")
    if not code:
        raise AuthError("the redirect has no spapi_oauth_code: the selling partner did not consent")
    return Consent(selling_partner_id=query.get("selling_partner_id", ""), code=Secret(code))


def _query(visit: str | Mapping[str, str]) -> Mapping[str, str]:
    return dict(parse_qsl(urlsplit(visit).query)) if isinstance(visit, str) else visit


def _checked_redirect(uri: str) -> str:
    parts = urlsplit(uri)
    if "#" in uri:
        raise ConfigurationError("redirect_uri must not contain '#' (Amazon would show error MD5110)")
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in ("localhost", "127.0.0.1", "::1")):
        raise ConfigurationError(f"redirect_uri must be an https address, not {uri!r}")
    return uri
