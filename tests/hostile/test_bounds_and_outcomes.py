"""Time, memory and outcomes do not depend on what a server sends."""

import gzip
import json
import random
import stat
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from damaged_orders import examples, seed_of_this_run
from fake_amazon import PLAIN, FakeAmazon, account, authenticator, raw, request
from hostile_campaign import hostile_application
from hostile_faults import FAULTS
from hostile_server import HostileServer
from hypothesis import given
from hypothesis import strategies as st
from raw_server import answering, raw_server, reply
from virtual_time import virtual_time

from spapi_async import Application, ConfigurationError, DecodeError, OutcomeUnknownError, SPAPIError, call_options
from spapi_async._codec.response import decode, error_from_reply, parse_rate_limit
from spapi_async._core.endpoints import Endpoints
from spapi_async._core.peer_text import LONGEST_PEER_TEXT, cut, on_one_line
from spapi_async._engine.transport import SessionPool
from spapi_async.api.feeds_2021_06_30 import CREATE_FEED
from spapi_async.api.orders_2026_01_01 import SEARCH_ORDERS
from spapi_async.api.orders_v0 import GET_ORDER, GET_ORDER_ADDRESS
from spapi_async.auth import parse_secret_notification
from spapi_async.auth._rejection import Verdict, verdict_on
from spapi_async.errors import AuthError, LWAError
from spapi_async.workflows.orders import OrderDatabase

EXPIRED = "The access token you provided has expired."
FEED: dict[str, Any] = {"feedType": "F", "marketplaceIds": ["ATVPDKIKX0DER"], "inputFeedDocumentId": "d"}

# --- time ------------------------------------------------------------------------------------------------------------


def test_a_servers_text_is_cut_before_it_is_searched() -> None:
    """Text beyond 4 KB is ignored, as bytes or str."""
    assert len(cut("x" * 10_000)) == len(cut(b"x" * 10_000)) == LONGEST_PEER_TEXT == 4096
    padding = "-" * (LONGEST_PEER_TEXT - 10)
    assert verdict_on(EXPIRED) is Verdict.STALE_TOKEN
    assert verdict_on(padding + EXPIRED) is verdict_on((padding + EXPIRED).encode()) is Verdict.DENIED
    assert verdict_on({"padding": padding, "message": EXPIRED}) is Verdict.DENIED
    assert "…" not in on_one_line("x" * LONGEST_PEER_TEXT + "Atza|token", 9999)


def test_a_servers_text_can_be_printed() -> None:
    """It moves no cursor, and text that is not UTF-8, as aiohttp keeps it of a header, can be logged."""
    assert on_one_line("a\x1b[2Jb\x00\x9bc\r\nd", 99) == "a [2Jb c d"
    assert cut("stray \udcff byte") == cut("stray ? byte")
    assert on_one_line("Käse 🙂", 99) == "Käse 🙂"


@pytest.mark.parametrize(
    "words", ["client secret ", "LWA secret ", "access token ", "invalid ", "<Code>", "Atza|", "X-Amz-"]
)
def test_searching_a_text_takes_time_in_proportion_to_its_length(words: str) -> None:
    """Twice the text takes about twice the time: no pattern backtracks over it."""

    def seconds(times: int) -> float:
        text = (words * times).encode()
        best = 1e9
        for _ in range(3):
            started = time.process_time()
            for _ in range(3):
                verdict_on(text)
                error_from_reply(GET_ORDER, 403, {}, text)
            best = min(best, time.process_time() - started)
        return best

    longest = LONGEST_PEER_TEXT // len(words)
    assert seconds(longest) < 40 * seconds(longest // 8) + 0.003
    assert seconds(100 * longest) < 0.15


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        (EXPIRED, Verdict.STALE_TOKEN),
        ("The access token you provided is revoked, malformed or invalid.", Verdict.STALE_TOKEN),
        ("invalid_token", Verdict.STALE_TOKEN),
        ("The LWA client secret has expired.", Verdict.EXPIRED_SECRET),
        ("The client id is wrong. The secret is safe. It expired", Verdict.DENIED),
        ("expired access. token", Verdict.DENIED),
    ],
)
def test_words_count_within_one_sentence_and_in_order(text: str, verdict: Verdict) -> None:
    """Amazon writes them like this."""
    assert verdict_on(text) is verdict


# --- memory ----------------------------------------------------------------------------------------------------------


async def test_a_reply_that_inflates_without_end_is_refused() -> None:
    """A third of a megabyte of gzip holds seventy; the error names the bound and how to raise it."""
    bomb = gzip.compress(bytes(70_000_000), 1)
    async with raw_server(answering(reply(bomb, "200 OK", "Content-Encoding: gzip"))) as server:
        pool = SessionPool(user_agent="t/1")
        with pytest.raises(DecodeError, match=r"larger than 67,108,864 bytes.*max_reply_size"):
            await pool.exchange("GET", server.url, headers={}, session_key="na")
        assert len(server.requests) == 1
        await pool.aclose()


@pytest.mark.parametrize(("size", "fits"), [(999, True), (1000, True), (1001, False), (900_000, False)])
async def test_the_bound_of_a_reply_is_an_option(size: int, fits: bool) -> None:
    """It is exact to the byte, for small replies and for those that come in pieces."""
    async with raw_server(answering(reply(b" " * size))) as server:
        pool = SessionPool(user_agent="t/1", max_reply_size=1000)
        if fits:
            assert len((await pool.exchange("GET", server.url, headers={}, session_key="na")).body) == size
        else:
            with pytest.raises(DecodeError, match="larger than 1,000 bytes"):
                await pool.exchange("GET", server.url, headers={}, session_key="na")
        await pool.aclose()
    with pytest.raises(ConfigurationError, match="max_reply_size"):
        Application("app", "secret", max_reply_size=0)


# --- writes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("decoding", ["lenient", "strict"])
async def test_a_write_succeeds_or_has_an_unknown_outcome(decoding: Any) -> None:
    """The reply may be 101, 302, an unreadable 2xx, one without its id, or missing."""
    async with HostileServer(5, share=0.0) as server, hostile_application(server, decoding=decoding) as app:
        seller = app.selling_partner("Atzr|a", region="na")
        with suppress(DecodeError):
            await seller.orders_v0.get_order("902-0000001-0000000")  # a token is in the cache
        for number, kind in enumerate(FAULTS):
            server.kinds, server.share = [kind], 1.0
            document = f"d{number}"
            with call_options(timeout=0.1, deadline=3.0):
                try:
                    made: Any = await seller.feeds_2021_06_30.create_feed(
                        body={**FEED, "inputFeedDocumentId": document}
                    )
                except OutcomeUnknownError:
                    assert server.effects[document] <= 1, kind
                except SPAPIError:
                    assert server.effects[document] == 0, kind
                else:
                    assert made.feed_id is not None, kind


@pytest.mark.parametrize("body", [b"", b"{}", b"null", b"[]", b"5", b'{"feedId": null}', b"<html>", b'{"feedId":'])
@pytest.mark.parametrize("status", ["200 OK", "202 Accepted"])
async def test_a_feed_without_an_id_is_an_unknown_outcome(body: bytes, status: str) -> None:
    """There may be a feed, for which the caller must look."""

    async def answer(asked: bytes, writer: Any) -> None:
        token = b'{"access_token":"t","expires_in":3600}'
        writer.write(reply(token) if b"/auth/" in asked else reply(body, status))

    async with raw_server(answer) as server, Application("app", "s", endpoint=server.url) as app:
        with pytest.raises(OutcomeUnknownError, match="check before repeating"):
            await app.selling_partner("Atzr|a", region="na").feeds_2021_06_30.create_feed(body=FEED)
        assert sum(b"POST /feeds" in request for request in server.requests) == 1


# --- tokens and notifications ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"5", b"{}", b'{"restrictedDataToken":"a\\nb"}'])
async def test_an_invalid_restricted_token_is_an_auth_error(body: bytes) -> None:
    """CreateRestrictedDataToken may send anything instead of it."""

    async def answer(asked: bytes, writer: Any) -> None:
        token = b'{"access_token":"t","expires_in":3600}'
        writer.write(reply(token if b"/auth/" in asked else body))

    async with raw_server(answer) as server, Application("app", "s", endpoint=server.url) as app:
        with pytest.raises(AuthError):
            await app.selling_partner("Atzr|a", region="na").orders_v0.get_order_address("1")


DEEP = b"[" * 100_000 + b"]" * 100_000


@virtual_time
async def test_a_nested_token_reply_is_an_lwa_error() -> None:
    """A token with something deep beside it is a token."""
    amazon = FakeAmazon()
    amazon.script = [raw(200, DEEP), raw(200, b'{"access_token":"Atza|ok","expires_in":60,"x":' + DEEP + b"}")]
    auth = authenticator(amazon)
    with pytest.raises(LWAError):
        await auth.token(PLAIN, account(), request())
    assert await auth.token(PLAIN, account(), request()) == "Atza|ok"


def test_a_nested_notification_is_an_error_of_the_library() -> None:
    """It is not a RecursionError."""
    for message in (
        DEEP,
        DEEP.decode(),
        b'{"payload":' + DEEP + b"}",
        b'{"payload":{"applicationOAuthClientNewSecret":' + DEEP + b"}}",
    ):
        with pytest.raises(SPAPIError):
            parse_secret_notification(message)


def test_a_restricted_token_in_a_refusal_is_redacted() -> None:
    """Both Atz.sprdt| and Atza| are, in the message, the details and the pickle."""
    tokens = [
        "Atz.sprdt|secret1",
        "Atza|secret2",
        "Atzr%7Csecret3",
        "amzn1.oa2-cs.v1.secret4",
        "https://x/?X-Amz-Signature=secret5",
    ]
    text = " and ".join(tokens)
    body = json.dumps({"errors": [{"code": text, "message": text, "details": text}]}).encode()
    error = error_from_reply(GET_ORDER, 403, {"content-type": text}, body)
    assert "secret" not in f"{error} {error!r} {vars(error)}"


# --- files and endpoints ---------------------------------------------------------------------------------------------


async def test_a_new_database_is_readable_only_by_its_owner(tmp_path: Path) -> None:
    """It may hold buyers; an existing one keeps its permissions."""
    for name in ("new.db", "old.db"):
        path = tmp_path / name
        if name == "old.db":
            path.touch(mode=0o644)
            path.chmod(0o644)
        async with OrderDatabase(f"sqlite:///{path}"):
            pass
        assert stat.S_IMODE(path.stat().st_mode) == (0o600 if name == "new.db" else 0o644)


@pytest.mark.parametrize("endpoint", ["https://:PW@host", "https://u:PW@host", "https://u@host", "https://@host"])
def test_an_endpoint_with_a_password_is_refused_and_not_shown(endpoint: str) -> None:
    """An empty user in it is refused as well."""
    with pytest.raises(ConfigurationError) as caught:
        Endpoints(endpoint)
    assert "PW" not in str(caught.value)


async def test_netrc_is_never_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its default entry applies to any host, also that of a presigned URL."""
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password MARK\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    async with raw_server(answering(reply())) as server:
        pool = SessionPool(user_agent="t/1", trust_env=True)
        await pool.exchange("GET", server.url, headers={}, session_key="na")
        async with pool.stream("GET", server.url, headers={}, session_key="documents"):
            pass
        await pool.aclose()
    assert len(server.requests) == 2
    assert not any(b"authorization" in request.lower() for request in server.requests)


async def test_a_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTPS_PROXY and similar variables apply without netrc."""
    async with raw_server(answering(reply(b"by proxy"))) as server:
        monkeypatch.setenv("http_proxy", server.url)
        pool = SessionPool(user_agent="t/1", trust_env=True)
        assert (await pool.exchange("GET", "http://sp-api.invalid/x", headers={}, session_key="na")).body == b"by proxy"
        await pool.aclose()


# --- any bytes -------------------------------------------------------------------------------------------------------

BYTES = st.binary(max_size=80) | st.text(alphabet='{}[]",:ab1e-+.\\ud8\x00\t', max_size=80).map(
    lambda text: text.encode("utf-8", "replace")
)
HEADER = st.text(max_size=30)


@given(
    body=BYTES,
    status=st.integers(200, 999),
    name=st.sampled_from(["Retry-After", "x-amzn-RateLimit-Limit", "x-amzn-ErrorType", "Content-Type"]),
    value=HEADER,
)
def test_any_reply_is_a_value_or_an_error_of_the_library(body: bytes, status: int, name: str, value: str) -> None:
    """Its body and headers may have any content."""
    headers = {name: value}
    parse_rate_limit(headers)
    for operation in (GET_ORDER, GET_ORDER_ADDRESS, SEARCH_ORDERS, CREATE_FEED):
        assert isinstance(error_from_reply(operation, status, headers, body), SPAPIError)
        with suppress(SPAPIError):
            decode(operation, 200, headers, body).json()


@given(
    message=BYTES
    | st.text(max_size=60)
    | st.recursive(
        st.none() | st.text(max_size=9),
        lambda inner: st.dictionaries(
            st.sampled_from(["payload", "body", "Message", "applicationOAuthClientNewSecret"]), inner, max_size=3
        ),
        max_leaves=6,
    )
)
def test_any_notification_is_read_or_refused(message: Any) -> None:
    """A queue may hold anything."""
    with suppress(SPAPIError):
        parse_secret_notification(message)


@virtual_time
async def test_any_token_reply_is_a_token_or_an_error_of_the_library() -> None:
    """It may have any status and any bytes."""
    rng = random.Random(seed_of_this_run())
    for _ in range(examples(200)):
        amazon = FakeAmazon()
        body = rng.choice([b'{"access_token":%b,"expires_in":%b}', b'{"error":%b,"error_description":%b}', b"%b%b"]) % (
            rng.choice([b'"a"', b"null", b"[1]", rb'"\ud83d"', b"1e99999999999999999999", b"7" * 5000, b'"\x00"']),
            rng.choice([b"3600", b'"x"', b"-1", b"1e400", b"{}", b"NaN", b"true", b"7" * 5000]),
        )
        amazon.script = [
            raw(rng.choice([200, 200, 204, 301, 400, 401, 429, 500]), body, rng.choice(["", "\xff", "a" * 9000]))
        ] * 9
        with suppress(SPAPIError):
            assert await authenticator(amazon).token(PLAIN, account(), request())
