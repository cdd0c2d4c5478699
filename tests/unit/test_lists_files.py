"""Tables as files, and what may be asked of lists."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from marshmallow import ValidationError
from openpyxl import load_workbook
from openpyxl.utils.escape import unescape

from shared.fields import String
from shared.lists import files
from shared.lists.asking import MOST_VALUES, Moment, Several, near
from shared.lists.files import Format, local

SHANGHAI = timezone(timedelta(hours=8))
AT = datetime(2026, 3, 1, 13, 30, tzinfo=UTC)


def written(chosen: Format, *rows: list[Any]) -> bytes:
    file = io.BytesIO()
    files.write(chosen, "things", ["a", "b"], rows, file)
    return file.getvalue()


def sheets(*rows: list[Any]) -> Any:
    return load_workbook(io.BytesIO(written(Format.XLSX, *rows))).worksheets


def test_a_workbook_has_times_as_the_citys_clocks_show_them_and_days_as_days() -> None:
    (sheet,) = sheets([local(AT, SHANGHAI), date(2026, 3, 1)])
    assert [cell.value for cell in sheet[2]] == [datetime(2026, 3, 1, 21, 30), datetime(2026, 3, 1)]
    assert [cell.number_format for cell in sheet[2]] == ["yyyy-mm-dd h:mm:ss", "yyyy-mm-dd"]


@pytest.mark.parametrize(
    "text", ["a\ufffeb", "\uffff", "a\r\nb", "_x000D_", "_x000d_\r", "__x0041_", "x_", "\x85", "\U0001fffe"]
)
def test_a_text_comes_back_to_the_letter_whatever_xml_cannot_hold(text: str) -> None:
    (sheet,) = sheets([text, None])
    assert unescape(sheet["A2"].value) == text


def test_days_of_which_spreadsheets_disagree_are_text() -> None:
    (sheet,) = sheets([date(1850, 1, 1), datetime(1900, 2, 28, 23, 59, tzinfo=UTC)])
    assert [cell.value for cell in sheet[2]] == ["1850-01-01", "1900-02-28T23:59:00"]


def test_each_sheet_has_its_heading_in_sight_and_filters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LONGEST_SHEET", 2)
    found = sheets(*([number, None] for number in range(5)))
    assert [each.title for each in found] == ["things 1", "things 2", "things 3"]
    assert [each.freeze_panes for each in found] == ["A2"] * 3
    assert [each.auto_filter.ref for each in found] == ["A1:B3", "A1:B3", "A1:B2"]
    assert [[cell.value for cell in each["A"]] for each in found] == [["a", 0, 1], ["a", 2, 3], ["a", 4]]


def test_nothing_is_a_sheet_with_its_heading() -> None:
    (sheet,) = sheets()
    assert ([cell.value for cell in sheet[1]], sheet.auto_filter.ref) == (["a", "b"], "A1:B1")


def test_a_table_of_text_has_times_with_their_offset_and_truths_in_one_spelling() -> None:
    text = written(Format.CSV, [local(AT, SHANGHAI), True], ["=1", None], [-1.5, False]).decode("utf-8-sig")
    assert list(csv.reader(io.StringIO(text, newline=""))) == [
        ["a", "b"],
        ["2026-03-01T21:30:00+08:00", "true"],
        ["'=1", ""],
        ["-1.5", "false"],
    ]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-01", date(2026, 3, 1)),
        ("2026-03-01T13:30:00Z", AT),
        ("2026-03-01T21:30:00+08:00", AT),
        ("2026-03-01T21:30:00 08:00", AT),  # the plus sign of an address that nobody has quoted
        ("2026-03-01T05:30:00-08:00", AT),
    ],
)
def test_a_moment_is_a_time_or_a_day(text: str, moment: date) -> None:
    assert Moment().deserialize(text) == moment


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2026-02-30", "2026-03-01T21:30:00", "1", "0001-01-01", "9999-12-31"]
)
def test_what_is_neither_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        Moment().deserialize(text)


def test_several_values_are_each_looked_at_and_not_endless() -> None:
    field = Several(String(longest=3))
    found: object = field.deserialize("a,b")
    assert found == ["a", "b"]
    for text in ("a,long", "a,", ",".join(["a"] * (MOST_VALUES + 1))):
        with pytest.raises(ValidationError):
            field.deserialize(text)


@pytest.mark.parametrize(
    "text", ["1_0,60,100", "１２,60,100", "٣,٤,٥", "nan,60,100", "inf,60,100", "1,2", "1,2,3,4", ",,", "1e999,2,3"]
)
def test_a_number_is_written_in_plain_digits(text: str) -> None:
    with pytest.raises(ValidationError):
        near("").deserialize(text)


def test_a_place_and_its_reach_are_three_numbers() -> None:
    found: object = near("").deserialize("24.9414, -60.1,1e2")
    assert found == (24.9414, -60.1, 100.0)
