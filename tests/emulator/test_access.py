"""Access tokens and restricted data tokens: what each opens, and the wording of each refusal."""

from __future__ import annotations

from typing import Any

from direct import EVERYWHERE, HandClock, running

DENIED = "Access to requested resource is denied."
ADDRESS = {"method": "GET", "path": "/orders/v0/orders/{orderId}/address"}
ORDER = {
    "method": "GET",
    "path": "/orders/v0/orders/{orderId}",
    "dataElements": ["buyerInfo", "shippingAddress"],
}


async def test_missing_and_malformed_tokens() -> None:
    """No token and a strange token get Amazon's 403, with error type and without a rate limit."""
    async with running() as api:
        missing = await api.get("/sellers/v1/marketplaceParticipations", token="")
        assert (missing.status, missing.error["code"], missing.error["message"]) == (403, "Unauthorized", DENIED)
        assert missing.error["details"] == "Access token is missing in the request header."
        strange = await api.get("/sellers/v1/marketplaceParticipations", token="Atza|strange")
        assert strange.error["details"] == "The access token you provided is revoked, malformed or invalid."
        assert strange.headers["x-amzn-ErrorType"] == "AccessDeniedException"
        assert "x-amzn-RateLimit-Limit" not in strange.headers


async def test_expired_token() -> None:
    """A token works until its last second and is then refused as expired; a new one works."""
    clock = HandClock()
    async with running(clock=clock) as api:
        clock.now += 3599
        assert (await api.get("/sellers/v1/account")).status == 200
        clock.now += 1
        expired = await api.get("/sellers/v1/account")
        assert (expired.status, expired.error["details"]) == (403, "The access token you provided has expired.")
        assert (await api.get("/sellers/v1/account", token=await api.log_in())).status == 200


async def test_tokens_expire_on_demand() -> None:
    """``expire_tokens`` ends every token, ``revoke_tokens`` forgets them."""
    async with running() as api:
        api.emulator.faults({"expire_tokens": True})
        assert "expired" in (await api.get("/sellers/v1/account")).error["details"]
        api.emulator.faults({"revoke_tokens": True})
        assert "revoked" in (await api.get("/sellers/v1/account")).error["details"]


async def test_grantless_and_seller_tokens_do_not_mix() -> None:
    """A grantless operation requires a token of its scope, every other one a seller's."""
    async with running() as api:
        grant = await api.grant(grant_type="client_credentials", scope="sellingpartnerapi::notifications")
        grantless = grant.json["access_token"]
        assert (await api.get("/notifications/v1/destinations", token=grantless)).status == 200
        assert (await api.get("/notifications/v1/destinations")).status == 403
        assert (await api.get("/sellers/v1/account", token=grantless)).status == 403


async def test_restricted_operation_needs_an_rdt() -> None:
    """The address needs a restricted token; one for a generic path serves every order."""
    async with running() as api:
        ids = [order["AmazonOrderId"] for order in await api.orders()][:3]
        plain = await api.get(f"/orders/v0/orders/{ids[0]}/address")
        assert (plain.status, plain.error["message"]) == (403, DENIED)
        granted = await api.restricted(ADDRESS)
        assert granted.json["restrictedDataToken"].startswith("Atz.sprdt|")
        assert granted.json["expiresIn"] == 3600
        for order_id in ids:
            answer = await api.get(f"/orders/v0/orders/{order_id}/address", token=granted.json["restrictedDataToken"])
            assert answer.json["payload"]["AmazonOrderId"] == order_id


async def test_rdt_opens_only_what_it_lists() -> None:
    """It is refused on any other path, restricted or not, and for another order than its own."""
    async with running() as api:
        one, two = (order["AmazonOrderId"] for order in (await api.orders())[:2])
        resource = {"method": "GET", "path": f"/orders/v0/orders/{one}/address"}
        token = (await api.restricted(resource)).json["restrictedDataToken"]
        assert (await api.get(f"/orders/v0/orders/{one}/address", token=token)).status == 200
        for path in (f"/orders/v0/orders/{two}/address", f"/orders/v0/orders/{one}/buyerInfo", "/sellers/v1/account"):
            refused = await api.get(path, token=token)
            assert (refused.status, refused.error["message"]) == (403, DENIED), path


async def test_rdt_is_its_sellers_alone() -> None:
    """One seller's restricted token does not open another seller's order."""
    async with running() as api:
        mine = (await api.orders())[0]["AmazonOrderId"]
        other = await api.log_in("Atzr|two")
        token = (await api.restricted(ADDRESS, token=other)).json["restrictedDataToken"]
        assert (await api.get(f"/orders/v0/orders/{mine}/address", token=token)).status == 404


async def test_personal_data_only_with_granted_elements() -> None:
    """v0 leaves personal data out for a plain token, and shows exactly the elements that were granted."""
    async with running() as api:
        order = next(order for order in await api.orders() if "ShippingAddress" in order)
        path = f"/orders/v0/orders/{order['AmazonOrderId']}"
        assert order["BuyerInfo"] == {}
        assert set(order["ShippingAddress"]) == {"City", "StateOrRegion", "PostalCode", "CountryCode", "AddressType"}
        buyer = {**ORDER, "dataElements": ["buyerInfo"]}
        token = (await api.restricted(buyer)).json["restrictedDataToken"]
        seen = (await api.get(path, token=token)).json["payload"]
        assert {"BuyerEmail", "BuyerName"} <= set(seen["BuyerInfo"])
        assert "Name" not in seen["ShippingAddress"]
        token = (await api.restricted(ORDER)).json["restrictedDataToken"]
        assert "AddressLine1" in (await api.get(path, token=token)).json["payload"]["ShippingAddress"]


async def test_orders_2026_needs_no_rdt() -> None:
    """Orders 2026-01-01 gives personal data to a plain token, if the data sets that hold it are requested."""
    async with running() as api:
        order = next(order for order in await api.orders() if "ShippingAddress" in order)
        path = f"/orders/2026-01-01/orders/{order['AmazonOrderId']}"
        assert not {"buyer", "recipient"} & set((await api.get(path)).json["order"])
        seen = (await api.get(path, includedData="BUYER,RECIPIENT")).json["order"]
        assert seen["buyer"]["buyerEmail"].endswith("@marketplace.amazon.com")
        assert "addressLine1" in seen["recipient"]["deliveryAddress"]


async def test_rdt_requests_that_are_refused() -> None:
    """Each mistake is refused in Amazon's words."""
    wrong: list[tuple[list[dict[str, Any]], str, str]] = [
        ([ADDRESS] * 51, "InvalidRequest", "restrictedResources is not valid."),
        (
            [{"method": "GET", "path": "/orders/2026-01-01/orders/{orderId}"}],
            "InvalidInput",
            "Application do not have access to some or all requested resource",
        ),
        (
            [{"method": "GET", "path": "/reports/2021-06-30/reports"}],
            "InvalidInput",
            "Invalid or unsupported document ID found",
        ),
        (
            [{**ORDER, "dataElements": ["buyerInfo", "shoeSize"]}],
            "InvalidInput",
            "Application does not have access to one or more requested data elements: [shoeSize]",
        ),
        (
            [{"method": "GET", "path": "/orders/v0/orders/{orderId}"}],
            "InvalidInput",
            "dataElements is missing.",
        ),
    ]
    async with running() as api:
        for resources, code, message in wrong:
            answer = await api.restricted(*resources)
            assert (answer.status, answer.error["code"], answer.error["message"]) == (400, code, message)
        assert api.emulator.stats()["tokens"]["rdt"] == 0


async def test_one_seller_does_not_see_anothers_orders() -> None:
    """Every refresh token is a seller of its own."""
    async with running(orders=5) as api:
        mine = {order["AmazonOrderId"] for order in await api.orders()}
        api.token = await api.log_in("Atzr|two")
        theirs = {order["AmazonOrderId"] for order in await api.orders(MarketplaceIds=EVERYWHERE)}
        assert len(mine) == len(theirs) == 5
        assert not mine & theirs
