"""URLs are split without yarl's parser, with the same result."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from spapi_async._engine.transport import as_url

ESCAPED = st.text().map(lambda text: quote(text, safe=""))
HOSTS = [
    "https://sellingpartnerapi-na.amazon.com",
    "http://127.0.0.1:8080",
    "http://[::1]:8080",
    "http://u:p@localhost",
]


@given(st.sampled_from(HOSTS), st.lists(ESCAPED, min_size=1, max_size=4), st.lists(ESCAPED, max_size=4))
def test_any_url_is_split_as_yarl_would_split_it(host: str, segments: list[str], values: list[str]) -> None:
    """Hosts may have ports, IPv6 addresses and users; segments and values any bytes, percent-encoded."""
    url = host + "/" + "/".join(segments) + ("?" + "&".join(f"q={value}" for value in values) if values else "")
    quick, parsed = as_url(url), URL(url, encoded=True)
    assert quick.raw_path_qs == parsed.raw_path_qs
    assert (quick.scheme, quick.raw_host, quick.port, quick.raw_user) == (
        parsed.scheme,
        parsed.raw_host,
        parsed.port,
        parsed.raw_user,
    )
    assert quick.host_port_subcomponent == parsed.host_port_subcomponent


@pytest.mark.parametrize("query", ["a=b?c", "a=/b/c", "a=x:y@z", "", "a=%2B+"])
def test_a_query_may_hold_separators(query: str) -> None:
    """Slashes, question marks and colons after the first question mark belong to the query."""
    assert as_url(f"https://host/a/b?{query}").raw_query_string == query


def test_a_url_without_a_path_gets_the_root() -> None:
    """An endpoint may be a host alone."""
    assert as_url("https://host").raw_path_qs == URL("https://host", encoded=True).raw_path_qs
