"""``spapi-async emulator``: a Selling Partner API on this machine until Ctrl-C."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated, Any

import typer

from spapi_async.cli.event_loop import run_async
from spapi_async.cli.exit_codes import Interrupted
from spapi_async.cli.output import JsonOption, print_json
from spapi_async.cli.target import LatencyOption, OrdersOption, RateScaleOption, SeedOption
from spapi_async.errors import ConfigurationError

__all__ = ["emulator"]


def emulator(
    *,
    host: Annotated[str, typer.Option("--host", help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="The port; 0 takes any free one.")] = 8080,
    marketplace: Annotated[
        list[str] | None,
        typer.Option(
            "--marketplace", help="The sellers' marketplaces (US, DE, an id); repeatable. By default US, CA and MX."
        ),
    ] = None,
    seed: SeedOption = 0,
    orders: OrdersOption = 200,
    rate_scale: RateScaleOption = 1.0,
    latency: LatencyOption = 0.0,
    days: Annotated[
        float, typer.Option("--days", min=0.001, help="The number of days over which the orders' updates are spread.")
    ] = 60.0,
    search_delay: Annotated[
        float,
        typer.Option("--search-delay", metavar="SECONDS", min=0.0, help="The time by which order searches lag behind."),
    ] = 120.0,
    list_lag: Annotated[
        float,
        typer.Option(
            "--list-lag", metavar="SECONDS", min=0.0, help="A change appears in searches up to this much later."
        ),
    ] = 0.0,
    page_shift: Annotated[
        bool,
        typer.Option("--page-shift", help="An order that changes between two pages of a search shifts the others."),
    ] = False,
    shuffled_pages: Annotated[
        bool, typer.Option("--shuffled-pages", help="The orders on a page are not sorted.")
    ] = False,
    unsorted_lists: Annotated[
        bool, typer.Option("--unsorted-lists", help="Searches are not sorted, and pages shift as with --page-shift.")
    ] = False,
    v0_status_dates: Annotated[
        bool,
        typer.Option("--v0-status-dates", help="In Orders v0 only a change of status changes the last-update date."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Serve every operation with seeded data and Amazon's usage plans, until Ctrl-C.

    Any client id and secret are accepted, and every refresh token that begins with Atzr| is a separate seller.
    """
    try:
        run_async(
            _serve(
                as_json=as_json,
                host=host,
                port=port,
                marketplaces=marketplace or None,
                seed=seed,
                orders=orders,
                rate_scale=rate_scale,
                latency=latency,
                days=days,
                search_delay=search_delay,
                list_lag=list_lag,
                page_shift=page_shift,
                shuffled_pages=shuffled_pages,
                unsorted_lists=unsorted_lists,
                v0_status_dates=v0_status_dates,
            )
        )
    except Interrupted:
        raise typer.Exit(0) from None  # Ctrl-C is the normal end of this command
    except OSError as error:
        raise ConfigurationError(f"cannot listen on {host}:{port}: {error.strerror or error}") from None


async def _serve(*, as_json: bool, **options: Any) -> None:
    from spapi_async.emulator import Emulator

    async with Emulator(**options) as running:
        if as_json:
            print_json({"url": running.url})
        else:
            sys.stdout.write(f"{running.url}  (Ctrl-C stops it; statistics: {running.url}/_emulator/stats)\n")
        sys.stdout.flush()
        await asyncio.Event().wait()
