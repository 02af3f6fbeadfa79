"""Filter expressions: the part of Google's Common Expression Language (CEL) that Amazon's notifications accept; pure.

As Amazon documents, there is no arithmetic and no indexing. Names refer to members of the payload:
``A.B == "x" && A.C in ["y"]``.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

__all__ = ["CelError", "Expression", "parse_expression"]

_TOKEN = re.compile(
    r"(?P<space>\s+)|(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<text>\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*')|(?P<mark>&&|\|\||[=!<>]=|[!<>?:.,()\[\]])"
)
_MAX_DEPTH = 64
_MAX_LENGTH = 4096

Names = Mapping[str, Any]
Expression = Callable[[Names], Any]
"""Returns the value of the expression for a payload."""


class CelError(ValueError):
    """Amazon does not accept the expression, or it has no value for this payload."""


@lru_cache(maxsize=256)
def parse_expression(text: str) -> Expression:
    """Parse an expression.

    Raises:
        CelError: the expression is invalid. The returned function raises it if the payload lacks a member it refers to.
    """
    if len(text) > _MAX_LENGTH:
        raise CelError(f"the expression has {len(text)} characters; at most {_MAX_LENGTH} are allowed")
    parser = _Parser(text)
    whole = parser.ternary(0)
    parser.end()
    return whole


class _Parser:
    """A recursive descent parser: one method for each level of precedence, the lowest first."""

    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        self._at = at = 0
        while at < len(text):
            match = _TOKEN.match(text, at)
            if match is None:
                raise CelError(f"unexpected {text[at]!r} at character {at}")
            at = match.end()
            if match.lastgroup != "space":
                self._tokens.append((str(match.lastgroup), match.group()))

    def end(self) -> None:
        if self._at < len(self._tokens):
            raise CelError(f"unexpected {self._tokens[self._at][1]!r} after the end of the expression")

    def ternary(self, depth: int) -> Expression:
        if depth > _MAX_DEPTH:
            raise CelError(f"the expression is nested more than {_MAX_DEPTH} levels deep")
        condition = self._any(depth)
        if not self._skip("?"):
            return condition
        yes = self._any(depth)
        self._take(":")
        no = self.ternary(depth + 1)
        return lambda names: yes(names) if _boolean(condition(names)) else no(names)

    def _any(self, depth: int) -> Expression:
        return self._joined("||", self._all, depth, decisive=True)

    def _all(self, depth: int) -> Expression:
        return self._joined("&&", self._relation, depth, decisive=False)

    def _joined(self, mark: str, part: Callable[[int], Expression], depth: int, *, decisive: bool) -> Expression:
        parts = [part(depth)]
        while self._skip(mark):
            parts.append(part(depth))
        return parts[0] if len(parts) == 1 else lambda names: _decided(parts, names, decisive=decisive)

    def _relation(self, depth: int) -> Expression:
        left = self._unary(depth)
        start = self._at
        while (mark := self._next()) in _RELATIONS:
            self._at += 1
            left = _related(_RELATIONS[mark], left, self._unary(depth))
            self._bound(start)
        return left

    def _unary(self, depth: int) -> Expression:
        negations = 0
        while self._skip("!"):
            negations += 1
        value = self._member(depth)
        if not negations:
            return value
        return lambda names: _boolean(value(names)) is (negations % 2 == 0)

    def _member(self, depth: int) -> Expression:
        value = self._primary(depth)
        start = self._at
        while self._skip("."):
            self._bound(start)
            name = self._name()
            value = self._method(value, name, depth) if self._skip("(") else _member_of(value, name)
        return value

    def _method(self, of: Expression, name: str, depth: int) -> Expression:
        if name in _MACROS:
            variable = self._name()
            self._take(",")
            condition = self.ternary(depth + 1)
            self._take(")")
            count = _MACROS[name]
            return lambda names: count([_holds(condition, {**names, variable: each}) for each in _list(of(names))])
        if name not in _METHODS:
            raise CelError(f"the function {name} is not supported; there are {', '.join((*_MACROS, *_METHODS))}")
        argument = self.ternary(depth + 1) if name != "size" else None
        self._take(")")
        call = _METHODS[name]
        return lambda names: call(of(names), argument(names) if argument is not None else None)

    def _primary(self, depth: int) -> Expression:
        if self._at == len(self._tokens):
            raise CelError("the expression ends where a value is expected")
        kind, word = self._tokens[self._at]
        self._at += 1
        if word == "(":
            value = self.ternary(depth + 1)
            self._take(")")
            return value
        if word == "[":
            items: list[Expression] = []
            while not self._skip("]"):
                if items:
                    self._take(",")
                items.append(self.ternary(depth + 1))
            return lambda names: [item(names) for item in items]
        if kind in ("number", "text"):
            return _constant(word)
        if kind != "name":
            raise CelError(f"{word!r} is where a value is expected")
        if word == "has" and self._skip("("):
            path = self._member(depth + 1)
            self._take(")")
            return lambda names: _present(path, names)
        if word in _CONSTANTS:
            return lambda _: _CONSTANTS[word]
        return lambda names: _found(names, word)

    def _bound(self, start: int) -> None:
        """Limit chains such as ``a.b.c``, of which each link adds a nested call to the evaluation."""
        if self._at - start > 2 * _MAX_DEPTH:
            raise CelError(f"a chain in the expression has more than {2 * _MAX_DEPTH} tokens")

    def _name(self) -> str:
        kind, token = self._tokens[self._at] if self._at < len(self._tokens) else ("", "the end")
        if kind != "name":
            raise CelError(f"{token!r} is where a name is expected")
        self._at += 1
        return token

    def _next(self) -> str:
        return self._tokens[self._at][1] if self._at < len(self._tokens) else ""

    def _skip(self, token: str) -> bool:
        found = self._next() == token
        self._at += found
        return found

    def _take(self, token: str) -> None:
        if not self._skip(token):
            raise CelError(f"{self._next() or 'the end'!r} is where {token!r} is expected")


def _constant(word: str) -> Expression:
    try:
        value = ast.literal_eval(word)  # numbers and strings have the same syntax in Python
    except (SyntaxError, ValueError):
        raise CelError(f"{word} is not a valid number or string") from None
    return lambda _: value


def _decided(parts: Sequence[Expression], names: Names, *, decisive: bool) -> bool:
    """The value of ``||`` or ``&&``: if any part decides it, parts without a value do not matter."""
    error = None
    for part in parts:
        try:
            if _boolean(part(names)) is decisive:
                return decisive
        except CelError as failed:
            error = failed
    if error is not None:
        raise error
    return not decisive


def _related(relation: Callable[[Any, Any], bool], left: Expression, right: Expression) -> Expression:
    return lambda names: relation(left(names), right(names))


def _member_of(value: Expression, name: str) -> Expression:
    return lambda names: _found(value(names), name)


def _found(value: Any, name: str) -> Any:
    if not isinstance(value, Mapping) or name not in value:
        raise CelError(f"the payload has no member {name} here")
    return value[name]


def _present(path: Expression, names: Names) -> bool:
    try:
        return path(names) is not None
    except CelError:
        return False


def _holds(condition: Expression, names: Names) -> bool:
    return _boolean(condition(names))


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise CelError(f"{value!r} is neither true nor false")
    return value


def _list(value: Any) -> Sequence[Any]:
    if not isinstance(value, list):
        raise CelError(f"{value!r} is not a list")
    return value


def _equal(left: Any, right: Any) -> bool:
    return bool(left == right) and isinstance(left, bool) is isinstance(right, bool)  # true is not 1


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def relation(left: Any, right: Any) -> bool:
        numbers = all(isinstance(each, (int, float)) and not isinstance(each, bool) for each in (left, right))
        if not numbers and not (isinstance(left, str) and isinstance(right, str)):
            raise CelError(f"{left!r} and {right!r} cannot be ordered: both must be numbers, or both strings")
        return compare(left, right)

    return relation


def _text_method(test: Callable[[str, str], bool]) -> Callable[[Any, Any], bool]:
    def method(value: Any, argument: Any) -> bool:
        if not isinstance(value, str) or not isinstance(argument, str):
            raise CelError(f"contains, startsWith and endsWith compare strings, not {value!r} and {argument!r}")
        return test(value, argument)

    return method


def _size(value: Any, _: Any) -> int:
    if not isinstance(value, (str, list)):
        raise CelError(f"{value!r} has no size: it is neither a string nor a list")
    return len(value)


_CONSTANTS = {"true": True, "false": False, "null": None}
_RELATIONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "==": _equal,
    "!=": lambda left, right: not _equal(left, right),
    "<": _ordered(lambda left, right: bool(left < right)),
    "<=": _ordered(lambda left, right: bool(left <= right)),
    ">": _ordered(lambda left, right: bool(left > right)),
    ">=": _ordered(lambda left, right: bool(left >= right)),
    "in": lambda left, right: any(_equal(left, each) for each in _list(right)),
}
_MACROS: Mapping[str, Callable[[Sequence[bool]], bool]] = {
    "all": all,
    "exists": any,
    "exists_one": lambda found: sum(found) == 1,
}
_METHODS: Mapping[str, Callable[[Any, Any], Any]] = {
    "contains": _text_method(lambda value, part: part in value),
    "startsWith": _text_method(str.startswith),
    "endsWith": _text_method(str.endswith),
    "size": _size,
}
