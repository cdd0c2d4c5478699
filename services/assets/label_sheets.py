"""Label sheets as PDF: a QR code, the code in letters, the kind in Chinese and English, the street.

Chinese is set in STSong-Light, one of the fonts that every PDF reader brings along, so that none is shipped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from io import BytesIO
from itertools import groupby

import msgspec
from reportlab.graphics.barcode.qrencoder import QRCode, QRErrorCorrectLevel
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas

from services.assets.domain.labels import A4_MM, Label, Sheet

LATIN, CHINESE = "Helvetica", "STSong-Light"
PADDING_MM = 2.5
MOST_OF_WIDTH = 0.5  # the QR code takes at most this part of a label
QUIET = 2  # light modules around the code; the label's own padding does the rest of the four that ISO 18004 asks for
LARGEST_PT = 10.0
SMALLEST_PART = 0.75  # of the usual size; a longer code goes on several lines
ELLIPSIS = "…"

Run = tuple[str, str]  # font, text


def drawn(labels: list[dict[str, str]], sheet: dict[str, float]) -> bytes:
    """The same of plain types, for a process of its own."""
    return draw(msgspec.convert(labels, list[Label]), msgspec.convert(sheet, Sheet))


def draw(labels: Sequence[Label], sheet: Sheet, *, compress: bool = True) -> bytes:
    """A PDF of A4 pages. Takes some 5 ms a label, all of it in Python: not for the service's process."""
    pdfmetrics.registerFont(UnicodeCIDFont(CHINESE))
    out = BytesIO()
    canvas = Canvas(out, pagesize=(A4_MM[0] * mm, A4_MM[1] * mm), pageCompression=int(compress))
    canvas.setTitle("Labels")
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


def _draw_label(canvas: Canvas, label: Label, width: float, height: float) -> None:
    padding = min(PADDING_MM * mm, height / 10)
    side = min(height - 2 * padding, (width - 2 * padding) * MOST_OF_WIDTH)
    _draw_code(canvas, label.opens, padding, (height - side) / 2, side)
    left = 2 * padding + side
    _draw_text(canvas, label, left, height, width - left - padding)


class OneMask(QRCode):
    """Readers take any of the eight masks; looking for the one that looks best takes most of the time of a sheet."""

    def getBestMaskPattern(self) -> int:
        return 3


def modules(text: str) -> list[list[bool]]:
    """The QR code of a text, row by row, dark or light; it bears the loss of 15 % (level M)."""
    code = OneMask(None, QRErrorCorrectLevel.M)
    code.addData(text)
    code.make()
    return [[bool(each) for each in row] for row in code.modules]


def _draw_code(canvas: Canvas, text: str, left: float, bottom: float, side: float) -> None:
    rows = modules(text)
    step = side / (len(rows) + 2 * QUIET)
    path = canvas.beginPath()  # one path for all: no hairlines between the modules
    for down, row in enumerate(rows):
        for across, length in _dark_runs(row):
            path.rect(
                left + (QUIET + across) * step,
                bottom + side - (QUIET + down + 1) * step,
                length * step,
                step,
            )
    canvas.drawPath(path, stroke=0, fill=1)


def _dark_runs(row: Sequence[bool]) -> Iterator[tuple[int, int]]:
    across = 0
    for dark, group in groupby(row):
        length = len(list(group))
        if dark:
            yield across, length
        across += length


def _draw_text(canvas: Canvas, label: Label, left: float, height: float, width: float) -> None:
    size = min(LARGEST_PT, height / 8)
    big = _fitting(label.code, size, width)
    lines = [
        *((part, big) for part in _broken(label.code, big, width, most=3)),
        *((text, size * 0.9) for text in (label.kind_zh, label.kind_en, label.street) if text),
    ]
    spacing = size * 1.45
    baseline = (height + spacing * len(lines)) / 2 - size
    for text, points in lines:
        _draw_line(canvas, _shortened(text, points, width), left, baseline, points)
        baseline -= spacing


def _fitting(text: str, size: float, width: float) -> float:
    """The size at which the text fits on one line, within reason."""
    return size * min(1.0, max(SMALLEST_PART, width / _width(text, size)))


def _draw_line(canvas: Canvas, text: str, left: float, baseline: float, size: float) -> None:
    for font, part in _runs(text):
        canvas.setFont(font, size)
        canvas.drawString(left, baseline, part)
        left += pdfmetrics.stringWidth(part, font, size)


def _runs(text: str) -> Iterator[Run]:
    """Western letters look poor in the Chinese font, and it lacks some; Chinese ones are in no other."""
    for font, group in groupby(text, _font_of):
        yield font, "".join(group)


def _font_of(letter: str) -> str:
    try:
        letter.encode("cp1252")
    except UnicodeEncodeError:
        return CHINESE
    return LATIN


def _width(text: str, size: float) -> float:
    return sum(pdfmetrics.stringWidth(part, font, size) for font, part in _runs(text))


def _broken(text: str, size: float, width: float, *, most: int) -> list[str]:
    """The text on several lines, broken anywhere; the last one holds the rest."""
    lines = [""]
    for letter in text:
        if lines[-1] and len(lines) < most and _width(lines[-1] + letter, size) > width:
            lines.append("")
        lines[-1] += letter
    return lines


def _shortened(text: str, size: float, width: float) -> str:
    if _width(text, size) <= width:
        return text
    while text and _width(text + ELLIPSIS, size) > width:
        text = text[:-1]
    return text + ELLIPSIS
