"""Units, as headings and cells name them: ``(万㎡)``, ``单位：km``, ``/mm``, ``in kft``, ``30 ft``.

A unit that is not known is no unit of ours: what stands in it is not taken (docs/decisions/0036).
"""

from __future__ import annotations

import math
import re
import unicodedata
from functools import lru_cache

LONGEST = 200  # characters of a heading, from its end

# To metres, square metres, watts, cubic metres an hour and per mille; spelt as by `spelt_unit`. What differs from
# country to country (里, 尺, 丈) is left out, and so is not taken.
LENGTHS = {
    **dict.fromkeys(("m", "metre", "metres", "meter", "meters", "mtr", "mtrs", "lm", "米", "公尺", "延米"), 1.0),
    **dict.fromkeys(("미터", "メートル", "м", "metro", "metros", "mètre", "mètres", "metri"), 1.0),
    **dict.fromkeys(("km", "kms", "公里", "千米", "킬로미터", "キロメートル", "км", "kilometer", "kilometers"), 1e3),
    **dict.fromkeys(("kilometre", "kilometres", "kilómetros", "kilomètres", "kilometri"), 1e3),
    **dict.fromkeys(("hm", "hectometre", "hectometres", "百米"), 100.0),
    **dict.fromkeys(("dam", "decametre", "decametres", "十米"), 10.0),
    **dict.fromkeys(("dm", "decimetre", "decimetres", "分米"), 0.1),
    **dict.fromkeys(("cm", "centimetre", "centimetres", "centimeter", "centimeters", "厘米", "公分", "см"), 0.01),
    **dict.fromkeys(("mm", "millimetre", "millimetres", "millimeter", "millimeters", "毫米", "公厘", "мм", "dn"), 1e-3),
    **dict.fromkeys(("ft", "feet", "foot", "'", "′", "英尺", "呎", "lf", "linft", "linearfeet", "lft"), 0.3048),
    **dict.fromkeys(("ftus", "usft", "ussurveyfeet", "surveyfeet"), 1200 / 3937),
    **dict.fromkeys(("in", "inch", "inches", '"', "″", "′′", "''", "英寸", "吋"), 0.0254),
    **dict.fromkeys(("yd", "yds", "yard", "yards", "码", "碼"), 0.9144),
    **dict.fromkeys(("mi", "mile", "miles", "英里", "哩"), 1609.344),
    **dict.fromkeys(("nmi", "nauticalmile", "nauticalmiles", "海里"), 1852.0),
    **dict.fromkeys(("chain", "chains"), 20.1168),
    **dict.fromkeys(("rod", "rods"), 5.0292),
    **dict.fromkeys(("furlong", "furlongs"), 201.168),
    **dict.fromkeys(("市里", "华里", "華里"), 500.0),
}
AREAS = {
    **dict.fromkeys(("m2", "qm", "sqm", "msq", "mq", "sqmtr", "sqmetre", "sqmetres", "sqmeter", "sqmeters"), 1.0),
    **dict.fromkeys(("squaremetre", "squaremetres", "squaremeter", "squaremeters", "平方米", "平米", "平方公尺"), 1.0),
    **dict.fromkeys(("平方", "제곱미터", "平方メートル", "м2", "квм"), 1.0),
    **dict.fromkeys(("km2", "sqkm", "squarekm", "squarekilometres", "squarekilometers", "平方公里", "平方千米"), 1e6),
    **dict.fromkeys(("ha", "hectare", "hectares", "hm2", "公顷", "公頃", "га"), 1e4),
    **dict.fromkeys(("dam2", "公亩", "公畝"), 100.0),
    **dict.fromkeys(("dm2", "平方分米"), 0.01),
    **dict.fromkeys(("cm2", "sqcm", "平方厘米", "平方公分"), 1e-4),
    **dict.fromkeys(("mm2", "sqmm", "平方毫米"), 1e-6),
    **dict.fromkeys(("ft2", "sf", "sqft", "sqfeet", "squarefoot", "squarefeet", "平方英尺", "平方呎"), 0.09290304),
    **dict.fromkeys(("in2", "sqin", "squareinches", "平方英寸"), 0.00064516),
    **dict.fromkeys(("yd2", "sqyd", "sqyds", "sqyard", "sqyards", "squareyards", "平方码"), 0.83612736),
    **dict.fromkeys(("mi2", "sqmi", "sqmile", "sqmiles", "squaremiles", "平方英里"), 2589988.110336),
    **dict.fromkeys(("ac", "acre", "acres", "英亩", "英畝"), 4046.8564224),
    **dict.fromkeys(("亩", "畝", "市亩"), 10_000 / 15),
    **dict.fromkeys(("坪", "평", "tsubo", "pyeong"), 400 / 121),
}
POWERS = {
    **dict.fromkeys(("w", "watt", "watts", "瓦", "瓦特", "와트", "вт"), 1.0),
    **dict.fromkeys(("kw", "kilowatt", "kilowatts", "千瓦", "квт", "킬로와트"), 1e3),
    **dict.fromkeys(("hp", "horsepower", "bhp"), 745.6998715822702),
    **dict.fromkeys(("马力", "馬力"), 735.49875),
}
FLOWS = {
    **dict.fromkeys(("m3/h", "m3/hr", "cbm/h", "立方米/小时", "立方米/时", "吨/小时"), 1.0),
    **dict.fromkeys(("m3/s", "cms", "立方米/秒"), 3600.0),
    **dict.fromkeys(("m3/min", "立方米/分"), 60.0),
    **dict.fromkeys(("m3/d", "m3/day", "立方米/日", "立方米/天", "吨/日", "t/d"), 1 / 24),
    **dict.fromkeys(("l/s", "lps", "升/秒"), 3.6),
    **dict.fromkeys(("l/min", "lpm", "升/分"), 0.06),
    **dict.fromkeys(("ft3/s", "cfs"), 0.028316846592 * 3600),
    **dict.fromkeys(("gpm", "usgpm", "gal/min"), 0.003785411784 * 60),
    **dict.fromkeys(("mgd",), 3785.411784 / 24),
}
SLOPES = {"‰": 1.0, "permille": 1.0, "promille": 1.0, "%": 10.0, "percent": 10.0, "m/km": 1.0, "mm/m": 1.0, "m/m": 1e3}
FACTORS = {"m": LENGTHS, "m2": AREAS, "w": POWERS, "m3/h": FLOWS, "‰": SLOPES}
TIMES = {"十": 10, "百": 100, "千": 1e3, "万": 1e4, "萬": 1e4, "亿": 1e8, "億": 1e8, "백": 100, "천": 1e3, "만": 1e4}
WORDS = {"k": 1e3, "hundred": 100, "thousand": 1e3, "million": 1e6, "tsd": 1e3, "тыс": 1e3}

SUPERSCRIPTS = str.maketrans({"⁰": "^0", "¹": "^1", "²": "^2", "³": "^3", "⁴": "^4", "⁵": "^5", "⁶": "^6"})
TEN_TO_THE = re.compile(r"10\^(\d)")
NAMED = r"(?<!\s)\s*+(?:(?:计量|計量)?(?:单位|單位|単位|단위)|units?\b|einheit\b)\s*+[:=为為是]?\s*+"
LED = re.compile(rf"{NAMED}|(?<!\s)\s*+(?:in|en)\s++")
MULTIPLE = re.compile(
    rf"(?:[x×*]?(10{{1,9}})|'?(000)s?|([{''.join(TIMES)}]++)|(k|hundred|thousand|million|tsd|тыс)s?)(?:of|[x×*·])?(.*)"
)
MULTIPLIED = re.compile(r"(.{1,40})[x×*·](10{1,9})")
OPENED, CLOSED = "(（[［{｛<【〔〈《「", ")）]］}｝>】〕〉》」"
_INSIDE = f"[^{re.escape(OPENED + CLOSED)}]"
IN_BRACKETS = re.compile(f"[{re.escape(OPENED)}]({_INSIDE}+)[{re.escape(CLOSED)}]")
AT_END = re.compile(rf"(?<!\s)\s*+[{re.escape(OPENED)}]{_INSIDE}*[{re.escape(CLOSED)}]\s*+$")
BETWEEN = " \t\n_/:：,，;；|-"
# Where a unit may begin that stands behind a heading without brackets: length_km, 管长/km, 面积万平方米.
HAN = "\u4e00-\u9fff"
BEHIND = re.compile(
    rf"[{BETWEEN}]+|(?<=[{HAN}])(?=[十百千万萬]{{0,2}}(?:[a-zA-Z㎡㎞]|平方|平米|公里|公顷|公頃|千米|厘米|毫米))"
)
# What stands in brackets and is a unit by its looks, so that none of ours is meant: (ch2), (百尺), (kN), (000s).
UNIT_LIKE = re.compile(
    rf"[{''.join(TIMES)}]+|[{''.join(TIMES)}]*[米里尺寸丈亩畝顷頃坪甲立公市英华華码碼瓦平方]+|\d*[a-z]{{1,5}}\d?"
    r"|[^/]{1,5}/[^/]{1,5}|.*(?:met(?:re|er|r)|hect|acre|mile|feet|foot|inch|yard|fathom|cubit).*|[x×*]?10+|'?000s?|(?:hundred|thousand|million)s?"
)
REMARKS = {
    "gis", "gps", "cad", "calc", "est", "avg", "mean", "min", "max", "total", "sum", "net", "gross", "left", "right",
    "old", "new", "all", "no", "nr", "nos", "pcs", "pc", "ea", "each", "stk", "st", "pole", "lamp", "mast", "arm",
    "pipe", "road", "top", "base", "inner", "outer", "rated", "led", "size", "side", "both", "type", "count", "int",
    "num", "dec", "date", "yes",
}  # fmt: skip


def spelt_unit(text: str) -> str:
    """``单位：万㎡`` → ``万m2``, ``sq. ft`` → ``sqft``, ``10³ m`` → ``1000m``."""
    raised = TEN_TO_THE.sub(lambda found: "1" + "0" * int(found[1]), text.translate(SUPERSCRIPTS))
    bare = LED.sub("", unicodedata.normalize("NFKC", raised).casefold(), count=1)
    return re.sub(r"[\s_^.,]+", "", bare)


@lru_cache(maxsize=1 << 12)
def read_unit(text: str) -> tuple[str, float] | None:
    """(dimension, factor to its base) of a unit, also of a multiple: ``万㎡``, ``100 m``; None if it is none."""
    unit = spelt_unit(text)
    if known := _known(unit):
        return known
    if found := MULTIPLE.fullmatch(unit):
        many, rest = _times(found[1], found[2], found[3], found[4]), found[5]
    elif found := MULTIPLIED.fullmatch(unit):
        many, rest = float(found[2]), found[1]
    else:
        return None
    base = _known(rest)
    return (base[0], base[1] * many) if base else None


def _known(unit: str) -> tuple[str, float] | None:
    return next(((of, factors[unit]) for of, factors in FACTORS.items() if unit in factors), None)


def _times(ten: str | None, zeros: str | None, han: str | None, word: str | None) -> float:
    if han:
        return math.prod(TIMES[each] for each in han)
    return float(ten) if ten else 1e3 if zeros else WORDS[word or "k"]


def dimension_of_unit(unit: str | None) -> str | None:
    """``m`` of a unit of length, ``m2`` of one of area, ``w`` of one of power …"""
    found = read_unit(unit) if unit else None
    return found[0] if found else None


@lru_cache(maxsize=1 << 12)
def unit_of(heading: str) -> str | None:
    """The unit that a heading names, in brackets or behind it: ``Height (ft)``, ``length_ft``, ``管长（单位：km）``."""
    text = heading.strip()[-LONGEST:]
    if inside := next((each for part in _in_brackets(text) for each in part if read_unit(each)), None):
        return spelt_unit(inside)
    bare = _without_brackets(text)
    at = _unit_behind(bare)
    return spelt_unit(bare[at:]) if at else None


@lru_cache(maxsize=1 << 12)
def unknown_unit(heading: str) -> str | None:
    """What stands in a heading's brackets and is a unit by its looks, though none that is known."""
    strange = [part for part in _in_brackets(heading.strip()[-LONGEST:]) if not any(map(read_unit, part))]
    return next((part[0].strip() for part in strange if any(map(_looks_like_a_unit, part))), None)


def are_convertible(heading: str, own: str | None) -> bool:
    """Whether numbers below a heading can be turned into a unit; one that is in none of ours counts things."""
    said = dimension_of_unit(unit_of(heading))
    if own is None:
        return said is None
    return unknown_unit(heading) is None and said in (None, dimension_of_unit(own))


def remark_in(heading: str) -> str | None:
    """What stands in the brackets of a heading that names no unit, so that its numbers count as in our own."""
    found = None if unit_of(heading) else IN_BRACKETS.search(heading.strip()[-LONGEST:])
    return found[1].strip() if found and not found[1].strip().isdecimal() else None


def _in_brackets(text: str) -> list[list[str]]:
    """What stands in each pair of brackets: the whole, then its parts, as of ``(m, GIS)``."""
    return [[inside, *re.split("[,，;；、]", inside)] for inside in IN_BRACKETS.findall(text)]


def _unit_behind(text: str) -> int | None:
    """Where the unit begins that stands at the end without brackets: the longest, so that ``sq ft`` is no ``ft``."""
    return next((found.end() for found in BEHIND.finditer(text, 1) if read_unit(text[found.end() :])), None)


def _looks_like_a_unit(text: str) -> bool:
    bare = spelt_unit(text)
    return (
        bool(bare)
        and bare not in REMARKS
        and any(found is not None for found in (UNIT_LIKE.fullmatch(bare), re.match(NAMED, text.casefold())))
    )


def without_unit(heading: str) -> str:
    """``井深(m)`` → ``井深``, ``管长/km`` → ``管长``."""
    bare = _without_brackets(heading.strip()[-LONGEST:])
    at = _unit_behind(bare)
    return bare[:at].rstrip(BETWEEN) if at else bare


def _without_brackets(text: str) -> str:
    while (shorter := AT_END.sub("", text)) != text:
        text = shorter
    return text
