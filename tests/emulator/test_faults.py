"""Faults on demand, and the other controls."""

from __future__ import annotations

import time

import aiohttp
import pytest
from direct import running

ACCOUNT = "/sellers/v1/account"


async def test_a_rule_hits_as_often_as_it_says() -> None:
    """Two replies are 503 with Amazon's body, then comes the real one."""
    async with running() as api:
        api.emulator.faults({"operation": "sellers_v1.get_account", "status": 503, "times": 2})
        assert (await api.get("/sellers/v1/marketplaceParticipations")).status == 200
        answers = [await api.get(ACCOUNT) for _ in range(3)]
        assert [answer.status for answer in answers] == [503, 503, 200]
        assert answers[0].error["code"] == "ServiceUnavailable"
        assert api.emulator.stats()["faults"] == 2


@pytest.mark.parametrize(("body", "expected"), [("html", b"<html>"), ("empty", b""), ("{oops", b"{oops")])
async def test_bodies_of_faults(body: str, expected: bytes) -> None:
    """They may be the edge's HTML, empty, or bytes that are not JSON under a 200."""
    async with running() as api:
        api.emulator.faults({"status": 200 if body == "{oops" else 502, "body": body})
        answer = await api.get(ACCOUNT)
        assert answer.body.startswith(expected)
        assert bool(answer.body) == bool(expected)
        if body == "html":
            assert answer.headers["Content-Type"] == "text/html"


async def test_dropped_connections() -> None:
    """``before`` drops without acting; ``after`` acts, then drops."""
    async with running() as api:
        spec = {"reportType": "GET_MERCHANT_LISTINGS_ALL_DATA", "marketplaceIds": ["ATVPDKIKX0DER"]}
        listed = "/reports/2021-06-30/reports"
        for when, reports in (("before", 0), ("after", 1)):
            api.emulator.faults({"disconnect": when, "operation": "reports_2021_06_30.create_report"})
            with pytest.raises(aiohttp.ServerDisconnectedError):
                await api.send("POST", listed, body=spec)
            found = await api.get(listed, reportTypes="GET_MERCHANT_LISTINGS_ALL_DATA")
            assert len(found.json["reports"]) == reports
        figures = api.emulator.stats()["operations"]["reports_2021_06_30.create_report"]
        assert figures == {"requests": 2, "throttled": 0, "errors": 2}


async def test_truncated_reply() -> None:
    """Half of the body is sent, then the connection ends."""
    async with running() as api:
        api.emulator.faults({"truncate": True})
        with pytest.raises(aiohttp.ClientPayloadError):
            await api.get(ACCOUNT)
        assert (await api.get(ACCOUNT)).status == 200


async def test_headers_can_be_spoiled() -> None:
    """The rate limit may be invalid or missing."""
    async with running() as api:
        api.emulator.faults(
            {"headers": {"X-AMZN-RateLimit-Limit": "string"}}, {"headers": {"x-amzn-ratelimit-limit": None}}
        )
        assert (await api.get(ACCOUNT)).headers.getall("x-amzn-RateLimit-Limit") == ["string"]
        assert "x-amzn-RateLimit-Limit" not in (await api.get(ACCOUNT)).headers


async def test_a_delay_precedes_the_request() -> None:
    """The request waits before it takes effect, and is then answered as usual."""
    async with running() as api:
        api.emulator.faults({"delay": 0.05})
        before = time.monotonic()
        assert (await api.get(ACCOUNT)).status == 200
        assert time.monotonic() - before >= 0.05


async def test_a_rule_for_everything_leaves_tokens_alone() -> None:
    """Without a name a rule applies to any operation, but not to the token service or documents."""
    async with running() as api:
        api.emulator.faults({"status": 500})
        assert (await api.grant(grant_type="refresh_token", refresh_token="Atzr|x")).status == 200
        assert (await api.get(ACCOUNT)).status == 500


async def test_faults_of_the_token_service_have_its_shape() -> None:
    """Errors have the form of Login with Amazon."""
    async with running() as api:
        api.emulator.faults({"operation": "lwa", "status": 503}, {"operation": "lwa", "status": 500, "body": "html"})
        refused = await api.grant(grant_type="refresh_token", refresh_token="Atzr|x")
        assert (refused.status, refused.json["error"]) == (503, "temporarily_unavailable")
        assert (await api.grant(grant_type="refresh_token", refresh_token="Atzr|x")).body.startswith(b"<html>")


async def test_the_probability_of_a_fault_is_seeded() -> None:
    """A probability of a half hits the same requests in every run of one seed."""
    runs = []
    for _ in range(2):
        async with running(seed=7, throttle=False) as api:
            api.emulator.faults({"status": 500, "probability": 0.5, "times": None})
            runs.append([(await api.get(ACCOUNT)).status for _ in range(20)])
    assert runs[0] == runs[1]
    assert set(runs[0]) == {200, 500}


async def test_faults_over_http() -> None:
    """``POST /_emulator/faults`` takes a rule, a list or ``{"rules": [...]}``; a misspelt field is refused by name."""
    async with running() as api:
        rule = {"operation": "sellers_v1.get_account", "status": 500}
        for body in (rule, [rule], {"rules": [rule]}):
            assert (await api.send("POST", "/_emulator/faults", body=body)).status == 200
            assert [(await api.get(ACCOUNT)).status for _ in range(2)] == [500, 200]
        refused = await api.send("POST", "/_emulator/faults", body={"state": 500})
        assert refused.status == 400
        assert "state" in refused.json["error"]


async def test_reset_keeps_tokens() -> None:
    """Data, buckets, rules and counts begin anew; a client's token still works."""
    async with running() as api:
        api.emulator.faults({"status": 500, "times": None})
        assert (await api.get(ACCOUNT)).status == 500
        assert (await api.send("POST", "/_emulator/reset")).json == {"reset": True}
        assert (await api.send("GET", "/_emulator/stats")).json["operations"] == {}
        assert (await api.get(ACCOUNT)).status == 200
        figures = (await api.send("GET", "/_emulator/stats")).json
        assert figures["operations"] == {"sellers_v1.get_account": {"requests": 1, "throttled": 0, "errors": 0}}
        assert figures["tokens"]["lwa"] == 0


async def test_latency_is_spent_each_way() -> None:
    """A latency of 20 ms makes a round trip of 40 ms."""
    async with running(latency=0.02) as api:
        before = time.monotonic()
        await api.get(ACCOUNT)
        assert time.monotonic() - before >= 0.04


async def test_received_requests_are_recorded() -> None:
    """Their targets are kept as they came, without headers and bodies."""
    async with running() as api:
        await api.send("GET", "/orders/v0/orders/a%2Fb")
        (seen,) = api.emulator.received
        assert (seen.operation, seen.target, seen.status) == ("orders_v0.get_order", "/orders/v0/orders/a%2Fb", 400)
