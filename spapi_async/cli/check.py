"""What ``spapi-async doctor`` does without a subcommand: checks whether each seller's calls succeed, or why not."""

from __future__ import annotations

import sys
from typing import Any

import anyio
import msgspec
import typer
from rich.table import Table

from spapi_async import SellingPartner
from spapi_async._codec.pages import entries_of
from spapi_async.cli.event_loop import run_async
from spapi_async.cli.exit_codes import describe, exit_code
from spapi_async.cli.output import print_json, print_table
from spapi_async.cli.target import Target, connected
from spapi_async.errors import SPAPIError

__all__ = ["check"]

_MAX_SELLERS_AT_ONCE = 20


class _Finding(msgspec.Struct):
    """One seller's marketplaces, or the error with which the check failed."""

    seller: str
    region: str
    marketplaces: list[str] = []
    error: SPAPIError | None = None

    def facts(self) -> dict[str, Any]:
        """The finding as JSON."""
        wrong = None if self.error is None else describe(self.error)
        return {"seller": self.seller, "region": self.region, "marketplaces": self.marketplaces, "error": wrong}


def check(target: Target, *, as_json: bool) -> None:
    """Request each seller's marketplaces, which needs a token and the network but no role, and changes nothing."""
    findings, parts = run_async(_ask(target))
    if as_json:
        print_json({"sellers": [each.facts() for each in findings], **parts})
    else:
        _print(findings, parts)
    failed = [each.error for each in findings if each.error is not None]
    if failed:
        raise typer.Exit(exit_code(failed[0]))


async def _ask(target: Target) -> tuple[list[_Finding], dict[str, str]]:
    from spapi_async.api.sellers_v1 import GET_MARKETPLACE_PARTICIPATIONS

    async with connected(target) as connection:
        found = [_Finding(seller.name, seller.region.value) for seller in connection.sellers]
        limiter = anyio.CapacityLimiter(_MAX_SELLERS_AT_ONCE)

        async def ask(seller: SellingPartner, finding: _Finding) -> None:
            async with limiter:
                try:
                    participations = await seller.sellers_v1.get_marketplace_participations()
                    entries = entries_of(participations, GET_MARKETPLACE_PARTICIPATIONS)
                except SPAPIError as error:
                    finding.error = error
                else:
                    countries = [getattr(entry.marketplace, "country_code", None) for entry in entries]
                    finding.marketplaces = ["?" if country is None else str(country) for country in countries]

        async with anyio.create_task_group() as group:
            for pair in zip(connection.sellers, found, strict=True):
                group.start_soon(ask, *pair)
        health = await connection.application.health()
        return found, {"quota": health.limiter.detail, "login": health.lwa.detail}


def _print(findings: list[_Finding], parts: dict[str, str]) -> None:
    table = Table("seller", "region", "sells in", "what is wrong")
    for each in findings:
        wrong = "" if each.error is None else describe(each.error)
        table.add_row(each.seller, each.region.upper(), " ".join(each.marketplaces), wrong)
    print_table(table)
    sys.stdout.write(f"quota: {parts['quota']}; Login with Amazon: {parts['login']}\n")
