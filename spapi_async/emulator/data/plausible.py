"""Plausible text and numbers for a field, chosen by its name."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from spapi_async.emulator.data.orders import sku_of
from spapi_async.emulator.data.places import CITIES, phone_number, postal_code
from spapi_async.emulator.data.products import FIRST_NAMES, LAST_NAMES, PRODUCTS, STREETS, product_at
from spapi_async.emulator.gateway.ids import uuid_of
from spapi_async.emulator.gateway.times import iso
from spapi_async.marketplaces import Marketplace

__all__ = ["date", "moment", "number", "text"]

_DAY_ZERO = datetime(2026, 1, 1, tzinfo=UTC)


def text(name: str, rng: random.Random) -> str:
    """A string for a field of this name, in any of Amazon's spellings."""
    return _maker_of(name)(rng)


@lru_cache(maxsize=8192)
def _maker_of(name: str) -> Callable[[random.Random], str]:
    """What makes such a string: names repeat, and the table is long."""
    wanted = name.lower().replace("_", "").replace("-", "").replace(".", "")
    return next((make for ending, make in _BY_ENDING if wanted.endswith(ending)), _words)


def number(name: str, rng: random.Random) -> float:
    """A number with at most two decimals for a field of this name."""
    wanted = name.lower()
    if "percent" in wanted or "rate" in wanted:
        return rng.randrange(0, 1000) / 10
    if "weight" in wanted or wanted in ("length", "width", "height"):
        return rng.randrange(10, 5000) / 100
    return rng.randrange(199, 19999) / 100


def moment(rng: random.Random) -> str:
    """A time in 2026, in the format that most of Amazon's APIs use."""
    return iso(_DAY_ZERO.timestamp() + rng.randrange(200 * 86400), "seconds")


def date(rng: random.Random) -> str:
    """A day in 2026."""
    return (_DAY_ZERO + timedelta(days=rng.randrange(200))).strftime("%Y-%m-%d")


def _words(rng: random.Random) -> str:
    return product_at(0, rng.randrange(PRODUCTS)).title.partition(",")[0]


def _person(rng: random.Random) -> str:
    return f"{rng.choice(FIRST_NAMES)} {rng.choice(LAST_NAMES)}"


def _hex(digits: int) -> Callable[[random.Random], str]:
    return lambda rng: f"{rng.getrandbits(4 * digits):0{digits}x}"


def _uuid(rng: random.Random) -> str:
    return uuid_of(rng.getrandbits(128))


def _order_id(rng: random.Random) -> str:
    return f"{rng.randrange(100, 999)}-{rng.randrange(10**7):07d}-{rng.randrange(10**7):07d}"


def _amount(rng: random.Random) -> str:
    return f"{rng.randrange(1, 200)}.{rng.randrange(100):02d}"


def _city(rng: random.Random) -> str:
    return rng.choice(CITIES["US"]).name


_BY_ENDING: tuple[tuple[str, Callable[[random.Random], str]], ...] = (
    ("marketplaceid", lambda rng: str(rng.choice((Marketplace.US, Marketplace.CA, Marketplace.MX)))),
    ("marketplaceids", lambda _: str(Marketplace.US)),
    ("asin", lambda rng: product_at(0, rng.randrange(PRODUCTS)).asin),
    ("fnsku", lambda rng: f"X00{rng.randrange(36**4):07d}"),
    ("sku", lambda rng: sku_of(product_at(0, rng.randrange(PRODUCTS)))),
    ("orderid", _order_id),
    ("orderitemid", lambda rng: f"{rng.randrange(10**13, 10**14)}"),
    ("shipmentid", lambda rng: f"FBA15{rng.randrange(36**5):07d}"),
    ("trackingid", lambda rng: f"1Z999AA1{rng.randrange(10**10):010d}"),
    ("trackingnumber", lambda rng: f"1Z999AA1{rng.randrange(10**10):010d}"),
    ("sellerid", lambda rng: f"A{rng.randrange(36**7):013d}"),
    ("uuid", _uuid),
    ("id", _uuid),
    ("currencycode", lambda _: "USD"),
    ("currency", lambda _: "USD"),
    ("countrycode", lambda _: "US"),
    ("languagetag", lambda _: "en_US"),
    ("locale", lambda _: "en_US"),
    ("amount", _amount),
    ("price", _amount),
    ("email", lambda rng: f"{rng.getrandbits(60):015x}@marketplace.amazon.com"),
    ("emailaddress", lambda rng: f"{rng.getrandbits(60):015x}@marketplace.amazon.com"),
    ("phone", phone_number),
    ("phonenumber", phone_number),
    ("addressline1", lambda rng: f"{rng.randrange(1, 900)} {rng.choice(STREETS)}"),
    ("line1", lambda rng: f"{rng.randrange(1, 900)} {rng.choice(STREETS)}"),
    ("city", _city),
    ("stateorregion", lambda rng: rng.choice(CITIES["US"]).state),
    ("stateorprovincecode", lambda rng: rng.choice(CITIES["US"]).state),
    ("postalcode", lambda rng: postal_code(rng.choice(CITIES["US"]).postal_code, rng)),
    ("companyname", lambda rng: f"{rng.choice(LAST_NAMES)} Trading Ltd"),
    ("brand", lambda rng: product_at(0, rng.randrange(PRODUCTS)).brand),
    ("brandname", lambda rng: product_at(0, rng.randrange(PRODUCTS)).brand),
    ("producttype", lambda rng: product_at(0, rng.randrange(PRODUCTS)).product_type),
    ("carrier", lambda rng: rng.choice(("UPS", "USPS", "FedEx", "DHL"))),
    ("carriername", lambda rng: rng.choice(("UPS", "USPS", "FedEx", "DHL"))),
    ("carriercode", lambda rng: rng.choice(("UPS", "USPS", "FEDEX", "DHL"))),
    ("displayname", _words),
    ("itemname", lambda rng: product_at(0, rng.randrange(PRODUCTS)).title),
    ("title", lambda rng: product_at(0, rng.randrange(PRODUCTS)).title),
    ("name", _person),
    ("url", lambda rng: f"https://m.media-amazon.com/images/I/{rng.getrandbits(48):012x}.jpg"),
    ("uri", lambda rng: f"https://m.media-amazon.com/images/I/{rng.getrandbits(48):012x}.jpg"),
    ("link", lambda rng: f"https://m.media-amazon.com/images/I/{rng.getrandbits(48):012x}.jpg"),
    ("href", lambda rng: f"/resource/{rng.getrandbits(48):012x}"),
    ("date", moment),
    ("time", moment),
    ("datetime", moment),
    ("edat", moment),  # createdAt, occurredAt
    ("timestamp", moment),
    ("checksum", _hex(32)),
    ("hash", _hex(32)),
    ("quantity", lambda rng: str(rng.randrange(1, 20))),
    ("count", lambda rng: str(rng.randrange(1, 20))),
    ("status", lambda rng: rng.choice(("COMPLETED", "PENDING", "ACTIVE"))),
    ("type", lambda rng: rng.choice(("STANDARD", "EXPEDITED", "OTHER"))),
    ("description", _words),
    ("message", lambda _: "Thank you for your order."),
    ("reason", lambda rng: rng.choice(("CUSTOMER_REQUEST", "DAMAGED", "NOT_AS_DESCRIBED"))),
    ("version", lambda _: "1.0"),
    ("unit", lambda rng: rng.choice(("KILOGRAMS", "CENTIMETERS"))),
    ("code", lambda rng: f"C{rng.randrange(100, 999)}"),
)
