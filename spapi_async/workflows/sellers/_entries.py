"""Selling partners in a TOML or JSON file.

::

    [[sellers]]
    seller_id = "A1EXAMPLE"                   # optional; checkpoints are stored under it
    marketplace = "DE"                        # or region = "EU"
    refresh_token_env = "SELLER_ONE_TOKEN"    # or refresh_token_file = "/run/secrets/one", refresh_token = "Atzr|..."
    marketplaces = ["DE", "FR"]               # optional: where it sells, for your own code
    tags = ["pilot"]                          # optional: to select sellers
    application = "second"                    # optional, where sellers belong to several applications

In JSON: the same list under ``"sellers"``, or the list alone.
"""

from __future__ import annotations

import codecs
import logging
import os
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, TypeVar

import msgspec

from spapi_async._client.settings import choose_region
from spapi_async._core.caller import Caller
from spapi_async.credentials import Secret
from spapi_async.errors import ConfigurationError
from spapi_async.marketplaces import Marketplace, Region

__all__ = ["Opener", "SellerEntry", "read_sellers"]

logger = logging.getLogger("spapi_async.workflows.sellers")


C = TypeVar("C", bound=Caller)
C_co = TypeVar("C_co", bound=Caller, covariant=True)


class Opener(Protocol[C_co]):
    """The method of an application that is needed here."""

    def selling_partner(
        self,
        refresh_token: str | Secret,
        *,
        region: Region | str | None = None,
        marketplace: Marketplace | str | None = None,
        seller_id: str | None = None,
    ) -> C_co:
        """A handle on a seller."""


class SellerEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One selling partner. Its repr shows no token."""

    refresh_token: str | None = None
    refresh_token_env: str | None = None
    refresh_token_file: str | None = None
    region: str | None = None
    marketplace: str | None = None
    seller_id: str | None = None
    marketplaces: tuple[str, ...] = ()
    tags: frozenset[str] = frozenset()
    application: str | None = None

    def __repr__(self) -> str:
        return f"SellerEntry({self.seller_id!r})"

    def token(self, environ: Mapping[str, str]) -> str:
        """The refresh token, from the entry, the environment variable or the file.

        Raises:
            ConfigurationError: the entry has no token, or more than one.
        """
        ways = (self.refresh_token, self.refresh_token_env, self.refresh_token_file)
        if sum(way is not None for way in ways) != 1:
            raise ConfigurationError("give exactly one of refresh_token, refresh_token_env and refresh_token_file")
        if self.refresh_token_file is not None:
            return _read_token(self.refresh_token_file)
        if self.refresh_token_env is None:
            return self.refresh_token or ""
        token = environ.get(self.refresh_token_env, "").strip()
        if not token:
            raise ConfigurationError(f"environment variable {self.refresh_token_env} is not set")
        return token

    def place(self, environ: Mapping[str, str]) -> tuple[str | None, str | None]:
        """Its region and marketplace; from the environment if the entry has neither."""
        if self.region is None and self.marketplace is None:
            return environ.get("SP_API_REGION") or None, environ.get("SP_API_MARKETPLACE") or None
        return self.region, self.marketplace

    def name(self, environ: Mapping[str, str]) -> str:
        """The ``name`` of its handle, such as ``A1EXAMPLE@na``, without its token.

        Raises:
            ConfigurationError: the entry has no seller id, or no valid region.
        """
        if self.seller_id is None:
            raise ConfigurationError("it has no seller_id")
        return f"{self.seller_id}@{choose_region(*self.place(environ)).value}"

    def open(self, app: Opener[C], environ: Mapping[str, str], token: str) -> C:
        """A handle on this seller."""
        region, marketplace = self.place(environ)
        return app.selling_partner(token, region=region, marketplace=marketplace, seller_id=self.seller_id)


def _read_token(path: str) -> str:
    try:
        token = Path(path).read_text(encoding="utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read the refresh token in {path}: {type(error).__name__}") from None
    if not token:
        raise ConfigurationError(f"{path} contains no refresh token")
    return token


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    sellers: list[SellerEntry]


def read_sellers(path: str) -> list[SellerEntry]:
    """The sellers in a file.

    Raises:
        ConfigurationError: it cannot be read, is not valid TOML or JSON, lists no sellers, or has an unknown key.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise ConfigurationError(f"cannot read the sellers from {path}: {error.strerror}") from None
    return _parse(content, path)


def _parse(content: bytes, path: str) -> list[SellerEntry]:
    """The sellers in the content of a file, which is TOML if its name ends in ``.toml``, and else JSON.

    Raises:
        ConfigurationError: it is not valid TOML or JSON, lists no sellers, or has an unknown key.
    """
    content = content.removeprefix(codecs.BOM_UTF8)  # which editors on Windows begin files with
    try:
        if path.lower().endswith(".toml"):
            entries = msgspec.convert(tomllib.loads(content.decode()), _File).sellers
        else:
            entries = msgspec.json.decode(content, type=_File | list[SellerEntry])
            entries = entries.sellers if isinstance(entries, _File) else entries
    except (msgspec.MsgspecError, tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        # The errors of the parsers contain positions and types, but no text of the file, which may be a token.
        raise ConfigurationError(f"{path} is not a list of sellers: {error}") from None
    if not entries:
        raise ConfigurationError(f"{path} lists no sellers")
    if any(entry.refresh_token for entry in entries):
        _warn_if_readable_by_others(path)
    return entries


def _warn_if_readable_by_others(path: str) -> None:
    """Log a warning if other users can read the file, which contains refresh tokens."""
    mode = stat.S_IMODE(Path(path).stat().st_mode)
    if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
        logger.warning(
            "%s contains refresh tokens and has mode %04o, so other users can read it: run chmod 600 %s",
            path,
            mode,
            path,
        )
