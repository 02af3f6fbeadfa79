"""Many calls, iterations and syncs against a server that breaks most of its replies."""

import pytest
from damaged_orders import examples
from hostile_campaign import hostile_application, run_campaign
from hostile_faults import FAULTS
from hostile_server import HostileServer, order_id

FAULTED = examples(600)


def test_the_server_knows_many_ways_to_misbehave() -> None:
    """It has over a hundred faults of connections, HTTP, codings, JSON and refusals."""
    assert len(FAULTS) >= 100


@pytest.mark.long
async def test_every_guarantee_holds_against_a_hostile_server() -> None:
    """No call is late, no effect doubled, no foreign error raised, no secret shown, no item lost, nothing left open.

    ``python tests/support/hostile_campaign.py SEED FAULTS`` repeats a seed, with any number of faults.
    """
    campaign = await run_campaign(2026, FAULTED)
    assert campaign.complaints == []
    assert campaign.faulted >= FAULTED
    assert campaign.kinds >= 0.9 * len(FAULTS)
    assert min(campaign.calls.values()) > 3
    assert campaign.errors["OutcomeUnknownError"] > 5


@pytest.mark.parametrize(
    "kind",
    [
        *("early_hints", "http_1_0", "trailers", "chunk_extensions", "chunks_of_a_byte", "folded_header", "no_reason"),
        *("cookies", "proxied", "gzip_members", "coding_identity", "charset_utf-16", "drip", "until_the_end"),
    ],
)
async def test_rare_http_is_understood(kind: str) -> None:
    """Replies that RFC 9110 and 9112 allow are read, with one request."""
    async with HostileServer(5, share=1.0, kinds=[kind]) as server, hostile_application(server) as app:
        order = await app.selling_partner("Atzr|a", region="na").orders_v0.get_order(order_id(1))
    assert order.amazon_order_id == order_id(1)
    assert server.met == {kind: 2}  # the token came the same way
