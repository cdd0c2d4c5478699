"""What importing hands on: the options one gives, what was understood of a file, and its rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, NamedTuple

CHUNK = 2_000
CODES_GENERATED = "code-generated"

Repairs = tuple[tuple[str, str], ...]


class Unusable(Exception):
    """The file makes no sense as a whole. The message is for people; ``line`` says where, when that is known."""

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(reason if line is None else f"Line {line}: {reason}")
        self.reason, self.line = reason, line


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a person says about a file; all of it may be left out and is found out then.

    ``mapping``: field → column, where a field is one of ``words.FIELDS``, ``longitude``, ``latitude``, ``place`` or an
    attribute of the kind; an empty column leaves the field out. ``kinds``: value of the kind column, or a pattern with
    ``*``, → kind; ``kind`` is then the kind of all other values. ``choices``: the same of attributes that are choices:
    attribute → value → choice. ``defaults``: field → value where a row says nothing. ``bounds``: ``refuse`` or
    ``warn``, what happens to rows outside the city. ``latitude_first``: the order within one cell. ``decimal``: the
    mark before fractions, where a number can be read in two ways. ``layer`` is also the sheet of a workbook.
    """

    kind: str | None = None
    kind_column: str | None = None
    kinds: Mapping[str, str] = field(default_factory=dict)
    choices: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    mapping: Mapping[str, str] = field(default_factory=dict)
    code_column: str | None = None
    crs: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    header: bool | None = None
    layer: str | None = None
    district: str | None = None
    defaults: Mapping[str, str] = field(default_factory=dict)
    source: str | None = None
    bounds: str | None = None
    latitude_first: bool | None = None
    decimal: str | None = None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Options:
        return cls(**{each.name: values[each.name] for each in fields(cls) if each.name in values})


@dataclass(frozen=True, kw_only=True)
class Understood:
    """How a file is read: found out from its content, or as the options say. JSON all through.

    ``mapping``: field → column; all other columns become attributes, except those ``left_out``, which only count the
    rows. ``place``: how a row says where it is. ``coordinate_style``: ``degrees``,
    ``degrees-minutes``, ``ddmm.mmm`` or ``projected``. ``swapped``: the file names the latitude where the longitude
    should be. ``check_bounds``: whether rows outside ``bounds`` (west, south, east, north) are refused (``refuse``),
    only marked (``warn``), or left alone (``off``, because the file lies elsewhere as a whole).
    ``city_bounds``: the city's, where these are not checked: what lies in them only with longitude and latitude swapped
    is refused. ``any_size``: whether a geometry may be larger than a facility is.
    ``decimals``: column → the mark before fractions, ``?``
    where nobody knows. ``choices_found``: attribute → value → choice. ``yes_or_no``: columns in which 无 is an answer.
    ``repairs``: what is done to every row alike, and so not repeated on each: (rule, text). ``rows_total`` is for
    showing progress, and near enough for that. ``header_line``: 0 without a header.
    """

    format: str
    columns: list[str]
    encoding: str | None = None
    delimiter: str | None = None
    header: bool | None = None
    header_line: int = 0
    layer: str | None = None
    layers: list[str] = field(default_factory=list)
    crs: str = "EPSG:4326"
    crs_found_by: str = "assumed"
    mapping: dict[str, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    place: str = "geometry"
    coordinate_style: str = "degrees"
    latitude_first: bool = False
    swapped: bool = False
    bounds: list[float] = field(default_factory=list)
    check_bounds: str = "off"
    city_bounds: list[float] = field(default_factory=list)
    kind: str | None = None
    kind_column: str | None = None
    kinds_found: dict[str, str | None] = field(default_factory=dict)
    choices_found: dict[str, dict[str, str | None]] = field(default_factory=dict)
    date_order: str = "dmy"
    decimals: dict[str, str] = field(default_factory=dict)
    any_size: bool = False
    rows_total: int | None = None
    yes_or_no: list[str] = field(default_factory=list)
    repairs: list[list[str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Understood:
        return cls(**{each.name: values[each.name] for each in fields(cls) if each.name in values})


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the file: what becomes of it, or why nothing does.

    ``line`` is what a person counts: the line of a text, the row of a sheet, the number of a feature. ``draft`` holds
    the keyword arguments of ``register_facilities``. ``said_at``: where (longitude, latitude) the numbers of an export
    say that it is, if that is elsewhere than its geometry.
    """

    line: int
    raw: dict[str, Any]
    draft: dict[str, Any] | None
    reject: tuple[str, str] | None = None
    repairs: Repairs = ()
    said_at: tuple[float, float] | None = None


class Record(NamedTuple):
    """A row as a format's reader gives it. ``shape``: its geometry as GeoJSON or WKB, where the format has one;
    ``fault``: (rule, reason) why it cannot be used; ``masked``: columns whose cells show something else than they hold,
    a date, say, that was a code."""

    line: int
    raw: dict[str, Any]
    shape: dict[str, Any] | bytes | None = None
    fault: tuple[str, str] | None = None
    masked: frozenset[str] = frozenset()
