"""``--sellers FILE``: several selling partners of one application, in TOML or JSON.

::

    [[sellers]]
    seller_id = "A1EXAMPLE"                   # optional; checkpoints are kept under it
    marketplace = "DE"                        # or region = "EU"
    refresh_token_env = "SELLER_ONE_TOKEN"    # or refresh_token = "Atzr|..."

In JSON: the same list under ``"sellers"``, or by itself.
"""

from __future__ import annotations

import logging
import os
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path

import msgspec

from spapi_async import Application, SellingPartner
from spapi_async.errors import ConfigurationError

__all__ = ["SellerEntry", "read_sellers"]

logger = logging.getLogger("spapi_async.cli")


class SellerEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One selling partner. Its repr shows no token."""

    refresh_token: str | None = None
    refresh_token_env: str | None = None
    region: str | None = None
    marketplace: str | None = None
    seller_id: str | None = None

    def __repr__(self) -> str:
        return f"SellerEntry({self.seller_id!r})"

    def token(self, environ: Mapping[str, str]) -> str:
        """The refresh token, from the file or from the variable that the file names.

        Raises:
            ConfigurationError: there is none, or there are two.
        """
        if (self.refresh_token is None) == (self.refresh_token_env is None):
            raise ConfigurationError("give refresh_token or refresh_token_env")
        if self.refresh_token_env is None:
            return self.refresh_token or ""
        token = environ.get(self.refresh_token_env, "").strip()
        if not token:
            raise ConfigurationError(f"environment variable {self.refresh_token_env} is not set")
        return token

    def open(self, app: Application, environ: Mapping[str, str], token: str) -> SellingPartner:
        """A handle on this seller; the environment's region stands in where the file names none."""
        region, marketplace = self.region, self.marketplace
        if region is None and marketplace is None:
            region, marketplace = environ.get("SP_API_REGION") or None, environ.get("SP_API_MARKETPLACE") or None
        return app.selling_partner(token, region=region, marketplace=marketplace, seller_id=self.seller_id)


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
    try:
        if path.lower().endswith(".toml"):
            entries = msgspec.convert(tomllib.loads(content.decode()), _File).sellers
        else:
            entries = msgspec.json.decode(content, type=_File | list[SellerEntry])
            entries = entries.sellers if isinstance(entries, _File) else entries
    except (msgspec.MsgspecError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        # The parsers name a place and a kind, never the text there, which may be a token.
        raise ConfigurationError(f"{path} is no list of sellers: {error}") from None
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
