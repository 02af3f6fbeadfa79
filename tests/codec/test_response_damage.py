"""Amazon's own sample replies, damaged at random: each is read, and the undamaged parts are unchanged."""

import json
from typing import Any

import msgspec
import pytest
from damage import DAMAGE, Path, damage, paths
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from response_examples import MODELS, Example, successes

from spapi_async._codec.lenient import build

REPLIES = [each for each in successes() if each.reply and each.operation.response_type] if MODELS.is_dir() else []

pytestmark = pytest.mark.skipif(not REPLIES, reason=f"Amazon's models are not at {MODELS}")


def at(value: Any, path: Path) -> Any:
    """The value of a decoded reply at a JSON path; keys that the model does not know have none."""
    for key in path:
        if isinstance(value, msgspec.Struct):
            names = dict(zip(value.__struct_encode_fields__, value.__struct_fields__, strict=True))
            value = getattr(value, names[str(key)]) if key in names else None
        elif value is not None:
            value = value[key]
    return value


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_damaged_reply_keeps_its_undamaged_parts(data: st.DataObject) -> None:
    """Each piece of each operation's reply may be missing, null or of another type."""
    example: Example = data.draw(st.sampled_from(REPLIES))
    everywhere = list(paths(example.reply))
    hit = data.draw(st.sampled_from(everywhere))
    damaged = damage(example.reply, hit, data.draw(st.sampled_from([..., *DAMAGE])))

    whole, before = build(example.operation.response_type, json.dumps(example.reply).encode())
    value, after = build(example.operation.response_type, json.dumps(damaged).encode())

    for path in everywhere:
        if path[: len(hit)] != hit and hit[: len(path)] != path:
            assert at(value, path) == at(whole, path)
    assert len(after) <= len(before) + 40
