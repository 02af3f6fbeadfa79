"""Random structs with random damage: nothing raises, nothing is invented, every undamaged field is kept."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from damage import DAMAGE, Path, damage, paths
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spapi_async._codec.lenient import build
from spapi_async._core.wire import Model, OpenEnum, Timestamp


class Colour(OpenEnum):
    """One known value."""

    RED = "Red"


TEXT = st.text(alphabet='abcXYZ é/"\\{}[]:,0', max_size=6)
SCALARS: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (str, TEXT),
    (int, st.integers(-(2**60), 2**60)),
    (bool, st.booleans()),
    (Decimal, st.decimals(-1000, 1000, places=2).map(str)),
    (float, st.floats(-1000, 1000, allow_nan=False)),
    (Colour, TEXT),
    (Timestamp, st.datetimes(datetime(2000, 1, 1), datetime(2030, 1, 1)).map(lambda when: when.isoformat() + "Z")),  # noqa: DTZ001
    (Any, st.one_of(st.none(), TEXT, st.integers(0, 9))),
]
TYPES = st.recursive(
    st.sampled_from([declared for declared, _ in SCALARS]).map(lambda declared: ("scalar", declared)),
    lambda inner: st.one_of(
        st.tuples(st.just("list"), inner),
        st.tuples(st.just("map"), inner),
        st.tuples(st.just("struct"), st.lists(st.tuples(inner, st.booleans()), min_size=1, max_size=5)),
    ),
    max_leaves=12,
)


def declared_type(shape: Any) -> Any:
    """The Python type of a random shape."""
    kind, inner = shape
    if kind == "scalar":
        return inner
    if kind == "list":
        return list[declared_type(inner)]  # type: ignore[misc]
    if kind == "map":
        return dict[str, declared_type(inner)]  # type: ignore[misc]
    fields: list[Any] = [
        (f"f{n}", declared_type(each)) if required else (f"f{n}", declared_type(each) | None, None)
        for n, (each, required) in enumerate(inner)
    ]
    return msgspec.defstruct("Random", fields, bases=(Model,), kw_only=True)


@st.composite
def contents(draw: st.DrawFn, shape: Any) -> Any:
    """JSON that fits a random shape."""
    kind, inner = shape
    if kind == "scalar":
        return draw(next(strategy for declared, strategy in SCALARS if declared is inner))
    if kind == "list":
        return [draw(contents(inner)) for _ in range(draw(st.integers(0, 3)))]
    if kind == "map":
        return {draw(TEXT): draw(contents(inner)) for _ in range(draw(st.integers(0, 3)))}
    members = {
        f"f{n}": draw(contents(each)) for n, (each, required) in enumerate(inner) if required or draw(st.booleans())
    }
    return members | ({"unknown": 1} if draw(st.booleans()) else {})


def at(value: Any, path: Path) -> Any:
    """The value of a decoded object at a JSON path."""
    for key in path:
        value = getattr(value, str(key)) if isinstance(value, msgspec.Struct) else value[key]
    return value


def leaves(content: Any) -> Iterator[str]:
    """Every scalar as text, so that 5, 5.0 and "5" are equal, as are 1, true and "true"."""
    if isinstance(content, dict | list):
        for value in content.values() if isinstance(content, dict) else content:
            yield from leaves(value)
    elif content is not None:
        text = str(content).strip()
        if text.lower() in ("true", "false"):
            text = str(int(text.lower() == "true"))
        try:
            yield str(Decimal(text).normalize())
        except ArithmeticError:
            yield text.lower().removesuffix("z")


@settings(max_examples=75, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_random_damage_loses_only_the_damaged_fields(data: st.DataObject) -> None:
    """The other fields equal those of the fast path, and every value comes from the body."""
    shape = data.draw(st.tuples(st.just("struct"), st.lists(st.tuples(TYPES, st.booleans()), min_size=1, max_size=6)))
    declared = declared_type(shape)
    content = data.draw(contents(shape))
    everywhere = list(paths(content))
    hits = data.draw(st.lists(st.sampled_from(everywhere), min_size=1, max_size=3, unique=True)) if everywhere else []
    hits = [path for path in hits if not any(path[: len(other)] == other for other in hits if other != path)]
    damaged = content
    for path in hits:
        damaged = damage(damaged, path, data.draw(st.sampled_from([..., *DAMAGE])))

    whole = msgspec.json.decode(json.dumps(content), type=declared)
    value, violations = build(declared, json.dumps(damaged).encode())

    for path in everywhere:
        if path[-1] != "unknown" and not any(path[: len(hit)] == hit or hit[: len(path)] == path for hit in hits):
            assert at(value, path) == at(whole, path)
    invented = Counter(leaves(msgspec.json.decode(msgspec.json.encode(value)))) - Counter(leaves(damaged))
    assert not invented
    if not hits:
        assert (value, violations) == (whole, [])
    assert all(len(violation) == 3 for violation in violations)


@settings(max_examples=50, deadline=None)
@given(body=st.binary(max_size=40) | st.text(max_size=40).map(str.encode), shape=TYPES)
def test_any_bytes_raise_nothing_but_value_error(body: bytes, shape: Any) -> None:
    """The caller turns it into DecodeError."""
    try:
        build(declared_type(shape), body)
    except (ValueError, RecursionError):
        pass
    else:
        json.loads(body.decode("utf-8-sig", "replace"), strict=False)


@settings(max_examples=50, deadline=None)
@given(
    shape=TYPES,
    content=st.recursive(
        st.sampled_from(DAMAGE), lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=6
    ),
)
def test_any_json_is_read_against_any_type(shape: Any, content: Any) -> None:
    """A reply may be of another kind altogether."""
    value, _ = build(declared_type(shape), json.dumps(content).encode())
    assert not Counter(leaves(msgspec.json.decode(msgspec.json.encode(value)))) - Counter(leaves(content))
