"""Marketplaces and regions."""

import pytest

from spapi_async import ConfigurationError, Marketplace, Region


def test_every_marketplace_belongs_to_one_region() -> None:
    """There are 23 marketplaces, none twice."""
    listed = [place for region in Region for place in region.marketplaces]
    assert sorted(listed) == sorted(Marketplace)
    assert len(set(listed)) == 23


def test_a_marketplace_stands_for_its_id() -> None:
    """It can be passed wherever Amazon expects an id."""
    assert Marketplace.US.value == "ATVPDKIKX0DER"
    assert f"{Marketplace.US}" == "ATVPDKIKX0DER"


@pytest.mark.parametrize("text", ["UK", "gb", "A1F83G8C2ARO7P", Marketplace.UK])
def test_a_marketplace_is_found_by_id_or_country(text: str) -> None:
    """Both codes of the United Kingdom work, in any case."""
    assert Marketplace.parse(text) is Marketplace.UK


@pytest.mark.parametrize("text", ["", "XX", "atvpdkikx0der"])
def test_an_unknown_marketplace_is_refused_by_name(text: str) -> None:
    """The error has what was given and what is known."""
    with pytest.raises(ConfigurationError, match=f"unknown marketplace '{text}'.*US"):
        Marketplace.parse(text)


@pytest.mark.parametrize(("text", "region"), [("na", Region.NA), ("EU", Region.EU), (" Fe ", Region.FE)])
def test_a_region_is_found_in_any_case(text: str, region: Region) -> None:
    """Environment variables are written by people."""
    assert Region.parse(text) is region


def test_regions_have_a_host_and_a_sandbox() -> None:
    """They are the three hosts that Amazon documents."""
    assert Region.EU.endpoint == "https://sellingpartnerapi-eu.amazon.com"
    assert Region.FE.sandbox_endpoint == "https://sandbox.sellingpartnerapi-fe.amazon.com"
