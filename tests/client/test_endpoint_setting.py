"""An empty endpoint, such as a forgotten variable, is refused instead of meaning Amazon."""

from __future__ import annotations

import pytest

from spapi_async import Application, ConfigurationError


@pytest.mark.parametrize("endpoint", ["", " ", "localhost:8080", "ftp://host"])
def test_an_empty_or_invalid_endpoint_is_refused(endpoint: str) -> None:
    """Tokens meant for an emulator would go to Amazon otherwise."""
    with pytest.raises(ConfigurationError, match="endpoint"):
        Application("app", "secret", endpoint=endpoint)
