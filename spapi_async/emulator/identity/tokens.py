"""The tokens that the emulator has issued, and the access that each one grants."""

from __future__ import annotations

import hashlib
import random
from base64 import b32encode, b64encode
from typing import Any
from urllib.parse import unquote

from spapi_async._core.operation import Operation
from spapi_async.emulator.gateway.replies import expired_token, missing_token, not_permitted, revoked_token

__all__ = ["AccessToken", "TokenRegistry", "seller_of"]


class AccessToken:
    """An issued token; ``covers`` is None for a token of Login with Amazon, else the resources of an RDT."""

    __slots__ = ("application", "covers", "expires_at", "refresh_token", "scope", "seller")

    def __init__(
        self,
        *,
        application: str,
        seller: str | None,
        expires_at: float,
        scope: str | None = None,
        refresh_token: str | None = None,
        covers: Covers | None = None,
    ) -> None:
        self.application = application
        self.seller = seller
        self.expires_at = expires_at
        self.scope = scope
        self.refresh_token = refresh_token
        self.covers = covers


class Covers:
    """The resources of a restricted data token: method and path (generic or exact), each with its data elements."""

    __slots__ = ("_elements",)

    def __init__(self, resources: list[tuple[str, str, frozenset[str]]]) -> None:
        self._elements: dict[tuple[str, str], frozenset[str]] = {}
        for method, path, elements in resources:
            key = (method, unquote(path))
            self._elements[key] = self._elements.get(key, frozenset()) | elements

    def elements(self, operation: Operation[Any], path: str) -> frozenset[str] | None:
        """The data elements granted for a request, or None if the token does not cover it."""
        generic = self._elements.get((operation.method, operation.path))
        exact = self._elements.get((operation.method, unquote(path)))
        if generic is None and exact is None:
            return None
        return (generic or frozenset()) | (exact or frozenset())


class TokenRegistry:
    """Issues, looks up and revokes tokens; equal seeds give equal tokens."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(f"tokens {seed}")  # noqa: S311  a stand-in's tokens, repeatable
        self._issued: dict[str, AccessToken] = {}
        self._revoked: set[str] = set()
        self.sellers: dict[str, None] = {}  # ids of the sellers that were issued a token, in that order

    @property
    def issued(self) -> tuple[str, ...]:
        """The values of all issued tokens, oldest first."""
        return tuple(self._issued)

    def issue(self, prefix: str, token: AccessToken) -> str:
        """Register ``token`` under a new value of about Amazon's length, and return the value."""
        value = prefix + b64encode(self._random.randbytes(180)).decode()
        self._issued[value] = token
        if token.seller is not None:
            self.sellers[token.seller] = None
        return value

    def look_up(self, value: str | None, now: float) -> AccessToken:
        """The issued token with this value.

        Raises:
            Refusal: 403 in Amazon's words: the token is missing, unknown, revoked or expired.
        """
        if not value:
            raise missing_token()
        token = self._issued.get(value)
        if token is None or (token.refresh_token is not None and self.is_revoked(token.refresh_token)):
            raise revoked_token()
        if now >= token.expires_at:
            raise expired_token()
        return token

    def expire_all(self) -> int:
        """Make every token issued so far expire; return how many there are."""
        for token in self._issued.values():
            token.expires_at = 0.0
        return len(self._issued)

    def forget_all(self) -> int:
        """Forget every token issued so far, as if Amazon had revoked it; return how many there were."""
        count = len(self._issued)
        self._issued.clear()
        return count

    def revoke(self, refresh_token: str) -> None:
        """Withdraw the seller's authorisation: the refresh token and its access tokens no longer work."""
        self._revoked.add(refresh_token)

    def restore_authorizations(self) -> None:
        """Undo every withdrawal of an authorisation."""
        self._revoked.clear()

    def is_revoked(self, refresh_token: str) -> bool:
        """Whether the seller withdrew this authorisation."""
        return refresh_token in self._revoked or refresh_token.startswith("Atzr|revoked")

    def permit(self, token: AccessToken, operation: Operation[Any], path: str) -> frozenset[str]:
        """The restricted data elements that ``token`` grants for this request.

        Raises:
            Refusal: 403: the token is valid, but not for this request.
        """
        if operation.grantless_scope is not None:
            if token.scope != operation.grantless_scope:
                raise not_permitted(f"{operation.name} needs a grantless token of scope {operation.grantless_scope}")
            return frozenset()
        if token.seller is None:
            raise not_permitted(f"{operation.name} needs the token of a selling partner, not a grantless one")
        restriction = operation.restriction
        if token.covers is not None:
            elements = token.covers.elements(operation, path)
            if elements is None:
                raise not_permitted(f"the restricted data token does not cover {operation.method} {path}")
            return elements
        if restriction is not None and restriction.mode == "always":
            raise not_permitted(f"{operation.name} needs a restricted data token")
        return frozenset()


def seller_of(refresh_token: str) -> str:
    """The selling partner id of a refresh token: each refresh token belongs to a separate seller."""
    digest = hashlib.blake2b(refresh_token.encode(), digest_size=10).digest()
    return "A" + b32encode(digest).decode().rstrip("=")[:13]
