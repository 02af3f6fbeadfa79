"""Thousands of calls, iterations and syncs against a server that breaks most of its replies."""

import pytest
from hostile_campaign import run_campaign
from hostile_faults import FAULTS

FAULTED = 5_000


def test_the_server_knows_many_ways_to_misbehave() -> None:
    """Connections, HTTP, codings, JSON, refusals: over a hundred kinds."""
    assert len(FAULTS) >= 100


@pytest.mark.parametrize("seed", [2026, 2027])
async def test_whatever_the_server_answers_every_promise_holds(seed: int) -> None:
    """No call late, no effect twice, no error outside the tree, no secret shown, nothing short, nothing left behind.

    ``python tests/support/hostile_campaign.py SEED FAULTS`` repeats a seed.
    """
    campaign = await run_campaign(seed, FAULTED // 2)
    assert campaign.complaints == [], f"seed {seed}"
    assert campaign.faulted >= FAULTED // 2
    assert campaign.kinds >= 0.9 * len(FAULTS)
    assert min(campaign.calls.values()) > 5
    assert campaign.errors["OutcomeUnknownError"] > 20
