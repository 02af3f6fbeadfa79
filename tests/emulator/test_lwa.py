"""Login with Amazon, the consent page and the rotation of the secret."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from direct import HandClock, running

from spapi_async.emulator.identity.tokens import seller_of

ROTATION = "sellingpartnerapi::client_credential:rotation"
REVOKED = (
    "The request has an invalid grant parameter : refresh_token. User may have revoked or didn't grant the permission."
)


async def test_refresh_token_grant() -> None:
    """A refresh token gives an hour's access token, and is returned unchanged."""
    async with running() as api:
        answer = await api.grant(grant_type="refresh_token", refresh_token="Atzr|x")
        assert answer.status == 200
        assert answer.json["access_token"].startswith("Atza|")
        assert answer.json["refresh_token"] == "Atzr|x"
        assert (answer.json["token_type"], answer.json["expires_in"]) == ("bearer", 3600)
        assert answer.headers["Content-Type"] == "application/json;charset=UTF-8"
        before = api.emulator.stats()["tokens"]["lwa"]
        await api.grant(grant_type="refresh_token", refresh_token="Atzr|x")
        await api.grant(grant_type="refresh_token", refresh_token="nonsense")
        assert api.emulator.stats()["tokens"]["lwa"] == before + 1


async def test_json_form() -> None:
    """Amazon's own library posts JSON, which is accepted."""
    async with running() as api:
        form = {"grant_type": "refresh_token", "refresh_token": "Atzr|x", "client_id": "a", "client_secret": "b"}
        assert (await api.send("POST", "/auth/o2/token", body=form)).status == 200
        plain = await api.send("POST", "/auth/o2/token", body=b"x", headers={"Content-Type": "text/plain"})
        assert plain.status == 500


async def test_grantless_token() -> None:
    """Client credentials with a known scope give a token without a refresh token."""
    async with running() as api:
        answer = await api.grant(grant_type="client_credentials", scope="sellingpartnerapi::notifications")
        assert answer.json["access_token"].startswith("Atc|")
        assert "refresh_token" not in answer.json
        assert (await api.grant(grant_type="client_credentials", scope="other")).json["error"] == "invalid_scope"


async def test_refused_grants() -> None:
    """Refusals have Amazon's error, status and wording."""
    async with running(applications={"app": "secret"}) as api:
        missing = await api.grant(grant_type="")
        assert (missing.status, missing.json["error"]) == (400, "unsupported_grant_type")
        assert missing.headers["X-Amzn-ErrorType"].startswith("OA2UnsupportedGrantTypeException:http://")
        strange = await api.grant(grant_type="refresh_token", refresh_token="nonsense")
        assert (strange.status, strange.json["error"]) == (400, "invalid_grant")
        assert strange.json["error_description"] == REVOKED
        wrong = await api.grant(grant_type="refresh_token", refresh_token="Atzr|x", client_secret="wrong")
        assert (wrong.status, wrong.json["error"]) == (401, "invalid_client")
        assert wrong.json["error_description"] == "Client authentication failed"


async def test_revoked_authorisation() -> None:
    """A revoked refresh token is refused, and so is every token it gave, RDTs included."""
    async with running() as api:
        resource = {"method": "GET", "path": "/orders/v0/orders/{orderId}/address"}
        restricted = (await api.restricted(resource)).json["restrictedDataToken"]
        api.emulator.faults({"revoke_refresh_token": "Atzr|one"})
        assert (await api.grant(grant_type="refresh_token", refresh_token="Atzr|one")).json["error"] == "invalid_grant"
        for token in (api.token, restricted):
            answer = await api.get("/orders/v0/orders/111-0000000-0000000/address", token=token)
            assert answer.error["details"] == "The access token you provided is revoked, malformed or invalid."
        assert (await api.grant(grant_type="refresh_token", refresh_token="Atzr|revoked1")).status == 400


async def test_consent_flow() -> None:
    """The consent page sends the seller back with state and a code that works once, within five minutes."""
    clock = HandClock()
    async with running(clock=clock) as api:
        page = (
            "/apps/authorize/consent?application_id=amzn1.sp.x&state=s%2F1&redirect_uri=https%3A%2F%2Fme.example%2Fcb"
        )

        async def consent() -> dict[str, list[str]]:
            answer = await api.send("GET", page, token="")
            assert answer.status == 302
            assert answer.headers["Location"].startswith("https://me.example/cb?")
            return parse_qs(urlsplit(answer.headers["Location"]).query)

        back = await consent()
        assert back["state"] == ["s/1"]
        code = back["spapi_oauth_code"][0]
        bought = await api.grant(grant_type="authorization_code", code=code)
        assert seller_of(bought.json["refresh_token"]) == back["selling_partner_id"][0]
        again = await api.grant(grant_type="authorization_code", code=code)
        assert again.json["error_description"] == "The request has an invalid grant parameter : code"
        late = (await consent())["spapi_oauth_code"][0]
        clock.now += 300
        assert (await api.grant(grant_type="authorization_code", code=late)).json["error"] == "invalid_grant"


async def test_consent_page_refuses() -> None:
    """Without a redirect URI, or with a fragment in it, the user sees Amazon's error page."""
    async with running() as api:
        page = "/apps/authorize/consent?application_id=x&state=s"
        assert b"MD5110" in (await api.send("GET", page + "&redirect_uri=https%3A%2F%2Fa%2F%23x")).body
        assert b"MD5101" in (await api.send("GET", page)).body


async def test_secret_rotation() -> None:
    """Rotation answers 204; the new secret comes by notification; the old one works until its announced end."""
    clock = HandClock()
    async with running(clock=clock, applications={"app": "secret"}) as api:
        token = (await api.grant(grant_type="client_credentials", scope=ROTATION)).json["access_token"]
        answer = await api.send("POST", "/applications/2023-11-30/clientSecret", token=token)
        assert (answer.status, answer.body) == (204, b"")
        (note,) = (await api.send("GET", "/_emulator/notifications")).json["notifications"]
        assert note["notificationType"] == "APPLICATION_OAUTH_CLIENT_NEW_SECRET"
        facts = note["payload"]["applicationOAuthClientNewSecret"]
        assert facts["clientId"] == "app"
        assert await api.log_in(client_secret=facts["newClientSecret"])
        assert await api.log_in(client_secret="secret")
        clock.now += 7 * 86400
        old = await api.grant(grant_type="refresh_token", refresh_token="Atzr|one")
        assert (old.status, old.json["error"]) == (401, "invalid_client")


async def test_old_secrets_end_on_demand() -> None:
    """Tests need not wait a week for the end of the overlap."""
    async with running() as api:
        token = (await api.grant(grant_type="client_credentials", scope=ROTATION)).json["access_token"]
        await api.send("POST", "/applications/2023-11-30/clientSecret", token=token)
        api.emulator.faults({"retire_old_secrets": True}, {"warn_of_expiry": "app"})
        assert (await api.grant(grant_type="refresh_token", refresh_token="Atzr|one")).status == 401
        kinds = [note["notificationType"] for note in api.emulator.notifications]
        assert kinds == ["APPLICATION_OAUTH_CLIENT_NEW_SECRET", "APPLICATION_OAUTH_CLIENT_SECRET_EXPIRY"]
