"""No call carries another seller's token, in any order of calls, failures and cancellations."""

import asyncio
import random
from typing import Any

from fake_amazon import (
    ADDRESS,
    BUYER,
    DOCUMENT,
    ORDER,
    PLAIN,
    FakeAmazon,
    RevealingAuthenticator,
    account,
    authenticator,
    document,
    request,
)
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st
from virtual_time import run

from spapi_async._core.options import call_options
from spapi_async.auth import MemoryTokenStore
from spapi_async.credentials import Account
from spapi_async.errors import BadRequestError, ConnectionFailedError, ServerError, SPAPIError
from spapi_async.marketplaces import Region

SELLERS = 100
STALE = b'{"errors": [{"details": "The access token you provided is revoked, malformed or invalid."}]}'
CALLS = [(PLAIN, ()), (ORDER, ()), (ORDER, ("buyerInfo",)), (ADDRESS, ()), (BUYER, ()), (DOCUMENT, ())]


class ErraticAmazon(FakeAmazon):
    """Answers after a random time, fails at random, and writes into each token what it is for."""

    def __init__(self, rng: random.Random, failure_rate: float) -> None:
        super().__init__()
        self.rng = rng
        self.failure_rate = failure_rate

    async def exchange(self, *args: Any, **kwargs: Any) -> Any:
        """Answer like Amazon, after a delay or with a failure."""
        await self._delay_or_fail(ConnectionFailedError("down"))
        return await super().exchange(*args, **kwargs)

    async def create(self, account: Account, body: dict[str, Any]) -> Any:
        """Answer like Amazon, after a delay or with a failure; the token says whose it is and what it opens."""
        await self._delay_or_fail(ServerError("500", status=500), BadRequestError("400", status=400))
        reply = await super().create(account, body)
        opens = [f"{r['path']}{r.get('dataElements', '')}" for r in body["restrictedResources"]]
        reply.restricted_data_token += f"|{opens}"
        return reply

    async def _delay_or_fail(self, *errors: Exception) -> None:
        await asyncio.sleep(self.rng.uniform(0, 2))
        if self.rng.random() < self.failure_rate:
            raise self.rng.choice(errors)


async def one_call(auth: RevealingAuthenticator, rng: random.Random, seen: list[tuple[Account, str, str]]) -> None:
    """Act as the pipeline does: get a token, perhaps have it refused, get another, perhaps be cancelled meanwhile."""
    await asyncio.sleep(rng.uniform(0, 20) if rng.random() < 0.5 else rng.uniform(0, 8000))
    who = account(str(rng.randrange(SELLERS)), rng.choice(list(Region)))
    operation, elements = rng.choice(CALLS)
    asked = document(f"{who.key}-{rng.randrange(3)}") if operation is DOCUMENT else request(operation.path)
    for _ in range(2):
        with call_options(restricted=True):
            token = await auth.token(operation, who, asked, data_elements=elements)
        plain = operation is PLAIN or (operation is ORDER and not elements)
        seen.append((who, token, "" if plain else f"{asked.path}{list(elements) or ''}"))
        if rng.random() < 0.7 or not auth.rejected(token, operation, who, STALE, request=asked):
            return


async def run_random_calls(seed: int, failure_rate: float, cancel_rate: float, *, with_store: bool) -> list[Any]:
    """Two workers of one application make five hundred calls, with failures and cancellations at random."""
    rng = random.Random(seed)
    amazon = ErraticAmazon(rng, failure_rate)
    store = MemoryTokenStore() if with_store else None
    workers = [authenticator(amazon, store=store) for _ in range(2)]
    seen: list[tuple[Account, str, str]] = []
    calls = [asyncio.create_task(one_call(rng.choice(workers), rng, seen)) for _ in range(500)]
    for call in calls:
        if rng.random() < cancel_rate:
            asyncio.get_running_loop().call_later(rng.uniform(0, 9000), call.cancel)
    results = await asyncio.gather(*calls, return_exceptions=True)
    for worker in workers:
        await worker.aclose()
    assert [r for r in results if r is not None and not isinstance(r, (SPAPIError, asyncio.CancelledError))] == []
    return seen


# A smaller seed is not a simpler case, so shrinking gains nothing.
@settings(max_examples=1, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(
    seed=st.integers(0, 2**32),
    failure_rate=st.sampled_from([0.0, 0.1, 0.5]),
    cancel_rate=st.sampled_from([0.0, 0.2, 0.7]),
    with_store=st.booleans(),
)
@example(seed=1, failure_rate=0.0, cancel_rate=0.2, with_store=False)
@example(seed=2, failure_rate=0.1, cancel_rate=0.7, with_store=True)
@example(seed=3, failure_rate=0.5, cancel_rate=0.2, with_store=True)
def test_a_hundred_sellers_never_see_each_others_tokens(
    *, seed: int, failure_rate: float, cancel_rate: float, with_store: bool
) -> None:
    """Every token is of the seller, the region and the resource for which it was requested."""
    seen = run(run_random_calls(seed, failure_rate, cancel_rate, with_store=with_store))
    assert len(seen) > 50
    for who, token, opens in seen:
        refresh_token = who.grant.reveal()
        if opens:
            assert token.startswith(f"Atz.sprdt|{refresh_token}@{who.region}#")
            assert opens in token
        else:
            assert token.startswith(f"Atza|{refresh_token}#")
