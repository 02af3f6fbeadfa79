"""Bugs by rule: every small change that the rules below make of a Python file. Pure but for reading the file."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

__all__ = ["Change", "applied", "changes"]


class Change(NamedTuple):
    """One bug: what stands between two places, counted in bytes, is replaced."""

    line: int
    begin: int
    end: int
    before: str
    after: str


def changes(source: str) -> Iterator[Change]:
    """Yields every bug that the rules make of a file's text."""
    raw = source.encode()
    starts = [0]
    for line in raw.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    for node in code(ast.parse(source)):
        for variant in variants(node):
            begin = starts[node.lineno - 1] + node.col_offset  # type: ignore[attr-defined]
            end = starts[node.end_lineno - 1] + node.end_col_offset  # type: ignore[attr-defined]
            before, after = raw[begin:end].decode(), written(variant, node.col_offset)  # type: ignore[attr-defined]
            if after != before:
                yield Change(node.lineno, begin, end, before, after)  # type: ignore[attr-defined]


def applied(source: str, change: Change) -> str | None:
    """Returns the text with the bug in it; None where that is no Python."""
    raw = source.encode()
    text = (raw[: change.begin] + change.after.encode() + raw[change.end :]).decode()
    try:
        ast.parse(text)
    except SyntaxError:
        return None
    return text


COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult,
}  # fmt: skip
CALLS = {"min": "max", "max": "min", "any": "all", "all": "any"}


def variants(node: ast.AST) -> Iterator[ast.AST]:
    """Yields the node with one bug each."""
    for kind, made in RULES.items():
        if isinstance(node, kind):
            yield from made(node)


def of_comparison(node: ast.Compare) -> Iterator[ast.AST]:
    """Another operator: the boundary moves, or the sense turns."""
    first, *rest = node.ops
    yield changed(node, ops=[COMPARISONS[type(first)](), *rest])


def of_condition(node: ast.BoolOp) -> Iterator[ast.AST]:
    """The other operator, or one side alone."""
    yield changed(node, op=ast.And() if isinstance(node.op, ast.Or) else ast.Or())
    yield from node.values


def of_negation(node: ast.UnaryOp) -> Iterator[ast.AST]:
    """No negation."""
    if isinstance(node.op, ast.Not):
        yield node.operand


def of_arithmetic(node: ast.BinOp | ast.AugAssign) -> Iterator[ast.AST]:
    """The opposite operator."""
    text = isinstance(node, ast.BinOp) and isinstance(node.left, (ast.JoinedStr, ast.Constant))
    if type(node.op) in ARITHMETIC and not text:
        yield changed(node, op=ARITHMETIC[type(node.op)]())


def of_branch(node: ast.If) -> Iterator[ast.AST]:
    """The branch is taken when it should not be, or never."""
    yield changed(node, test=ast.UnaryOp(ast.Not(), node.test))
    if not node.orelse:
        yield changed(node, test=ast.Constant(value=False))


def of_choice(node: ast.IfExp) -> Iterator[ast.AST]:
    """Always the one, always the other."""
    yield node.body
    yield node.orelse


def of_constant(node: ast.Constant) -> Iterator[ast.AST]:
    """The other truth, the next number."""
    if isinstance(node.value, bool):
        yield ast.Constant(not node.value)
    elif isinstance(node.value, (int, float)):
        yield ast.Constant(node.value + 1)


def of_return(node: ast.Return) -> Iterator[ast.AST]:
    """Nothing is returned."""
    if node.value is not None and not isinstance(node.value, ast.Constant):
        yield changed(node, value=ast.Constant(None))


def of_call(node: ast.Call) -> Iterator[ast.AST]:
    """The opposite builtin."""
    if isinstance(node.func, ast.Name) and node.func.id in CALLS:
        yield changed(node, func=ast.Name(CALLS[node.func.id], ast.Load()))


def of_statement(node: ast.Expr | ast.Assign | ast.AugAssign) -> Iterator[ast.AST]:
    """The statement is missing; names stay bound, or every later line would fail."""
    bound = isinstance(node, ast.Assign) and not isinstance(node.targets[0], (ast.Attribute, ast.Subscript))
    if not bound and not (isinstance(node, ast.Expr) and not isinstance(node.value, (ast.Call, ast.Await))):
        yield ast.Pass()


def of_jump(node: ast.AST) -> Iterator[ast.AST]:
    """The jump is missing."""
    yield ast.Pass()


RULES: dict[Any, Callable[[Any], Iterator[ast.AST]]] = {
    ast.Compare: of_comparison,
    ast.BoolOp: of_condition,
    ast.UnaryOp: of_negation,
    (ast.BinOp, ast.AugAssign): of_arithmetic,
    ast.If: of_branch,
    ast.IfExp: of_choice,
    ast.Constant: of_constant,
    ast.Return: of_return,
    ast.Call: of_call,
    (ast.Expr, ast.Assign, ast.AugAssign): of_statement,
    (ast.Continue, ast.Break, ast.Raise): of_jump,
}


def changed(node: ast.AST, **fields: Any) -> ast.AST:
    """Returns a copy of a node with other fields."""
    twin = copy.copy(node)
    for name, value in fields.items():
        setattr(twin, name, value)
    return twin


def written(node: ast.AST, indentation: int) -> str:
    """Returns a node's source at its place."""
    text = ast.unparse(ast.fix_missing_locations(node)).replace("\n", "\n" + " " * indentation)
    return (
        f"({text})" if isinstance(node, ast.expr) and not isinstance(node, (ast.Constant, ast.Name, ast.Call)) else text
    )


def code(node: ast.AST) -> Iterator[ast.AST]:
    """Yields the nodes that run inside functions: no annotations, decorators, messages."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
            for statement in child.body:
                yield from running(statement)
        else:
            yield from code(child)


def running(node: ast.AST) -> Iterator[ast.AST]:
    """Yields a statement's own nodes, and those of functions in it."""
    if isinstance(node, (ast.Assert, ast.JoinedStr, ast.Import, ast.ImportFrom)):
        return
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        yield from code(ast.Module([node], []))
        return
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return
    yield node
    for name, value in ast.iter_fields(node):
        if name in {"annotation", "returns"} or (isinstance(node, ast.Raise) and name in {"exc", "cause"}):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from running(child)
