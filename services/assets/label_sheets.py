"""Label sheets as PDF: a QR code, the code in letters, the kind in Chinese and English, the street.

What is printed of the fonts is embedded: print shops and telephones have no others.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from importlib.resources import as_file, files
from io import BytesIO
from itertools import accumulate, groupby

import msgspec
import zxingcpp
from reportlab import rl_config
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from services.assets.domain.labels import A4_MM, Label, Sheet

# A letter is set in the first one that has it. The second has Chinese, and the other scripts of East Asia.
WESTERN, CHINESE = "Noto Sans", "WenQuanYi Micro Hei"
FONTS = {
    WESTERN: files("fontpkg_noto_sans") / "files" / "NotoSans[wdth,wght].ttf",
    CHINESE: files("paperang_p2_fonts_cjk") / "fonts" / "wqy-microhei.ttc",
}
LACKING = "□"  # a letter that no font has: it must be seen that something is missing
UNSEEN = re.compile(r"[\u00ad\u034f\ufe00-\ufe0f\U000e0100-\U000e01ef]")  # and all of the category Cf
PADDING_MM = 2.5
MOST_OF_WIDTH = 0.5  # the QR code takes at most this part of a label
QUIET = 2  # light modules around the code; the label's own padding does the rest of the four that ISO 18004 asks for
LARGEST_PT = 10.0
SMALLEST_PART = 0.75  # of the usual size; a longer code goes on several lines
ELLIPSIS = "…"
DARK = re.compile(b"\x00+")
HEADING_PT, TEXT_PT = 16.0, 10.0  # of a notice
NOTICE_MM = 20.0

Run = tuple[str, str]  # font, text


def drawn(labels: list[dict[str, str]], sheet: dict[str, float], notice: list[str]) -> bytes:
    """The same of plain types, for a process of its own."""
    return draw(msgspec.convert(labels, list[Label]), msgspec.convert(sheet, Sheet), notice)


def draw(labels: Sequence[Label], sheet: Sheet, notice: Sequence[str] = ()) -> bytes:
    """A PDF of A4 pages; what must be read before the labels are used comes on a page before theirs.

    Takes almost 1 ms a label, most of it in Python: not for the service's process.
    """
    rl_config.useA85 = 0  # streams of bytes; as text they are a quarter longer
    out = BytesIO()
    page = (A4_MM[0] * mm, A4_MM[1] * mm)
    _font(WESTERN)
    canvas = Canvas(out, pagesize=page, initialFontName=WESTERN)  # type: ignore[arg-type]
    canvas.setTitle("Labels")
    if notice:
        _draw_notice(canvas, notice)
    places = list(sheet.places())
    for first in range(0, len(labels), sheet.size) or [0]:
        for label, (right, down) in zip(labels[first : first + sheet.size], places, strict=False):
            canvas.saveState()
            canvas.translate(right * mm, (A4_MM[1] - down - sheet.height_mm) * mm)
            _draw_label(canvas, label, sheet.width_mm * mm, sheet.height_mm * mm)
            canvas.restoreState()
        canvas.showPage()
    canvas.save()
    return out.getvalue()


def _draw_notice(canvas: Canvas, notice: Sequence[str]) -> None:
    """A page of its own, framed, that nobody takes for labels; what stands before the first empty line is large."""
    width, top = A4_MM[0] * mm, (A4_MM[1] - 2 * NOTICE_MM) * mm
    edge, down, points = NOTICE_MM * mm, top, HEADING_PT
    for text in notice:
        points = points if text else TEXT_PT
        for line in _broken(printable(text), points, width - 3 * edge, most=20):
            _draw_line(canvas, line, 1.5 * edge, down, points)
            down -= 1.6 * points
    canvas.setLineWidth(3)
    canvas.rect(edge, down, width - 2 * edge, top + edge - down)
    canvas.showPage()


def _draw_label(canvas: Canvas, label: Label, width: float, height: float) -> None:
    padding = min(PADDING_MM * mm, height / 10)
    side = min(height - 2 * padding, (width - 2 * padding) * MOST_OF_WIDTH)
    _draw_code(canvas, label.opens, padding, (height - side) / 2, side)
    left = 2 * padding + side
    _draw_text(canvas, label, left, height, width - left - padding)


def modules(text: str) -> list[bytes]:
    """The QR code of a text, a byte for each module, 0 where it is dark; it bears the loss of 15 % (level M)."""
    code = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode, ec_level="M")
    image = code.to_image(scale=1, add_quiet_zones=False)
    across, all_of_it = image.shape[1], bytes(image)  # type: ignore[call-overload]  # its stub lacks the buffer
    return [all_of_it[start : start + across] for start in range(0, len(all_of_it), across)]


def _draw_code(canvas: Canvas, text: str, left: float, bottom: float, side: float) -> None:
    """In whole numbers of modules, which are short, and as one path: no hairlines between the modules."""
    rows = modules(text)
    step = side / (len(rows) + 2 * QUIET)
    bars = " ".join(
        f"{dark.start()} {-down} {dark.end() - dark.start()} 1 re"
        for down, row in enumerate(rows)
        for dark in DARK.finditer(row)
    )
    x, y = left + QUIET * step, bottom + side - (QUIET + 1) * step
    canvas.addLiteral(f"q {step:.4f} 0 0 {step:.4f} {x:.3f} {y:.3f} cm {bars} f Q")


def _draw_text(canvas: Canvas, label: Label, left: float, height: float, width: float) -> None:
    size, code = min(LARGEST_PT, height / 8), printable(label.code)
    big = _fitting(code, size, width)
    lines = [
        *((part, big) for part in _broken(code, big, width, most=3)),
        *((printable(text), size * 0.9) for text in (label.kind_zh, label.kind_en, label.street) if text),
    ]
    spacing = size * 1.45
    baseline = (height + spacing * len(lines)) / 2 - size
    for text, points in lines:
        _draw_line(canvas, _shortened(text, points, width), left, baseline, points)
        baseline -= spacing


def _fitting(text: str, size: float, width: float) -> float:
    """The size at which the text fits on one line, within reason."""
    return size * min(1.0, max(SMALLEST_PART, width / max(_width(text, size), 1.0)))


def _draw_line(canvas: Canvas, text: str, left: float, baseline: float, size: float) -> None:
    for font, part in _runs(text):
        canvas.setFont(font, size)
        canvas.drawString(left, baseline, part)
        left += pdfmetrics.stringWidth(part, font, size)


def printable(text: str) -> str:
    """The text in letters that a font has, composed where that is one letter; what is never seen is left out."""
    return "".join(map(_printable, unicodedata.normalize("NFC", text)))


@lru_cache(10_000)
def _printable(letter: str) -> str:
    if letter.isspace():
        return " "
    if UNSEEN.match(letter) or unicodedata.category(letter) == "Cf":
        return ""
    spellings = letter, unicodedata.normalize("NFKC", letter)
    return next((each for each in spellings if all(map(_font_of, each))), LACKING)


def _runs(text: str) -> Iterator[Run]:
    for font, group in groupby(text, _font_of):
        yield font or WESTERN, "".join(group)


@lru_cache(10_000)
def _font_of(letter: str) -> str | None:
    """The first font that has it. Some fonts name letters that they have no picture of."""
    for name in FONTS:
        face = _font(name).face
        glyph = face.charToGlyph.get(ord(letter))
        if glyph is not None and (letter == " " or face.glyphPos[glyph] < face.glyphPos[glyph + 1]):
            return name
    return None


@cache
def _font(name: str) -> TTFont:
    with as_file(FONTS[name]) as path:
        font = TTFont(name, str(path), asciiReadable=False)
    pdfmetrics.registerFont(font)
    return font


def _width(text: str, size: float) -> float:
    return size * sum(map(_advance, text))


@lru_cache(10_000)
def _advance(letter: str) -> float:
    """The width of a letter at a size of 1."""
    return float(pdfmetrics.stringWidth(letter, _font_of(letter) or WESTERN, 1))


def _fit(text: str, size: float, width: float) -> int:
    """How many of its first letters fit."""
    return bisect_right(list(accumulate(size * _advance(letter) for letter in text)), width)


def _broken(text: str, size: float, width: float, *, most: int) -> list[str]:
    """The text on several lines, broken anywhere; the last one holds the rest."""
    lines: list[str] = []
    while len(lines) < most - 1 and (first := _fit(text, size, width)) < len(text):
        lines.append(text[: max(first, 1)])
        text = text[max(first, 1) :]
    return [*lines, text]


def _shortened(text: str, size: float, width: float) -> str:
    if _width(text, size) <= width:
        return text
    return text[: _fit(text, size, width - _width(ELLIPSIS, size))] + ELLIPSIS
