"""Values too deep in a reply become text. Runs of brackets are counted at once, with the result of counting each."""

import random
import re
import sys
from types import FrameType
from typing import Any

import msgspec
import pytest

from spapi_async._codec.mending import DEEPEST_REPLY, mend

KEYS = [b'"a":', b'"" :\n', b'"\\"]":', b'"[{":', b'"}" : ', b'"k\\\\":']
LEAVES = [b"1", b'"[x"', b'"\\"}"', b'"{\\\\"', b'"long"', b" null ", b"[]", b'{"a":[ ]}']


def document(rng: random.Random) -> bytes:
    """Random JSON that goes up and down around the deepest allowed level."""
    text, ends, filled = [b"["], [b"]"], [False]
    for _ in range(DEEPEST_REPLY + rng.randrange(400)):
        opens, closes = len(ends) < DEEPEST_REPLY - 2 or rng.random() < 0.45, len(ends) > 1 and rng.random() < 0.7
        if not opens and closes:
            text.append(rng.choice((b"", b"", b" ", b"\n")) + ends.pop())
            filled.pop()
            continue
        text += [b","] * filled[-1] + [rng.choice(KEYS)] * (ends[-1] == b"}")
        filled[-1] = True
        if opens:
            start, end = rng.choice(((b"[", b"]"), (b"{", b"}")))
            text.append(start + rng.choice((b"", b"", b" ")))
            ends.append(end)
            filled.append(False)
        else:
            text.append(rng.choice(LEAVES))
    return b"".join(text + ends[::-1])


def one_by_one(body: bytes) -> bytes:
    """The same result, bracket by bracket."""
    depth, at, taken, pieces = 0, 0, 0, list[bytes]()
    for token in re.finditer(rb'[][{}]|"(?:[^"\\]|\\.)*"', body):
        depth += (token[0] in b"[{") - (token[0] in b"]}")
        if token[0] in b"[{" and depth == DEEPEST_REPLY + 1:
            at = token.start()
        elif token[0] in b"]}" and depth == DEEPEST_REPLY:
            pieces += [body[taken:at], msgspec.json.encode(body[at : token.end()].decode())]
            taken = token.end()
    return b"".join([*pieces, body[taken:]])


def test_runs_of_brackets_are_cut_like_single_ones() -> None:
    """Keys, strings and blanks between them make no difference."""
    rng, cut = random.Random(7), 0
    for _ in range(150):
        body = document(rng)
        wanted = one_by_one(body)
        assert mend(body, shallow=True)[0] == wanted, body
        cut += wanted != body
    assert cut > 120


@pytest.mark.parametrize(("start", "end"), [(b"[", b"]"), (b'{"a":', b"}"), (b'[{"a" : ', b"}]")])
def test_a_hundred_thousand_levels_are_counted_at_once(start: bytes, end: bytes) -> None:
    """A loop over them would block every other call for a tenth of a second."""
    levels = 100_000 // len(end)
    lines, before = 0, sys.gettrace()

    def count(_: FrameType, event: str, __: Any) -> Any:
        nonlocal lines
        lines += event == "line"
        return count

    sys.settrace(count)
    try:
        mended, _ = mend(start * levels + b"1" + end * levels)
    finally:
        sys.settrace(before)
    assert msgspec.json.decode(mended)
    assert lines < levels
