"""The hosts to which requests go: Amazon's, its sandbox, or one that the caller named."""

from __future__ import annotations

import string
from urllib.parse import SplitResult, urlsplit

from spapi_async.errors import ConfigurationError
from spapi_async.marketplaces import Region

__all__ = ["LWA_PATH", "Endpoints", "split_url"]

# One token endpoint serves every region (developer-docs.amazon.com/sp-api/docs/connecting-to-the-selling-partner-api).
LWA_HOST = "https://api.amazon.com"
LWA_PATH = "/auth/o2/token"


class Endpoints:
    """The API host of each region and the token endpoint.

    ``endpoint`` replaces all of them (emulator, proxy). Without it, tokens are sent only to Amazon, over https.
    """

    __slots__ = ("_override", "sandbox")

    def __init__(self, endpoint: str | None = None, *, sandbox: bool = False) -> None:
        self.sandbox = sandbox
        self._override = _checked(endpoint) if endpoint is not None else None

    def api(self, region: Region) -> str:
        """Scheme and host of a region's API, without a trailing slash."""
        if self._override:
            return self._override
        return region.sandbox_endpoint if self.sandbox else region.endpoint

    @property
    def lwa(self) -> str:
        """The URL at which Login with Amazon issues tokens."""
        return (self._override or LWA_HOST) + LWA_PATH

    def __repr__(self) -> str:
        return f"Endpoints({self._override!r}, sandbox={self.sandbox})"


def split_url(url: str) -> SplitResult | None:
    """The parts of an http(s) URL that has a host; None for anything else."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except (ValueError, AttributeError, TypeError):  # an open bracket, an invalid port; not a text
        return None
    return parts if usable else None


def _checked(endpoint: str) -> str:
    parts = split_url(endpoint)
    spaced = set(endpoint) & set(string.whitespace) if parts is not None else False  # urlsplit drops some of it
    if parts is None or spaced or parts.query or parts.fragment or "@" in parts.netloc:
        # The text itself is not shown: it may contain a password.
        raise ConfigurationError("endpoint must be like https://host[:port], without user, query or fragment")
    return endpoint.rstrip("/")
