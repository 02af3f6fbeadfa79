"""Text and numbers that fit the name of the field they go into."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from spapi_async.emulator.data.orders import sku_of
from spapi_async.emulator.data.places import CITIES, phone_number, postal_code
from spapi_async.emulator.data.products import FIRST_NAMES, LAST_NAMES, PRODUCTS, STREETS, product
from spapi_async.emulator.gateway.ids import uuid_of
from spapi_async.emulator.gateway.times import iso
from spapi_async.marketplaces import Marketplace

__all__ = ["date", "moment", "number", "text"]

_DAY_ZERO = datetime(2026, 1, 1, tzinfo=UTC)


def text(name: str, dice: random.Random) -> str:
    """A string for a field of this name (Amazon's spelling, any case)."""
    wanted = name.lower().replace("_", "").replace("-", "").replace(".", "")
    for ending, make in _BY_ENDING:
        if wanted.endswith(ending):
            return make(dice)
    return _words(dice)


def number(name: str, dice: random.Random) -> float:
    """A number of two decimals for a field of this name."""
    wanted = name.lower()
    if "percent" in wanted or "rate" in wanted:
        return dice.randrange(0, 1000) / 10
    if "weight" in wanted or wanted in ("length", "width", "height"):
        return dice.randrange(10, 5000) / 100
    return dice.randrange(199, 19999) / 100


def moment(dice: random.Random) -> str:
    """A time of this year, in the form Amazon uses most."""
    return iso(_DAY_ZERO.timestamp() + dice.randrange(200 * 86400), "seconds")


def date(dice: random.Random) -> str:
    """A day of this year."""
    return (_DAY_ZERO + timedelta(days=dice.randrange(200))).strftime("%Y-%m-%d")


def _words(dice: random.Random) -> str:
    return product(0, dice.randrange(PRODUCTS)).title.partition(",")[0]


def _person(dice: random.Random) -> str:
    return f"{dice.choice(FIRST_NAMES)} {dice.choice(LAST_NAMES)}"


def _hex(digits: int) -> Callable[[random.Random], str]:
    return lambda dice: f"{dice.getrandbits(4 * digits):0{digits}x}"


def _uuid(dice: random.Random) -> str:
    return uuid_of(dice.getrandbits(128))


def _order_id(dice: random.Random) -> str:
    return f"{dice.randrange(100, 999)}-{dice.randrange(10**7):07d}-{dice.randrange(10**7):07d}"


def _amount(dice: random.Random) -> str:
    return f"{dice.randrange(1, 200)}.{dice.randrange(100):02d}"


def _city(dice: random.Random) -> str:
    return dice.choice(CITIES["US"]).name


_BY_ENDING: tuple[tuple[str, Callable[[random.Random], str]], ...] = (
    ("marketplaceid", lambda dice: str(dice.choice((Marketplace.US, Marketplace.CA, Marketplace.MX)))),
    ("marketplaceids", lambda _: str(Marketplace.US)),
    ("asin", lambda dice: product(0, dice.randrange(PRODUCTS)).asin),
    ("fnsku", lambda dice: f"X00{dice.randrange(36**4):07d}"),
    ("sku", lambda dice: sku_of(product(0, dice.randrange(PRODUCTS)))),
    ("orderid", _order_id),
    ("orderitemid", lambda dice: f"{dice.randrange(10**13, 10**14)}"),
    ("shipmentid", lambda dice: f"FBA15{dice.randrange(36**5):07d}"),
    ("trackingid", lambda dice: f"1Z999AA1{dice.randrange(10**10):010d}"),
    ("trackingnumber", lambda dice: f"1Z999AA1{dice.randrange(10**10):010d}"),
    ("sellerid", lambda dice: f"A{dice.randrange(36**7):013d}"),
    ("uuid", _uuid),
    ("id", _uuid),
    ("currencycode", lambda _: "USD"),
    ("currency", lambda _: "USD"),
    ("countrycode", lambda _: "US"),
    ("languagetag", lambda _: "en_US"),
    ("locale", lambda _: "en_US"),
    ("amount", _amount),
    ("price", _amount),
    ("email", lambda dice: f"{dice.getrandbits(60):015x}@marketplace.amazon.com"),
    ("emailaddress", lambda dice: f"{dice.getrandbits(60):015x}@marketplace.amazon.com"),
    ("phone", phone_number),
    ("phonenumber", phone_number),
    ("addressline1", lambda dice: f"{dice.randrange(1, 900)} {dice.choice(STREETS)}"),
    ("line1", lambda dice: f"{dice.randrange(1, 900)} {dice.choice(STREETS)}"),
    ("city", _city),
    ("stateorregion", lambda dice: dice.choice(CITIES["US"]).state),
    ("stateorprovincecode", lambda dice: dice.choice(CITIES["US"]).state),
    ("postalcode", lambda dice: postal_code(dice.choice(CITIES["US"]).postal_code, dice)),
    ("companyname", lambda dice: f"{dice.choice(LAST_NAMES)} Trading Ltd"),
    ("brand", lambda dice: product(0, dice.randrange(PRODUCTS)).brand),
    ("brandname", lambda dice: product(0, dice.randrange(PRODUCTS)).brand),
    ("producttype", lambda dice: product(0, dice.randrange(PRODUCTS)).product_type),
    ("carrier", lambda dice: dice.choice(("UPS", "USPS", "FedEx", "DHL"))),
    ("carriername", lambda dice: dice.choice(("UPS", "USPS", "FedEx", "DHL"))),
    ("carriercode", lambda dice: dice.choice(("UPS", "USPS", "FEDEX", "DHL"))),
    ("displayname", _words),
    ("itemname", lambda dice: product(0, dice.randrange(PRODUCTS)).title),
    ("title", lambda dice: product(0, dice.randrange(PRODUCTS)).title),
    ("name", _person),
    ("url", lambda dice: f"https://m.media-amazon.com/images/I/{dice.getrandbits(48):012x}.jpg"),
    ("uri", lambda dice: f"https://m.media-amazon.com/images/I/{dice.getrandbits(48):012x}.jpg"),
    ("link", lambda dice: f"https://m.media-amazon.com/images/I/{dice.getrandbits(48):012x}.jpg"),
    ("href", lambda dice: f"/resource/{dice.getrandbits(48):012x}"),
    ("date", moment),
    ("time", moment),
    ("datetime", moment),
    ("edat", moment),  # createdAt, occurredAt
    ("timestamp", moment),
    ("checksum", _hex(32)),
    ("hash", _hex(32)),
    ("quantity", lambda dice: str(dice.randrange(1, 20))),
    ("count", lambda dice: str(dice.randrange(1, 20))),
    ("status", lambda dice: dice.choice(("COMPLETED", "PENDING", "ACTIVE"))),
    ("type", lambda dice: dice.choice(("STANDARD", "EXPEDITED", "OTHER"))),
    ("description", _words),
    ("message", lambda _: "Thank you for your order."),
    ("reason", lambda dice: dice.choice(("CUSTOMER_REQUEST", "DAMAGED", "NOT_AS_DESCRIBED"))),
    ("version", lambda _: "1.0"),
    ("unit", lambda dice: dice.choice(("KILOGRAMS", "CENTIMETERS"))),
    ("code", lambda dice: f"C{dice.randrange(100, 999)}"),
)
