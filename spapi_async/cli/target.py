"""The host to which a command connects: Amazon's, a named endpoint, or an emulator in this process."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from spapi_async.cli.logs import log_observers
from spapi_async.errors import ConfigurationError
from spapi_async.marketplaces import Marketplace, Region

if TYPE_CHECKING:
    from spapi_async import Application, SellingPartner
    from spapi_async._core.events import Observer
    from spapi_async.emulator import Emulator
    from spapi_async.ratelimit import RedisRateLimiter
    from spapi_async.workflows.sellers._entries import SellerEntry

__all__ = [
    "EmulatorOption",
    "EndpointOption",
    "LatencyOption",
    "OrdersOption",
    "RateScaleOption",
    "RedisOption",
    "SeedOption",
    "Target",
    "connected",
    "redis_limiter",
]

EndpointOption = Annotated[
    str | None,
    typer.Option("--endpoint", metavar="URL", help="Use this host instead of Amazon's (an emulator, a proxy)."),
]
EmulatorOption = Annotated[bool, typer.Option("--emulator", help="Use an emulator started in this process.")]
SeedOption = Annotated[
    int, typer.Option("--seed", help="The seed of the emulator's data: the same seed gives the same data.")
]
OrdersOption = Annotated[
    int, typer.Option("--orders", min=0, help="The number of orders of each of the emulator's sellers.")
]
RateScaleOption = Annotated[
    float,
    typer.Option(
        "--rate-scale", min=0.001, help="Factor by which the emulator's usage plans are faster than Amazon's."
    ),
]
RedisOption = Annotated[
    str | None,
    typer.Option(
        "--redis",
        metavar="URL",
        envvar="SP_API_REDIS",
        show_envvar=True,
        help="Share quota with other processes through this Redis; put a URL with a password into the variable.",
    ),
]
LatencyOption = Annotated[float, typer.Option("--latency", metavar="SECONDS", min=0.0, help="The emulator's latency.")]


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """The options that choose the host, the sellers and the stores."""

    endpoint: str | None = None
    emulator: bool = False
    seed: int = 0
    orders: int = 200
    rate_scale: float = 1.0
    latency: float = 0.0
    anchor: float | None = None
    redis: str | None = None
    sellers: str | None = None
    tags: tuple[str, ...] = ()
    marketplaces: tuple[str, ...] = ()
    journal: str | None = None
    journal_must_exist: bool = False


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """Sellers of one application, and the emulator if this process runs one."""

    sellers: tuple[SellingPartner, ...]
    emulator: Emulator | None = None

    @property
    def seller(self) -> SellingPartner:
        """The first seller, for most commands the only one."""
        return self.sellers[0]

    @property
    def application(self) -> Application:
        """The seller's application."""
        return self.seller.application


@asynccontextmanager
async def connected(target: Target, *, observers: Iterable[Observer] = ()) -> AsyncIterator[Connection]:
    """A connection to the target for as long as the block lasts.

    Raises:
        ConfigurationError: credentials are missing or the options contradict one another.
    """
    from spapi_async.workflows.sellers._entries import SellerEntry, read_sellers

    if target.emulator and target.endpoint is not None:
        raise ConfigurationError("give --endpoint or --emulator, not both")
    entries = _chosen(read_sellers(target.sellers), target.tags) if target.sellers is not None else None
    if target.tags and entries is None:
        raise ConfigurationError("--tag needs --sellers FILE: it selects among the sellers of that file")
    options: dict[str, Any] = {"observers": (*observers, *log_observers())}
    if target.redis is not None:
        options["limiter"] = redis_limiter(target.redis, observers=options["observers"])
    if target.journal is not None:
        from spapi_async.workflows.journal import Journal

        options["journal"] = Journal(target.journal, create=not target.journal_must_exist)
    if not target.emulator:
        if target.endpoint is not None:
            options["endpoint"] = target.endpoint
        elif not os.environ.get("SP_API_ENDPOINT"):
            options["trust_env"] = True  # proxies are used for Amazon, but not for an endpoint, which is usually local
        async with _sellers(entries, os.environ, options) as sellers:
            yield Connection(sellers=sellers)
        return
    from spapi_async.emulator import Emulator

    made_up = _made_up(os.environ, target.marketplaces)
    async with (
        Emulator(
            seed=target.seed,
            orders=target.orders,
            rate_scale=target.rate_scale,
            latency=target.latency,
            anchor=target.anchor,
            marketplaces=_marketplaces(entries or [SellerEntry(marketplaces=target.marketplaces)], made_up),
        ) as emulator,
        _sellers(entries, made_up, {**options, "endpoint": emulator.url}, made_up=True) as sellers,
    ):
        yield Connection(sellers=sellers, emulator=emulator)


@asynccontextmanager
async def _sellers(
    entries: Sequence[SellerEntry] | None,
    environ: Mapping[str, str],
    options: Mapping[str, Any],
    *,
    made_up: bool = False,
) -> AsyncIterator[tuple[SellingPartner, ...]]:
    """The sellers of a file, or the seller in the environment."""
    from spapi_async import Application, connect

    if entries is None:
        async with connect(environ, **options) as seller:
            yield (seller,)
        return
    async with Application.from_env(environ, **options) as app:
        sellers = []
        for number, entry in enumerate(entries, start=1):
            try:
                sellers.append(entry.open(app, environ, f"Atzr|made-up-{number}" if made_up else entry.token(environ)))
            except ConfigurationError as error:
                name = f" ({entry.seller_id})" if entry.seller_id else ""
                raise ConfigurationError(f"seller {number}{name}: {error.message}") from None
        yield tuple(sellers)


def _marketplaces(entries: Iterable[SellerEntry], environ: Mapping[str, str]) -> list[Marketplace]:
    """The marketplaces of the emulator's sellers: the default ones of their regions, and those that they name.

    All sellers of an emulator have the same marketplaces, so sellers of several regions have those of all of them.
    """
    from spapi_async.emulator.data.places import DEFAULT_MARKETPLACES

    usual: list[Marketplace] = []
    named: list[Marketplace] = []
    for entry in entries:
        region, marketplace = entry.place(environ)
        here = [] if marketplace is None else [Marketplace.parse(marketplace)]
        named += [*here, *map(Marketplace.parse, entry.marketplaces)]
        if region or here:
            usual += DEFAULT_MARKETPLACES[Region.parse(region) if region is not None else here[0].region]
    return list(dict.fromkeys([*usual, *named])) or list(DEFAULT_MARKETPLACES[Region.NA])


def _chosen(entries: Sequence[SellerEntry], tags: Iterable[str]) -> list[SellerEntry]:
    """The sellers that have all of these tags."""
    found = [entry for entry in entries if entry.tags.issuperset(tags)]
    if not found:
        raise ConfigurationError(f"no seller has the tags {', '.join(tags)}")
    return found


def redis_limiter(url: str, **options: Any) -> RedisRateLimiter:
    """The limiter that shares its buckets through this Redis.

    Raises:
        ModuleNotFoundError: the extra is not installed; the message says which.
    """
    try:
        from spapi_async.ratelimit import RedisRateLimiter
    except ModuleNotFoundError:
        raise ModuleNotFoundError('--redis needs an extra: pip install "spapi-async[redis]"') from None
    return RedisRateLimiter(url, **options)


def _made_up(environ: Mapping[str, str], marketplaces: Sequence[str]) -> dict[str, str]:
    """Credentials that only the emulator accepts, so that no real ones are sent to it.

    The made-up seller is in the region that the environment names, otherwise in that of the given marketplaces.
    """
    region = environ.get("SP_API_REGION", "")
    marketplace = environ.get("SP_API_MARKETPLACE", "")
    home = Marketplace.parse(marketplaces[0]).region if marketplaces else Region.NA
    return {
        "LWA_APP_ID": "amzn1.application-oa2-client.made-up",
        "LWA_CLIENT_SECRET": "made-up",
        "SP_API_REFRESH_TOKEN": "Atzr|made-up",
        "SP_API_REGION": region or ("" if marketplace else home.name),
        "SP_API_MARKETPLACE": marketplace,
        "SP_API_SELLER_ID": environ.get("SP_API_SELLER_ID", "") or "A1MADEUP",
    }
