"""The reason of a 401 or 403, by Amazon's wording."""

import pytest

from spapi_async.auth._rejection import Verdict, verdict_on


@pytest.mark.parametrize(
    ("message", "verdict"),
    [
        ("The access token you provided has expired.", Verdict.STALE_TOKEN),
        ("The access token you provided is revoked, malformed or invalid.", Verdict.STALE_TOKEN),
        ("Invalid security token. Ask for another one.", Verdict.STALE_TOKEN),
        ("The LWA secret token you provided has expired", Verdict.EXPIRED_SECRET),
        ("The client secret has expired.", Verdict.EXPIRED_SECRET),
        ("Access to requested resource is denied.", Verdict.DENIED),
        ("", Verdict.DENIED),
    ],
)
def test_a_message_has_one_meaning(message: str, verdict: Verdict) -> None:
    """It is the same as text, as bytes, and inside a body."""
    assert verdict_on(message) is verdict_on(message.encode()) is verdict
    assert verdict_on({"errors": [{"code": "Unauthorized", "message": message}]}) is verdict


def test_an_expired_secret_explains_the_invalid_token_beside_it() -> None:
    """A new token from that secret would be refused too, so the secret must be replaced."""
    both = "The access token is invalid because the LWA client secret has expired"
    assert verdict_on(both) is Verdict.EXPIRED_SECRET


@pytest.mark.parametrize(
    "message", ["Expired or not: the client keeps its secret", "Revoked. An access token is required", "expired access"]
)
def test_words_count_in_their_order_and_in_one_sentence(message: str) -> None:
    """Texts that merely contain the words say nothing about the token."""
    assert verdict_on(message) is Verdict.DENIED
