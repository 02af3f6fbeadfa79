"""``spapi-async call MODULE.METHOD``: any operation, from the shell."""

from __future__ import annotations

import codecs
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from spapi_async import call_options
from spapi_async._codec.response import Response
from spapi_async._core.operation import Operation
from spapi_async.cli.arguments import find_operation, parse_arguments
from spapi_async.cli.event_loop import run_async
from spapi_async.cli.output import JsonOption, print_json
from spapi_async.cli.target import (
    EmulatorOption,
    EndpointOption,
    LatencyOption,
    OrdersOption,
    RateScaleOption,
    SeedOption,
    Target,
    connected,
)
from spapi_async.cli.violations import ViolationFile, ViolationsOption
from spapi_async.errors import ConfigurationError

__all__ = ["call"]


def call(
    context: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="MODULE.METHOD", help="The operation, such as orders_2026_01_01.get_order.")
    ],
    *,
    param: Annotated[
        list[str] | None, typer.Option("--param", metavar="NAME=VALUE", help="An argument; --name value works, too.")
    ] = None,
    body: Annotated[
        str | None, typer.Option("--body", metavar="FILE|-", help="The JSON body: a file, or - for standard input.")
    ] = None,
    max_wait: Annotated[
        float | None,
        typer.Option(
            "--max-wait", metavar="SECONDS", min=0.0, help="Fail at once if the wait for quota would be longer."
        ),
    ] = None,
    deadline: Annotated[
        float | None,
        typer.Option("--deadline", metavar="SECONDS", min=0.0, help="Fail after this time, including retries."),
    ] = None,
    endpoint: EndpointOption = None,
    emulator: EmulatorOption = False,
    seed: SeedOption = 0,
    orders: OrdersOption = 200,
    rate_scale: RateScaleOption = 1.0,
    latency: LatencyOption = 0.0,
    violations: ViolationsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Call one operation and print Amazon's JSON.

    Path parameters may be given as plain words, every parameter as --name value (with the name in Python's or Amazon's
    spelling). Give a list by repeating the option, or as a JSON array. With --json the reply is printed in an envelope
    with status, request id and violations.
    """
    from spapi_async import api

    operation = find_operation(api.operations(), name)
    arguments = parse_arguments(operation, context.args, param or ())
    if body is not None:
        arguments["body"] = _read_body(operation, body)
    target = Target(
        endpoint=endpoint, emulator=emulator, seed=seed, orders=orders, rate_scale=rate_scale, latency=latency
    )
    with call_options(max_wait=max_wait, deadline=deadline):
        response = run_async(_call(target, operation, arguments, violations))
    _say_removal(operation)
    if as_json:
        print_json(_envelope(response))
    elif response.raw:
        sys.stdout.write(msgspec.json.format(response.raw, indent=2).decode() + "\n")


def _say_removal(operation: Operation[Any]) -> None:
    """Warn on stderr if Amazon is going to remove the operation."""
    if operation.removal is not None:
        instead = f"; use {operation.successor}" if operation.successor else ""
        sys.stderr.write(f"spapi-async: Amazon removes {operation.name} on {operation.removal}{instead}\n")


async def _call(
    target: Target, operation: Operation[Any], arguments: Mapping[str, Any], violations: str | None
) -> Response[Any]:
    with ViolationFile(violations) as file:
        async with connected(target, observers=[file]) as connection:
            return await connection.seller.call(operation, **arguments)


def _read_body(operation: Operation[Any], source: str) -> Any:
    if not any(parameter.location == "body" for parameter in operation.parameters):
        raise ConfigurationError("this operation takes no body", operation=operation.name)
    if source.lstrip()[:1] in ("{", "["):
        raise ConfigurationError("--body takes the name of a file, or - for standard input, not the JSON itself")
    try:
        content = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
    except OSError as error:
        raise ConfigurationError(f"cannot read the body from {source}: {error.strerror}") from None
    try:
        return msgspec.json.decode(content.removeprefix(codecs.BOM_UTF8))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigurationError(f"the body is not JSON: {error}") from None


def _envelope(response: Response[Any]) -> dict[str, Any]:
    return {
        "status": response.status,
        "request_id": response.request_id,
        "rate_limit": response.rate_limit,
        "attempts": response.attempts,
        "violations": [msgspec.to_builtins(violation) for violation in response.violations],
        "body": msgspec.Raw(response.raw) if response.raw else None,
    }
