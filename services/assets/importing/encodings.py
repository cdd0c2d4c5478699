"""Which encoding a text is in.

UTF-8 proves itself. For the rest, charset-normalizer is weak on short text in Chinese and Korean, so that these are
judged first by how common their characters are: each standard puts its everyday characters into known lead bytes.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

from charset_normalizer import from_bytes

from services.assets.importing.model import Unusable
from services.assets.importing.words import FAMILIAR, FIELDS, KIND_COLUMNS, LATITUDES, LONGITUDES, plain

BLOCK = 1 << 20
SAMPLE = 1 << 16
MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
BINARY = [bytes([each]) for each in range(32) if each not in b"\t\n\v\f\r\x1b\x1e"]
MOST_BINARY = 0.02  # the share of control characters that a spoilt text may have
PAIRS = re.compile(rb"[\x81-\xfe][\x30-\x39\x40-\xfe]")
HEADINGS = {plain(name) for names in (*FIELDS.values(), LATITUDES, LONGITUDES, KIND_COLUMNS) for name in names}

# encoding (as Windows extends it) → whether a lead byte is among those of its everyday characters (or its punctuation)
EVERYDAY: dict[str, Callable[[int, int], bool]] = {
    "gb18030": lambda lead, trail: trail >= 0xA1 and (0xB0 <= lead <= 0xD7 or lead in (0xA1, 0xA3)),
    "cp950": lambda lead, trail: 0xA4 <= lead <= 0xC6 or lead in (0xA1, 0xA2),
    "cp949": lambda lead, trail: trail >= 0xA1 and (0xB0 <= lead <= 0xC8 or lead in (0xA1, 0xA3)),
}
ENOUGH = 0.7  # the share of everyday characters that makes text of an encoding
MOSTLY_UTF8 = 0.9


def encoding_of(path: Path) -> str:
    """The encoding of a text file, as Python names it. Raises Unusable for what is no text."""
    with path.open("rb") as file:
        start = file.read(SAMPLE)
    if marked := next((name for mark, name in MARKS if start.startswith(mark)), None):
        return marked
    if wide := _wide(start):
        return wide
    if sum(start.count(each) for each in BINARY) > len(start) * MOST_BINARY:
        raise Unusable(
            "This is no text: it holds binary data. Export it as CSV, XLSX, GeoJSON, shapefile or GeoPackage."
        )
    if is_all_utf8(path):
        return "utf-8"
    strange = b"\n".join(_lines_that_are_no_utf8(path))
    return encoding_of_bytes(strange) if strange else "utf-8"


def is_all_utf8(path: Path) -> bool:
    """Whether the whole file is UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    with path.open("rb") as file:
        try:
            while block := file.read(BLOCK):
                decoder.decode(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True


def _wide(start: bytes) -> str | None:
    """UTF-16 without a mark: every other byte of its Latin letters is zero."""
    half = max(1, len(start) // 2)
    even, odd = start[::2].count(0) / half, start[1::2].count(0) / half
    if odd > 0.2 and even < 0.02:
        return "utf-16-le"
    return "utf-16-be" if even > 0.2 and odd < 0.02 else None


def _lines_that_are_no_utf8(path: Path) -> list[bytes]:
    """Lines with bytes beyond ASCII, if they are not UTF-8 in the main; a few spoilt cells do not count."""
    good, bad, size = 0, 0, 0
    kept: list[bytes] = []
    with path.open("rb") as file:
        for line in iter(partial(file.readline, BLOCK), b""):
            if line.isascii():
                continue
            if _is_utf8(line):
                good += 1
                continue
            bad += 1
            if size < SAMPLE:
                kept.append(line[:SAMPLE].rstrip(b"\r\n"))
                size += len(line)
    return kept if bad > (good + bad) * (1 - MOSTLY_UTF8) else []


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def encoding_of_bytes(sample: bytes) -> str:
    """The likeliest encoding of bytes that are not UTF-8."""
    if _is_utf8(sample):
        return "utf-8"
    scores = {name: _score(sample, name) for name in EVERYDAY}
    best = max(scores, key=lambda name: sum(scores[name]))
    if scores[best][0] >= ENOUGH and not _reads_as_latin(sample):
        return best
    found = from_bytes(sample, cp_exclusion=["utf_16", "utf_32", "utf_7", "johab", "hz"]).best()
    name = found.encoding if found is not None else "cp1252"
    return "cp1252" if name in ("ascii", "utf_8", "latin_1") or _reads_as_latin(sample) else name


def _score(sample: bytes, encoding: str) -> tuple[float, float]:
    """The share of everyday characters, and how familiar they are: every text in Korean could be Chinese as well."""
    text = sample.decode(encoding, errors="replace")
    pairs = PAIRS.findall(sample)
    if not pairs or text.count("\ufffd") > len(pairs) * 0.02:
        return 0.0, 0.0
    everyday = sum(EVERYDAY[encoding](lead, trail) for lead, trail in pairs) / len(pairs)
    known = sum(plain(cell) in HEADINGS for cell in re.split(r"[,;\t|\n\"]", text[:2_000]) if not cell.isascii())
    familiar = sum(map(text.count, FAMILIAR[encoding])) / len(pairs)
    return everyday, known + familiar


def _reads_as_latin(sample: bytes) -> bool:
    """In Western text the bytes beyond ASCII stand alone between letters; in Chinese and Korean never for long."""
    runs = re.findall(rb"[\x80-\xff]+", sample)
    alone = sum(len(run) == 1 for run in runs)
    return alone > len(runs) * 0.6
