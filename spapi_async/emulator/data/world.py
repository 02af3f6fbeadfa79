"""The state behind the operations: sellers, made when they are first seen, and the settings that shape them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import msgspec

from spapi_async._core.operation import Operation
from spapi_async.emulator.data.documents import DocumentStore
from spapi_async.emulator.data.jobs import Job, Jobs
from spapi_async.emulator.data.listings import ListingsStore
from spapi_async.emulator.data.mail import Mail, Postage
from spapi_async.emulator.data.notices import job_finished, order_changed
from spapi_async.emulator.data.orders import OrderBook, StoredOrder
from spapi_async.emulator.data.places import USUAL
from spapi_async.emulator.data.products import PRODUCTS
from spapi_async.emulator.gateway.replies import Reply
from spapi_async.emulator.gateway.routes import Routes
from spapi_async.emulator.identity.lwa import LoginWithAmazon
from spapi_async.emulator.identity.tokens import AccessToken, TokenDesk
from spapi_async.marketplaces import Marketplace, Region

__all__ = ["Call", "Handler", "Seller", "Settings", "World"]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How the data set looks.

    Attributes:
        seed: equal seeds give equal data on one day.
        orders: how many orders each seller has.
        days: how many days before the anchor hold the orders' updates.
        listings: how many listings each seller has.
        products: how many ASINs the catalogue knows; searches by keyword look at the first five thousand.
        marketplaces: where a seller sells.
        anchor: the end of the days that hold the orders' updates, in seconds since the epoch; None: the last
            midnight UTC that order searches have caught up with.
        violations: whether a few percent of the orders deviate from Amazon's models, as real ones do.
        search_delay: seconds by which order searches lag behind; Amazon's is two minutes.
        list_lag: an order that changed appears in searches by update up to so many seconds late, as in Amazon's at
            times. By its id it is found at once.
        shuffled_pages: whether the orders of a page come in no order, for Amazon documents none.
        page_shift: whether a token of an order search is a number of orders to skip: one that changes between two
            pages leaves its place, and its neighbour slides onto a page that has been read already.
        unsorted_lists: whether page after page of an order search comes in no order, for Amazon documents none; tokens
            are numbers of orders to skip then, as with ``page_shift``.
        v0_status_dates: whether Orders v0 dates an order's last update, and lists it, by its last change of status;
            Orders 2026-01-01 and reports do by any change.
        processing: seconds that a report, feed or query takes.
        report_cooldown: seconds within which a second FBA report of one type ends CANCELLED although there is data, as
            Amazon's do; 0: never.
        document_lifetime: seconds that a document's URL works.
        refused_datasets: values of Orders 2026-01-01's ``includedData`` that are refused with 403, as where a role is
            missing.
        refused_asins: well-formed ASINs that Amazon's catalogue refuses all the same, and a whole search with them.
        synthetic: every operation answers from its response type alone, whatever is asked for: no order is unknown,
            and a restricted data token can be had for any path.
        sqs_endpoint: where notifications to SQS queues are sent, such as a local stand-in's URL; None: they are kept
            in memory, ``Emulator.notifications``.
        notification_lag: each copy of a notification is up to so many seconds late.
        notification_loss, notification_duplication: the shares that never arrive, and that arrive twice.
    """

    seed: int = 0
    orders: int = 200
    days: float = 60.0
    listings: int = 60
    products: int = PRODUCTS
    marketplaces: tuple[Marketplace, ...] = USUAL[Region.NA]
    anchor: float | None = None
    violations: bool = True
    search_delay: float = 120.0
    list_lag: float = 0.0
    shuffled_pages: bool = False
    page_shift: bool = False
    unsorted_lists: bool = False
    v0_status_dates: bool = False
    processing: float = 0.5
    report_cooldown: float = 0.0
    document_lifetime: float = 300.0
    refused_datasets: frozenset[str] = frozenset()
    refused_asins: frozenset[str] = frozenset()
    synthetic: bool = False
    sqs_endpoint: str | None = None
    notification_lag: float = 0.0
    notification_loss: float = 0.0
    notification_duplication: float = 0.0


class Seller:
    """One selling partner's data."""

    def __init__(self, seller_id: str, settings: Settings, anchor: float, world: World) -> None:
        self.id = seller_id
        self._settings = settings
        self._anchor = anchor
        self._world = world
        self.jobs = Jobs(
            seller_id,
            world.documents,
            processing=settings.processing,
            cooldown=settings.report_cooldown,
            began=self._job_began,
        )
        # replies to operations that have no state of their own, kept so that a repeated read gives the same bytes
        self.synthesised: dict[Any, bytes] = {}

    @cached_property
    def orders(self) -> OrderBook:
        """The orders, made when they are first asked for."""
        facts = self._settings
        return OrderBook(
            facts.seed,
            self.id,
            facts.orders,
            facts.marketplaces,
            self._anchor,
            days=facts.days,
            changed=self._order_changed,
        )

    @cached_property
    def listings(self) -> ListingsStore:
        """The listings, made when they are first asked for."""
        facts = self._settings
        return ListingsStore(facts.seed, self.id, facts.listings, facts.marketplaces, self._anchor)

    def _order_changed(self, order: StoredOrder) -> None:
        now = self._world.now()
        notice = order_changed(self.id, order, now)  # as it is at this moment
        self._world.mail.expect(self.id, now, lambda _: notice)

    def _job_began(self, job: Job) -> None:
        self._world.mail.expect(self.id, job.ended, lambda now: job_finished(self.id, job, now))


class World:
    """Everything that ``POST /_emulator/reset`` starts anew."""

    def __init__(
        self, settings: Settings, now: Callable[[], float], desk: TokenDesk, lwa: LoginWithAmazon, restricted: Routes
    ) -> None:
        self.settings = settings
        self.lwa = lwa
        self.restricted = restricted
        self.now = now
        self.desk = desk
        self.documents = DocumentStore(settings.seed, settings.document_lifetime)
        self._anchor = settings.anchor if settings.anchor is not None else _midnight(now() - settings.search_delay)
        self._sellers: dict[str, Seller] = {}
        postage = Postage(
            lag=settings.notification_lag,
            loss=settings.notification_loss,
            duplication=settings.notification_duplication,
        )
        self.mail = Mail(settings.seed, postage)

    @property
    def sellers(self) -> Sequence[Seller]:
        """Every seller that has been issued a token."""
        return tuple(map(self.seller, self.desk.sellers))

    def seller(self, seller_id: str) -> Seller:
        """The seller with this id; every id is one."""
        seller = self._sellers.get(seller_id)
        if seller is None:
            seller = self._sellers[seller_id] = Seller(seller_id, self.settings, self._anchor, self)
        return seller


class Call:
    """One admitted request, as its handler sees it.

    ``arguments`` are by wire name, path included; ``body`` is plain JSON; ``elements`` are the restricted data
    elements that the token grants; ``outcome`` is what an injected fault decided for a job that this request creates,
    ``status`` which of several success statuses it asks for.
    """

    __slots__ = (
        "arguments",
        "base_url",
        "body",
        "elements",
        "now",
        "operation",
        "outcome",
        "seller",
        "status",
        "token",
        "world",
    )

    def __init__(
        self,
        *,
        world: World,
        operation: Operation[Any],
        arguments: dict[str, Any],
        body: Any,
        token: AccessToken,
        elements: frozenset[str],
        base_url: str,
        outcome: str | None = None,
        status: int | None = None,
    ) -> None:
        self.world = world
        self.operation = operation
        self.arguments = arguments
        self.body = body
        self.token = token
        self.elements = elements
        self.base_url = base_url
        self.outcome = outcome
        self.status = status
        self.now = world.now()
        self.seller = world.seller(token.seller or "")


Handler = Callable[[Call], Reply]


def _midnight(now: float) -> float:
    today = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return today.timestamp()
