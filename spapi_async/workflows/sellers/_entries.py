"""Selling partners in a file of TOML or JSON.

::

    [[sellers]]
    seller_id = "A1EXAMPLE"                   # optional; checkpoints are kept under it
    marketplace = "DE"                        # or region = "EU"
    refresh_token_env = "SELLER_ONE_TOKEN"    # or refresh_token_file = "/run/secrets/one", refresh_token = "Atzr|..."
    marketplaces = ["DE", "FR"]               # optional: where it sells, for whoever asks
    tags = ["pilot"]                          # optional: to choose sellers by
    application = "second"                    # optional, where sellers belong to several applications

In JSON: the same list under ``"sellers"``, or by itself.
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

from spapi_async._core.caller import Caller
from spapi_async.credentials import Secret
from spapi_async.errors import ConfigurationError
from spapi_async.marketplaces import Marketplace, Region

__all__ = ["Opener", "SellerEntry", "parse_sellers", "read_sellers"]

logger = logging.getLogger("spapi_async.workflows.sellers")


C = TypeVar("C", bound=Caller)
C_co = TypeVar("C_co", bound=Caller, covariant=True)


class Opener(Protocol[C_co]):
    """An application, by what is asked of it here."""

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
        """The refresh token: given, or in the variable or file that is named.

        Raises:
            ConfigurationError: there is none, or there are two.
        """
        ways = (self.refresh_token, self.refresh_token_env, self.refresh_token_file)
        if sum(way is not None for way in ways) != 1:
            raise ConfigurationError("give one of refresh_token, refresh_token_env and refresh_token_file")
        if self.refresh_token_file is not None:
            return _read_token(self.refresh_token_file)
        if self.refresh_token_env is None:
            return self.refresh_token or ""
        token = environ.get(self.refresh_token_env, "").strip()
        if not token:
            raise ConfigurationError(f"environment variable {self.refresh_token_env} is not set")
        return token

    def place(self, environ: Mapping[str, str]) -> tuple[str | None, str | None]:
        """Its region and marketplace; the environment's stand in where the file names neither."""
        if self.region is None and self.marketplace is None:
            return environ.get("SP_API_REGION") or None, environ.get("SP_API_MARKETPLACE") or None
        return self.region, self.marketplace

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
        raise ConfigurationError(f"{path} holds no refresh token")
    return token


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    sellers: list[SellerEntry]


def read_sellers(path: str) -> list[SellerEntry]:
    """The sellers that a file lists.

    Raises:
        ConfigurationError: it cannot be read, is neither TOML nor JSON, lists nobody, or has a name that is none.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise ConfigurationError(f"cannot read the sellers from {path}: {error.strerror}") from None
    return parse_sellers(content, path)


def parse_sellers(content: bytes, path: str) -> list[SellerEntry]:
    """The sellers in a file's content; its name says whether that is TOML.

    Raises:
        ConfigurationError: it is neither TOML nor JSON, lists nobody, or has a name that is none.
    """
    content = content.removeprefix(codecs.BOM_UTF8)  # which editors on Windows begin files with
    try:
        if path.lower().endswith(".toml"):
            entries = msgspec.convert(tomllib.loads(content.decode()), _File).sellers
        else:
            entries = msgspec.json.decode(content, type=_File | list[SellerEntry])
            entries = entries.sellers if isinstance(entries, _File) else entries
    except (msgspec.MsgspecError, tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        # The parsers name a place and a kind, never the text there, which may be a token.
        raise ConfigurationError(f"{path} is not a list of sellers: {error}") from None
    if not entries:
        raise ConfigurationError(f"{path} lists no sellers")
    if any(entry.refresh_token for entry in entries):
        _warn_if_others_read(path)
    return entries


def _warn_if_others_read(path: str) -> None:
    """A file of refresh tokens is to be kept like one of passwords."""
    mode = stat.S_IMODE(Path(path).stat().st_mode)
    if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
        logger.warning("%s holds refresh tokens and has mode %04o: others can read it; chmod 600 %s", path, mode, path)
