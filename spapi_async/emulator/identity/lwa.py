"""Login with Amazon: the three grants, the consent page and the rotation of an application's secret."""

from __future__ import annotations

import random
from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import msgspec

from spapi_async.emulator.gateway.ids import new_uuid
from spapi_async.emulator.gateway.replies import Reply, encode, fault_reply
from spapi_async.emulator.gateway.times import iso
from spapi_async.emulator.identity.tokens import AccessToken, TokenRegistry, seller_of

__all__ = ["CONSENT_PATH", "LoginWithAmazon"]

CONSENT_PATH = "/apps/authorize/consent"
CODE_LIFETIME = 300.0
SECRET_LIFETIME = 180 * 86400.0
SECRET_OVERLAP = 7 * 86400.0  # the emulator's own figure; Amazon's notification says when the old secret ends
SCOPES = frozenset(
    {
        "sellingpartnerapi::notifications",
        "sellingpartnerapi::client_credential:rotation",
        "sellingpartnerapi::shipments:track",
    }
)


class GrantRefused(Exception):  # noqa: N818  always turned into a reply
    """A refused token request: the HTTP status, OAuth's error code and Amazon's description."""

    def __init__(self, status: int, error: str, description: str, exception: str) -> None:
        super().__init__(error)
        self.status = status
        self.error = error
        self.description = description
        self.exception = exception


class LoginWithAmazon:
    """Amazon's token service for any application and any seller.

    ``applications`` maps client ids to their secrets. Without it, any id and secret that are not empty are accepted,
    and an application's secret is the one it used last, until it is rotated.
    """

    def __init__(
        self,
        tokens: TokenRegistry,
        now: Callable[[], float],
        *,
        seed: int = 0,
        applications: Mapping[str, str] | None = None,
        token_lifetime: float = 3600.0,
    ) -> None:
        self.token_lifetime = token_lifetime
        self.notifications: list[dict[str, Any]] = []
        self.requests = 0
        self.issued = 0
        self._tokens = tokens
        self._now = now
        self._random = random.Random(f"lwa {seed}")  # noqa: S311  a stand-in's secrets, repeatable
        self._open = applications is None
        # client id -> its secrets, each with the moment it stops working; the last one is current
        self._secrets: dict[str, list[tuple[str, float]]] = {
            client_id: [(secret, float("inf"))] for client_id, secret in (applications or {}).items()
        }
        self._rotated: set[str] = set()
        self._codes: dict[str, tuple[str, str | None, float]] = {}  # code -> refresh token, redirect URI, expiry

    def token(self, content_type: str, body: bytes) -> Reply:
        """Answer ``POST /auth/o2/token``."""
        self.requests += 1
        try:
            form = _form(content_type, body)
            if form is None:
                # Amazon answers 500 to parameters in the query or in another content type.
                return self._error(
                    GrantRefused(500, "server_error", "The request could not be read", "InternalFailure")
                )
            reply = self._grant(form)
        except GrantRefused as refusal:
            return self._error(refusal)
        self.issued += 1
        return Reply(encode(reply), 200, _token_headers(self._now()))

    def fault(self, status: int, body: Any) -> Reply:
        """The reply of an injected fault, in the format of this service's errors."""
        if body not in (None, "json"):
            return fault_reply(status, body)
        error, exception = _FAULTS.get(status, ("server_error", "InternalFailure"))
        return self._error(GrantRefused(status, error, f"Injected fault {status}", exception))

    def consent(self, query: str) -> Reply:
        """Answer the consent page as if the seller agreed: redirect to the application with an authorization code."""
        asked = dict(parse_qsl(query, keep_blank_values=True))
        redirect = asked.get("redirect_uri", "")
        if not asked.get("application_id"):
            return _page(400, "MD9100", "application_id is missing")
        if not asked.get("state"):
            return _page(400, "MD1000", "state is missing")
        if "#" in redirect:
            return _page(400, "MD5110", "the redirect URI must not contain '#'")
        if urlsplit(redirect).scheme not in ("http", "https"):
            return _page(400, "MD5101", "the redirect URI is missing or not registered")
        refresh_token = "Atzr|" + b64encode(self._random.randbytes(120)).decode()
        code = "AN" + self._random.randbytes(9).hex()
        self._codes[code] = (refresh_token, redirect, self._now() + CODE_LIFETIME)
        answer = {"state": asked["state"], "selling_partner_id": seller_of(refresh_token), "spapi_oauth_code": code}
        joint = "&" if urlsplit(redirect).query else "?"
        return Reply(b"", 302, {"Location": redirect + joint + urlencode(answer)}, bare=True)

    def rotate(self, client_id: str) -> None:
        """Make a new secret, which is delivered only by a notification (to ``notifications``)."""
        now = self._now()
        secret = f"amzn1.oa2-cs.v1.{self._random.randbytes(32).hex()}"
        kept = [(value, min(until, now + SECRET_OVERLAP)) for value, until in self._secrets.get(client_id, [])]
        self._secrets[client_id] = [*kept, (secret, now + SECRET_LIFETIME)]
        self._rotated.add(client_id)
        self.notifications.append(_new_secret(client_id, secret, now))

    def retire_old_secrets(self) -> None:
        """End the overlap now: only each application's newest secret works."""
        for client_id, secrets in self._secrets.items():
            self._secrets[client_id] = secrets[-1:]

    def warn_of_expiry(self, client_id: str) -> None:
        """Add a notification that the secret will expire in 30 days."""
        self.notifications.append(_expiry_warning(client_id, self._now() + 30 * 86400.0))

    def _grant(self, form: Mapping[str, str]) -> dict[str, Any]:
        match form.get("grant_type"):
            case "refresh_token":
                return self._by_refresh_token(self._authenticate(form), form)
            case "authorization_code":
                return self._by_code(self._authenticate(form), form)
            case "client_credentials":
                return self._by_client_credentials(self._authenticate(form), form)
        raise GrantRefused(
            400,
            "unsupported_grant_type",
            "The authorization grant type is not supported by the authorization server",
            "OA2UnsupportedGrantTypeException",
        )

    def _authenticate(self, form: Mapping[str, str]) -> str:
        client_id, secret = form.get("client_id", ""), form.get("client_secret", "")
        if client_id and secret and self._open and client_id not in self._rotated:
            self._secrets[client_id] = [(secret, float("inf"))]
        now = self._now()
        if not any(secret == value and now < until for value, until in self._secrets.get(client_id, ())):
            raise GrantRefused(401, "invalid_client", "Client authentication failed", "OA2InvalidClientException")
        return client_id

    def _by_refresh_token(self, client_id: str, form: Mapping[str, str]) -> dict[str, Any]:
        value = form.get("refresh_token", "")
        if not value.startswith("Atzr|") or self._tokens.is_revoked(value):
            raise GrantRefused(
                400,
                "invalid_grant",
                "The request has an invalid grant parameter : refresh_token. "
                "User may have revoked or didn't grant the permission.",
                "OA2InvalidGrantException",
            )
        return self._seller_token(client_id, value)

    def _by_code(self, client_id: str, form: Mapping[str, str]) -> dict[str, Any]:
        refresh_token, redirect, expires_at = self._codes.pop(form.get("code", ""), ("", None, 0.0))
        given = form.get("redirect_uri")
        if self._now() >= expires_at or (given and given != redirect):
            raise GrantRefused(
                400, "invalid_grant", "The request has an invalid grant parameter : code", "OA2InvalidGrantException"
            )
        return self._seller_token(client_id, refresh_token)

    def _by_client_credentials(self, client_id: str, form: Mapping[str, str]) -> dict[str, Any]:
        scope = form.get("scope", "")
        if scope not in SCOPES:
            raise GrantRefused(
                400, "invalid_scope", "The request has an invalid scope parameter", "OA2InvalidScopeException"
            )
        token = AccessToken(
            application=client_id, seller=None, scope=scope, expires_at=self._now() + self.token_lifetime
        )
        return {
            "access_token": self._tokens.issue("Atc|", token),
            "scope": scope,
            "token_type": "bearer",
            "expires_in": self._lifetime(),
        }

    def _seller_token(self, client_id: str, refresh_token: str) -> dict[str, Any]:
        token = AccessToken(
            application=client_id,
            seller=seller_of(refresh_token),
            refresh_token=refresh_token,
            expires_at=self._now() + self.token_lifetime,
        )
        return {
            "access_token": self._tokens.issue("Atza|", token),
            "refresh_token": refresh_token,
            "token_type": "bearer",
            "expires_in": self._lifetime(),
        }

    def _lifetime(self) -> float:
        # An integer as in Amazon's replies, unless a test asked for a fraction of a second.
        return self.token_lifetime if self.token_lifetime % 1 else int(self.token_lifetime)

    def _error(self, refusal: GrantRefused) -> Reply:
        body = {
            "error_index": f"{self._random.getrandbits(64):x}",
            "error_description": refusal.description,
            "error": refusal.error,
            "request_id": new_uuid(),
        }
        headers = _token_headers(self._now())
        headers["X-Amzn-ErrorType"] = f"{refusal.exception}:http://internal.amazon.com/coral/com.amazon.panda/"
        return Reply(encode(body), refusal.status, headers)


# The error and exception names for injected faults.
_FAULTS = {
    400: ("invalid_request", "OA2InvalidRequestException"),
    401: ("invalid_client", "OA2InvalidClientException"),
    403: ("access_denied", "AccessDeniedException"),
    503: ("temporarily_unavailable", "ServiceUnavailableException"),
}


def _form(content_type: str, body: bytes) -> dict[str, str] | None:
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    if kind == "application/json":  # Amazon's own Java library posts JSON
        try:
            return msgspec.json.decode(body, type=dict[str, str])
        except msgspec.MsgspecError:
            return None
    return None


def _token_headers(now: float) -> dict[str, str]:
    return {
        "Content-Type": "application/json;charset=UTF-8",
        "Cache-Control": "no-cache, no-store, must-revalidate",
        "Pragma": "no-cache",
        "X-Amz-Date": datetime.fromtimestamp(now, UTC).strftime("%a, %d %b %Y %H:%M:%S GMT"),
    }


def _page(status: int, code: str, why: str) -> Reply:
    html = f"<html><body><h1>{code}</h1><p>{why}</p></body></html>"
    return Reply(html.encode(), status, {"Content-Type": "text/html;charset=UTF-8"}, bare=True)


def _envelope(kind: str, payload: dict[str, Any], moment: float) -> dict[str, Any]:
    """The envelope of an SQS notification; both types about secrets write its keys in lower camel case."""
    return {
        "notificationVersion": "1.0",
        "notificationType": kind,
        "payloadVersion": "1.0",
        "eventTime": iso(moment),
        "payload": payload,
        "notificationMetadata": {
            "applicationId": "amzn1.sp.solution.00000000-0000-4000-8000-000000000000",
            "subscriptionId": new_uuid(),
            "publishTime": iso(moment),
            "notificationId": new_uuid(),
        },
    }


def _new_secret(client_id: str, secret: str, now: float) -> dict[str, Any]:
    facts = {
        "clientId": client_id,
        "newClientSecret": secret,
        "newClientSecretExpiryTime": iso(now + SECRET_LIFETIME),
        "oldClientSecretExpiryTime": iso(now + SECRET_OVERLAP),
    }
    return _envelope("APPLICATION_OAUTH_CLIENT_NEW_SECRET", {"applicationOAuthClientNewSecret": facts}, now)


def _expiry_warning(client_id: str, expires_at: float) -> dict[str, Any]:
    facts = {
        "clientId": client_id,
        "clientSecretExpiryTime": iso(expires_at),
        "clientSecretExpiryReason": "PERIODIC_ROTATION",
    }
    return _envelope(
        "APPLICATION_OAUTH_CLIENT_SECRET_EXPIRY", {"applicationOAuthClientSecretExpiry": facts}, expires_at
    )
