"""Puts bugs into the code, one at a time, and lists those that no test notices.

    python tests/support/mutate.py map                            once: which tests run which lines
    python tests/support/mutate.py random --count 150 --seed 1    bugs by the rules below, changed files first
    python tests/support/mutate.py written                        the bugs of tests/support/mutants.json
    python tests/support/mutate.py random spapi_async/ratelimit   only there

Each bug goes into a copy of the tree, never into yours. The tests that run its line are run against it, the most direct
ones (those that run the fewest lines in all) first, until one fails. A summary for each module and a line for each
survivor go to standard output, or with ``--save`` to benchmarks/results/mutation.json.

A survivor is a missing test, or a change that means nothing; ``mutants.json`` names the latter with their reason.
"""

from __future__ import annotations

import argparse
import ast
import concurrent.futures
import copy
import hashlib
import json
import os
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "spapi_async"
GENERATED = ("spapi_async/api/", "spapi_async/models/")
ELSEWHERE = ("spapi_async/cli/",)  # its words are judged by people
MAP = ROOT / ".mutation" / "coverage"
WRITTEN = ROOT / "tests/support/mutants.json"
SUMMARY = ROOT / "benchmarks/results/mutation.json"
DIRECT, AT_MOST = 40, 400  # tests of the first attempt, and of both
NOT_COPIED = shutil.ignore_patterns(".git", ".venv", ".mutation", "__pycache__")
SECONDS = 100  # for each of the two attempts; longer is a hang, and noticed


class Mutant(NamedTuple):
    """One bug: what stands in which file is replaced."""

    file: str
    line: int
    before: str
    after: str
    text: str
    """The whole file with the bug in it."""
    meaningless: str = ""
    """Why no test can or need notice it."""


class Verdict(NamedTuple):
    """What the tests said of a bug."""

    mutant: Mutant
    noticed: bool
    by: str
    """The test that failed, "hang", or how many tests passed."""


# bugs by rule ----------------------------------------------------------------------------------------

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


def by_rule(path: Path) -> list[Mutant]:
    """Returns every bug that the rules make of a file."""
    source = path.read_text(encoding="utf-8")
    starts = [0]
    for line in source.encode().splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    raw = source.encode()
    found = []
    for node in code(ast.parse(source)):
        for variant in variants(node):
            at = starts[node.lineno - 1] + node.col_offset  # type: ignore[attr-defined]
            end = starts[node.end_lineno - 1] + node.end_col_offset  # type: ignore[attr-defined]
            before = raw[at:end].decode()
            after = written(variant, node.col_offset)  # type: ignore[attr-defined]
            text = (raw[:at] + after.encode() + raw[end:]).decode()
            try:
                ast.parse(text)
            except SyntaxError:
                continue
            if after != before:
                found.append(Mutant(str(path.relative_to(ROOT)), node.lineno, before, after, text))  # type: ignore[attr-defined]
    return found


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


# bugs by hand ----------------------------------------------------------------------------------------


def by_hand(path: Path) -> list[Mutant]:
    """Returns the bugs of a file of them; one whose code is gone is an error, so that the list stays true."""
    found = []
    for each in json.loads(path.read_text(encoding="utf-8")):
        source = (ROOT / each["file"]).read_text(encoding="utf-8")
        if source.count(each["old"]) != 1:
            sys.exit(
                f"{each['file']} has {source.count(each['old'])} times {each['old']!r}: bring {path.name} up to date"
            )
        line = source[: source.index(each["old"])].count("\n") + 1
        text = source.replace(each["old"], each["new"])
        found.append(Mutant(each["file"], line, each["old"], each["new"], text, each.get("meaningless", "")))
    return found


# which tests -----------------------------------------------------------------------------------------


class Reach:
    """Which tests run which lines, by the coverage that ``map`` has measured."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(f"file:{path}?mode=ro", uri=True, check_same_thread=False)
        self._tests = {
            number: name.split("|")[0]
            for number, name in self._database.execute("SELECT id, context FROM context")
            if name
        }
        self._files = {
            Path(name).as_posix().split(f"/{PACKAGE}/")[-1]: number
            for number, name in self._database.execute("SELECT id, path FROM file")
        }
        self._size: Counter[int] = Counter()
        self._lines: dict[int, dict[int, frozenset[int]]] = defaultdict(dict)
        for file, context, numbits in self._database.execute("SELECT file_id, context_id, numbits FROM line_bits"):
            lines = frozenset(
                byte * 8 + bit for byte, bits in enumerate(numbits) for bit in range(8) if bits >> bit & 1
            )
            self._size[context] += len(lines)
            if context in self._tests:
                self._lines[file][context] = lines

    def tests(self, file: str, lines: range) -> list[str]:
        """Returns the tests that run any of these lines, or else the file; the most direct first."""
        number = self._files.get(file.removeprefix(f"{PACKAGE}/"))
        contexts = self._lines[number] if number is not None else {}
        wanted = set(lines)
        chosen = [each for each, run in contexts.items() if run & wanted] or list(contexts)
        ordered = sorted(chosen, key=lambda each: self._size[each])
        return list(dict.fromkeys(self._tests[each] for each in ordered))


def measure() -> None:
    """Runs the suite with coverage, by test."""
    MAP.parent.mkdir(exist_ok=True)
    (MAP.parent / ".gitignore").write_text("*\n")
    settings = MAP.parent / "settings"
    settings.write_text(f"[run]\nsource = {PACKAGE}\ndata_file = {MAP}\nomit = {PACKAGE}/api/*\n  {PACKAGE}/models/*\n")
    subprocess.run(
        [sys.executable, "-m", "pytest", f"--cov={PACKAGE}", f"--cov-config={settings}", "--cov-context=test",
         "--cov-report=", "tests"],
        cwd=ROOT, check=False,
    )  # fmt: skip
    (MAP.parent / "digests.json").write_text(json.dumps({each: digest(ROOT / each) for each in hand_written()}))


def digest(path: Path) -> str:
    """Returns what changes when a file does."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


# running ---------------------------------------------------------------------------------------------


def judged(mutants: list[Mutant], workers: int) -> Iterator[Verdict]:
    """Yields each bug's verdict, as they come."""
    reach = Reach(MAP)
    digests = json.loads((MAP.parent / "digests.json").read_text())
    with tempfile.TemporaryDirectory() as folder:
        trees = []
        for number in range(workers):
            tree = Path(folder) / str(number)
            shutil.copytree(
                ROOT, tree, ignore=shutil.ignore_patterns(".git", ".venv", ".mutation", "__pycache__"), symlinks=True
            )
            trees.append(tree)
        with concurrent.futures.ThreadPoolExecutor(workers) as pool:
            free = list(trees)

            def judge(mutant: Mutant) -> Verdict:
                same = digests.get(mutant.file) == digest(ROOT / mutant.file)
                lines = range(mutant.line, mutant.line + mutant.before.count("\n") + 1) if same else range(0)
                tests = reach.tests(mutant.file, lines)
                tree = free.pop()
                try:
                    return verdict(mutant, tests, tree)
                finally:
                    free.append(tree)

            for done in concurrent.futures.as_completed([pool.submit(judge, each) for each in mutants]):
                yield done.result()


def verdict(mutant: Mutant, tests: list[str], tree: Path) -> Verdict:
    """Runs the tests against the tree with the bug in it."""
    target = tree / mutant.file
    clean = target.read_text(encoding="utf-8")
    target.write_text(mutant.text, encoding="utf-8")
    try:
        for some in (tests[:DIRECT], tests[DIRECT:AT_MOST]):
            if some and (by := first_failure(some, tree)):
                return Verdict(mutant, noticed=True, by=by)
    finally:
        target.write_text(clean, encoding="utf-8")
    return Verdict(mutant, noticed=False, by=f"{len(tests[:AT_MOST])} of {len(tests)} tests passed")


def first_failure(tests: list[str], tree: Path) -> str:
    """Returns the first of the tests that fails, "hang", or an empty text."""
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-x", "-n", "0", "-p", "no:cacheprovider", "--tb=no", "-rfE", *tests]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    process = subprocess.Popen(command, cwd=tree, env=environment, start_new_session=True, **pipes)  # type: ignore[call-overload]
    try:
        output, _ = process.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return "hang"
    finally:
        if process.poll() is None:
            os.killpg(process.pid, 9)
            process.wait()
    if process.returncode == 0:
        return ""
    failed = re.search(r"^(?:FAILED|ERROR) (\S+)", output, re.MULTILINE)
    return failed[1] if failed else f"pytest ended with {process.returncode}"


def hand_written() -> list[str]:
    """Returns the files that bugs are put into."""
    files = (str(path.relative_to(ROOT)) for path in sorted((ROOT / PACKAGE).rglob("*.py")))
    return [each for each in files if not each.startswith(GENERATED + ELSEWHERE)]


def changed_since(commit: str) -> set[str]:
    """Returns the files that differ from a commit."""
    command = ["git", "diff", "--name-only", commit]
    return set(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split())


def drawn(files: Iterable[str], count: int, seed: int, first: set[str]) -> list[Mutant]:
    """Returns bugs at random, each file by its size, those of changed files before the rest."""
    rng = random.Random(seed)
    every = [mutant for file in files for mutant in by_rule(ROOT / file)]
    rng.shuffle(every)
    every.sort(key=lambda mutant: mutant.file not in first)
    return every[:count]


def report(verdicts: list[Verdict]) -> dict[str, Any]:
    """Returns the summary by module, and the survivors."""
    modules: dict[str, Counter[str]] = defaultdict(Counter)
    for each in verdicts:
        kind = "killed" if each.noticed else "equivalent" if each.mutant.meaningless else "survived"
        modules[str(Path(each.mutant.file).parent)][kind] += 1
    return {
        "modules": {name: dict(sorted(counts.items())) for name, counts in sorted(modules.items())},
        "survivors": [
            {"at": f"{each.mutant.file}:{each.mutant.line}", "old": each.mutant.before, "new": each.mutant.after,
             "why": each.mutant.meaningless or each.by}
            for each in verdicts
            if not each.noticed
        ],
    }  # fmt: skip


def main() -> None:
    """Reads the command line and does one of the three."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("what", choices=["map", "random", "written"])
    parser.add_argument("paths", nargs="*", default=[PACKAGE])
    parser.add_argument("--count", type=int, default=150)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--changed", default="HEAD", help="files that differ from this commit come first")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--mutants", type=Path, default=WRITTEN)
    parser.add_argument("--save", type=Path, nargs="?", const=SUMMARY)
    asked = parser.parse_intermixed_args()
    if asked.what == "map":
        measure()
        return
    if asked.what == "written":
        mutants = [each for each in by_hand(asked.mutants) if each.file.startswith(tuple(asked.paths))]
    else:
        files = [each for each in hand_written() if each.startswith(tuple(asked.paths))]
        mutants = drawn(files, asked.count, asked.seed, changed_since(asked.changed))
    verdicts = []
    for each in judged(mutants, asked.workers):
        verdicts.append(each)
        sign = "." if each.noticed else "S"
        change = f"{each.mutant.before[:60]!r} -> {each.mutant.after[:60]!r}"
        sys.stdout.write(f"{sign} {each.mutant.file}:{each.mutant.line}  {change}  {each.by}\n")
        sys.stdout.flush()
    summary = report(verdicts)
    sys.stdout.write(json.dumps(summary, indent=1) + "\n")
    if asked.save:
        asked.save.write_text(json.dumps(summary, indent=1) + "\n")


if __name__ == "__main__":
    main()
