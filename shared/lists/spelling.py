"""One spelling of what looks the same.

Programs write one letter in several ways: ``ä`` as one character or two (Unicode's forms NFC and NFD), digits and Latin
letters as wide as Chinese ones, ideographs as the radicals of dictionaries (⼤ for 大), a dash as any of a dozen. Two
texts that nobody can tell apart must mean one thing.
"""

from __future__ import annotations

import re
from typing import Any
from unicodedata import is_normalized, normalize

from shared.lists.cells import FILLERS

NARROWER = 0xFEE0  # from a wide character to its usual one
WIDE = {sign: sign - NARROWER for sign in (*range(0xFF10, 0xFF1A), *range(0xFF21, 0xFF3B), *range(0xFF41, 0xFF5B))}
KANGXI = {sign: normalize("NFKC", chr(sign)) for sign in range(0x2F00, 0x2FD6)}
# What copies from PDF hold too, and NFKC leaves (Unicode, EquivalentUnifiedIdeograph.txt): radicals that are words.
SIMPLIFIED = str.maketrans(
    "⺠⻁⻄⻅⻆⻉⻋⻑⻓⻔⻘⻙⻚⻛⻜⻝⻢⻣⻤⻥⻦⻧⻨⻩⻪⻬⻮⻰⻳⺟",
    "民虎西见角贝车長长门青韦页风飞食马骨鬼鱼鸟卤麦黄黾齐齿龙龟母",
)
RADICALS = KANGXI | SIMPLIFIED
DASHES = dict.fromkeys(map(ord, "‐‑‒–—―−⁃˗─﹘﹣－"), "-")
WIDE_SIGNS = {sign: sign - NARROWER for sign in range(0xFF01, 0xFF5F) if chr(sign) != "／"} | {0x3000: 0x20}
OF_TEXTS = WIDE | RADICALS
OF_CODES = OF_TEXTS | WIDE_SIGNS | DASHES
# What is not seen and yet printable to Python: fillers, joiners and selectors (Unicode, Default_Ignorable_Code_Point).
UNSEEN = re.compile(f"[{FILLERS}\u034f\u17b4\u17b5\u180b-\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]")
ODD, ODD_IN_CODES = (re.compile(f"[{re.escape(''.join(map(chr, odd)))}]") for odd in (OF_TEXTS, OF_CODES))


def spelt(text: str) -> str:
    """A text in NFC, its letters and digits of the usual width, ideographs for radicals; its punctuation stays."""
    return text if _is_usual(text, ODD) else normalize("NFC", text.translate(OF_TEXTS))


def spelt_code(code: str) -> str:
    """A code: as a text, and also its signs of the usual width, and any dash a hyphen. What is not seen stays."""
    return code if _is_usual(code, ODD_IN_CODES) else normalize("NFC", code.translate(OF_CODES))


def is_all_seen(code: str) -> bool:
    """Whether every character of a code is seen: else two lamps on paper would have one code."""
    return (code.isascii() and code.isprintable()) or (spelt_code(code).isprintable() and not UNSEEN.search(code))


def _is_usual(text: str, odd: re.Pattern[str]) -> bool:
    """Most texts are, and are told sooner than they are spelt anew."""
    return text.isascii() or (odd.search(text) is None and is_normalized("NFC", text))


def folded(text: str) -> str:
    """A text to search by: without case, and all that is compatible (Unicode's NFKC) as one."""
    if text.isascii():
        return text.casefold()
    return normalize("NFKC", normalize("NFKC", spelt_code(text)).casefold())


def all_spelt(value: Any) -> Any:
    """Every text within a value of JSON, its names included, as ``spelt``."""
    if isinstance(value, str):
        return spelt(value)
    if isinstance(value, dict):
        return {spelt(name): all_spelt(each) for name, each in value.items()}
    return [*map(all_spelt, value)] if isinstance(value, list) else value
