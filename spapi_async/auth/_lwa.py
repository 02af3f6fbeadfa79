"""Login with Amazon's token endpoint: exchanges three kinds of grant for tokens, and explains refusals."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import urlencode

import msgspec

from spapi_async._codec import json
from spapi_async._codec.headers import request_id_of
from spapi_async._codec.response import shown_headers
from spapi_async._core.clock import Clock, SystemClock
from spapi_async._core.endpoints import Endpoints
from spapi_async._core.peer_text import cut, without_secrets
from spapi_async.auth._token import Token
from spapi_async.credentials import Secret, revealed
from spapi_async.errors import LWAError, TransportError

__all__ = [
    "RETRY_DELAYS",
    "Exchange",
    "HttpReply",
    "IssuedTokens",
    "TokenEndpoint",
    "is_transient",
    "lifetime",
    "token_in",
]

ASSUMED_LIFETIME = 60.0
"""A token's lifetime in seconds if the reply does not state it; every recorded reply says 3600."""

RETRY_DELAYS = (0.5, 1.0, 2.0)
"""Longest pause before each repetition, in seconds; the actual pause is random and shorter."""

_RETRYABLE_CODES = frozenset({"server_error", "temporarily_unavailable"})
# The error that Amazon's own SDKs derive from a status if the body names none.
_CODE_BY_STATUS = {
    400: "invalid_request",
    401: "unauthorized_client",
    403: "access_denied",
    429: "temporarily_unavailable",
    500: "server_error",
}
_CODE = re.compile(r"[A-Za-z_]{1,64}")
_PRINTABLE = re.compile(r"[^\x20-\x7e]+")

_HINTS: Mapping[str, str] = {
    "invalid_grant": (
        "the refresh token or authorisation code is wrong, expired, revoked, or belongs to another application: "
        "have the selling partner authorise the application again"
    ),
    "invalid_client": "check client id and client secret; a rotated or expired secret must be replaced",
    "unauthorized_client": "the application may not use this grant: check its registration in the developer console",
    "invalid_scope": "the application may not use this scope: check its roles in the developer console",
    "invalid_request": "a field of the token request is missing or malformed",
    "unsupported_grant_type": "the token endpoint did not read the form; is a proxy changing the request?",
    "access_denied": "the application or its account is not allowed to get tokens; see the developer console",
    "server_error": "Login with Amazon failed; try again later",
    "temporarily_unavailable": "Login with Amazon is overloaded or throttles this client; try again later",
    "invalid_response": "is a proxy or a captive portal answering in Amazon's place?",
}


class HttpReply(Protocol):
    """An HTTP reply."""

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def body(self) -> bytes: ...


class Exchange(Protocol):
    """One HTTP exchange; raises TransportError and its kinds, follows no redirect."""

    def __call__(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | Secret | None,
        timeout: float | None,
        session_key: str,
    ) -> Awaitable[HttpReply]: ...


class IssuedTokens(msgspec.Struct, frozen=True, kw_only=True):
    """The tokens in a reply of the token endpoint."""

    access_token: Token
    refresh_token: Secret | None = None


class TokenEndpoint:
    """Exchanges grants for tokens on behalf of one application.

    Only transient failures (5xx, 429, timeouts, lost connections) are repeated, a bounded number of times; a refusal
    such as ``invalid_grant`` is final at once. The client secret can be replaced at any time: an exchange under way
    that is refused because of the old secret is repeated with the new one, and the old one is used while Amazon does
    not yet know the new one (both are valid for some days after a rotation).
    """

    def __init__(
        self,
        *,
        client_id: str,
        client_secret: Secret,
        endpoints: Endpoints,
        exchange: Exchange,
        clock: Clock | None = None,
        retry_delays: Sequence[float] = RETRY_DELAYS,
        timeout: float = 10.0,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self.client_id = client_id
        self._secrets = [client_secret]  # newest first; a second one is kept only until the newest has worked
        self._endpoints = endpoints
        self._exchange = exchange
        self._clock = clock or SystemClock()
        self.retry_delays = tuple(retry_delays)
        self.timeout = timeout
        self._uniform = uniform

    def replace_client_secret(self, new: Secret) -> None:
        """Use ``new`` from now on."""
        if new != self._secrets[0]:
            self._secrets = [new, self._secrets[0]]

    async def issue(self, form: Mapping[str, str | Secret]) -> IssuedTokens:
        """Exchange the grant described by ``form`` (its ``grant_type`` and the fields that go with it).

        Raises:
            LWAError: Amazon refused the grant, or kept failing; ``code`` is Amazon's.
            TransportError: there was no reply, after every permitted retry.
        """
        tried: list[Secret] = []
        while True:
            secret = next(secret for secret in self._secrets if secret not in tried)
            tried.append(secret)
            try:
                tokens = await self._issue_with_retries(form, secret)
            except LWAError as error:
                if error.code == "invalid_client" and any(other not in tried for other in self._secrets):
                    continue
                raise
            if secret == self._secrets[0]:
                del self._secrets[1:]
            return tokens

    async def _issue_with_retries(self, form: Mapping[str, str | Secret], secret: Secret) -> IssuedTokens:
        for delay in self.retry_delays:
            try:
                return await self._issue_once(form, secret)
            except TransportError:
                pass
            except LWAError as error:
                if not is_transient(error):
                    raise
            # Between half and all of the pause: attempts are spread out, but never immediate.
            await self._clock.sleep(self._uniform(delay / 2, delay))
        return await self._issue_once(form, secret)

    async def _issue_once(self, form: Mapping[str, str | Secret], secret: Secret) -> IssuedTokens:
        asked_at = self._clock.time()  # before the request, so that the token's age is never underestimated
        fields = {**form, "client_id": self.client_id, "client_secret": secret}
        reply = await self._exchange(
            "POST",
            self._endpoints.lwa,
            # As a query string, or with another content type, the endpoint answers 500.
            headers={"Content-Type": "application/x-www-form-urlencoded;charset=UTF-8", "Accept": "application/json"},
            body=_encoded(fields),
            timeout=self.timeout,
            session_key="lwa",
        )
        if reply.status != 200:
            raise _refusal(reply, fields)
        return _issued_tokens(reply, asked_at)


def _encoded(fields: Mapping[str, str | Secret]) -> Secret:
    """The form as it is sent; it contains secrets."""
    return Secret(urlencode({name: revealed(value) for name, value in fields.items()}))


def is_transient(error: BaseException) -> bool:
    """Whether Login with Amazon failed, or had too many requests, and did not refuse the grant."""
    return isinstance(error, LWAError) and _is_transient(error.code, error.status or 0)


def _is_transient(code: str, status: int) -> bool:
    return code in _RETRYABLE_CODES or status == 429 or status >= 500


def _issued_tokens(reply: HttpReply, asked_at: float) -> IssuedTokens:
    data = _json_object(reply)
    access_token = token_in(data.get("access_token"))
    if access_token is None:
        what = "status 200 without an access token" if data else _not_json(reply)
        del data
        raise _error(reply, "invalid_response", what)
    return IssuedTokens(
        access_token=Token(access_token, issued_at=asked_at, expires_at=asked_at + lifetime(data.get("expires_in"))),
        refresh_token=token_in(data.get("refresh_token")),
    )


def token_in(value: object) -> Secret | None:
    """The token in a reply, if it is valid in a header (which a line break would end)."""
    if isinstance(value, str) and value.isascii() and value.isprintable() and value and " " not in value:
        return Secret(value)
    return None


def lifetime(expires_in: object) -> float:
    """A token's lifetime in seconds, from any value of ``expires_in``."""
    if isinstance(expires_in, bool) or not isinstance(expires_in, (int, float, str)):
        return ASSUMED_LIFETIME
    try:
        seconds = float(expires_in)
    except (ValueError, OverflowError):
        return ASSUMED_LIFETIME
    return max(seconds, 0.0) if math.isfinite(seconds) else ASSUMED_LIFETIME


def _refusal(reply: HttpReply, fields: Mapping[str, str | Secret]) -> LWAError:
    data = _json_object(reply)
    code = data.get("error")
    if 300 <= reply.status < 400:
        return _error(reply, "invalid_response", "the token endpoint redirects, but secrets are never sent elsewhere")
    if not isinstance(code, str) or not _CODE.fullmatch(code):
        what = f"status {reply.status} without an error code" if data else _not_json(reply)
        code = _CODE_BY_STATUS.get(
            reply.status, "temporarily_unavailable" if reply.status >= 500 else "invalid_response"
        )
        # Login with Amazon names an error in its refusals: one without a name probably comes from another server.
        return _error(reply, code, what, hint=code if _is_transient(code, reply.status) else "invalid_response")
    description = data.get("error_description")
    if not isinstance(description, str):
        return _error(reply, code, f"status {reply.status} without a description")
    return _error(reply, code, _redacted(description, fields))


def _error(reply: HttpReply, code: str, what: str, *, hint: str | None = None) -> LWAError:
    hint = _HINTS.get(hint or code)
    return LWAError(
        f"Login with Amazon gave no token: {code} ({what})" + (f"; {hint}" if hint else ""),
        code=code,
        status=reply.status,
        request_id=request_id_of(reply.headers),
        headers=shown_headers(reply.headers),
    )


def _not_json(reply: HttpReply) -> str:
    content_type = _PRINTABLE.sub(" ", without_secrets(reply.headers.get("Content-Type", "no content type")))[:80]
    return f"status {reply.status}, {content_type}, is not JSON"


def _redacted(text: str, fields: Mapping[str, str | Secret]) -> str:
    """Remove form values from a description: Amazon's never quotes them, but a proxy's might."""
    text = cut(text)
    for value in fields.values():
        if isinstance(value, Secret):
            text = text.replace(value.reveal(), "***")
    return _PRINTABLE.sub(" ", without_secrets(text))[:300].strip()


def _json_object(reply: HttpReply) -> dict[str, Any]:
    try:
        data = json.parse(reply.body)
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}
