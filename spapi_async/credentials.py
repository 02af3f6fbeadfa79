"""Credentials: secrets, and the grant with which an application acts for a selling partner (or for none)."""

from __future__ import annotations

import hashlib
from typing import Literal

from spapi_async.errors import ConfigurationError
from spapi_async.marketplaces import Region

__all__ = ["Account", "Grant", "Secret"]

GrantType = Literal["refresh_token", "client_credentials", "restricted_data_token"]


class Secret:
    """A string that no log, repr, format or pickle shows."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The secret itself: call this only where the secret is sent."""
        return self._value

    def __repr__(self) -> str:
        return "Secret('***')"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> str:
        raise TypeError("a Secret cannot be pickled")


def as_secret(value: str | Secret, name: str) -> Secret:
    """Wrap a value given by a caller, so that no local variable shows it from here on.

    Raises:
        ConfigurationError: it is not a string.
    """
    if not isinstance(value, str | Secret):
        raise ConfigurationError(f"{name} must be a string, not {type(value).__name__}")
    return value if isinstance(value, Secret) else Secret(value)


def revealed(secret: str | Secret) -> str:
    """The text of a secret that was given as text or as a Secret."""
    return secret.reveal() if isinstance(secret, Secret) else secret


class Grant:
    """The authorisation with which an application requests access tokens.

    A *refresh token* grant acts for one selling partner; a *client credentials* grant (with a scope) for none; a
    delegated *restricted data token* gives access to the resources that another application chose, until it expires.
    ``key`` identifies the grant everywhere (tokens, restricted tokens, buckets) without revealing it: it is a digest of
    application and grant. It does not include the client secret, so that caches stay valid when the secret is rotated.
    """

    __slots__ = ("client_id", "grant_type", "key", "secret")

    def __init__(self, client_id: str, grant_type: GrantType, value: str | Secret) -> None:
        what = "scope" if grant_type == "client_credentials" else grant_type
        secret = value = as_secret(value, what)
        if not secret.reveal() or secret.reveal() != secret.reveal().strip():
            raise ConfigurationError(f"{what} is empty or has spaces around it")
        self.client_id = client_id
        self.grant_type = grant_type
        self.secret = secret
        self.key = hashlib.blake2b(f"{client_id}\0{grant_type}\0{secret.reveal()}".encode(), digest_size=12).hexdigest()

    @classmethod
    def refresh_token(cls, client_id: str, refresh_token: str | Secret) -> Grant:
        """The grant of one selling partner's authorisation."""
        return cls(client_id, "refresh_token", refresh_token)

    @classmethod
    def scope(cls, client_id: str, scope: str) -> Grant:
        """The grant of grantless operations, such as ``sellingpartnerapi::notifications``."""
        return cls(client_id, "client_credentials", scope)

    @classmethod
    def restricted_data_token(cls, client_id: str, token: str | Secret) -> Grant:
        """A restricted data token that another application delegated to this one; it is used as the access token."""
        return cls(client_id, "restricted_data_token", token)

    def reveal(self) -> str:
        """The secret itself: call this only where the secret is sent."""
        return self.secret.reveal()

    def form(self) -> dict[str, str | Secret]:
        """The fields that this grant adds to a token request."""
        if self.grant_type == "refresh_token":
            return {"grant_type": self.grant_type, "refresh_token": self.secret}
        return {"grant_type": self.grant_type, "scope": self.secret.reveal()}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Grant) and other.key == self.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __repr__(self) -> str:
        return f"Grant({self.grant_type}, key={self.key!r})"

    def __reduce__(self) -> str:
        raise TypeError("a Grant contains a secret and cannot be pickled")


class Account:
    """A grant in a region: it decides whose quota a call uses and whose token it carries.

    Two handles on one seller have equal accounts. Tokens are kept by ``key``, which stands for the credential; buckets
    by ``payer``, which stands for the seller if the seller id is known, so that a new authorisation of the seller
    continues with the buckets of the old one. ``name`` is for display.
    """

    __slots__ = ("grant", "key", "name", "payer", "region")

    def __init__(self, grant: Grant, region: Region, seller_id: str | None = None) -> None:
        self.grant = grant
        self.region = region
        self.key = f"{grant.key}@{region.value}"
        self.name = self.payer = self.key
        if seller_id is not None:
            self.name = f"{seller_id}@{region.value}"
            self.payer = f"{grant.client_id}:{self.name}"

    @property
    def application(self) -> str:
        """The application's client id."""
        return self.grant.client_id

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Account) and other.key == self.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __repr__(self) -> str:
        return f"Account({self.name!r})"
