"""Cells: what means nothing, numbers, quantities with units, angles and dates, however a city writes them."""

from __future__ import annotations

import math
import re
import unicodedata
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from services.assets.importing.units import LENGTHS, read_unit, spelt_unit, unit_of
from services.assets.importing.words import NOTHING
from shared.lists.cells import armed

EXCEL_EPOCH = date(1899, 12, 30)
EXCEL_SERIALS = range(7_000, 80_000)  # 1919 to 2119; smaller numbers are years
FIRST_YEAR = 1700
LONGEST = 1_000  # characters of a number, a date or a place in one cell; what is longer is none

SPOILT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
UNKNOWN = "?"
OTHER_MARK = {",": ".", ".": ","}
MARKS = str.maketrans({"−": "-", "’": "'", "‘": "'", "ʼ": "'", "`": "'", "٬": "'", "٫": "."})
GAPS = re.compile(r"(?<=\d)[\s']+(?=\d{3}(?!\d))")
GROUPED = {  # thousands by threes, also with India's hundreds of thousands by twos
    ",": re.compile(r"[-+]?\d{1,3}(?:,\d{2})*,\d{3}|[-+]?\d{1,3}(?:,\d{3})+"),
    ".": re.compile(r"[-+]?\d{1,3}(?:\.\d{3})+"),
}
EITHER = re.compile(r"[-+]?[1-9]\d{0,2}[.,]\d{3}")
NUMERIC = re.compile(r"([-+]?\d[\d.,]*)\s*(?:[^\d\s.,]{1,12}[²2]?)?")
FEET_AND_INCHES = re.compile(
    r"(\d{1,4})\s?+(?:'|′|ft\.?+|feet|foot)[\s-]?+(\d{1,2}(?:\.\d{1,4})?+)\s?+(?:\"|″|''|in\.?+|inch(?:es)?+)",
    re.IGNORECASE,
)
QUANTITY = re.compile(r"\A([-+]?(?:[.,\s]*+\d++)++\.?)\s*+(\D*+\d?\D*+)")
ANGLE = re.compile(r"[-+\d.,\s°º˚d度:'′’‘m分\"″”“s秒NSEWnsew北南东東西纬緯经經]+")
NUMBERS = re.compile(r"\d+(?:[.,]\d+)?")
LATITUDE, LONGITUDE = "latitude", "longitude"
AXES = {"N": LATITUDE, "S": LATITUDE, "北": LATITUDE, "南": LATITUDE}
AXES |= {"E": LONGITUDE, "W": LONGITUDE, "东": LONGITUDE, "東": LONGITUDE, "西": LONGITUDE}
NEGATIVE = {"S", "W", "南", "西"}
IN_BRACKETS = re.compile(r"[(（\[]([^()（）\[\]]+)[)）\]]")
DECIMALS = re.compile(r"\d[.,]\d{3}")
HEMISPHERES = re.compile(r"[°º′分北南东東西]|\d\s*[NSEW]\b")
AFTER_HEMISPHERE = re.compile(r"(?<=[NSEW])[\s,;，；/]++|(?<![\s,;，；/])[\s,;，；/]++(?=[NSEW北南东東西])")


def clean(value: Any) -> Any:
    """JSON that any database keeps: control characters and halves of characters are marked as spoilt."""
    if isinstance(value, str):
        return value if value.isprintable() else SPOILT.sub("\ufffd", value)
    if isinstance(value, dict):
        return {clean(key): clean(each) for key, each in value.items()}
    if isinstance(value, list):
        return [clean(each) for each in value]
    return value if not isinstance(value, float) or math.isfinite(value) else None


def tidy(value: Any) -> Any:
    """The value without blanks around it; None for what means nothing (``N/A``, ``-``, NaN …)."""
    if isinstance(value, str):
        return _tidy_text(value) if len(value) <= LONGEST else value.strip()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value not in ({}, []) else None


@lru_cache(maxsize=1 << 14)
def _tidy_text(text: str) -> str | None:
    text = armed(text.strip()).strip()
    return None if text.casefold() in NOTHING else text


def number(value: Any, decimal: str | None = None) -> float | None:
    """A number, whatever its marks and width; None when it is none. May be infinite.

    ``decimal``: the mark before fractions where 1,234 can be read in two ways; ``?`` where nobody knows. Left out, a
    mark that stands alone is taken for it.
    """
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return _float(value)
    if len(text := str(value)) > LONGEST:
        return None
    text = _ungrouped(text)
    if "," in text or "." in text:
        text = _pointed(text, decimal)
    return None if "_" in text else _float(text)


def _ungrouped(text: str) -> str:
    """In our digits, without the blanks and apostrophes, of any script, that stand between thousands."""
    text = unicodedata.normalize("NFKC", text).strip().translate(MARKS)
    if not text.isascii():  # every script has digits of its own: १२३, ١٢٣
        text = text.translate({ord(each): str(unicodedata.decimal(each)) for each in text if each.isdecimal()})
    return text if text.isascii() and text.isdigit() else GAPS.sub("", text)


def _pointed(text: str, decimal: str | None) -> str:
    """With a point before the fraction and no mark between thousands; empty where the marks make no number."""
    mark = decimal_of(text) or decimal or next(each for each in ",." if each in text)
    if mark == UNKNOWN:
        return "" if "," in text else text
    group = OTHER_MARK[mark]
    whole, point, fraction = text.partition(mark)
    if group in text and (group in fraction or not GROUPED[group].fullmatch(whole)):
        return ""
    return whole.replace(group, "") + point.replace(mark, ".") + fraction


def decimal_of(text: str) -> str | None:
    """The mark before fractions that a number proves; None where it has no mark, or one that can be either."""
    marks = [each for each in text if each in OTHER_MARK]
    if not marks or EITHER.fullmatch(text):
        return None
    if len({*marks}) == 2:
        return marks[-1]
    return marks[0] if len(marks) == 1 else OTHER_MARK[marks[0]]


def marks_of(cell: Any) -> tuple[str | None, bool]:
    """(the decimal mark that a cell proves, whether it can be read in two ways), where it is a number or quantity."""
    if not isinstance(cell, str) or len(cell) > LONGEST or not (found := NUMERIC.fullmatch(_ungrouped(cell))):
        return None, False
    proven = decimal_of(found[1])
    fits = proven is not None and number(found[1], proven) is not None
    return proven if fits else None, EITHER.fullmatch(found[1]) is not None


def _float(value: Any) -> float | None:
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def quantity(
    value: Any, heading: str = "", of: str = "m", decimal: str | None = None
) -> tuple[float, str | None] | None:
    """(number in metres, square metres …, the unit if it was another one); the heading may carry the unit.

    ``of``: the dimension that is meant (``units.FACTORS``). A number with a unit of another one, or of none, is none.
    """
    plain = number(value, decimal)
    unit = unit_of(heading)
    if plain is None and isinstance(value, str) and len(value) <= LONGEST:
        if of == "m" and (both := FEET_AND_INCHES.fullmatch(value.strip())):
            return (float(both[1]) + float(both[2]) / 12) * LENGTHS["ft"], "ft"
        found = QUANTITY.fullmatch(_ungrouped(value))
        plain = number(found[1], decimal) if found else None
        unit = spelt_unit(found[2]) if found else None
    known = read_unit(unit) if unit else (of, 1.0)
    if plain is None or known is None or known[0] != of or not math.isfinite(plain):
        return None
    return plain * known[1], unit if known[1] != 1.0 else None


def angle(text: str) -> tuple[float, str | None] | None:
    """(degrees, ``latitude`` or ``longitude`` where a hemisphere says so) of decimal degrees, degrees and minutes …"""
    if len(text) > LONGEST:
        return None
    text = unicodedata.normalize("NFKC", text).strip().replace("−", "-")
    if not text or not ANGLE.fullmatch(text):
        return None
    parts = [float(each.replace(",", ".")) for each in NUMBERS.findall(text)]
    letters = [each for each in text.upper() if each in AXES]
    if not 1 <= len(parts) <= 3 or len(set(map(AXES.__getitem__, letters))) > 1 or any(p >= 60 for p in parts[1:]):
        return None
    if len(parts) > 1 and any(part % 1 for part in parts[:-1]):
        return None
    degrees = sum(part / 60**power for power, part in enumerate(parts))
    if degrees > 180 and letters and (packed := packed_angle(degrees)) is not None:
        degrees = packed  # 6010.205N
    negative = text.lstrip("NSEWnsew北南东東西纬緯经經 ").startswith("-") or bool(letters and letters[0] in NEGATIVE)
    return -degrees if negative else degrees, AXES[letters[0]] if letters else None


def packed_angle(value: float) -> float | None:
    """Degrees of ddmm.mmm, as GPS loggers write it: 6010.205 is 60° 10.205′."""
    whole, minutes = divmod(abs(value), 100)
    return None if minutes >= 60 else math.copysign(whole + minutes / 60, value)


def pair(text: str) -> tuple[tuple[float, str | None], tuple[float, str | None]] | None:
    """The two angles of one cell, in their order: ``(60.17, 24.94)``, ``60°10′N 24°56′E``, ``Katu 3 (60.1, 24.9)``."""
    if len(text) > LONGEST:
        return None
    bracketed = IN_BRACKETS.findall(text)
    for part in (*reversed(bracketed), text):
        for cells in _splits(part.strip()):
            found = [angle(each) for each in cells[:2]]
            if len(found) == 2 and found[0] and found[1]:
                return found[0], found[1]
    return None


def is_plainly_a_pair(text: str) -> bool:
    """Whether the text cannot be anything but a place: many decimals in two numbers, or hemispheres."""
    return pair(text) is not None and (len(DECIMALS.findall(text)) >= 2 or bool(HEMISPHERES.search(text)))


def _splits(text: str) -> list[list[str]]:
    by_comma = [each.strip() for each in re.split(r"[,，、]", text)]
    ways = [re.split(r"[;；|]", text), by_comma]
    if len(by_comma) == 4:  # decimal commas
        ways.append([f"{by_comma[0]}.{by_comma[1]}", f"{by_comma[2]}.{by_comma[3]}"])
    ways += [AFTER_HEMISPHERE.split(text), text.split()]
    return [way for way in ways if len(way) in (2, 3)]


YMD = re.compile(r"(\d{4})\s*[-/.年]\s*(\d{1,2})(?:\s*[-/.月]\s*(\d{1,2})\s*日?|\s*月?)(?:[T\s](?s:.*))?")
PACKED = re.compile(r"(1[789]\d\d|20\d\d)(\d\d)(\d\d)")
OTHER = re.compile(r"(\d{1,2})\s*[-/.]\s*(\d{1,2})\s*[-/.]\s*(\d{4}|\d{2})(?:[T\s](?s:.*))?")
MONTH_YEAR = re.compile(r"(\d{1,2})\s*[-/.]\s*(\d{4}|\d{2})")
YEAR = re.compile(r"(1[789]\d\d|20\d\d)\s*(?:年|년)?")


class Impossible(ValueError):
    """A date that no calendar has, or none at all."""


def day(value: Any, order: str, zone: str, today: date) -> tuple[date, str | None]:
    """(day, what had to be assumed) of a date in any common form. Raises Impossible.

    ``order``: ``dmy`` or ``mdy`` for 4/5/2020. Times with an offset are turned into the city's ``zone``; those without
    are the city's. A month or a year alone stands for its first day.
    """
    found, assumed = _day(value, order, zone)
    if found.year < FIRST_YEAR or found > today + timedelta(days=366):
        raise Impossible(f"{found.isoformat()} cannot be.")
    return found, assumed


def _day(value: Any, order: str, zone: str) -> tuple[date, str | None]:
    if isinstance(value, datetime):
        return (value.astimezone(ZoneInfo(zone)) if value.tzinfo else value).date(), None
    if isinstance(value, date):
        return value, None
    if len(text := str(value)) > LONGEST or "\n" in text.strip():
        raise Impossible(f"{text[:60]!r} is no date.")
    text = unicodedata.normalize("NFKC", text).strip()
    serial = number(text)
    if serial is not None and math.isfinite(serial) and int(serial) in EXCEL_SERIALS and len(text.split(".")[0]) < 6:
        return EXCEL_EPOCH + timedelta(days=int(serial)), "an Excel serial number"
    if zoned := _zoned(text, zone):
        return zoned, None
    return _calendar_day(text, order)


def _zoned(text: str, zone: str) -> date | None:
    try:
        at = datetime.fromisoformat(text)
        return at.astimezone(ZoneInfo(zone)).date() if at.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _calendar_day(text: str, order: str) -> tuple[date, str | None]:
    if found := YMD.fullmatch(text) or PACKED.fullmatch(text):
        year, month, of_month = found[1], found[2], found[3]
        return _date(year, month, of_month or "1"), None if of_month else "the first of the month"
    if found := OTHER.fullmatch(text):
        one, other = (found[1], found[2]) if order == "dmy" else (found[2], found[1])
        return _date(_century(found[3]), other, one), None
    if found := MONTH_YEAR.fullmatch(text):
        return _date(_century(found[2]), found[1], "1"), "the first of the month"
    if found := YEAR.fullmatch(text.removesuffix(".0")):
        return date(int(found[1]), 1, 1), "the first of January"
    raise Impossible(f"{text[:60]!r} is no date.")


def _century(year: str) -> str:
    return year if len(year) == 4 else f"{'19' if int(year) > 60 else '20'}{year}"


def _date(year: str, month: str, of_month: str) -> date:
    try:
        return date(int(year), int(month), int(of_month))
    except ValueError:
        raise Impossible(f"{year}-{month}-{of_month} is in no calendar.") from None


def date_order(texts: list[str]) -> str:
    """``mdy`` when a second number is past 12 and no first one is; else ``dmy``."""
    found = [match for text in texts if (match := OTHER.fullmatch(text[:LONGEST].strip()))]
    first, second = (max((int(each[part]) for each in found), default=0) for part in (1, 2))
    return "mdy" if second > 12 >= first else "dmy"
