"""The state behind the operations: the settings, and the sellers, which are made when they are first seen."""

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
from spapi_async.emulator.data.notices import job_finished, order_changed
from spapi_async.emulator.data.notification_service import DeliverySettings, NotificationService
from spapi_async.emulator.data.orders import OrderBook, StoredOrder
from spapi_async.emulator.data.places import DEFAULT_MARKETPLACES
from spapi_async.emulator.data.products import PRODUCTS
from spapi_async.emulator.gateway.replies import Reply
from spapi_async.emulator.gateway.routes import Routes
from spapi_async.emulator.identity.lwa import LoginWithAmazon
from spapi_async.emulator.identity.tokens import AccessToken, TokenRegistry
from spapi_async.marketplaces import Marketplace, Region

__all__ = ["Call", "Handler", "Seller", "Settings", "World"]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of the data and of the operations' behaviour.

    Attributes:
        seed: equal seeds give equal data on the same day.
        orders: how many orders each seller has.
        days: over how many days before the anchor the orders' updates are spread.
        listings: how many listings each seller has.
        products: how many ASINs the catalogue has; searches by keyword look only at the first five thousand.
        marketplaces: the marketplaces in which every seller sells.
        anchor: the time, in seconds since the epoch, before which all orders were updated; None: the last midnight UTC
            that is at least ``search_delay`` ago.
        violations: whether a few percent of the orders deviate from Amazon's models, as real ones do.
        search_delay: seconds until an update appears in order searches; two minutes at Amazon.
        list_lag: the most additional seconds until a changed order appears in searches by update, as sometimes happens
            at Amazon; getOrder shows the change at once.
        shuffled_pages: whether the orders within a page are in random order; Amazon documents no order.
        page_shift: whether the token of an order search is the number of orders to skip. If an order changes between
            the requests of two pages, another order then moves to a page that has already been read.
        unsorted_lists: whether an order search is in random order across its pages; tokens are then numbers of orders
            to skip, as with ``page_shift``.
        v0_status_dates: whether Orders v0 takes an order's last change of status for its last update; Orders 2026-01-01
            and reports always take the last change of any kind.
        processing: seconds that a report, feed or query takes.
        report_cooldown: seconds after an FBA report in which another one of the same type ends CANCELLED, as at Amazon;
            0 disables this.
        document_lifetime: seconds until a document's URL expires.
        refused_datasets: values of ``includedData`` in Orders 2026-01-01 that are refused with 403, as Amazon does if
            the application lacks a role.
        refused_asins: well-formed ASINs that the catalogue refuses, together with any search that contains one.
        synthetic: whether replies of all operations are synthesised from their response types; every order id then
            exists, and restricted data tokens are issued for any path.
        sqs_endpoint: the URL of a local SQS server to which notifications are sent; None: they are kept in memory, see
            ``Emulator.notifications``.
        notification_lag: the most seconds by which each copy of a notification is delayed.
        notification_loss: the share of notifications that never arrive.
        notification_duplication: the share of notifications that arrive twice.
    """

    seed: int = 0
    orders: int = 200
    days: float = 60.0
    listings: int = 60
    products: int = PRODUCTS
    marketplaces: tuple[Marketplace, ...] = DEFAULT_MARKETPLACES[Region.NA]
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
        # replies of operations without state, kept so that a repeated request gets the same bytes
        self.synthesised: dict[Any, bytes] = {}

    @cached_property
    def orders(self) -> OrderBook:
        """The orders, made when they are first used."""
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
        """The listings, made when they are first used."""
        facts = self._settings
        return ListingsStore(facts.seed, self.id, facts.listings, facts.marketplaces, self._anchor)

    def _order_changed(self, order: StoredOrder) -> None:
        now = self._world.now()
        notice = order_changed(self.id, order, now)  # made now: the order may change before it is sent
        self._world.notification_service.send(self.id, now, notice)

    def _job_began(self, job: Job) -> None:
        self._world.notification_service.schedule(self.id, job.ended, lambda now: job_finished(self.id, job, now))


class World:
    """The state that ``POST /_emulator/reset`` replaces."""

    def __init__(
        self,
        settings: Settings,
        now: Callable[[], float],
        tokens: TokenRegistry,
        lwa: LoginWithAmazon,
        restricted: Routes,
    ) -> None:
        self.settings = settings
        self.lwa = lwa
        self.restricted = restricted
        self.now = now
        self.tokens = tokens
        self.documents = DocumentStore(settings.seed, settings.document_lifetime)
        self._anchor = settings.anchor if settings.anchor is not None else _midnight(now() - settings.search_delay)
        self._sellers: dict[str, Seller] = {}
        delivery_settings = DeliverySettings(
            lag=settings.notification_lag,
            loss=settings.notification_loss,
            duplication=settings.notification_duplication,
        )
        self.notification_service = NotificationService(settings.seed, delivery_settings)

    @property
    def sellers(self) -> Sequence[Seller]:
        """Every seller that has been issued a token."""
        return tuple(map(self.seller, self.tokens.sellers))

    def seller(self, seller_id: str) -> Seller:
        """The seller with this id; any id is valid."""
        seller = self._sellers.get(seller_id)
        if seller is None:
            seller = self._sellers[seller_id] = Seller(seller_id, self.settings, self._anchor, self)
        return seller


class Call:
    """One admitted request, as its handler receives it.

    ``arguments`` are those of path, query and headers, by wire name; ``body`` is the decoded JSON; ``elements`` are the
    restricted data elements that the token grants. A fault rule can set ``outcome``, that of a job which this request
    creates, and ``status``, one of the operation's success statuses.
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
