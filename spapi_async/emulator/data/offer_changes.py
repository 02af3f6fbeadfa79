"""The contents of notifications about changes of competitors' offers."""

from __future__ import annotations

import random

from spapi_async.emulator.data.notices import Notice
from spapi_async.emulator.data.paging import type_info
from spapi_async.emulator.data.synthesis import Maker
from spapi_async.emulator.gateway.times import iso
from spapi_async.models.notifications import any_offer_changed

__all__ = ["offer_changed"]


def offer_changed(seller: str, asin: str, marketplace: str, now: float, rng: random.Random) -> Notice:
    """ANY_OFFER_CHANGED for one product; its prices and competitors are random."""
    payload = Maker(rng).make(type_info(any_offer_changed.Payload), "")
    facts = payload["AnyOfferChangedNotification"]
    facts["SellerId"] = seller
    facts["OfferChangeTrigger"] |= {"MarketplaceId": marketplace, "ASIN": asin, "TimeOfOfferChange": iso(now)}
    return Notice(type="ANY_OFFER_CHANGED", version="1.0", happened=now, payload=payload, marketplace=marketplace)
