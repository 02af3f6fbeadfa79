"""The requests that control the emulator: ``/_emulator/...``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from spapi_async.emulator.apis.reports_2021_06_30 import make_report
from spapi_async.emulator.data.notification_service import DeliverySettings
from spapi_async.emulator.data.offer_changes import offer_changed
from spapi_async.emulator.data.products import PRODUCTS, product_at, rng_for
from spapi_async.emulator.data.world import Seller, World
from spapi_async.emulator.gateway.buckets import Plans
from spapi_async.emulator.gateway.faults import Faults

__all__ = ["CONTROL_PATH", "Control"]

CONTROL_PATH = "/_emulator"


class _OrderChange(msgspec.Struct, forbid_unknown_fields=True):
    add: int = 0
    update: int = 0
    seller: str | None = None
    at: float | str | None = None


class _Report(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, rename="camel"):
    """A report that somebody else requested ``age`` seconds ago; the other fields are createReport's."""

    report_type: str
    seller: str | None = None
    age: float = 0.0
    outcome: str = "DONE"
    processing: float | None = None
    marketplace_ids: list[str] = msgspec.field(default_factory=lambda: ["ATVPDKIKX0DER"])
    data_start_time: str | None = None
    data_end_time: str | None = None
    report_options: dict[str, str] | None = None
    report_schedule_id: str | None = None


class _OfferChange(msgspec.Struct, forbid_unknown_fields=True):
    count: int = 1
    seller: str | None = None


class Control:
    """Answers POST ``faults``, ``orders``, ``reports``, ``offers`` and GET ``limits``, ``notifications``, ``sellers``.

    Besides fault rules, ``faults`` accepts commands, which take effect at once: ``{"expire_tokens": true}``,
    ``{"revoke_tokens": true}``, ``{"revoke_refresh_token": "Atzr|..."}``, ``{"retire_old_secrets": true}``,
    ``{"warn_of_expiry": client_id}``, ``{"token_lifetime": seconds}``, ``{"spend": operation, "tokens": n}`` (as
    another client of the same quota would), ``{"refill": true}`` (fills all buckets), ``{"clear": true}`` (removes all
    rules), ``{"notifications": {"lag": seconds, "loss": share, "duplication": share}}``.
    """

    def __init__(self, world: World, faults: Faults, plans: Plans) -> None:
        self._world = world
        self._faults = faults
        self._plans = plans

    def answer(self, method: str, what: str, body: bytes) -> tuple[int, Any]:
        """The status and the JSON value of the reply to a control request."""
        try:
            if method == "POST" and what == "faults":
                rules = msgspec.json.decode(body)
                if isinstance(rules, dict) and "rules" in rules:
                    rules = rules["rules"]
                self.faults(rules if isinstance(rules, list) else [rules])
                return 200, {"ok": True}
            if method == "POST" and what == "orders":
                change = msgspec.json.decode(body or b"{}", type=_OrderChange)
                return 200, self.change_orders(change.add, change.update, change.seller, _moment(change.at))
            if method == "POST" and what == "reports":
                return 200, {"reports": self.add_report(msgspec.json.decode(body))}
            if method == "POST" and what == "offers":
                offers = msgspec.json.decode(body or b"{}", type=_OfferChange)
                return 200, {"changed": self.change_offers(offers.count, offers.seller)}
        except msgspec.MsgspecError as error:
            return 400, {"error": str(error)}
        state = self._state(what) if method == "GET" else None
        unknown = {"error": f"no such control request: {method} {what}; spapi_async.emulator documents them"}
        return (404, unknown) if state is None else (200, state)

    def _state(self, what: str) -> dict[str, Any] | None:
        if what == "limits":
            return {"limits": self._plans.report()}
        if what == "notifications":
            return {"notifications": self.notifications()}
        if what == "sellers":
            return {"sellers": {seller.id: len(seller.orders) for seller in self._world.sellers}}
        return None

    def faults(self, rules: list[Any]) -> None:
        """Add fault rules and carry out commands.

        Raises:
            msgspec.ValidationError: an entry is neither a rule nor a command.
        """
        for rule in rules:
            command = next((name for name in _COMMANDS if isinstance(rule, dict) and name in rule), None)
            if command is None:
                self._faults.add([rule])
            else:
                self._command(command, rule[command], rule)

    def change_orders(self, add: int, update: int, seller: str | None, at: float | None) -> dict[str, list[str]]:
        """Add and change orders of one seller, or of every seller seen so far; return their ids."""
        moment = self._world.now() if at is None else at
        sellers: Sequence[Seller] = self._world.sellers if seller is None else (self._world.seller(seller),)
        changed: dict[str, list[str]] = {"added": [], "updated": []}
        for each in sellers:
            # Changes come first, so that they cannot hit the orders that are added.
            changed["updated"] += each.orders.update(update, moment)
            changed["added"] += each.orders.add(add, moment)
        return changed

    def add_report(self, asked: Any) -> list[str]:
        """Add a report that somebody else requested, for one seller or every seller seen so far; return the ids.

        Raises:
            msgspec.ValidationError: an unknown field, or a value of the wrong type.
        """
        report = msgspec.convert(asked, _Report)
        sellers = self._world.sellers if report.seller is None else (self._world.seller(report.seller),)
        facts = {name: value for name, value in asked.items() if name not in ("seller", "age", "outcome", "processing")}
        facts["marketplaceIds"] = report.marketplace_ids
        made_at = self._world.now() - report.age
        return [
            make_report(seller, dict(facts), made_at, outcome=report.outcome, processing=report.processing).id
            for seller in sellers
        ]

    def change_offers(self, count: int, seller: str | None) -> list[str]:
        """Change competitors' offers for ``count`` products of one seller, or of every seller; return the ASINs."""
        world, now = self._world, self._world.now()
        sellers: Sequence[Seller] = world.sellers if seller is None else (world.seller(seller),)
        changed = []
        for each in sellers:
            rng = rng_for(world.settings.seed, each.id, "offers", now)
            for _ in range(count):
                asin = product_at(world.settings.seed, rng.randrange(PRODUCTS)).asin
                notice = offer_changed(each.id, asin, str(world.settings.marketplaces[0]), now, rng)
                world.notification_service.send(each.id, now, notice)
                changed.append(asin)
        return changed

    def notifications(self) -> Sequence[Mapping[str, Any]]:
        """The notifications kept in memory, oldest first, including those about client secrets."""
        world = self._world
        if world.settings.sqs_endpoint is None:
            world.lwa.notifications += [delivery.message for delivery in world.notification_service.due(world.now())]
        return world.lwa.notifications

    def _command(self, name: str, value: Any, rule: Mapping[str, Any]) -> None:
        world = self._world
        if name == "revoke_refresh_token":
            world.tokens.revoke(str(value))
        elif name == "spend":
            self._plans.spend(str(value), float(rule.get("tokens", 1)))
        elif name == "warn_of_expiry":
            world.lwa.warn_of_expiry(str(value))
        elif name == "notifications":
            world.notification_service.delivery_settings = msgspec.convert(value, DeliverySettings)
        elif name == "token_lifetime":
            world.lwa.token_lifetime = float(value)
        elif value:
            {
                "expire_tokens": world.tokens.expire_all,
                "revoke_tokens": world.tokens.forget_all,
                "retire_old_secrets": world.lwa.retire_old_secrets,
                "refill": self._plans.refill,
                "clear": self._faults.clear,
            }[name]()


_COMMANDS = (
    "expire_tokens",
    "revoke_tokens",
    "revoke_refresh_token",
    "retire_old_secrets",
    "warn_of_expiry",
    "token_lifetime",
    "notifications",
    "spend",
    "refill",
    "clear",
)


def _moment(at: float | str | None) -> float | None:
    if not isinstance(at, str):
        return at
    from spapi_async.emulator.gateway.times import parse_date

    moment = parse_date(at)
    if moment is None:
        raise msgspec.ValidationError(f"at: {at!r} is not an ISO 8601 date")
    return moment
