"""An endpoint that is set is a host: an empty one is a forgotten variable, and Amazon is not asked in its place."""

from __future__ import annotations

import pytest

from spapi_async import Application, ConfigurationError


@pytest.mark.parametrize("endpoint", ["", " ", "localhost:8080", "ftp://host"])
def test_an_endpoint_that_is_none_is_refused(endpoint: str) -> None:
    """Tokens meant for an emulator would go to Amazon otherwise."""
    with pytest.raises(ConfigurationError, match="endpoint"):
        Application("app", "secret", endpoint=endpoint)
