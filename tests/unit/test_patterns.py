"""No pattern of ours takes long over any text, however it was made to look nearly right."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import signal
from collections.abc import Iterable, Iterator
from itertools import chain, pairwise
from re import _constants as op
from re import _parser as parser
from typing import Any

import pytest

import services
import shared
from deploy.stack import ROOT

LONG = 32_768
PATIENCE_S = 3  # of the processor; what is linear takes some milliseconds
USED = ("fullmatch", "match", "search", "split", "sub", "findall", "finditer")
SAMPLES = {
    op.CATEGORY_DIGIT: "1", op.CATEGORY_NOT_DIGIT: "x", op.CATEGORY_SPACE: " ", op.CATEGORY_NOT_SPACE: "x",
    op.CATEGORY_WORD: "a", op.CATEGORY_NOT_WORD: ".",
}  # fmt: skip


def patterns() -> set[tuple[str, int, str]]:
    """(pattern, flags, how it is used): one that a module keeps may be used in any way."""
    kept = ((*each, use) for each in kept_in_modules() for use in ("search", "match", "fullmatch"))
    return {*chain(written_in_place(), kept)}


def written_in_place() -> Iterator[tuple[str, int, str]]:
    for path in chain.from_iterable((ROOT / part).rglob("*.py") for part in ("services", "shared", "deploy")):
        for node in map(cast_any, ast.walk(ast.parse(path.read_text()))):
            if is_of_re(node) and isinstance(text := literal(node.args), str):
                yield text, 0, node.func.attr if node.func.attr in ("match", "fullmatch") else "search"


def cast_any(node: ast.AST) -> Any:
    return node


def is_of_re(node: Any) -> bool:
    function = getattr(node, "func", None)
    return isinstance(function, ast.Attribute) and function.attr in USED and ast.unparse(function.value) == "re"


def literal(arguments: list[ast.expr]) -> object:
    return arguments[0].value if arguments and isinstance(arguments[0], ast.Constant) else None


def kept_in_modules() -> Iterator[tuple[str, int]]:
    for package in (services, shared):
        for each in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if "migrations" not in each.name:
                yield from found_in(vars(importlib.import_module(each.name)).values())


def found_in(values: Iterable[Any]) -> Iterator[tuple[str, int]]:
    for value in values:
        if isinstance(value, re.Pattern):
            pattern = value.pattern if isinstance(value.pattern, str) else value.pattern.decode("latin-1")
            yield pattern, value.flags & re.IGNORECASE
        elif isinstance(value, (tuple, list)):
            yield from found_in(value)


def example(node: Any) -> str:
    """A short text that an element of a pattern takes, as far as that is easily said."""
    kind: Any = node[0]
    what: Any = node[1]
    if kind is op.LITERAL:
        return chr(int(what))
    if kind is op.IN:
        return str(next(samples([what]), "~"))
    if kind in (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT):
        again: int = max(1, min(what[0], 4))
        return "".join(map(example, what[2])) * again
    if kind is op.SUBPATTERN:
        return "".join(map(example, what[3]))
    if kind is op.BRANCH:
        return "".join(map(example, what[1][0]))
    return "x" if str(kind) in ("ANY", "NOT_LITERAL") else ""


def samples(node: Any) -> Iterator[str]:
    """Characters of every literal and class below."""
    if isinstance(node, tuple) and len(node) == 2 and node[0] is op.LITERAL:
        yield chr(node[1])
    elif isinstance(node, tuple) and len(node) == 2 and node[0] is op.RANGE:
        yield chr(node[1][0])
    elif isinstance(node, tuple) and len(node) == 2 and node[0] is op.CATEGORY:
        yield SAMPLES.get(node[1], "x")
    elif isinstance(node, (tuple, list, parser.SubPattern)):
        for each in node:
            yield from samples(each)


def nasty(pattern: str) -> Iterator[str]:
    """Each beginning of what the pattern takes, then one or two characters of it without end, then what it refuses."""
    tree = list(parser.parse(pattern))
    characters = [*dict.fromkeys(chain(samples(tree), " 1a"))][:12]
    pairs = [one + other for one, other in pairwise(characters)]
    beginnings = {"".join(map(example, tree[:end])) for end in range(len(tree) + 1)}
    for beginning in beginnings:
        for again in (*characters, *pairs, beginning or "x"):
            yield (beginning + again * (LONG // len(again)))[:LONG] + "\0\n"


def too_long(*_: object) -> None:
    raise TimeoutError


def cases() -> Iterator[Any]:
    """A search goes through the most; how else a pattern may be used, only make test tries."""
    for pattern, flags, use in sorted(patterns()):
        yield pytest.param(pattern, flags, use, marks=[] if use == "search" else [pytest.mark.thorough])


@pytest.mark.parametrize(("pattern", "flags", "use"), [*cases()])
def test_a_pattern_is_done_with_any_cell_at_once(pattern: str, flags: int, use: str) -> None:
    look = getattr(re.compile(pattern, flags), use)
    before = signal.signal(signal.SIGVTALRM, too_long)
    try:
        for text in nasty(pattern):
            signal.setitimer(signal.ITIMER_VIRTUAL, PATIENCE_S)
            look(text)
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
