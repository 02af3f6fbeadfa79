"""Amazon's marketplaces and the three regions that serve them.

Source: developer-docs.amazon.com/sp-api/docs/marketplace-ids and /sp-api-endpoints.
"""

from __future__ import annotations

import enum
from typing import Self

from spapi_async.errors import ConfigurationError

__all__ = ["Marketplace", "Region"]


class Region(enum.StrEnum):
    """A selling region: it has one API host, and a selling partner authorises an application once per region.

    Attributes:
        endpoint: URL of the production host.
        sandbox_endpoint: URL of the sandbox host.
    """

    endpoint: str
    sandbox_endpoint: str

    NA = "na"
    EU = "eu"
    FE = "fe"

    def __init__(self, value: str) -> None:
        self.endpoint = f"https://sellingpartnerapi-{value}.amazon.com"
        self.sandbox_endpoint = f"https://sandbox.sellingpartnerapi-{value}.amazon.com"

    @property
    def marketplaces(self) -> tuple[Marketplace, ...]:
        """Every marketplace this region serves."""
        return tuple(place for place in Marketplace if place.region is self)

    @classmethod
    def parse(cls, value: str | Region) -> Region:
        """A region from its name in any case.

        Raises:
            ConfigurationError: there is no such region.
        """
        try:
            return cls(value.strip().lower())
        except (ValueError, AttributeError):
            known = ", ".join(region.name for region in cls)
            raise ConfigurationError(f"unknown region {value!r}; known regions: {known}") from None


class Marketplace(enum.StrEnum):
    """A marketplace; its value is Amazon's marketplace id, so a member can be used wherever an id is expected."""

    region: Region
    country: str
    seller_central: str
    vendor_central: str

    def __new__(cls, marketplace_id: str, region: Region, seller_central: str, vendor_central: str) -> Self:
        """Make the marketplace id the value and keep the other facts as attributes."""
        member = str.__new__(cls, marketplace_id)
        member._value_ = marketplace_id
        member.region = region
        member.seller_central = f"https://{seller_central}"
        member.vendor_central = f"https://{vendor_central}"
        return member

    def __init__(self, *_: object) -> None:
        self.country = "GB" if self.name == "UK" else self.name

    CA = "A2EUQ1WTGCTBG2", Region.NA, "sellercentral.amazon.ca", "vendorcentral.amazon.ca"
    US = "ATVPDKIKX0DER", Region.NA, "sellercentral.amazon.com", "vendorcentral.amazon.com"
    MX = "A1AM78C64UM0Y8", Region.NA, "sellercentral.amazon.com.mx", "vendorcentral.amazon.com.mx"
    BR = "A2Q3Y263D00KWC", Region.NA, "sellercentral.amazon.com.br", "vendorcentral.amazon.com.br"
    IE = "A28R8C7NBKEWEA", Region.EU, "sellercentral.amazon.ie", "vendorcentral.amazon.ie"
    ES = "A1RKKUPIHCS9HS", Region.EU, "sellercentral-europe.amazon.com", "vendorcentral.amazon.es"
    UK = "A1F83G8C2ARO7P", Region.EU, "sellercentral-europe.amazon.com", "vendorcentral.amazon.co.uk"
    FR = "A13V1IB3VIYZZH", Region.EU, "sellercentral-europe.amazon.com", "vendorcentral.amazon.fr"
    BE = "AMEN7PMS3EDWL", Region.EU, "sellercentral.amazon.com.be", "vendorcentral.amazon.com.be"
    NL = "A1805IZSGTT6HS", Region.EU, "sellercentral.amazon.nl", "vendorcentral.amazon.nl"
    DE = "A1PA6795UKMFR9", Region.EU, "sellercentral-europe.amazon.com", "vendorcentral.amazon.de"
    IT = "APJ6JRA9NG5V4", Region.EU, "sellercentral-europe.amazon.com", "vendorcentral.amazon.it"
    SE = "A2NODRKZP88ZB9", Region.EU, "sellercentral.amazon.se", "vendorcentral.amazon.se"
    ZA = "AE08WJ6YKNBMC", Region.EU, "sellercentral.amazon.co.za", "vendorcentral.amazon.co.za"
    PL = "A1C3SOZRARQ6R3", Region.EU, "sellercentral.amazon.pl", "vendorcentral.amazon.pl"
    EG = "ARBP9OOSHTCHU", Region.EU, "sellercentral.amazon.eg", "vendorcentral.amazon.me"
    TR = "A33AVAJ2PDY3EV", Region.EU, "sellercentral.amazon.com.tr", "vendorcentral.amazon.com.tr"
    SA = "A17E79C6D8DWNP", Region.EU, "sellercentral.amazon.sa", "vendorcentral.amazon.me"
    AE = "A2VIGQ35RCS4UG", Region.EU, "sellercentral.amazon.ae", "vendorcentral.amazon.me"
    IN = "A21TJRUUN4KGV", Region.EU, "sellercentral.amazon.in", "www.vendorcentral.in"
    SG = "A19VAU5U5O7RUS", Region.FE, "sellercentral.amazon.sg", "vendorcentral.amazon.com.sg"
    AU = "A39IBJ37TRP1C6", Region.FE, "sellercentral.amazon.com.au", "vendorcentral.amazon.com.au"
    JP = "A1VC38T7YXB528", Region.FE, "sellercentral.amazon.co.jp", "vendorcentral.amazon.co.jp"

    @classmethod
    def parse(cls, value: str | Marketplace) -> Marketplace:
        """A marketplace from its id or its country code in any case (``UK`` and ``GB`` both).

        Raises:
            ConfigurationError: there is no such marketplace.
        """
        text = value.strip() if isinstance(value, str) else ""
        for place in cls:
            if text == place.value or text.upper() in (place.name, place.country):
                return place
        raise ConfigurationError(
            f"unknown marketplace {value!r}; give an id or one of {', '.join(p.name for p in cls)}"
        )
