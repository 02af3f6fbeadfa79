"""Checks of an application's arguments: environment variables, regions, numbers, a proxy's URL."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from spapi_async._core.endpoints import split_url
from spapi_async._engine.retry import RetryPolicy
from spapi_async._engine.transport import Timeout
from spapi_async.credentials import Secret, as_secret, revealed
from spapi_async.errors import ConfigurationError
from spapi_async.marketplaces import Marketplace, Region

__all__ = [
    "Environment",
    "check_at_least_one",
    "check_choices",
    "check_client",
    "check_parts",
    "check_proxy",
    "check_refresh_token",
    "check_seller_id",
    "checked_client_secret",
    "checked_grace",
    "checked_retry",
    "checked_timeout",
    "choose_region",
    "read_environment",
]


class Environment:
    """Environment variables. Some contain secrets, so the repr shows none of them."""

    __slots__ = ("_variables",)

    def __init__(self, variables: Mapping[str, str] | None) -> None:
        self._variables = os.environ if variables is None else variables

    def get(self, name: str) -> str:
        """The variable's text without white space around it; empty if it is not set."""
        return self._variables.get(name, "").strip()


def check_seller_id(seller_id: object) -> None:
    """Refuse a seller id that would break keys, tables or log lines.

    Raises:
        ConfigurationError: it is not a seller id.
    """
    if not isinstance(seller_id, str) or not seller_id.strip() or set(seller_id) & set("@|{}"):
        raise ConfigurationError(f'seller_id must be like "A1EXAMPLE", not {seller_id!r}')
    if not seller_id.isprintable():
        raise ConfigurationError(f'seller_id must be like "A1EXAMPLE", without control characters, not {seller_id!r}')


def read_environment(environ: Environment, names: Sequence[str]) -> list[Secret]:
    """The values of these variables.

    Raises:
        ConfigurationError: some are missing or blank; the message names all of them.
    """
    missing = [name for name in names if not environ.get(name)]
    if not missing:
        return [Secret(environ.get(name)) for name in names]
    if len(missing) == 1:
        raise ConfigurationError(f"environment variable {missing[0]} is not set")
    raise ConfigurationError(f"environment variables {', '.join(missing[:-1])} and {missing[-1]} are not set")


def choose_region(region: Region | str | None, marketplace: Marketplace | str | None) -> Region:
    """The given region, or the marketplace's region.

    Raises:
        ConfigurationError: neither is given, one is unknown, or they contradict one another.
    """
    named = None if marketplace is None else Marketplace.parse(marketplace)
    if region is None:
        if named is None:
            raise ConfigurationError("give a region or a marketplace")
        return named.region
    chosen = Region.parse(region)
    if named is not None and named.region is not chosen:
        raise ConfigurationError(f"marketplace {named.name} belongs to region {named.region.name}, not {chosen.name}")
    return chosen


# The prefixes of Amazon's credentials and what each credential is; they are not interchangeable.
_KINDS = {
    "amzn1.application-oa2-client.": "an LWA client id",
    "amzn1.oa2-cs.": "an LWA client secret",
    "amzn1.sp.solution.": "a solution id, which is for the consent page (application_id)",
    "amzn1.sellerapps.": "an application id, which is for the consent page (application_id)",
    "Atzr|": "a refresh token",
    "Atza|": "an access token, which lives for an hour",
    "Atz.sprdt|": "a restricted data token, which is for app.delegated(...)",
}
_WHERE = "the developer console shows it under 'LWA credentials'"


def check_client(client_id: str, client_secret: Secret) -> None:
    """Refuse credentials that Login with Amazon would refuse later with a less helpful error."""
    _check_credential("client_id", client_id, "an LWA client id", _WHERE)
    _check_credential("client_secret", client_secret, "an LWA client secret", _WHERE)


def checked_client_secret(client_id: str, new: Any) -> Any:
    """The new client secret: checked if it is given as text or Secret, unchanged if it comes from a notification."""
    if hasattr(new, "client_secret"):
        return new
    new = as_secret(new, "client_secret")
    check_client(client_id, new)
    return new


def check_refresh_token(refresh_token: Secret) -> Secret:
    """The refresh token, unless it is something else."""
    if refresh_token.reveal():
        _check_credential("refresh_token", refresh_token, "a refresh token", "it begins with Atzr|")
    return refresh_token


def _check_credential(name: str, given: str | Secret, right: str, where: str) -> None:
    """Check only the form of a credential; neither the message nor a local variable shows any part of it."""
    if not isinstance(given, str | Secret) or not revealed(given).strip():
        raise ConfigurationError(f"{name} is missing; {where}")
    if revealed(given) != revealed(given).strip():
        raise ConfigurationError(f"{name} begins or ends with white space: remove it")
    for start, kind in _KINDS.items():
        if revealed(given).startswith(start) and kind != right:
            raise ConfigurationError(f"{name} is not {right} but {kind}; {where}")


def checked_timeout(timeout: Timeout | float | None) -> Timeout | None:
    """The bounds of an exchange; a number is the total."""
    if isinstance(timeout, int | float):
        timeout = Timeout(total=timeout)
    if timeout is None:
        return None
    if not isinstance(timeout, Timeout):
        raise ConfigurationError(f"timeout must be a Timeout or seconds, not {type(timeout).__name__}")
    for name, seconds in msgspec.structs.asdict(timeout).items():
        if not (seconds is None and name == "read") and not _positive(seconds):
            raise ConfigurationError(f"timeout: {name} must be more than zero seconds, not {seconds!r}")
    return timeout


def checked_retry(retry: RetryPolicy | None) -> RetryPolicy:
    """The retry policy, or the default one."""
    if not isinstance(retry, RetryPolicy | None):
        raise ConfigurationError(f"retry must be a RetryPolicy, not {type(retry).__name__}")
    return retry or RetryPolicy()


def checked_grace(seconds: float) -> float:
    """The seconds to wait for calls under way."""
    if not isinstance(seconds, int | float) or not seconds >= 0:
        raise ConfigurationError(f"grace must be zero or more seconds, not {seconds!r}")
    return seconds


# The parts that a caller can replace, each recognised by one of its methods.
_PARTS = {
    "limiter": ("acquire", "a limiter: limiter=RedisRateLimiter(url)"),
    "tokens": ("release", "a token store: tokens=RedisTokenStore(url, keys=[...])"),
    "journal": ("swap", 'a Journal: journal=Journal("sqlite:///runs.db")'),
    "clock": ("monotonic", "a Clock"),
    "ssl": ("wrap_socket", "an ssl.SSLContext"),
}


def check_parts(**parts: object) -> None:
    """Refuse a URL, a class or an empty text in place of an object; None means the default."""
    for name, part in parts.items():
        method, what = _PARTS[name]
        if part is not None and (isinstance(part, type) or not hasattr(part, method)):
            # Only its type is shown: a URL may contain a password.
            raise ConfigurationError(f"{name} must be {what}, not {type(part).__name__}")


def check_choices(*, decoding: object, **switches: object) -> None:
    """Refuse unknown values of ``decoding``, and switches that are not bool: the text "false" would count as true."""
    if decoding not in ("lenient", "strict"):
        raise ConfigurationError(f'decoding must be "lenient" or "strict", not {decoding!r}')
    for name, switch in switches.items():
        if not isinstance(switch, bool):
            raise ConfigurationError(f"{name} must be True or False, not {switch!r}")


def check_at_least_one(**numbers: int) -> None:
    """Refuse numbers below 1."""
    for name, number in numbers.items():
        if not isinstance(number, int) or isinstance(number, bool) or number < 1:
            raise ConfigurationError(f"{name} must be 1 or more, not {number!r}")


def check_proxy(proxy: str | None) -> None:
    """Refuse an invalid proxy here; later it would look as if Amazon were unreachable."""
    if proxy is not None and split_url(proxy) is None:
        # The text itself is not shown: it may contain a password.
        raise ConfigurationError("proxy must be like http://[user:password@]host[:port]")


def _positive(seconds: Any) -> bool:
    return isinstance(seconds, int | float) and seconds > 0
