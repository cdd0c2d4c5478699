"""Input is strict: nothing is taken for something else."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import ValidationError

from shared import fields

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


class Sample(fields.Strict):
    whole = fields.Integer()
    number = fields.Float()
    truth = fields.Boolean()
    at = fields.Time()
    id = fields.UUID()
    text = fields.String(longest=10)
    code = fields.Code()
    place = fields.Location()
    photo = fields.Sha256()
    asked = fields.QueryInteger()
    wanted = fields.QueryBoolean()


def load(**sent: Any) -> dict[str, Any]:
    loaded: dict[str, Any] = Sample().load(sent)
    return loaded


@pytest.mark.parametrize(
    "sent",
    [
        {"whole": "5"}, {"whole": 5.7}, {"whole": 5.0}, {"whole": True}, {"whole": None}, {"whole": 2**63},
        {"number": "5"}, {"number": True}, {"number": math.nan}, {"number": math.inf}, {"number": 10**400},
        {"truth": "yes"}, {"truth": 1}, {"truth": "true"}, {"truth": 0},
        {"at": "2026-03-01T21:30:00"}, {"at": "2026-03-01"}, {"at": 1772400600}, {"at": "21:30"}, {"at": ""},
        {"at": "0001-01-01T00:00:00+14:00"}, {"at": "9999-12-31T23:59:59-12:00"}, {"at": "2026-02-30T00:00:00Z"},
        {"id": "x"}, {"id": 5}, {"id": uuid4().hex}, {"id": f"{{{uuid4()}}}"}, {"id": ""},
        {"text": ""}, {"text": "a\x00b"}, {"text": "\ud800"}, {"text": "\x1b[31m"}, {"text": "x" * 11}, {"text": 5},
        {"code": "a/b"}, {"code": "imports"}, {"code": "export"}, {"code": " a"}, {"code": "a\n"}, {"code": ".."},
        {"place": {"lon": 181, "lat": 0}}, {"place": {"lon": 0, "lat": -91}}, {"place": {"lon": 0}}, {"place": [0, 0]},
        {"place": {"lon": 0, "lat": 0}}, {"place": {"lon": -0.0, "lat": 8e-6}},
        {"place": {"lon": 5e-324, "lat": -6e-6}},
        {"place": {"lon": "24", "lat": 60}}, {"place": {"lon": 24, "lat": 60, "height": 3}},
        {"photo": "A" * 64}, {"photo": "a" * 63}, {"photo": "a" * 64 + "\n"},
        {"asked": "5.0"}, {"asked": "5 "}, {"asked": "٥"}, {"asked": "1_000"}, {"asked": "1" * 19},
        {"wanted": "yes"}, {"wanted": "1"}, {"wanted": "True"},
        {"unknown": 1},
    ],
    ids=repr,
)  # fmt: skip
def test_what_only_looks_like_it_is_refused_by_name(sent: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as refused:
        load(**sent)
    assert set(refused.value.messages_dict) == set(sent)


@pytest.mark.parametrize(
    ("name", "sent", "loaded"),
    [
        ("whole", 5, 5),
        ("number", 5, 5.0),
        ("number", 5.7, 5.7),
        ("truth", False, False),
        ("at", "2026-03-01T21:30:00Z", datetime(2026, 3, 1, 21, 30, tzinfo=UTC)),
        ("at", "2026-03-01T23:30:00.5+02:00", datetime(2026, 3, 1, 21, 30, 0, 500_000, tzinfo=UTC)),
        ("text", "路灯", "路灯"),
        ("text", "two\nlines", "two\nlines"),
        ("code", "3205080101000001", "3205080101000001"),
        ("place", {"lon": 24.9, "lat": 60}, {"lon": 24.9, "lat": 60.0}),
        ("asked", "-12", -12),
        ("wanted", "false", False),
    ],
)
def test_what_is_right_is_taken_as_it_is(name: str, sent: Any, loaded: Any) -> None:
    assert load(**{name: sent}) == {name: loaded}


@given(name=st.sampled_from(sorted(Sample().fields)), value=JSON)
def test_whatever_comes_is_taken_or_refused_and_never_breaks(name: str, value: Any) -> None:
    try:
        loaded = load(**{name: value})[name]
    except ValidationError:
        return
    msgspec.json.encode(loaded)
    assert "\x00" not in json.dumps(loaded, default=str)


@given(st.integers(-(2**63) + 1, 2**63 - 1))
def test_whole_numbers_are_kept_exactly(number: int) -> None:
    assert load(whole=number)["whole"] == number


@given(st.uuids())
def test_ids_are_kept_exactly(each: UUID) -> None:
    assert load(id=str(each))["id"] == each


@given(
    st.datetimes(datetime(1901, 1, 1), datetime(8999, 1, 1), timezones=st.just(UTC)),
    st.integers(-23 * 60, 23 * 60),
)
def test_a_time_means_the_same_in_whatever_offset_it_comes(at: datetime, offset_min: int) -> None:
    sent = at.astimezone(timezone(timedelta(minutes=offset_min))).isoformat()
    assert load(at=sent)["at"] == at


def test_a_list_takes_1_to_1000_and_100_unless_told() -> None:
    query = fields.PageQuery()
    assert query.load({}) == {"limit": 100, "cursor": None}
    for wrong in ("0", "1001", "-1", "x"):
        with pytest.raises(ValidationError):
            query.load({"limit": wrong})
