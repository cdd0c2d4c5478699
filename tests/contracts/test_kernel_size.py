"""The kernel stays readable whole in half an hour."""

from __future__ import annotations

import ast
import io
import tokenize
from pathlib import Path

SHARED = Path(__file__).parents[2] / "shared"
# Lines of code: events/, screens/, docstrings, comments and blank lines apart; 300 of them only bound waiting.
BUDGET = 2_500


def code_lines(source: str) -> int:
    """Lines that hold code."""
    lines: set[int] = set()
    silent = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in silent:
            lines |= set(range(token.start[0], token.end[0] + 1))
    return len(lines - docstring_lines(source))


def docstring_lines(source: str) -> set[int]:
    """Lines of texts that stand alone as a statement."""
    texts = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    ]
    return {line for node in texts for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)}


def test_the_kernel_keeps_to_its_budget() -> None:
    sizes = {path.name: code_lines(path.read_text()) for path in SHARED.glob("*.py")}
    assert sum(sizes.values()) <= BUDGET, sorted(sizes.items(), key=lambda each: -each[1])
