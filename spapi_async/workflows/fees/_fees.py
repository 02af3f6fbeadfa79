"""``seller.fees``: estimates of fees, requested one by one and fetched in batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, NamedTuple

from spapi_async._codec.known_limits import BATCHES
from spapi_async.api.product_fees_v0 import (
    GET_MY_FEES_ESTIMATE_FOR_ASIN,
    GET_MY_FEES_ESTIMATE_FOR_SKU,
    GET_MY_FEES_ESTIMATES,
)
from spapi_async.errors import ApiError, ConfigurationError
from spapi_async.marketplaces import Marketplace
from spapi_async.workflows.lookups import Answer, LookUps, Rule, check_asin, check_sku, item_error, listed

if TYPE_CHECKING:
    from spapi_async.models.product_fees_v0 import FeesEstimateResult

__all__ = ["Fees"]

_CURRENCIES = {
    "US": "USD", "CA": "CAD", "MX": "MXN", "BR": "BRL", "UK": "GBP", "SE": "SEK", "ZA": "ZAR", "PL": "PLN", "EG": "EGP",
    "TR": "TRY", "SA": "SAR", "AE": "AED", "IN": "INR", "SG": "SGD", "AU": "AUD", "JP": "JPY",
}  # fmt: skip
"""Currencies by marketplace; the other marketplaces use the euro."""


class Key(NamedTuple):
    """Everything that an estimate depends on: an ASIN at two prices is two keys."""

    kind: str
    value: str
    place: str
    price: Decimal
    shipping: Decimal | None
    currency: str
    fulfilled_by_amazon: bool
    program: str | None


def _arguments(_group: None, keys: Sequence[Key]) -> dict[str, Any]:
    body = [
        {"IdType": key.kind, "IdValue": key.value, "FeesEstimateRequest": _request(key, str(place))}
        for place, key in enumerate(keys)
    ]
    return {"body": body}


def _request(key: Key, identifier: str) -> dict[str, Any]:
    price: dict[str, Any] = {"ListingPrice": {"CurrencyCode": key.currency, "Amount": key.price}}
    if key.shipping is not None:
        price["Shipping"] = {"CurrencyCode": key.currency, "Amount": key.shipping}
    request = {
        "MarketplaceId": key.place,
        "IsAmazonFulfilled": key.fulfilled_by_amazon,
        "PriceToEstimateFees": price,
        "Identifier": identifier,
    }
    return request if key.program is None else {**request, "OptionalFulfillmentProgram": key.program}


def _answers(_group: None, keys: Sequence[Key], body: Any) -> list[Answer]:
    by_identifier = {str(place): key for place, key in enumerate(keys)}
    return [_answer(by_identifier, entry) for entry in listed(body, "", GET_MY_FEES_ESTIMATES)]


def _answer(keys: Mapping[str, Key], entry: Any) -> Answer:
    identifier = getattr(getattr(entry, "fees_estimate_identifier", None), "seller_input_identifier", None)
    key = keys.get(identifier) if isinstance(identifier, str) else None
    error = _error(entry)
    return (key, entry, None) if error is None else (key, None, error)


def _error(entry: Any) -> ApiError | None:
    """The error of an entry by its status: a successful entry may also contain an error, with empty texts."""
    status = getattr(entry, "status", None)
    if status == "Success":
        return None
    found = getattr(entry, "error", None)
    return item_error(GET_MY_FEES_ESTIMATES, 400 if status == "ClientError" else 500, () if found is None else (found,))


def _single_arguments(_group: None, key: Key) -> dict[str, Any]:
    name = "asin" if key.kind == "ASIN" else "seller_sku"
    return {name: key.value, "body": {"FeesEstimateRequest": _request(key, "0")}}


def _single_value(body: Any) -> Any:
    entry = getattr(body, "fees_estimate_result", None)
    return None if entry is None else _error(entry) or entry


ESTIMATE: Rule[None, Key] = Rule(
    name="fees.estimate",
    batch=GET_MY_FEES_ESTIMATES,
    maximum=BATCHES[GET_MY_FEES_ESTIMATES.name].most,
    arguments=_arguments,
    answers=_answers,
    answers_all=True,
    entries=((), ()),
    single=lambda key: GET_MY_FEES_ESTIMATE_FOR_ASIN if key.kind == "ASIN" else GET_MY_FEES_ESTIMATE_FOR_SKU,
    single_arguments=_single_arguments,
    single_value=_single_value,
    single_entry=("payload", "FeesEstimateResult"),
)


class Fees(LookUps):
    """The fees of one seller."""

    __slots__ = ()

    async def estimate(
        self,
        *,
        asin: str | None = None,
        sku: str | None = None,
        price: Decimal | int | str,
        shipping: Decimal | int | str | None = None,
        currency: str | None = None,
        marketplace: Marketplace | str | None = None,
        fulfilled_by_amazon: bool = True,
        program: str | None = None,
    ) -> FeesEstimateResult:
        """The fees for an ASIN or a SKU at a price; calls made at about the same time share a request.

        getMyFeesEstimates (20 in 2 seconds) accepts ASINs and SKUs of all marketplaces together. If a single operation
        (one a second each) has quota sooner, some of the calls use it. ``currency`` is by default that of the
        marketplace; ``program`` is an ``OptionalFulfillmentProgram``.

        Raises:
            ConfigurationError: not exactly one of ``asin`` and ``sku``, no marketplace, or a price that is not a
                number.
            BadRequestError: Amazon cannot estimate this one.
        """
        if (asin is None) == (sku is None):
            raise ConfigurationError("give either asin or sku")
        if asin is not None:
            check_asin(asin)
        else:
            check_sku(sku)
        place = self._place(marketplace)
        key = Key(
            "ASIN" if asin is not None else "SellerSKU",
            asin or sku or "",
            place,
            _amount("price", price),
            None if shipping is None else _amount("shipping", shipping),
            currency or _CURRENCIES.get(place.name, "EUR"),
            fulfilled_by_amazon,
            program,
        )
        answer: FeesEstimateResult = await self._ask(ESTIMATE, None, key)
        return answer


def _amount(name: str, value: Decimal | int | str) -> Decimal:
    """An exact amount; floats are refused, because they cannot represent 19.99 exactly."""
    try:
        amount = Decimal(value) if isinstance(value, Decimal | int | str) else None
    except InvalidOperation:
        amount = None
    if amount is None or not amount.is_finite() or amount < 0:
        raise ConfigurationError(f'{name} must be a Decimal, an int or text such as "19.99", not {value!r}')
    return amount
