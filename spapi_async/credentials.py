"""Who is calling: an application, and the grant by which it acts for a selling partner (or for none)."""

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
        """The secret itself: call it where it is sent and nowhere else."""
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
        raise TypeError("a Secret does not pickle")


def as_secret(value: str | Secret, name: str) -> Secret:
    """What a caller gave, so that no local variable shows it from here on.

    Raises:
        ConfigurationError: it is no string.
    """
    if not isinstance(value, str | Secret):
        raise ConfigurationError(f"{name} must be a string, not {type(value).__name__}")
    return value if isinstance(value, Secret) else Secret(value)


def revealed(secret: str | Secret) -> str:
    """What a caller gave as text, or as the Secret that this library handed out."""
    return secret.reveal() if isinstance(secret, Secret) else secret


class Grant:
    """What an application holds that lets it ask for access tokens.

    A *refresh token* grant acts for one selling partner; a *client credentials* grant (with a scope) for none; a
    delegated *restricted data token* opens what another application chose, until it expires.
    ``key`` identifies it everywhere (tokens, restricted tokens, buckets) without showing it: a digest of application
    and grant. The client secret is no part of it, so that rotating the secret keeps every cache warm.
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
        """A restricted data token that another application delegated to this one: it is its own access token."""
        return cls(client_id, "restricted_data_token", token)

    def reveal(self) -> str:
        """The secret itself, for where it is sent."""
        return self.secret.reveal()

    def form(self) -> dict[str, str | Secret]:
        """The fields of the token request that this grant contributes."""
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
        raise TypeError("a Grant holds a secret and does not pickle")


class Account:
    """Whose quota a call spends and whose token it carries: a grant in a region.

    Two handles of one seller have equal accounts. Tokens are kept by ``key``, the credential; buckets by ``payer``, the
    seller where the seller id is known: a new authorisation of a seller finds what the old one has spent. ``name`` is
    what people see.
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
