"""Where requests and token requests are sent."""

import pytest

from spapi_async import ConfigurationError, Region
from spapi_async._core.endpoints import Endpoints


def test_tokens_go_to_amazon_over_https_by_default() -> None:
    """Only an explicit endpoint changes that, in the sandbox as well."""
    assert Endpoints().lwa == "https://api.amazon.com/auth/o2/token"
    assert Endpoints(sandbox=True).lwa == "https://api.amazon.com/auth/o2/token"
    assert Endpoints(sandbox=True).api(Region.NA) == "https://sandbox.sellingpartnerapi-na.amazon.com"


def test_an_endpoint_replaces_every_host() -> None:
    """Every region's API and the token host are replaced together."""
    endpoints = Endpoints("http://127.0.0.1:8080/")
    assert {endpoints.api(region) for region in Region} == {"http://127.0.0.1:8080"}
    assert endpoints.lwa == "http://127.0.0.1:8080/auth/o2/token"


@pytest.mark.parametrize("text", ["127.0.0.1:8080", "ftp://x", "http://", "http://u:p@host", "http://host/?q=1"])
def test_an_endpoint_that_is_not_a_base_url_is_refused(text: str) -> None:
    """The error shows the expected form."""
    with pytest.raises(ConfigurationError, match="endpoint must be like"):
        Endpoints(text)
