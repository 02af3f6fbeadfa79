"""Addresses are taken apart without yarl's parser; the outcome is the parser's."""

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
def test_any_target_is_sent_as_the_parser_would_send_it(host: str, segments: list[str], values: list[str]) -> None:
    """Hosts with ports, IPv6 and users; segments and values of any bytes, percent-encoded."""
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
def test_a_query_may_hold_what_separates_elsewhere(query: str) -> None:
    """Slashes, question marks and colons after the first question mark are the query's own."""
    assert as_url(f"https://host/a/b?{query}").raw_query_string == query


def test_a_host_alone_gets_the_root() -> None:
    """An endpoint without a path."""
    assert as_url("https://host").raw_path_qs == URL("https://host", encoded=True).raw_path_qs
