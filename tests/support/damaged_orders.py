"""Pages of orders, damaged at random in their JSON and their bytes; the same seed gives the same damage."""

import json
import random
from collections.abc import Callable
from typing import Any

import msgspec
from hypothesis import settings

__all__ = ["damaged", "examples", "seed_of_this_run"]

STRANGE = [
    b"null", b"true", b"5", b"-1.5", b'""', b'"x"', b"[]", b"{}", b"[1]", b'{"k":"v"}', b'[{"k":"v"}]', b'"5"',
    rb'"Tee \ud83d"', rb'"\udc00"', b'"a\tb\nc"', b'"\xff\xfe"', b"1e999999999999999999999", b"-1E400", b"7" * 5000,
    b"0." + b"3" * 700, b"[" * 300 + b"]" * 300, b'{"a":' * 1500 + b"1" + b"}" * 1500, rb'"\u0000"', b'"2026-01-01"',
    b'"2026-13-45T99:99Z"', b'"2026-01-01T10:00Z"', b"NaN", b"undefined", rb'"\q"', b'"' + b"x" * 300 + b'"',
]  # fmt: skip


def seed_of_this_run() -> int:
    """Return a fixed seed in the suite, and a new one in each run with ``--hypothesis-profile=explore``."""
    return 14 if settings().derandomize else random.SystemRandom().randrange(2**32)


def examples(number: int) -> int:
    """Return how many examples to try: twenty times as many in an exploring run."""
    return number if settings().derandomize else 20 * number


def damaged(page: dict[str, Any], rng: random.Random) -> bytes:
    """The page with one to three values, keys or bytes replaced."""
    content = msgspec.json.decode(msgspec.json.encode(page))
    texts: list[bytes] = []
    for _ in range(rng.randrange(1, 4)):
        rng.choice(DAMAGES)(content, rng, texts)
    body = json.dumps(content).encode()
    for number, text in enumerate(texts):
        body = body.replace(b'"STRANGE-%d"' % number, text)
    if rng.random() < 0.1:
        at = rng.randrange(len(body))
        body = body[:at] + rng.choice([b"\xff", b"\t", b"\\", b'"', b",", b"", b"}", b"0"]) + body[at + 1 :]
    return body


def _places(content: Any) -> list[tuple[Any, Any]]:
    """Every member and entry with what holds it, from the outermost inwards."""
    found: list[tuple[Any, Any]] = []
    for key, value in list(content.items() if type(content) is dict else enumerate(content)):
        found.append((content, key))
        if type(value) is dict or type(value) is list:
            found += _places(value)
    return found


def _replace(content: Any, rng: random.Random, texts: list[bytes]) -> None:
    holder, key = rng.choice(_places(content))
    holder[key] = f"STRANGE-{len(texts)}"
    texts.append(rng.choice(STRANGE))


def _remove(content: Any, rng: random.Random, texts: list[bytes]) -> None:
    holder, key = rng.choice(_places(content))
    if len(holder) > 1:
        del holder[key]


def _rename(content: Any, rng: random.Random, texts: list[bytes]) -> None:
    holder, key = rng.choice([place for place in _places(content) if isinstance(place[0], dict)])
    holder[rng.choice([key.upper(), key.lower(), "payload", "x"])] = holder.pop(key)


def _wrap(content: Any, rng: random.Random, texts: list[bytes]) -> None:
    holder, key = rng.choice(_places(content))
    holder[key] = rng.choice([[holder[key]], {"payload": holder[key]}, [holder[key], holder[key]]])


DAMAGES: list[Callable[[Any, random.Random, list[bytes]], None]] = [
    _replace,
    _replace,
    _replace,
    _remove,
    _rename,
    _wrap,
]
