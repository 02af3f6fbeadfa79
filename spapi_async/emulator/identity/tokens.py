"""Every token this emulator has issued, and what each one opens."""

from __future__ import annotations

import hashlib
import random
from base64 import b32encode, b64encode
from typing import Any
from urllib.parse import unquote

from spapi_async._core.operation import Operation
from spapi_async.emulator.gateway.replies import expired_token, missing_token, not_permitted, revoked_token

__all__ = ["AccessToken", "TokenDesk", "seller_of"]


class AccessToken:
    """What a token stands for. ``covers`` is None for a token of Login with Amazon, else the resources of an RDT."""

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
    """What a restricted data token opens: method and path (a template or one resource's), each with its elements."""

    __slots__ = ("_elements",)

    def __init__(self, resources: list[tuple[str, str, frozenset[str]]]) -> None:
        self._elements: dict[tuple[str, str], frozenset[str]] = {}
        for method, path, elements in resources:
            key = (method, unquote(path))
            self._elements[key] = self._elements.get(key, frozenset()) | elements

    def elements(self, operation: Operation[Any], path: str) -> frozenset[str] | None:
        """The data elements granted for a request, or None where the token does not cover it."""
        generic = self._elements.get((operation.method, operation.path))
        exact = self._elements.get((operation.method, unquote(path)))
        if generic is None and exact is None:
            return None
        return (generic or frozenset()) | (exact or frozenset())


class TokenDesk:
    """Issues, looks up and takes back tokens. Values are seeded: equal runs give equal tokens."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(f"tokens {seed}")  # noqa: S311  a stand-in's tokens, repeatable
        self._issued: dict[str, AccessToken] = {}
        self._revoked: set[str] = set()
        self.sellers: dict[str, None] = {}  # those that were issued a token, in that order

    @property
    def issued(self) -> tuple[str, ...]:
        """The values of all tokens that are known, oldest first."""
        return tuple(self._issued)

    def issue(self, prefix: str, token: AccessToken) -> str:
        """A new value of about Amazon's length for ``token``."""
        value = prefix + b64encode(self._random.randbytes(180)).decode()
        self._issued[value] = token
        if token.seller is not None:
            self.sellers[token.seller] = None
        return value

    def look_up(self, value: str | None, now: float) -> AccessToken:
        """What a request's token stands for.

        Raises:
            Refusal: 403 in Amazon's words: missing, unknown or revoked, expired.
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
        """Every token issued so far is past its lifetime; returns how many."""
        for token in self._issued.values():
            token.expires_at = 0.0
        return len(self._issued)

    def forget_all(self) -> int:
        """Every token issued so far becomes unknown, as if Amazon had revoked it; returns how many."""
        count = len(self._issued)
        self._issued.clear()
        return count

    def revoke(self, refresh_token: str) -> None:
        """The seller withdraws the authorisation: the refresh token and all it produced are dead."""
        self._revoked.add(refresh_token)

    def restore_authorizations(self) -> None:
        """No authorisation is withdrawn any more."""
        self._revoked.clear()

    def is_revoked(self, refresh_token: str) -> bool:
        """Whether the seller withdrew this authorisation."""
        return refresh_token in self._revoked or refresh_token.startswith("Atzr|revoked")

    def permit(self, token: AccessToken, operation: Operation[Any], path: str) -> frozenset[str]:
        """The restricted data elements that ``token`` opens in this request; empty for none.

        Raises:
            Refusal: 403: the token is good, but not for this.
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
    """The selling partner id behind a refresh token: each refresh token is a seller of its own."""
    digest = hashlib.blake2b(refresh_token.encode(), digest_size=10).digest()
    return "A" + b32encode(digest).decode().rstrip("=")[:13]
