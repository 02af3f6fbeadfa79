"""Names, currencies and languages of marketplaces; cities with their states and postal codes."""

from __future__ import annotations

import random

import msgspec

from spapi_async.marketplaces import Marketplace, Region

__all__ = ["CITIES", "DEFAULT_MARKETPLACES", "SHOPS", "City", "Shop", "phone_number", "postal_code"]


class Shop(msgspec.Struct, frozen=True):
    """A marketplace as shoppers know it; ``digits`` are the decimals of its currency."""

    name: str
    currency: str
    language: str
    digits: int = 2


class City(msgspec.Struct, frozen=True):
    """A city, its state, and a postal code in which ``#`` is a digit and ``@`` a letter."""

    name: str
    state: str
    postal_code: str


SHOPS: dict[Marketplace, Shop] = {
    Marketplace.US: Shop("Amazon.com", "USD", "en_US"),
    Marketplace.CA: Shop("Amazon.ca", "CAD", "en_CA"),
    Marketplace.MX: Shop("Amazon.com.mx", "MXN", "es_MX"),
    Marketplace.BR: Shop("Amazon.com.br", "BRL", "pt_BR"),
    Marketplace.IE: Shop("Amazon.ie", "EUR", "en_IE"),
    Marketplace.ES: Shop("Amazon.es", "EUR", "es_ES"),
    Marketplace.UK: Shop("Amazon.co.uk", "GBP", "en_GB"),
    Marketplace.FR: Shop("Amazon.fr", "EUR", "fr_FR"),
    Marketplace.BE: Shop("Amazon.com.be", "EUR", "fr_BE"),
    Marketplace.NL: Shop("Amazon.nl", "EUR", "nl_NL"),
    Marketplace.DE: Shop("Amazon.de", "EUR", "de_DE"),
    Marketplace.IT: Shop("Amazon.it", "EUR", "it_IT"),
    Marketplace.SE: Shop("Amazon.se", "SEK", "sv_SE"),
    Marketplace.ZA: Shop("Amazon.co.za", "ZAR", "en_ZA"),
    Marketplace.PL: Shop("Amazon.pl", "PLN", "pl_PL"),
    Marketplace.EG: Shop("Amazon.eg", "EGP", "ar_AE"),
    Marketplace.TR: Shop("Amazon.com.tr", "TRY", "tr_TR"),
    Marketplace.SA: Shop("Amazon.sa", "SAR", "ar_AE"),
    Marketplace.AE: Shop("Amazon.ae", "AED", "en_AE"),
    Marketplace.IN: Shop("Amazon.in", "INR", "en_IN"),
    Marketplace.SG: Shop("Amazon.sg", "SGD", "en_SG"),
    Marketplace.AU: Shop("Amazon.com.au", "AUD", "en_AU"),
    Marketplace.JP: Shop("Amazon.co.jp", "JPY", "ja_JP", 0),
}

DEFAULT_MARKETPLACES: dict[Region, tuple[Marketplace, ...]] = {
    Region.NA: (Marketplace.US, Marketplace.CA, Marketplace.MX),
    Region.EU: (Marketplace.UK, Marketplace.DE, Marketplace.FR, Marketplace.IT, Marketplace.ES),
    Region.FE: (Marketplace.JP, Marketplace.AU, Marketplace.SG),
}
"""The marketplaces of a region's sellers, by default."""

CITIES: dict[str, tuple[City, ...]] = {
    "US": (
        City("Portland", "OR", "972##"),
        City("Austin", "TX", "787##"),
        City("Columbus", "OH", "432##-####"),
        City("St. Paul", "MN", "551##"),
        City("Brooklyn", "NY", "112##"),
        City("Tucson", "AZ", "857##"),
    ),
    "CA": (City("Montréal", "QC", "H2@ #@#"), City("Calgary", "AB", "T2@ #@#"), City("Halifax", "NS", "B3@ #@#")),
    "MX": (City("Guadalajara", "Jalisco", "44###"), City("Mérida", "Yucatán", "97###")),
    "BR": (City("São Paulo", "SP", "01###-###"), City("Florianópolis", "SC", "880##-###")),
    "GB": (City("Leeds", "West Yorkshire", "LS# #@@"), City("Bristol", "Avon", "BS# #@@")),
    "DE": (City("Köln", "Nordrhein-Westfalen", "50###"), City("Görlitz", "Sachsen", "02###")),
    "FR": (City("Besançon", "Doubs", "25###"), City("Lyon", "Rhône", "69###")),
    "IT": (City("Torino", "TO", "101##"), City("Forlì", "FC", "471##")),
    "ES": (City("A Coruña", "A Coruña", "150##"), City("Sevilla", "Sevilla", "410##")),
    "NL": (City("Utrecht", "Utrecht", "35## @@"),),
    "BE": (City("Liège", "Liège", "40##"),),
    "IE": (City("Galway", "Galway", "H91 @#@#"),),
    "SE": (City("Göteborg", "Västra Götaland", "41# ##"),),
    "PL": (City("Łódź", "łódzkie", "90-###"),),
    "TR": (City("İzmir", "İzmir", "35###"),),
    "JP": (City("札幌市", "北海道", "060-####"), City("京都市", "京都府", "600-####")),
    "AU": (City("Hobart", "TAS", "70##"),),
    "SG": (City("Singapore", "Singapore", "######"),),
    "IN": (City("Pune", "MAHARASHTRA", "411###"),),
    "AE": (City("Dubai", "Dubai", "00000"),),
    "SA": (City("Jeddah", "Makkah", "2####"),),
    "EG": (City("Giza", "Giza", "12###"),),
    "ZA": (City("Durban", "KwaZulu-Natal", "40##"),),
}

_LETTERS = "ABCEGHJKLMNPRSTVXY"


def postal_code(pattern: str, rng: random.Random) -> str:
    """A random postal code that matches a city's pattern."""
    made = []
    for mark in pattern:
        if mark == "#":
            made.append(str(int(rng.random() * 10)))
        elif mark == "@":
            made.append(_LETTERS[int(rng.random() * len(_LETTERS))])
        else:
            made.append(mark)
    return "".join(made)


def phone_number(rng: random.Random) -> str:
    """A random phone number from the range reserved for fiction."""
    return f"+1 555-01{int(rng.random() * 100):02d} ext. {10000 + int(rng.random() * 90000)}"
