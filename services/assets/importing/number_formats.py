"""What a spreadsheet's cell shows of its number: 71200 under the format 0000000 is the code 0071200.

Formats are those of ECMA-376, part 1, 18.8.31: up to four sections, each with placeholders, literals, colours, widths.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from operator import eq, ge, gt, le, lt, ne
from typing import Any, NamedTuple

EXACT_DIGITS = 15  # what a numeric cell holds
PART = re.compile(
    r'"(?P<quoted>[^"]*)"|\\(?P<escaped>.)|_(?P<width>.)|\*(?P<fill>.)|\[(?P<bracket>[^\]]*)\]|(?P<sign>.)', re.DOTALL
)
SECTIONS = re.compile(r'((?:"[^"]*"|\\.|[_*].|\[[^\]]*\]|[^;])*)(?:;|\Z)', re.DOTALL)
SYMBOL = re.compile(r"\$([^-\]]*)(?:-.*)?")
COLOUR = re.compile(r"black|blue|cyan|green|magenta|red|white|yellow|colou?r\s*\d+|[^\W\d_a-z]{1,3}\d{0,2}", re.I)
CONDITION = re.compile(r"(<=|>=|<>|<|>|=)\s*(-?\d+(?:\.\d+)?)")
COMPARED: dict[str, Callable[[Any, Any], bool]] = {"<": lt, "<=": le, ">": gt, ">=": ge, "=": eq, "<>": ne}
PLACES = "0#?"
UNREAD = re.compile(r"[.,%/@A-Za-z]")  # of numbers that are no codes, of dates, or nothing that we know


class Misleading:
    """A cell's value of which another text is shown, and we cannot tell which: it is no code. ``exact``: its type."""

    exact: type


class _Text(Misleading, str):
    exact = str


class _Whole(Misleading, int):
    exact = int


class _Number(Misleading, float):
    exact = float


def misleading(value: Any) -> Any:
    """The value, marked."""
    return next((each(value) for each in (_Text, _Whole, _Number) if isinstance(value, each.exact)), value)


class Section(NamedTuple):
    """One section of a format. ``parts``: (placeholder, "") or ("", text); None where it cannot be read."""

    parts: tuple[tuple[str, str], ...] | None
    condition: tuple[str, float] | None
    is_code: bool


def as_shown(value: Any, shown: str) -> Any:
    """A whole number as its format shows it, where this makes a code; marked where we cannot tell how it is shown."""
    if value is None or isinstance(value, bool) or value != value or not (section := _section(value, shown)).is_code:
        return value
    if section.parts is None or abs(value) >= 10**EXACT_DIGITS or value != int(value):
        return misleading(value)
    return ("-" if value < 0 and len(_sections(shown)) == 1 else "") + _filled(section.parts, abs(int(value)))


def makes_codes(shown: str) -> bool:
    """Whether some number would be shown otherwise than as such."""
    return any(each.is_code for each in _sections(shown))


def _section(value: float, shown: str) -> Section:
    """The section of a format that counts for a number."""
    sections = _sections(shown)
    if any(each.condition for each in sections):
        fitting = (each for each in sections if each.condition is None or _fits(value, *each.condition))
        found = next(fitting, Section(None, None, True))
        return found if value >= 0 else found._replace(parts=None)
    at = 1 if value < 0 else 2 if value == 0 else 0
    return sections[at] if at < len(sections) else sections[0]


def _fits(value: float, sign: str, other: float) -> bool:
    return COMPARED[sign](value, other)


@lru_cache(maxsize=1_000)
def _sections(shown: str) -> tuple[Section, ...]:
    """Those for numbers."""
    texts = [found[1] for found in SECTIONS.finditer(shown)][:-1] or [""]
    return tuple(_read(each) for each in texts[:3])


def _read(text: str) -> Section:
    parts: list[tuple[str, str]] = []
    condition, unread, script = None, False, False
    for found in PART.finditer(text):
        kind, said = str(found.lastgroup), str(found[str(found.lastgroup)])
        if kind == "bracket":
            symbol, limit = SYMBOL.fullmatch(said), CONDITION.fullmatch(said)
            condition = (limit[1], float(limit[2])) if limit else condition
            script |= not (symbol or limit or COLOUR.fullmatch(said))  # digits of another script, say
            parts.append(("", symbol[1] if symbol else ""))
        elif kind == "sign":
            unread |= UNREAD.match(said) is not None
            parts.append((said, "") if said in PLACES else ("", said))
        elif kind != "fill":
            parts.append(("", " " if kind == "width" else said))
    return Section(None if unread or script else tuple(parts), condition, script or _is_code(parts, unread))


def _is_code(parts: list[tuple[str, str]], unread: bool) -> bool:
    """Zeros before a number, letters before it, or anything within. Not 0.00, #,##0, 0" m", General."""
    places = [at for at, (place, _) in enumerate(parts) if place]
    if not places:
        return False
    whole = next((at for at, (_, text) in enumerate(parts) if at > places[0] and text[:1] in (".", "E")), len(parts))
    within = [text for _, text in parts[places[0] : places[-1]] if text]
    before = "".join(text for _, text in parts[: places[0]])
    zeros = sum(place == "0" for place, _ in parts[:whole])
    return zeros > 1 or any(each.isalpha() for each in before) or (bool(within) and not unread)


def _filled(parts: tuple[tuple[str, str], ...], value: int) -> str:
    places = [place for place, _ in parts if place]
    missing = max(0, len(places) - len(digits := str(value) if value else ""))
    empty = [{"0": "0", "#": "", "?": " "}[place] for place in places[:missing]]
    first = len(digits) - len(places) + missing + 1
    left: Iterator[str] = iter([*empty, *([digits[:first], *digits[first:]] if digits else [])])
    return "".join(next(left) if place else text for place, text in parts).strip()
