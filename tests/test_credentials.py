"""Grants, accounts and secrets: equal by credential, and hidden."""

import pickle

import pytest

from spapi_async import ConfigurationError, Region
from spapi_async.credentials import Account, Grant, Secret


def test_two_handles_of_one_seller_have_equal_accounts() -> None:
    """Tokens and buckets are keyed by credential, never by handle."""
    first = Account(Grant.refresh_token("app", "Atzr|one"), Region.NA)
    second = Account(Grant.refresh_token("app", "Atzr|one"), Region.NA)
    assert first == second
    assert first.key == second.key


@pytest.mark.parametrize(
    "other",
    [
        Account(Grant.refresh_token("app", "Atzr|two"), Region.NA),
        Account(Grant.refresh_token("other", "Atzr|one"), Region.NA),
        Account(Grant.refresh_token("app", "Atzr|one"), Region.EU),
        Account(Grant.scope("app", "Atzr|one"), Region.NA),
    ],
)
def test_anything_that_differs_makes_another_account(other: Account) -> None:
    """Seller, application, region and kind of grant all count."""
    assert Account(Grant.refresh_token("app", "Atzr|one"), Region.NA) != other


def test_keys_do_not_run_together() -> None:
    """Moving a character from one part to the next gives another credential."""
    assert Grant.refresh_token("ab", "c").key != Grant.refresh_token("a", "bc").key


def test_a_grant_shows_no_secret() -> None:
    """It is hidden in the repr, the key, the account and a pickle."""
    grant = Grant.refresh_token("app", "Atzr|marked")
    account = Account(grant, Region.NA)
    assert "marked" not in f"{grant!r} {account!r} {account.key} {grant.key}"
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(grant)


def test_a_secret_shows_its_value_only_on_request() -> None:
    """Formatting it in any way gives stars."""
    secret = Secret("marked")
    assert "marked" not in f"{secret} {secret!r} {secret:>20}"
    assert secret.reveal() == "marked"
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(secret)


@pytest.mark.parametrize("token", ["", " Atzr|x", "Atzr|x\n"])
def test_a_refresh_token_with_spaces_is_refused_without_showing_it(token: str) -> None:
    """A stray newline of a secrets file is found at once, not as invalid_grant."""
    with pytest.raises(ConfigurationError, match="refresh_token is empty or has spaces") as caught:
        Grant.refresh_token("app", token)
    assert "Atzr" not in str(caught.value)
