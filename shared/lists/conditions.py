"""Conditions of SQL, alike on PostgreSQL and SQLite, for what asking.py lets people ask."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta, tzinfo
from math import cos, radians
from typing import Any

from sqlalchemy import ColumnElement, and_, or_

from shared.field.outlines import DEGREE_M
from shared.lists.spelling import folded

Condition = ColumnElement[bool]
Column = ColumnElement[Any]


def one_of(column: Column, asked: str | Sequence[Any]) -> Condition:
    """One value, or any of several; an empty one stands for none."""
    values = [asked] if isinstance(asked, str) else asked
    named = [each for each in values if each != ""]
    ways = [column.in_(named) if len(named) > 1 else column == named[0]] if named else []
    return or_(*ways, *([column.is_(None)] if len(named) < len(values) else []))


def said(search: Column, words: str) -> Condition:
    """``search`` is a column of folded texts."""
    return search.contains(folded(words), autoescape=True)


def since(column: Column, moment: date | datetime, zone: tzinfo) -> Condition:
    """From this time on, or from the beginning of this day of the zone."""
    return column >= (moment if isinstance(moment, datetime) else _begin_of(moment, zone))


def until(column: Column, moment: date | datetime, zone: tzinfo) -> Condition:
    """Up to this time, or to the end of this day of the zone."""
    if isinstance(moment, datetime):
        return column <= moment
    return column < _begin_of(moment + timedelta(days=1), zone)


def _begin_of(day: date, zone: tzinfo) -> datetime:
    return datetime.combine(day, time(), zone)


def in_box(longitude: Column, latitude: Column, box: Sequence[float]) -> Condition:
    """Within west, south, east, north in degrees."""
    west, south, east, north = box
    return and_(longitude.between(west, east), latitude.between(south, north))


def near(longitude: Column, latitude: Column, place: Sequence[float]) -> Condition:
    """Within metres of a place: longitude, latitude, metres. A flat map will do for so few."""
    lon, lat, metres = place
    squeeze, reach = cos(radians(lat)), metres / DEGREE_M
    across, up = (longitude - lon) * squeeze, latitude - lat
    wide = reach / max(squeeze, 1e-6)
    around = in_box(longitude, latitude, (lon - wide, lat - reach, lon + wide, lat + reach))
    return and_(around, across * across + up * up <= reach * reach)
