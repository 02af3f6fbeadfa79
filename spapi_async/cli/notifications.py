"""``spapi-async notifications``: subscribe, unsubscribe, list subscriptions, and print what a queue delivers."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.progress import track
from rich.table import Table

from spapi_async.cli.event_loop import run_async
from spapi_async.cli.output import JsonOption, moving_console, print_json, table_console
from spapi_async.cli.target import EmulatorOption, EndpointOption, Target, connected

if TYPE_CHECKING:
    from spapi_async.models.notifications_v1 import Destination, Subscription
    from spapi_async.workflows.notifications import Notification

__all__ = ["app"]

app = typer.Typer(help="Subscribe to notifications and print what a queue delivers.", no_args_is_help=True)


@app.command("subscribe")
def subscribe(
    notification_type: Annotated[str, typer.Argument(metavar="TYPE", help="Such as ORDER_CHANGE.")],
    destination: Annotated[str, typer.Argument(help="The URL or ARN of a queue, or the id of a destination.")],
    *,
    marketplace: Annotated[
        list[str] | None, typer.Option("--marketplace", help="Only these marketplaces (US, DE, an id); repeatable.")
    ] = None,
    order_change_type: Annotated[
        list[str] | None,
        typer.Option("--order-change-type", help="For ORDER_CHANGE: only these change types; repeatable."),
    ] = None,
    aggregation: Annotated[
        str | None, typer.Option("--aggregation", help="For ANY_OFFER_CHANGED: FiveMinutes or TenMinutes.")
    ] = None,
    filter_expression: Annotated[
        str | None, typer.Option("--filter", metavar="CEL", help="A condition on the payload.")
    ] = None,
    payload_version: Annotated[
        str | None, typer.Option("--payload-version", help="By default the newest known version.")
    ] = None,
    endpoint: EndpointOption = None,
    emulator: EmulatorOption = False,
    as_json: JsonOption = False,
) -> None:
    """Subscribe a queue to a type of notification. Repeating the command reuses what exists."""
    options = {
        "marketplaces": marketplace or (),
        "order_change_types": order_change_type or (),
        "aggregation": aggregation,
        "filter_expression": filter_expression,
        "payload_version": payload_version,
    }
    target = Target(endpoint=endpoint, emulator=emulator)
    made = run_async(_subscribe(target, notification_type, destination, options))
    if as_json:
        print_json(made)
    else:
        sys.stdout.write(
            f"{notification_type} {made.payload_version} goes to destination {made.destination_id}: "
            f"subscription {made.subscription_id}\n"
        )


async def _subscribe(target: Target, kind: str, destination: str, options: dict[str, Any]) -> Subscription:
    async with connected(target) as connection:
        return await connection.seller.notifications.subscribe(kind, destination, **options)


@app.command("unsubscribe")
def unsubscribe(
    notification_type: Annotated[str, typer.Argument(metavar="TYPE", help="Such as ORDER_CHANGE.")],
    destination: Annotated[
        str | None, typer.Argument(help="Only subscriptions to this destination: a queue's URL or ARN, or an id.")
    ] = None,
    *,
    subscription: Annotated[
        str | None, typer.Option("--subscription", metavar="ID", help="Only this subscription.")
    ] = None,
    delete_destination: Annotated[
        bool,
        typer.Option(
            "--delete-destination", help="Also delete the destination: other sellers' subscriptions to it end, too."
        ),
    ] = False,
    endpoint: EndpointOption = None,
    emulator: EmulatorOption = False,
    as_json: JsonOption = False,
) -> None:
    """End the seller's subscriptions to a type of notification. Destinations stay, except with --delete-destination."""
    target = Target(endpoint=endpoint, emulator=emulator)
    options = {"subscription_id": subscription, "delete_destination": delete_destination}
    ended = run_async(_unsubscribe(target, notification_type, destination, options))
    if as_json:
        print_json({"ended": ended})
        return
    for each in ended:
        sys.stdout.write(f"{notification_type} {each.payload_version}: subscription {each.subscription_id} was ended\n")
    if not ended:
        sys.stdout.write(f"{notification_type}: there was no such subscription\n")


async def _unsubscribe(
    target: Target, kind: str, destination: str | None, options: dict[str, Any]
) -> list[Subscription]:
    async with connected(target) as connection:
        return await connection.seller.notifications.unsubscribe(kind, destination, **options)


@app.command("list")
def list_(
    notification_types: Annotated[
        list[str] | None, typer.Argument(metavar="[TYPE]...", help="By default all known types.")
    ] = None,
    *,
    endpoint: EndpointOption = None,
    emulator: EmulatorOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show the seller's subscriptions and the application's destinations. This takes a second for each type."""
    from spapi_async.models.notifications import MODULES

    kinds = notification_types or sorted(MODULES)
    subscriptions, destinations = run_async(_list(Target(endpoint=endpoint, emulator=emulator), kinds))
    if as_json:
        print_json({"subscriptions": subscriptions, "destinations": destinations})
    else:
        table_console().print(_table(subscriptions, destinations))


async def _list(target: Target, kinds: Sequence[str]) -> tuple[dict[str, list[Subscription]], list[Destination]]:
    found = {}
    async with connected(target) as connection:
        notifications = connection.seller.notifications
        destinations = await notifications.destinations()
        for kind in track(kinds, "Types", console=moving_console(), transient=True, disable=len(kinds) == 1):
            if subscriptions := await notifications.subscriptions(kind):
                found[kind] = subscriptions
    return found, destinations


def _table(subscriptions: dict[str, list[Subscription]], destinations: Sequence[Destination]) -> Table:
    where = {each.destination_id: _place(each) for each in destinations}
    table = Table(title="Subscriptions", title_justify="left")
    for heading in ("type", "version", "destination", "subscription"):
        table.add_column(heading, overflow="fold")
    for kind, several in subscriptions.items():
        for each in several:
            goes_to = where.get(each.destination_id, each.destination_id)
            table.add_row(kind, each.payload_version, goes_to, each.subscription_id)
    return table


def _place(destination: Destination) -> str:
    resource = destination.resource
    queue, bus = getattr(resource, "sqs", None), getattr(resource, "event_bridge", None)
    return str(getattr(queue, "arn", None) or getattr(bus, "name", None) or destination.name)


@app.command("listen")
def listen(
    queue: Annotated[str, typer.Argument(metavar="QUEUE_URL", help="The queue; botocore finds the AWS credentials.")],
    *,
    count: Annotated[
        int | None, typer.Option("--max", metavar="N", min=1, help="Exit after this many notifications.")
    ] = None,
    set_aside: Annotated[
        str | None,
        typer.Option("--set-aside", metavar="QUEUE_URL", help="The queue to which unreadable messages are sent."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Print each notification of a queue and delete it there. Ends with Ctrl-C; --json prints one object per line."""
    run_async(
        _listen(queue, count, set_aside, as_json=as_json),
        leaves="notifications that were not printed stay in the queue",
    )


async def _listen(url: str, count: int | None, set_aside: str | None, *, as_json: bool) -> None:
    from spapi_async.workflows.notifications import SqsQueue

    printed = 0
    async with SqsQueue(url, set_aside=set_aside) as messages:
        async for notification in messages:
            sys.stdout.write((_json_line(notification) if as_json else _line(notification)) + "\n")
            sys.stdout.flush()  # before the next step of the loop deletes it from the queue
            printed += 1
            if printed == count:
                notification.done()
                break


def _line(notification: Notification) -> str:
    time = f"{notification.event_time:%Y-%m-%d %H:%M:%S%z}" if notification.event_time else "no time"
    return f"{time}  {notification.type}  {notification.seller_id or '-'}  {notification.key}"


def _json_line(notification: Notification) -> str:
    """A notification as JSON; its payload is as Amazon sent it, or null if it contains a client secret."""
    facts = {
        "type": notification.type,
        "key": notification.key,
        "eventTime": notification.event_time,
        "publishTime": notification.publish_time,
        "sellerId": notification.seller_id,
        "payload": msgspec.Raw(notification.raw or b"null"),
    }
    return msgspec.json.encode(facts).decode()
