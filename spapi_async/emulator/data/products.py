"""Products with plausible names, prices and codes."""

from __future__ import annotations

import random
from collections.abc import Iterable
from functools import lru_cache

import msgspec

__all__ = [
    "FIRST_NAMES",
    "LAST_NAMES",
    "PRODUCTS",
    "STREETS",
    "Product",
    "product_at",
    "product_of_asin",
    "products_of_eans",
    "rng_for",
]

PRODUCTS = 5000
"""How many products the catalogue of an emulator holds."""


class Product(msgspec.Struct, frozen=True):
    """A product of the catalogue; ``cents`` is its price in US cents."""

    index: int
    asin: str
    ean: str
    title: str
    brand: str
    product_type: str
    department: str
    color: str
    size: str
    model_number: str
    cents: int
    grams: int


# noun, product type, department, price range in dollars
_NOUNS = (
    ("Water Bottle", "BOTTLE", "Sports & Outdoors", 9, 35),
    ("Desk Lamp", "LAMP", "Home & Kitchen", 18, 80),
    ("Yoga Mat", "EXERCISE_MAT", "Sports & Outdoors", 15, 60),
    ("Cast Iron Skillet", "FRYING_PAN", "Home & Kitchen", 20, 70),
    ("Wireless Mouse", "COMPUTER_INPUT_DEVICE", "Electronics", 12, 90),
    ("Rain Jacket", "COAT", "Clothing", 35, 160),
    ("Backpack", "BACKPACK", "Luggage", 25, 140),
    ("Phone Case", "CELLULAR_PHONE_CASE", "Cell Phones & Accessories", 8, 40),
    ("Coffee Grinder", "COFFEE_GRINDER", "Home & Kitchen", 22, 180),
    ("Dog Leash", "PET_LEASH", "Pet Supplies", 8, 32),
    ("Notebook", "BLANK_BOOK", "Office Products", 5, 28),
    ("Board Game", "BOARD_GAME", "Toys & Games", 14, 65),
    ("Garden Trowel", "GARDEN_TOOL", "Patio, Lawn & Garden", 7, 29),
    ("USB-C Cable", "ELECTRONIC_CABLE", "Electronics", 6, 25),
    ("Running Socks", "SOCKS", "Clothing", 9, 26),
    ("Picture Frame", "PICTURE_FRAME", "Home & Kitchen", 10, 55),
)
_STYLES = (
    "Compact",
    "Insulated",
    "Foldable",
    "Classic",
    "Heavy-Duty",
    "Everyday",
    "Slim",
    "Adjustable",
    "Travel",
    "Pro",
)
_BRANDS = (
    "Halden & Co",
    "Nørre",
    "Castelo",
    "Brightfen",
    "Oak Lantern",
    "Kiyomi",
    "Tarn",
    "Velora",
    "Stéphane B.",
    "QuietPeak",
)
_COLORS = ("Black", "Sage Green", "Navy", "Rust", "Oat", "Slate Grey", "Crème")
_SIZES = ("Small", "Medium", "Large", "One Size", "2-Pack")
_BASE36 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"

FIRST_NAMES = (
    "Ada",
    "Bram",
    "Chloé",
    "Diego",
    "Emeka",
    "Freya",
    "Grace",
    "Hiro",
    "Inés",
    "Jonas",
    "Keiko",
    "Łukasz",
    "Mara",
)
LAST_NAMES = (
    "Okafor",
    "Lindqvist",
    "García",
    "Moreau",
    "O'Neill",
    "Schäfer",
    "Tanaka",
    "Ferreira",
    "Novak",
    "Whitfield",
)
STREETS = (
    "Birch Lane",
    "Harbour Road",
    "Calle Mayor",
    "Rue du Moulin",
    "5th Avenue",
    "Lindenstraße",
    "Mill Street",
    "Orchard Way",
)


def rng_for(*parts: object) -> random.Random:
    """A source of random numbers that depends only on ``parts``."""
    return random.Random("\0".join(map(str, parts)))  # noqa: S311  repeatable data


@lru_cache(maxsize=PRODUCTS)
def product_at(seed: int, index: int) -> Product:
    """The product with this index."""
    rng = rng_for(seed, "product", index)
    noun, product_type, department, low, high = rng.choice(_NOUNS)
    color, size, brand = rng.choice(_COLORS), rng.choice(_SIZES), rng.choice(_BRANDS)
    price = rng.randrange(low, high) * 100 + rng.choice((99, 95, 49, 0))
    return Product(
        index=index,
        asin=_asin(index),
        ean=_ean(rng.randrange(10**11)),
        title=f"{brand} {rng.choice(_STYLES)} {noun}, {color}, {size}",
        brand=brand,
        product_type=product_type,
        department=department,
        color=color,
        size=size,
        model_number=f"{brand[:2].upper()}-{rng.randrange(1000, 9999)}",
        cents=price,
        grams=rng.randrange(40, 4000),
    )


def product_of_asin(seed: int, asin: str, products: int = PRODUCTS) -> Product | None:
    """The product with this ASIN, if it is in a catalogue of ``products`` products."""
    if asin in DOCUMENTED:
        return msgspec.structs.replace(product_at(seed, DOCUMENTED.index(asin)), asin=asin)
    if len(asin) != 10 or not asin.startswith("B0"):
        return None
    try:
        index = (int(asin[2:], 36) - _OFFSET) * _INVERSE % _MODULUS
    except ValueError:
        return None
    return product_at(seed, index) if index < products and _asin(index) == asin else None


def products_of_eans(seed: int, eans: Iterable[str]) -> list[Product]:
    """The catalogue's products that have one of these EANs, in the order of their indices."""
    found = [index for ean in set(eans) for index in _indices_by_ean(seed).get(ean, ())]
    return [product_at(seed, index) for index in sorted(found)]


@lru_cache(maxsize=8)
def _indices_by_ean(seed: int) -> dict[str, list[int]]:
    indices: dict[str, list[int]] = {}
    for index in range(PRODUCTS):
        indices.setdefault(product_at(seed, index).ean, []).append(index)
    return indices


DOCUMENTED = ("B07N4M94X4", "B07DFVDRAB", "B07DFYF5AB", "B071VG5N9D")
"""The ASINs in Amazon's examples, which users are likely to try; no search by keyword finds them."""

# ASINs look random but can be turned back into an index: index times a constant, modulo a prime just below 36**8.
_MODULUS = 2821109907443
_FACTOR = 1234567890121
_OFFSET = 7
_INVERSE = pow(_FACTOR, -1, _MODULUS)


def _asin(index: int) -> str:
    number = index * _FACTOR % _MODULUS + _OFFSET
    digits = ""
    for _ in range(8):
        number, digit = divmod(number, 36)
        digits = _BASE36[digit] + digits
    return "B0" + digits


def _ean(number: int) -> str:
    body = f"4{number:011d}"
    weights = sum(int(digit) * (3 if index % 2 else 1) for index, digit in enumerate(body))
    return body + str(-weights % 10)
