"""The rules for rates exist twice, in Python and inside Redis: both must learn the same from the same replies."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from typing import Any

import pytest
from redis_speaker import Speaker

from spapi_async.ratelimit._adaptation import Adaptation
from spapi_async.ratelimit.shared._store import Feedback

RATE, FOR_EVER = 10.0, 1e7


@pytest.fixture
def speaker(redis_url: str) -> Iterator[Speaker]:
    """A client of the script."""
    speaker = Speaker(redis_url)
    yield speaker
    speaker.close()


def streaks(kind: str) -> list[int]:
    """Numbers of successes between one 429 and the next."""
    rng = random.Random(3)
    mean = {"steady": 62, "hopeless": 6, "far off": 2}.get(kind, 0)
    if kind == "never two":
        return [rng.choice([0, 1]) for _ in range(60)] + [100, 300, 1, 0]
    if mean:
        return [min(int(rng.expovariate(1 / mean)), 350) for _ in range(120)]
    return [rng.choice([0, 1, 7, 8, 20, 63, 64, 130, 300]) for _ in range(80)] + [350] * 3


@pytest.mark.parametrize("burst", [1, 2, 10])
@pytest.mark.parametrize("kind", ["steady", "hopeless", "far off", "never two", "anything"])
def test_both_implementations_learn_the_same(speaker: Speaker, kind: str, burst: int) -> None:
    """After every 429 and the calls that follow it, rate and burst are those of the local limiter."""
    plan: dict[str, Any] = {"rate": RATE, "burst": burst, "horizon": FOR_EVER}
    belief = Adaptation(RATE, float(burst))
    # Tokens are sold ahead without end, so that each request gets all it asks for, and no level is above zero.
    speaker.ask(1, waiting=(0, 2 * burst, 0), **plan)
    for number, successes in enumerate(streaks(kind), 2):
        # Now and then Amazon announces another rate.
        header = {0: RATE / 2, 25: RATE}.get(number % 50, 0.0)
        news = Feedback(seq=number, rate=header, hits=1, hit_at=time.time() + 60)
        reply = speaker.ask(number, waiting=(0, successes, 0), feedback=[news], **plan)
        if header:
            belief.announce(header)
        belief.throttled(sent_at=float(number), now=float(number))
        for _ in reply.delays:
            belief.succeeded()
        assert len(reply.delays) == successes
        assert (reply.plan.rate, reply.plan.burst) == pytest.approx((belief.rate, belief.burst), rel=1e-9), number
