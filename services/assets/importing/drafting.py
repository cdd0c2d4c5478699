"""From rows as they came to drafts that the registry takes, with the reason for each refusal and repair."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime
from itertools import chain, islice
from pathlib import Path
from typing import Any, TypeVar

import shapely

from services.assets.domain import facilities
from services.assets.domain import geometry as geo
from services.assets.domain.attributes import Attribute, Type
from services.assets.domain.catalogue import Catalogue, Unit
from services.assets.domain.columns import ATTRIBUTES, SOURCE
from services.assets.domain.imports import says_same
from services.assets.importing import measures, shapes
from services.assets.importing.formats import records
from services.assets.importing.kinds import Kinds
from services.assets.importing.model import CHUNK, CODES_GENERATED, Options, Record, Row, Understood
from services.assets.importing.typed import NO_CHOICES, Unfit, choice_of, value_of
from services.assets.importing.values import LONGEST, SPOILT, Impossible, clean, day, number, quantity, tidy
from services.assets.importing.words import FIELDS, SAID_BY_KINDS, TEXTS
from shared.lists.cells import armed
from shared.lists.spelling import all_spelt, spelt, spelt_code

T = TypeVar("T")
LONGEST_ATTRIBUTES = 20_000
AXES = ("longitude", "latitude")
WGS84 = "EPSG:4326"
OWN_TEXTS = {"name", "street"}  # the others name areas and units, and are as these are called
NOT = {"无", "無", "없음", "none", "None"}  # nothing elsewhere; of what is true or not, it is not
OPEN = {"geojson", "kml", "gpx", "osm"}  # later features may have other properties
MAPS = OPEN | {"geopackage", "shapefile"}  # nobody opens them in a spreadsheet, so that exports defuse nothing
LONGEST_KEY = 100
SURELY_SHORT = 5_000  # characters in the values, so that names and quotes do not count
MOST_REMEMBERED = 10_000
SCIENTIFIC = re.compile(r"[-+]?(?<!\d)\d++(?:[.,]\d++[eE]\+?\d{1,3}|[eE]\+\d{2,3})")  # 12E5 may be a code
MONTHS = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
DAY = re.compile(rf"\d{{1,2}}-(?:{MONTHS})(?:-\d{{2,4}})?|\d{{1,2}}月\d{{1,2}}日")  # as spreadsheets write what was 2-1
MONTH = re.compile(rf"(?:{MONTHS})-\d{{2}}|(?:19|20)\d\d/(?:0?[1-9]|1[0-2])/(?:0?[1-9]|[12]\d|3[01])")
APOSTROPHE = re.compile(r"'(?![a-z]\b)")  # before a text in a spreadsheet; 's-Gravenhage is a name
UNFIT = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff/]+")


class Refuse(Exception):
    """A row is refused: (rule, reason)."""


def rows(
    path: Path, understood: Understood, options: Options, catalogue: Catalogue, *, skip: int = 0
) -> Iterator[list[Row]]:
    """The rows of a file in chunks of at most ``CHUNK``, the same each time. Raises Unusable where the file breaks off.

    ``skip``: how many rows to leave out at the start, a multiple of nothing in particular; codes that they had still
    count as taken. A repair that all rows share stands in ``understood.repairs`` and is not repeated on each.
    """
    drafter = _Drafter(understood, options, catalogue)
    stream = records(path, understood)
    seen = 0
    while chunk := list(islice(stream, CHUNK)):
        drafted = drafter.draft(chunk)
        if seen + len(chunk) > skip:
            yield drafted[max(0, skip - seen) :]
        seen += len(chunk)


class _Remembered:
    """What texts turned into: a column has few different ones among many rows."""

    def __init__(self) -> None:
        self.known: dict[Any, tuple[Any, Exception | None]] = {}

    def once(self, key: tuple[Any, ...], make: Callable[[], T]) -> T:
        """What ``make`` gave, or raised, the first time for this key."""
        if (found := self.known.get(key)) is None:
            if len(self.known) >= MOST_REMEMBERED:
                self.known.clear()
            found = self.known[key] = _outcome(make)
        if found[1] is not None:
            raise found[1]
        value: T = found[0]
        return value


def _outcome(make: Callable[[], Any]) -> tuple[Any, Exception | None]:
    try:
        return make(), None
    except (Unfit, Impossible) as wrong:
        return None, wrong


class _Drafter:
    """Drafts rows; remembers the codes and places of all rows before."""

    def __init__(self, understood: Understood, options: Options, catalogue: Catalogue) -> None:
        self.understood, self.options, self.catalogue = understood, options, catalogue
        self.kinds = Kinds(catalogue, options.kinds)
        self.mapping = understood.mapping
        self.everywhere = {rule for rule, _ in understood.repairs}
        self.defaults = {**({"district": options.district} if options.district else {}), **options.defaults}
        self.texts = [(field, column) for field, column in self.mapping.items() if field in TEXTS]
        fields = {*FIELDS, "longitude", "latitude", "place"} - {*measures.FIELDS}
        dropped = {column for field, column in self.mapping.items() if field in fields}
        dropped |= set(understood.left_out)
        self.again = ATTRIBUTES in self.mapping  # an export of ours
        if self.again:
            dropped |= {ATTRIBUTES, SOURCE}
        self.numbers = self.again and understood.crs == WGS84 and not self.mapping.keys() & {*AXES}
        self.guarded = understood.format not in MAPS
        self.kept = [each for each in understood.columns if each not in dropped]
        self.open = understood.format in OPEN
        self.dropped = dropped
        self.measures = self._measure_columns()
        self.typed = {kind: self._typed(kind, each.attributes) for kind, each in catalogue.kinds.items()}
        typed = chain.from_iterable(self.typed.values())
        self.truths = {column for attribute, column in typed if attribute.type is Type.BOOLEAN}
        self.answers = {*understood.yes_or_no} & {*self.kept}
        self.lines: dict[int, int] = {}  # hash of a code → where it stood; 64 bits do not collide among millions
        self.many: dict[int, int] = {}  # hash of a place → how many codes were made for it
        self.today = datetime.now(UTC).date()
        self.remembered = _Remembered()

    def _measure_columns(self) -> dict[str, str | None]:
        """The column with the measure of each kind. An export says how much also of what is counted."""
        known = {self.understood.kind, *self.understood.kinds_found.values()}
        units = {kind.unit for slug, kind in self.catalogue.kinds.items() if slug in known}
        counts = self.again or units == {Unit.COUNT}
        return {
            slug: measures.column_for(kind.unit, self.mapping, counts) for slug, kind in self.catalogue.kinds.items()
        }

    def _typed(self, kind: str, attributes: Mapping[str, Attribute]) -> list[tuple[Attribute, str]]:
        """The attributes of a kind with the column of each: the mapped one, or the one that has its very name."""
        spare = {each: each for each in attributes if each not in FIELDS}
        if measures.LENGTH in spare:
            spare[measures.LENGTH] = measures.length_column(self.mapping) or measures.LENGTH
        spare = {slug: column for slug, column in spare.items() if column != self.measures[kind]}
        columns = spare | {slug: self.mapping[slug] for slug in attributes if slug in {*self.mapping} - {*FIELDS}}
        known = {*self.understood.columns} - self.dropped
        return [(attributes[slug], column) for slug, column in columns.items() if column in known]

    def draft(self, chunk: Sequence[Record]) -> list[Row]:
        found = shapes.read(chunk, self.understood)
        shapes.settle(found, self.understood)
        geometries = shapes.as_geojson(found.shapes)
        dimensions = shapely.get_dimensions(found.shapes).tolist()
        return [
            self._row(record, fault, geometry, dimension, repairs)
            for record, fault, geometry, dimension, repairs in zip(
                chunk, found.faults, geometries, dimensions, found.repairs, strict=True
            )
        ]

    def _row(
        self,
        record: Record,
        fault: tuple[str, str] | None,
        geometry: Any,
        dimension: int,
        repairs: list[tuple[str, str]],
    ) -> Row:
        if fault is not None:
            return Row(record.line, _as_it_came(record), None, fault)
        try:
            said_at = self._said_at(record.raw, geometry) if self.numbers else None
            draft = self._draft(record, geometry, dimension, repairs)
        except Refuse as refused:
            return Row(record.line, _as_it_came(record), None, (refused.args[0], refused.args[1]))
        return Row(record.line, record.raw, draft, None, self._own(repairs), said_at)

    def _said_at(self, raw: Mapping[str, Any], geometry: dict[str, Any]) -> tuple[float, float] | None:
        """Where an export's longitude and latitude lie, if elsewhere than its geometry. Raises Refuse."""
        cells = [tidy(raw.get(axis)) for axis in AXES]
        if None in cells:
            return None
        lon, lat = map(number, cells)
        if lon is None or lat is None:
            raise Refuse("unreadable-place", f"{cells[0]!r}, {cells[1]!r} are no longitude and latitude.")
        shown = [len(str(each).replace(",", ".").partition(".")[2]) for each in cells]
        if says_same((lon, lat), geo.anchor(geometry), shown):
            return None
        west, south, east, north = self.understood.bounds
        if self.understood.check_bounds == "refuse" and not (west <= lon <= east and south <= lat <= north):
            raise Refuse("outside-bounds", "Its longitude and latitude lie outside the city's bounds.")
        return lon, lat

    def _own(self, repairs: list[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
        return tuple(each for each in repairs if each[0] not in self.everywhere) if repairs else ()

    def _draft(
        self, record: Record, geometry: dict[str, Any], dimension: int, repairs: list[tuple[str, str]]
    ) -> dict[str, Any]:
        kind = self._kind(record.raw, dimension, repairs)
        attributes = self._attributes(record.raw, repairs)
        draft: dict[str, Any] = {"kind": kind, "geometry": geometry, **self.defaults}
        self._type(kind, attributes, repairs)
        self._say_by_kind(kind, record.raw, attributes)
        if self.again:
            attributes |= _exported(record.raw.get(ATTRIBUTES))
            draft["source"] = self._said(record.raw.get(SOURCE))
        for field, column in self.texts:
            self._text(draft, field, column, record.raw, attributes, repairs)
        self._measure(draft, record.raw, attributes, repairs)
        self._installed(draft, record.raw, attributes, repairs)
        draft["attributes"] = attributes
        self._check_measurable(draft)
        draft["code"] = self._code(draft, record, attributes, repairs)
        return draft

    def _said(self, cell: Any) -> Any:
        """What a cell says of a text; an export of ours is taken to the letter."""
        if not self.again:
            return tidy(cell)
        return (armed(cell) if self.guarded and isinstance(cell, str) else cell) or None

    def _kind(self, raw: Mapping[str, Any], dimension: int, repairs: list[tuple[str, str]]) -> str:
        if (column := self.understood.kind_column) is None:
            found = None if self.understood.kind else self.kinds.by_tags(raw)
            value: Any = None
        else:
            value = tidy(raw.get(column))
            found = self.kinds.of(value, dimension) if value is not None else None
        if found is not None:
            return found
        if (given := self.understood.kind) is None:
            raise Refuse("unknown-kind", f"{str(value)[:60]!r} is no kind." if value else "The row names no kind.")
        if column is not None:
            repairs.append(("kind-assumed", f"{str(value)[:60]!r} was taken for {given}."))
        return given

    def _attributes(self, raw: Mapping[str, Any], repairs: list[tuple[str, str]]) -> dict[str, Any]:
        """All columns that became no field, by their names, less what means nothing."""
        names = (each for each in raw if each not in self.dropped) if self.open else self.kept
        found = {name: all_spelt(value) for name in names if (value := tidy(raw.get(name))) is not None}
        for name in self.truths - found.keys():
            if str(raw.get(name)).strip() in NOT:
                found[name] = "no"
        for name in self.answers - found.keys():
            if (said := str(raw.get(name)).strip()) in NOT:
                found[name] = said
        if self.open:
            found = {_cut_key(name): value for name, value in found.items()}
        text = "".join([each for each in raw.values() if type(each) is str])
        if "\ufffd" in text:
            repairs.append(("unreadable-characters", "Some characters cannot be read in the file's encoding."))
        if len(text) > SURELY_SHORT or self.open:
            _check_size(found)
        return found

    def _type(self, kind: str, attributes: dict[str, Any], repairs: list[tuple[str, str]]) -> None:
        """Give the columns that are attributes of this kind their name and type; what does not fit stays as it came."""
        for attribute, column in self.typed[kind]:
            if (cell := attributes.pop(column, None)) is None:
                continue
            try:
                value, unit = self._value_of(attribute, cell, column)
            except Unfit as wrong:
                name = column if column not in self.catalogue.attributes_of(kind) else f"{column} (as it came)"
                attributes[name] = cell
                repairs.append(("junk-value", f"{column}: {wrong}"))
                continue
            attributes[attribute.slug] = value
            if unit:
                repairs.append(("unit-converted", f"{column}: {cell} became {value} {attribute.unit}."))

    def _say_by_kind(self, kind: str, raw: Mapping[str, Any], attributes: dict[str, Any]) -> None:
        """What the words for the kind say besides: 污水井 is a manhole of the sewage network."""
        said = tidy(raw.get(self.understood.kind_column)) if self.understood.kind_column and not self.again else None
        known = self.catalogue.attributes_of(kind)
        for slug in SAID_BY_KINDS if said is not None else ():
            if slug in known and slug not in attributes:
                with suppress(ValueError):
                    attributes[slug] = choice_of(known[slug], str(said), self.options.choices.get(slug, NO_CHOICES))

    def _value_of(self, attribute: Attribute, cell: Any, column: str) -> tuple[Any, str | None]:
        zone, order = self.catalogue.city.timezone, self.understood.date_order

        def make() -> tuple[Any, str | None]:
            decimal = self.understood.decimals.get(column)
            choices = self.options.choices.get(attribute.slug, NO_CHOICES)
            return value_of(attribute, cell, column, order, zone, self.today, decimal, choices)

        if not isinstance(cell, str) or len(cell) > LONGEST:
            return make()
        return self.remembered.once((id(attribute), column, cell), make)

    def _day_of(self, cell: Any) -> tuple[date, str | None]:
        zone, order = self.catalogue.city.timezone, self.understood.date_order
        if isinstance(cell, str) and len(cell) > LONGEST:
            return day(cell, order, zone, self.today)
        return self.remembered.once((type(cell), str(cell)), lambda: day(cell, order, zone, self.today))

    def _text(
        self, draft: dict[str, Any], field: str, column: str, raw: Mapping[str, Any], attributes: dict[str, Any],
        repairs: list[tuple[str, str]],
    ) -> None:  # fmt: skip
        if (value := self._said(raw.get(column))) is None:
            return
        text = value if self.again and isinstance(value, str) else _one_line(value)
        text = spelt(text) if field in OWN_TEXTS and not self.again else text
        if len(text) > TEXTS[field]:
            attributes[column] = text
            repairs.append(("text-cut", f"{field} holds {TEXTS[field]} characters at most."))
            text = text[: TEXTS[field]].rstrip()
        if text:
            draft[field] = text

    def _measure(
        self, draft: dict[str, Any], raw: Mapping[str, Any], attributes: dict[str, Any], repairs: list[tuple[str, str]]
    ) -> None:
        column, unit = self.measures[draft["kind"]], self.catalogue.kinds[draft["kind"]].unit
        if column is None or (value := tidy(raw.get(column))) is None:
            self._area(draft, unit, attributes)
            return
        attributes.pop(column, None)
        found = quantity(value, column, unit, self.understood.decimals.get(column))
        if found is None or not 0.001 <= found[0] <= 1e9:
            attributes[column] = value
            if number(value) != 0:
                repairs.append(("junk-value", f"{str(value)[:60]!r} is no measure."))
            return
        draft["measure"] = round(found[0], 3)
        if found[1]:
            repairs.append(("unit-converted", f"{value} {found[1]} became {draft['measure']}."))

    def _area(self, draft: dict[str, Any], unit: Unit, attributes: Mapping[str, Any]) -> None:
        """Length by width of what nobody drew or measured as an area; without a width the registry estimates it."""
        if unit is not Unit.SQUARE_METRE or draft["geometry"]["type"] in ("Polygon", "MultiPolygon"):
            return
        length, width = (number(attributes.get(each)) for each in (measures.LENGTH, measures.WIDTH))
        if length and width and 0.001 <= length * width <= 1e9:
            draft["measure"] = round(length * width, 3)

    def _installed(
        self, draft: dict[str, Any], raw: Mapping[str, Any], attributes: dict[str, Any], repairs: list[tuple[str, str]]
    ) -> None:
        column = self.mapping.get("installed_on")
        if column is None or (value := tidy(raw.get(column))) is None:
            return
        try:
            draft["installed_on"], assumed = self._day_of(value)
        except Impossible as wrong:
            attributes[column] = value
            repairs.append(("impossible-date", str(wrong)))
            return
        if assumed:
            repairs.append(("date-assumed", f"{value} was taken for {draft['installed_on']}, {assumed}."))

    def _check_measurable(self, draft: dict[str, Any]) -> None:
        kind = self.catalogue.kinds[draft["kind"]]
        if kind.unit is Unit.COUNT or "measure" in draft:
            return
        try:
            facilities.measure_of(draft["geometry"], kind, draft["attributes"], self.catalogue, None)
        except facilities.NotMeasurable as wrong:
            raise Refuse("not-measurable", wrong.detail) from wrong

    # ------------------------------------------------------------------------------------------------- codes

    def _code(
        self, draft: dict[str, Any], record: Record, attributes: dict[str, Any], repairs: list[tuple[str, str]]
    ) -> str:
        column = self.mapping.get("code")
        given = None if column is None else self._said(record.raw.get(column))
        if given is None:
            repairs.append((CODES_GENERATED, "The code is made of the kind and the place."))
            return self._made(draft)
        if column in record.masked:
            raise Refuse("spoilt-code", f"The cell shows another text than {str(given)[:60]}, what it holds.")
        code = self._cleaned(given, column or "", record.raw.get(column or ""), attributes, repairs)
        if before := self.lines.get(hash(code)):
            raise Refuse("duplicate-code", f"{code!r} stands in line {before} already.")
        self.lines[hash(code)] = record.line
        return code

    def _made(self, draft: dict[str, Any]) -> str:
        longitude, latitude = geo.anchor(draft["geometry"])
        east, north = "W" if longitude < 0 else "E", "S" if latitude < 0 else "N"
        code = f"{draft['kind']}-{abs(longitude):.6f}{east}-{abs(latitude):.6f}{north}"
        at = self.many[hash(code)] = self.many.get(hash(code), 0) + 1
        return code if at == 1 else f"{code}-{at}"

    def _cleaned(
        self, given: Any, column: str, came: Any, attributes: dict[str, Any], repairs: list[tuple[str, str]]
    ) -> str:
        if _is_spoilt(given, self.understood.format == "xlsx", meant=self.options.code_column is not None):
            raise Refuse("spoilt-code", f"{str(given)[:60]} is what a spreadsheet left of a longer code.")
        text = str(int(given)) if isinstance(given, float) and given.is_integer() else str(given)
        code = UNFIT.sub("-", text).strip()
        if code != text:
            attributes[column] = text
        if not self.again and APOSTROPHE.match(code):
            code = code[1:]
        if code != text:
            repairs.append(("code-cleaned", f"{text[:60]!r} became {code[:60]!r}."))
        code = spelt_code(code)
        if isinstance(came, str) and not came.isascii() and code != came.strip():
            repairs.append(("code-respelled", f"{came[:60]!r} became {code[:60]!r}."))
        try:
            return facilities.checked_code(code)
        except facilities.BadCode as wrong:
            raise Refuse("bad-code", wrong.detail) from wrong


def _is_spoilt(given: Any, from_sheet: bool, *, meant: bool) -> bool:
    """Whether a spreadsheet has broken a code: its numbers hold 15 digits, and are shown with fewer; 2-1 is a day.

    ``meant``: somebody named the column of codes. Then Mar-12 or 2026/1/2 may be one.
    """
    if isinstance(given, str):
        text = spelt_code(given)
        return bool(SCIENTIFIC.fullmatch(text) or DAY.fullmatch(text) or (MONTH.fullmatch(text) and not meant))
    return (isinstance(given, float) or from_sheet) and abs(given) >= 1e15


def _exported(cell: Any) -> dict[str, Any]:
    """The attributes that an export wrote into one cell. Raises Refuse for what is no JSON object."""
    try:
        found = json.loads(cell or "{}") if isinstance(cell, str) else cell or {}
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Refuse("bad-attributes", f"{str(cell)[:60]!r} is no JSON object.")
    attributes: dict[str, Any] = clean(found)
    _check_size(attributes)
    return attributes


def _as_it_came(record: Record) -> dict[str, Any]:
    return record.raw if not isinstance(record.shape, dict) else {**record.raw, "geometry": clean(record.shape)}


def _one_line(value: Any) -> str:
    text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    return text if text.isprintable() else " ".join(SPOILT.sub(" ", text).split())


def _cut_key(name: str) -> str:
    return spelt(name if name.isprintable() else SPOILT.sub("", name))[:LONGEST_KEY]


def _check_size(attributes: Mapping[str, Any]) -> None:
    if len(json.dumps(attributes, ensure_ascii=False)) > LONGEST_ATTRIBUTES:
        raise Refuse("too-long", f"The attributes have over {LONGEST_ATTRIBUTES} characters.")
