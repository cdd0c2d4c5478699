"""Finding out how a file is to be read: where its rows say where they are, and which column means what."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import combinations, islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from services.assets.domain import geometry as geo
from services.assets.domain.attributes import Attribute, Type
from services.assets.domain.catalogue import Catalogue, Unit
from services.assets.domain.columns import (
    ATTRIBUTES,
    CODE,
    COLUMNS,
    GEOMETRY,
    MEASURE,
    NOTED,
    ONLY_SHOWN,
    SOURCE,
    are_noted,
    are_ours,
)
from services.assets.domain.imports import text_encoding
from services.assets.importing import datums, measures, shapes
from services.assets.importing.formats import describe, records
from services.assets.importing.headings import data_among
from services.assets.importing.kinds import Kinds, check_given
from services.assets.importing.model import CODES_GENERATED, Options, Record, Understood, Unusable
from services.assets.importing.typed import choice_of, names_of
from services.assets.importing.units import are_convertible, remark_in, without_unit
from services.assets.importing.values import (
    UNKNOWN,
    angle,
    date_order,
    is_plainly_a_pair,
    marks_of,
    number,
    packed_angle,
    pair,
    tidy,
)
from services.assets.importing.words import (
    AMOUNTS,
    ANY_THING,
    AREA_CODES,
    CODE_ENDINGS,
    FIELDS,
    KIND_COLUMNS,
    KINDS,
    LATITUDES,
    LONGITUDES,
    MEASURES,
    PLACES,
    ROW_NUMBERS,
    SAID_BY_KINDS,
    TEXTS,
    THINGS,
    VAGUE_CODES,
    WEAK_CODES,
    WEAK_ENDINGS,
    plain,
)
from shared.lists.spelling import spelt, spelt_code

SAMPLE = 5_000
FEW = 500
MOST_SHOWN = 200  # values of a column
EXACT_DIGITS = 15  # of a number in a spreadsheet
SURELY_ROUNDED = 6  # zeros behind them in all codes together: by chance one time in a million
MOST_ROWS = 5_000_000
MOST = 0.5
NEARLY_ALL = 0.9
CITIES = (-56.0, 79.0)  # latitudes between Puerto Williams and Longyearbyen; any other one is a longitude
CITY_DEG = 0.6
COARSE, FINE = 3, 4  # decimals that a coordinate in degrees has: surely, and when nothing else says that it is one
LATITUDE_FIRST = ("lat", "geopoint2d", "纬", "緯")
LONGITUDE_FIRST = ("lon", "lng", "xy", "经", "經")
ALSO = {"lat": "latitude", "lon": "longitude", "location": "place"}  # fields that options may call so
PLACE_FIELDS = ("longitude", "latitude", "place")
SPELT_OUT = re.compile(r"[_\s](desc|descr|description|txt|text|label)$", re.I)
WHOLE = re.compile(r"\d+(?:\.0)?")
SUFFIX = re.compile(r"(?<=[^\W\d_])[_\s]*(?:[_\s](?:desc|descr|description|txt|text|label|name))?(?:_?[1１])?$", re.I)
LIKE_A_CODE = re.compile(r"(?=.{0,39}\d)\S(?:.{0,38}\S)?")
YES = {"有", "是", "yes", "y", "true", "있음"}
ANSWERS = YES | {"无", "無", "否", "没有", "no", "n", "none", "false", "없음"}
NUMBERS = (Type.NUMBER, Type.INTEGER)
BOUNDS_OPTIONS = (None, "refuse", "warn")


def understand(path: Path, name: str, options: Options, catalogue: Catalogue) -> Understood:
    """How this file is to be read, from its content and what the options say. Raises Unusable.

    ``name``: what the person calls the file; its ending is not believed.
    """
    check_given(options, catalogue)
    _check_options(options)
    understood = Understood(**describe(path, options))
    if (understood.rows_total or 0) > MOST_ROWS:
        raise Unusable(f"The file has {understood.rows_total:,} rows; there can be {MOST_ROWS:,}. Send it in parts.")
    sample = list(islice(records(path, understood), SAMPLE))
    if not sample:
        raise Unusable("The file has a header and no rows." if understood.header else "The file has no rows.")
    return _Finder(understood, sample, options, catalogue, name).find()


def _check_options(options: Options) -> None:
    if options.bounds not in BOUNDS_OPTIONS:
        raise Unusable(f"bounds is 'refuse' or 'warn', not {options.bounds!r}.")
    for field, value in options.defaults.items():
        if field not in TEXTS or not isinstance(value, str) or not 0 < len(value) <= TEXTS[field]:
            raise Unusable(f"There is no default for {field!r}, or it is too long; there are {', '.join(TEXTS)}.")
    if options.decimal not in (None, ".", ","):
        raise Unusable(f"The decimal mark is '.' or ',', not {options.decimal!r}.")
    if options.encoding is not None and text_encoding(options.encoding) is None:
        raise Unusable(f"There is no text encoding {options.encoding[:40]!r}.")
    if options.delimiter is not None and len(options.delimiter) != 1:
        raise Unusable("The delimiter is one character.")


class _Finder:
    """What is known so far of one file."""

    def __init__(
        self, understood: Understood, sample: Sequence[Record], options: Options, catalogue: Catalogue, name: str
    ) -> None:
        self.understood, self.sample = understood, sample
        self.catalogue, self.name = catalogue, name
        self.options = replace(options, mapping=self._by_their_names(options.mapping))
        self.columns = understood.columns
        self.by_name: dict[str, str] = {}
        for bare in (datums.without_system, without_unit, str):  # the later one wins
            self.by_name |= {plain(bare(column)): column for column in reversed(self.columns)}
        self.described = {plain(base): each for each in reversed(self.columns) if (base := without_suffix(each))}
        self.notes = list(understood.notes)
        self.repairs = list(understood.repairs)
        self.spoken_of = {*options.mapping}
        self.mapping = self._given_mapping()
        self.given_code = self.mapping.get("code")
        self.left_out = [each for each in self.columns if self._only_counts(each)]
        self.proven: dict[str, set[str]] = {}  # column → the decimal marks that its first numbers prove
        self.guess: str | None = None  # what nothing in the file says of its places
        if are_ours(self.columns):
            self._know_again()
        elif are_noted(self.columns):
            self.notes.append("These are rows that an import refused or repaired: what it said of them is left out.")
            self.left_out += NOTED

    def _know_again(self) -> None:
        """An export of the registry: geometry and attributes are whole, and what only the registry says stays out."""
        self.notes.append("The file is an export of the registry: what it says of facilities is compared with them.")
        self.notes.append("An emptied cell changes nothing.")
        self.left_out = [each for each in self.columns if each in ONLY_SHOWN]
        known = {CODE, MEASURE, ATTRIBUTES, SOURCE} & {*self.columns} - self.spoken_of
        self.mapping = {each: each for each in COLUMNS if each in known} | self.mapping
        if GEOMETRY in self.columns and not self.mapping.keys() & {*PLACE_FIELDS}:
            self.mapping["place"] = GEOMETRY

    def find(self) -> Understood:
        self._refuse_data_as_names()
        self._find_place()
        self._find_crs()
        chunk = self._find_orientation()
        self._find_kind(chunk)
        self._find_code()
        self._find_fields()
        self.know(
            mapping=self.mapping, notes=[*dict.fromkeys(self.notes)], repairs=self.repairs, left_out=self.left_out
        )
        return self.understood

    def know(self, **found: Any) -> None:
        self.understood = replace(self.understood, **found)

    def values(self, column: str) -> list[Any]:
        """What the sample has in a column, less what means nothing."""
        return [value for each in self.sample if (value := tidy(each.raw.get(column))) is not None]

    def first_of(self, names: Sequence[str]) -> str | None:
        """The column with the surest of these names."""
        return next((self.by_name[plain(name)] for name in names if plain(name) in self.by_name), None)

    def _refuse_data_as_names(self) -> None:
        """Where a conversion took a row of data for the headings, nobody knows what the values mean."""
        if self.options.header is not None:
            return
        if data := data_among(self.columns, [each.raw for each in self.sample[:FEW]]):
            raise Unusable(
                f"The names of columns look like a row of data ({_listed(data[:5])}), so that nobody knows what their "
                f"values mean: get the file with its headings, or say header true if they are names{self._or_not()}."
            )

    def _or_not(self) -> str:
        return ", false if the first line is a row" if self.understood.header_line else ""

    def _by_their_names(self, given: Mapping[str, str]) -> dict[str, str]:
        """The mapping with ``lat``, ``lon`` and ``location`` called as everywhere; the name itself comes first."""
        attributes = {each for kind in self.catalogue.kinds.values() for each in kind.attributes}
        names = {field: ALSO.get(field, field) if field not in attributes else field for field in given}
        return {names[field]: column for field, column in sorted(given.items(), key=lambda each: each[0] not in ALSO)}

    def _given_mapping(self) -> dict[str, str]:
        given = dict(self.options.mapping)
        if self.options.code_column:
            given["code"] = self.options.code_column
        self.kind_column = self.options.kind_column or given.pop("kind", None)
        ours = {ATTRIBUTES, SOURCE} if are_ours(self.columns) else set()
        for field in given.keys() - {*FIELDS, *PLACE_FIELDS} - ours:
            if not any(field in kind.attributes for kind in self.catalogue.kinds.values()):
                raise Unusable(f"There is no field {field!r}; there are {', '.join((*FIELDS, *PLACE_FIELDS))}.")
        same = {spelt(each): each for each in self.columns}
        given = {field: same.get(spelt(column), column) for field, column in given.items()}
        self.kind_column = self.kind_column and same.get(spelt(self.kind_column), self.kind_column)
        for column in filter(None, (*given.values(), self.kind_column)):
            if column not in self.columns:
                raise Unusable(f"There is no column {column!r}; there are {_listed(self.columns)}.")
        return {field: column for field, column in given.items() if column}

    # ---------------------------------------------------------------------------------------------- the place

    def _find_place(self) -> None:
        if {"longitude", "latitude"} <= self.mapping.keys():
            self.know(place="lon,lat columns")
        elif "place" in self.mapping:
            self._take_cell(self.mapping["place"], insist=True)
        elif any(each.shape is not None for each in self.sample):
            self.know(place="geometry")
        elif not (self._named_columns() or self._named_cell() or self._telling_cell() or self._telling_columns()):
            raise Unusable(
                f"No column says where the facilities are: there are {_listed(self.columns)}. Name longitude and "
                "latitude, or place, in the mapping."
            )
        if self.understood.place == "lon,lat columns":
            self._find_style()

    def _named_columns(self) -> bool:
        latitude, longitude = self.first_of(LATITUDES), self.first_of(LONGITUDES)
        if not latitude or not longitude or latitude == longitude:
            latitude, longitude = (
                self._ending("lat", "latitude", "纬度", "_y"),
                self._ending("lon", "lng", "经度", "_x"),
            )
        if not (latitude and longitude and self._are_coordinates(latitude) and self._are_coordinates(longitude)):
            return False
        self.mapping |= {"longitude": longitude, "latitude": latitude}
        self.know(place="lon,lat columns")
        return True

    def _ending(self, *ends: str) -> str | None:
        found = [each for each in self.columns if each.strip().casefold().endswith(ends)]
        return found[0] if found else None

    def _are_coordinates(self, column: str) -> bool:
        values = self.values(column)
        good = sum(number(each) is not None or angle(str(each)) is not None for each in values)
        return bool(values) and good >= len(values) * MOST

    def _named_cell(self) -> bool:
        return any(self._take_cell(self.by_name[name]) for name in map(plain, PLACES) if name in self.by_name)

    def _telling_cell(self) -> bool:
        return any(self._take_cell(column, unnamed=True) for column in self.columns)

    def _take_cell(self, column: str, insist: bool = False, unnamed: bool = False) -> bool:
        """Whether the column holds whole places, of whichever form most of its cells are."""
        values = self.values(column)[:500]
        for place, fits in (CELLS | UNNAMED_CELLS if unnamed else CELLS).items():
            if values and sum(map(fits, values)) >= len(values) * MOST:
                self.mapping["place"] = column
                self.know(place=place)
                if place == "one cell":
                    self._find_cell_order(values)
                return True
        if insist:
            raise Unusable(f"The column {column!r} holds no places.")
        return False

    def _find_cell_order(self, values: Sequence[Any]) -> None:
        """Latitude first, as most write it, unless the city's bounds, the numbers or the heading say otherwise."""
        if self.options.latitude_first is not None:
            self.know(latitude_first=self.options.latitude_first)
            return
        pairs = [found for each in values if (found := pair(str(each)))]
        first, second = (np.array([each[at][0] for each in pairs]) for at in (0, 1))
        surer = self._inside(second, first) - self._inside(first, second)
        by_numbers = int(_no_latitudes(second)) - int(_no_latitudes(first))
        by_heading = _order_named(self.mapping["place"])
        known = surer or by_numbers or by_heading
        self.know(latitude_first=known >= 0)
        if not known and not any(each[0][1] or each[1][1] for each in pairs):
            self.guess = "which of the two numbers in a cell is the latitude: say latitude_first"

    def _inside(self, lon: datums.Floats, lat: datums.Floats) -> float:
        """The share of places within the city's bounds."""
        return _share_in(self.catalogue.city.bounds, np.column_stack([lon, lat]))

    def _telling_columns(self) -> bool:
        """Two columns without telling names whose numbers lie in the city, or can only be a place."""
        numbers = {each: found for each in self.columns if (found := self._fractions(each)) is not None}
        best = max(
            ((self._inside(numbers[a], numbers[b]), a, b) for a, b in _both_ways(numbers)), default=(0.0, "", "")
        )
        fine = {each: numbers[each] for each in numbers if self._decimals(each) >= FINE}
        if best[0] < MOST and len(fine) == 2:
            best = (1.0, *_by_size(fine))
        if best[0] < MOST:
            return False
        longitude, latitude = best[1:]
        self.mapping |= {"longitude": longitude, "latitude": latitude}
        self.know(place="lon,lat columns")
        self.guess = "which columns hold the place: map longitude and latitude"
        self.notes.append(
            f"No heading says so, but {latitude!r} looks like the latitude, {longitude!r} like the longitude."
        )
        return True

    def _fractions(self, column: str) -> datums.Floats | None:
        """The numbers of a column that has coordinates' many decimals in most rows."""
        if self._decimals(column) < COARSE:
            return None
        found = np.array([np.nan if (value := number(each.raw.get(column))) is None else value for each in self.sample])
        return found if np.isfinite(found).mean() >= MOST else None

    def _decimals(self, column: str) -> float:
        """How many decimals the cells of a column usually have."""
        cells = [str(each.raw.get(column) or "").strip().replace(",", ".") for each in self.sample]
        return float(np.median([len(cell.partition(".")[2]) for cell in cells]))

    def _find_style(self) -> None:
        cells = self.values(self.mapping["latitude"]) + self.values(self.mapping["longitude"])
        plain_numbers = [found for each in cells if (found := number(each)) is not None and np.isfinite(found)]
        if len(plain_numbers) < len(cells) * MOST:
            self.know(coordinate_style="degrees-minutes")
        elif self._packed(plain_numbers):
            self.know(coordinate_style="ddmm.mmm")
            self.notes.append("The coordinates are read as degrees and minutes without a space between (ddmm.mmm).")

    def _packed(self, numbers: Sequence[float]) -> bool:
        """Whether all can be ddmm.mmm, and reading them so brings them into the city."""
        degrees = [packed_angle(each) for each in numbers]
        projected = self.options.crs and datums.is_projected(datums.checked(self.options.crs))
        if projected or max(map(abs, numbers)) <= 180 or None in degrees or max(map(abs, numbers)) >= 18_060:
            return False
        half = len(degrees) // 2
        lat, lon = np.array(degrees[:half], dtype=float), np.array(degrees[half:], dtype=float)
        least = min(len(lat), len(lon))
        return max(self._inside(lon[:least], lat[:least]), self._inside(lat[:least], lon[:least])) >= MOST

    # ------------------------------------------------------------------------------------- the coordinate system

    def _find_crs(self) -> None:
        if self.options.crs:
            self.know(crs=datums.checked(self.options.crs), crs_found_by="the options")
        elif self.understood.crs_found_by != "assumed":
            self.know(crs=datums.checked(self.understood.crs))
        elif crs := next(filter(None, map(datums.named_in, self._place_columns())), None):
            self.know(crs=datums.checked(crs), crs_found_by="a heading")
        if datums.is_projected(self.understood.crs):
            self.know(coordinate_style="projected")
            for axis in ("longitude", "latitude"):
                self._find_decimal(self.mapping.get(axis))

    def _place_columns(self) -> list[str]:
        return [*(self.mapping[each] for each in PLACE_FIELDS if each in self.mapping), self.understood.layer or ""]

    def _find_orientation(self) -> shapes.Chunk:
        """Whether x and y are swapped, where the file lies, and its shapes as they will be."""
        self.know(mapping=dict(self.mapping))
        chunk = shapes.read(self.sample, self.understood)
        middle = _middles(chunk.shapes)
        if not len(middle):
            raise Unusable(f"In none of the first {len(self.sample)} rows a place can be read.")
        self._refuse_unknown_system(middle)
        ways = [datums.shape_transform(self.understood.crs, swapped)(middle) for swapped in (False, True)]
        inside = [self._inside(way[:, 0], way[:, 1]) for way in ways]
        swapped = inside[1] > max(inside[0], MOST) or (max(inside) < MOST and self._upside_down(*ways))
        if self.guess and max(inside) < MOST:
            self._ask_where(ways[swapped])
        self.know(swapped=bool(swapped), **self._bounds(max(inside), ways[swapped]))
        if swapped:
            self.repairs.append(["swapped-lon-lat", "Longitude and latitude are swapped in the whole file."])
        shapes.settle(chunk, self.understood)
        return chunk

    def _ask_where(self, places: datums.Floats) -> None:
        """A guess that leads far from the city is no answer."""
        lon, lat = _about(places)
        raise Unusable(
            f"Nothing in the file says {self.guess}. Guessed, it would lie far from {self.catalogue.city.name}, at "
            f"longitude {lon:.4f}, latitude {lat:.4f}."
        )

    def _upside_down(self, as_is: datums.Floats, swapped: datums.Floats) -> bool:
        """Elsewhere than in the city: a latitude that no city has, or a place that the system is not meant for."""
        if self.understood.coordinate_style != "projected":
            return _no_latitudes(as_is[:, 1]) and not _no_latitudes(as_is[:, 0])
        reach = datums.reach_of(self.understood.crs)
        return reach is not None and _share_in(reach, swapped) > max(_share_in(reach, as_is), MOST)

    def _refuse_unknown_system(self, middle: datums.Floats) -> None:
        if datums.is_projected(self.understood.crs) or np.median(np.abs(middle), axis=0).max() <= 180:
            return
        x, y = np.median(middle, axis=0)
        likely = datums.fitting(float(x), float(y), self.catalogue.city.bounds)
        hint = (
            f" {' or '.join(f'{code} ({name})' for code, name in likely[:3])} would place it in the city."
            if likely
            else ""
        )
        raise Unusable(
            f"The coordinates, such as {x:.0f} / {y:.0f}, are no degrees, and the file does not say in which system "
            f"they are. Name it with crs, such as EPSG:3879.{hint}"
        )

    def _bounds(self, inside: float, places: datums.Floats) -> dict[str, Any]:
        """How the bounds are checked: as the options say, else only when most of the file lies inside."""
        bounds = list(self.catalogue.city.bounds)
        if self.options.bounds:
            return {"bounds": bounds, "check_bounds": self.options.bounds}
        if inside >= MOST:
            return {"bounds": bounds, "check_bounds": "refuse"}
        lon, lat = _about(places)
        self._say_where_it_lies(places, lon, lat)
        around = [lon - CITY_DEG, lat - CITY_DEG, lon + CITY_DEG, lat + CITY_DEG]
        return {"bounds": [round(float(each), 4) for each in around], "check_bounds": "off", "city_bounds": bounds}

    def _say_where_it_lies(self, places: datums.Floats, lon: float, lat: float) -> None:
        """Of a file that does not lie in the city for the most part: how much of it does, and how far the rest."""
        city, bounds = self.catalogue.city.name, self.catalogue.city.bounds
        here, over = (shapes.overlaps(way[:, [0, 1, 0, 1]], bounds) for way in (places, places[:, ::-1]))
        there = (np.abs(places) <= (180, 90)).all(axis=1)
        swapped, far = over & ~here, places[there & ~here & ~over]
        unchecked = "whether rows lie outside the city's bounds was not checked."
        if swapped.any():
            self.notes.append(
                f"Of the first {len(places):,} rows {swapped.sum():,} lie in {city} only with longitude and latitude "
                "the other way round: such rows are refused."
            )
        if not here.any():
            self.notes.append(f"The file lies elsewhere than {city}, about {lon:.4f}, {lat:.4f}: {unchecked}")
        elif len(far):
            away = sorted(_km_from(bounds, each) for each in far)
            self.notes.append(
                f"Of the first {len(places):,} rows {here.sum():,} lie in {city} and {len(far):,} far from it, by "
                f"{away[0]:,.0f} to {away[-1]:,.0f} km: {unchecked} With bounds refuse the far ones are refused."
            )

    # ------------------------------------------------------------------------------------------------- the kind

    def _find_kind(self, chunk: shapes.Chunk) -> None:
        kinds = Kinds(self.catalogue, self.options.kinds)
        dimensions = np.maximum(shapely.get_dimensions(chunk.shapes), 0)
        if self.options.kind and not self.kind_column and not self.options.kinds:
            self.know(kind=self.options.kind)
        elif column := self.kind_column or self._kind_column(kinds, dimensions):
            self.know(kind=self.options.kind, kind_column=column, kinds_found=self._kinds_in(column, kinds, dimensions))
        elif sum(kinds.by_tags(each.raw) is not None for each in self.sample) >= len(self.sample) * MOST:
            self.know(kind=self.options.kind)
            self.notes.append("The kinds come from OpenStreetMap's tags.")
        elif self.options.kind:
            self.know(kind=self.options.kind)
        else:
            raise Unusable(f"Nothing in the file says of which kind the facilities are: give the kind.{self._guess()}")

    def _guess(self) -> str:
        kind = Kinds(self.catalogue, {}).of(self.name, 0)
        return f" The name of the file sounds like {kind}." if kind else ""

    def _kind_column(self, kinds: Kinds, dimensions: Any) -> str | None:
        candidates = [self.by_name[name] for name in map(plain, KIND_COLUMNS) if name in self.by_name]
        for column in candidates:
            found = self._kinds_in(column, kinds, dimensions)
            counts = Counter(str(value) for value in self.values(column))
            known = sum(count for value, count in counts.items() if found.get(value))
            if counts and known >= counts.total() * MOST:
                return column
        return None

    def _kinds_in(self, column: str, kinds: Kinds, dimensions: Any) -> dict[str, str | None]:
        """The values of a column and the kinds that they mean."""
        found: dict[str, str | None] = {}
        for record, dimension in zip(self.sample, dimensions, strict=True):
            if (value := tidy(record.raw.get(column))) is not None and len(found) < 200:
                found[str(value)] = kinds.of(value, int(dimension)) or found.get(str(value))
        return found

    # -------------------------------------------------------------------------------------------------- fields

    def _only_counts(self, column: str) -> bool:
        """Whether this is 0, 1, 2, … or 1, 2, 3, …: the number of the row, which another file may give otherwise."""
        if plain(column) not in WEAK_CODES | ROW_NUMBERS or column in self.mapping.values():
            return False
        try:
            numbers = [int(float(each)) for each in self.values(column)]
        except (TypeError, ValueError, OverflowError):
            return False
        if any(str(each).startswith("0") for each in self.values(column)[1:]):
            return False  # 001, 002, …
        return numbers[:1] in ([0], [1]) and all(later - one == 1 for one, later in pairwise(numbers))

    def _find_code(self) -> None:
        if "code" not in {*self.mapping, *self.options.mapping}:
            self.mapping |= next(({"code": each} for each in self._code_columns() if self._is_code(each)), {})
        elif (column := self.mapping.get("code")) and self._is_constant(column):
            del self.mapping["code"]
        if (column := self.mapping.get("code")) and column != self.given_code and self._is_rounded(column):
            raise Unusable(
                f"All long codes in {column!r} end in zeros after 15 digits: a spreadsheet rounded them. Get the "
                "file anew with that column as text; if they are right, name it as code_column."
            )
        if "code" not in self.mapping:
            self.repairs.append([CODES_GENERATED, "Codes are made of the kind and the place."])
            return
        if self.mapping["code"] != self.given_code:
            self._ask_about_fractions(self.mapping["code"])
        self._say_what_is_respelled(self.mapping["code"])
        if self._must_be_cleaned(self.mapping["code"]):
            self.repairs.append(["code-cleaned", "In all codes a slash, which no address can carry, becomes a hyphen."])

    def _ask_about_fractions(self, column: str) -> None:
        """71200.0 among whole numbers is what a conversion left of a code, without the zeros before it."""
        values = [str(each) for each in self.values(column) if isinstance(each, str)]
        odd = next((each for each in values if each.endswith(".0")), None)
        if odd and all(WHOLE.fullmatch(each) for each in values):
            raise Unusable(
                f"{column!r}: {odd} is what a program left of a code that was a number, perhaps with zeros before it. "
                "Get the file anew with that column as text; if it is right, name it as code_column."
            )

    def _say_what_is_respelled(self, column: str) -> None:
        """Once for the file: others of its codes will be like the first."""
        if odd := next((each for each in self.values(column) if spelt_code(str(each)) != str(each)), None):
            self.repairs.append(["code-respelled", f"Codes are in one spelling: {odd!r} is {spelt_code(str(odd))!r}."])

    def _code_columns(self) -> Iterator[str]:
        """The surest first: named as such, the code of a thing, named vaguely, a number on a thing, an area's."""
        taken = {self.understood.kind_column, *self.mapping.values(), *self.left_out}
        known = [plain(name) for name in FIELDS["code"]]
        surely = [each for each in known if each not in VAGUE_CODES | AREA_CODES]
        vaguely = [each for each in known if each in VAGUE_CODES]
        things, marks = self._codes_of_things(CODE_ENDINGS), self._codes_of_things(WEAK_ENDINGS)
        names = [*surely, *things, *vaguely, *marks, *sorted(AREA_CODES & {*known}, key=known.index)]
        yield from (self.by_name[name] for name in names if name in self.by_name and self.by_name[name] not in taken)

    def _codes_of_things(self, endings: Sequence[str]) -> list[str]:
        """Headings of a thing's code, of the file's kinds before any thing, where the values look like codes."""
        kinds = (self.catalogue.kinds[each] for each in self._kinds())
        things = [[each.slug, each.en, *each.zh.split("/"), *KINDS.get(each.slug, ())] for each in kinds]
        things += [[*THINGS.get(each, ())] for each in self._kinds()] + [[*ANY_THING]]
        names = (f"{plain(thing)}{ending}" for some in things for thing in some for ending in endings)
        found = [each for each in dict.fromkeys(names) if each in self.by_name]
        return [each for each in found if self._look_like_codes(self.values(self.by_name[each]))]

    def _look_like_codes(self, values: Sequence[Any]) -> bool:
        good = sum(LIKE_A_CODE.fullmatch(str(each)) is not None for each in values)
        return good >= len(values) * NEARLY_ALL

    def _is_code(self, column: str) -> bool:
        values = self.values(column)
        if len(values) < len(self.sample) * MOST or self._is_constant(column):
            return False
        return len(set(map(str, values))) >= len(values) * NEARLY_ALL

    def _is_constant(self, column: str) -> bool:
        values = self.values(column)
        if len(values) < 2 or len(set(map(str, values))) > 1:
            return False
        self.notes.append(f"All values of {column!r} are the same: it is no code.")
        return True

    def _is_rounded(self, column: str) -> bool:
        long = [text for each in self.values(column) if (text := str(each)).isdecimal() and len(text) > EXACT_DIGITS]
        lost = sum(len(text) - EXACT_DIGITS for text in long)
        return lost >= SURELY_ROUNDED and all(not text[EXACT_DIGITS:].strip("0") for text in long)

    def _must_be_cleaned(self, column: str) -> bool:
        values = self.values(column)
        return sum("/" in str(each) for each in values) >= len(values) * NEARLY_ALL

    def _find_fields(self) -> None:
        self._find_measure()
        for field, names in FIELDS.items():
            if field not in ("code", *measures.FIELDS):
                self._propose(field, self.first_of(names))
        self._find_attributes()
        self._find_networks()
        self._find_answers()
        self._say_what_is_no_unit()
        self._find_decimals()
        self._find_choices()
        if "installed_on" in self.mapping:
            self.know(date_order=date_order([str(each) for each in self.values(self.mapping["installed_on"])]))

    def _propose(self, field: str, column: str | None) -> bool:
        """Give a column that nothing else has to a field that nobody spoke of; whether that was so."""
        if column is None or field in {*self.spoken_of, *self.mapping}:
            return False
        if column in self.mapping.values() or column in self.left_out:
            return False
        self.mapping[field] = column
        return True

    def _kinds(self) -> list[str]:
        """The kinds that the file has, or may have, in the catalogue's order: every process must find the same."""
        found = {self.understood.kind, *self.understood.kinds_found.values()}
        return [each for each in self.catalogue.kinds if each in found] or [*self.catalogue.kinds]

    def _find_measure(self) -> None:
        """The column with the lengths of kinds in metres, and the one with the areas of kinds in square metres."""
        units = {self.catalogue.kinds[each].unit for each in self._kinds()}
        self._put_aside_misfits(units)
        extents = [Unit(each) for each in MEASURES if each in units]
        if not extents or "measure" in self.spoken_of or self._propose("measure", self._measure_by_name(extents)):
            return
        for unit in extents:
            found = self._propose("measure" if len(extents) == 1 else f"measure_{unit}", self._column_of(unit))
            if unit is Unit.SQUARE_METRE and not found and (length := self._column_of(Unit.METRE)):
                self.notes.append(
                    f"{length!r} is no area: areas are length by width, estimated where no width is known."
                )
        if (column := self.first_of(AMOUNTS)) and measures.dimension_of(column) is None:
            self.notes.append(f"{column!r} does not say its unit: map it as measure if it is the kind's.")

    def _measure_by_name(self, extents: Sequence[Unit]) -> str | None:
        column = self.first_of(FIELDS["measure"])
        return column if column and measures.dimension_of(column) in (None, *extents) else None

    def _put_aside_misfits(self, units: set[Unit]) -> None:
        """A length is nobody's area and nobody's number, whoever says so."""
        for field in [each for each in measures.FIELDS if each in self.mapping]:
            column = self.mapping[field]
            if not any(measures.column_for(unit, self.mapping, units == {Unit.COUNT}) == column for unit in units):
                del self.mapping[field]
                self.spoken_of.discard(field)
                self.notes.append(f"{column!r} is no measure of what the file holds: the unit is another one.")

    def _column_of(self, unit: Unit) -> str | None:
        columns = [
            found for name in (*MEASURES[unit], *AMOUNTS, *FIELDS["measure"]) if (found := self.first_of([name]))
        ]
        found = next((each for each in columns if measures.dimension_of(each) == unit), None)
        for column in columns if found is None else []:
            if measures.dimension_of(column) == measures.CONTRADICTORY:
                self._say_not_taken(column)
        return found

    def _say_not_taken(self, column: str) -> None:
        if column not in {*self.mapping.values(), *self.left_out}:
            self.notes.append(f"{column!r} is not taken: its unit is not known, or one of something else.")

    def _say_what_is_no_unit(self) -> None:
        """Of columns with numbers in a unit: what stands in their brackets without being one."""
        for field in [each for each in self.mapping if each in self._in_units()]:
            if remark := remark_in(self.mapping[field]):
                self.notes.append(
                    f"{self.mapping[field]!r}: {remark!r} is no unit, so its numbers are in the usual one."
                )

    def _in_units(self) -> set[str]:
        known = [each for kind in self._kinds() for each in self.catalogue.attributes_of(kind).values()]
        counted = {self.catalogue.kinds[each].unit for each in self._kinds()} == {Unit.COUNT}
        return {each.slug for each in known if each.unit} | (set() if counted else {*measures.FIELDS})

    def _find_choices(self) -> None:
        """What the values of columns of choices mean, as far as the sample has them."""
        known = [each for kind in self._kinds() for each in self.catalogue.attributes_of(kind).values()]
        choices = {each.slug: each for each in known if each.type is Type.CHOICE and each.slug in self.mapping}
        found = {
            slug: {text: self._choice(each, text) for text in self._texts(self.mapping[slug])}
            for slug, each in choices.items()
        }
        self.know(choices_found={slug: values for slug, values in found.items() if values})

    def _texts(self, column: str) -> list[str]:
        return list(dict.fromkeys(str(each) for each in self.values(column)))[:MOST_SHOWN]

    def _choice(self, attribute: Attribute, text: str) -> str | None:
        with suppress(ValueError):
            return str(choice_of(attribute, text, self.options.choices.get(attribute.slug, {})))
        return None

    def _find_decimals(self) -> None:
        """What marks fractions in each column of numbers."""
        attributes = (self.catalogue.attributes_of(kind) for kind in self._kinds())
        numbers = {each.slug for known in attributes for each in known.values() if each.type in NUMBERS}
        for field in [each for each in self.mapping if each in numbers | {*measures.FIELDS}]:
            self._find_decimal(self.mapping[field])

    def _find_decimal(self, column: str | None) -> None:
        """By the column's own numbers, else by the file's others. Raises Unusable where both readings are left."""
        if column is None:
            return
        cells = self.values(column)
        either = next((each for each in cells if marks_of(each)[1]), None)
        proven = _proven(cells) or self._proven_elsewhere(column)
        mark = self.options.decimal or (proven.pop() if len(proven) == 1 else None)
        if mark is None and either is not None:
            if "," in either or self.understood.delimiter == ";":
                raise Unusable(f"{column!r}: {either} can be read in two ways; say decimal '.' or ','.")
            mark = "."
        self.know(decimals=self.understood.decimals | {column: mark or UNKNOWN})
        if either is not None and mark not in either:
            self.repairs.append(["thousands-mark", f"{column!r}: {either} is {number(either, mark) or either}."])

    def _proven_elsewhere(self, column: str) -> set[str]:
        """What the file's other numbers prove. Days are none, and look like some."""
        if not self.proven:
            some = self.sample[:FEW]
            self.proven = {each: _proven([row.raw.get(each) for row in some]) for each in self.columns}
        aside = {column, self.first_of(FIELDS["installed_on"]), self.options.mapping.get("installed_on")}
        return {mark for each, marks in self.proven.items() if each not in aside for mark in marks}

    def _find_networks(self) -> None:
        """A column of types that says of which network the facilities are, where one kind is given for all."""
        known = [each for kind in self._kinds() for each in self.catalogue.attributes_of(kind).values()]
        for attribute in [each for each in known if each.slug in SAID_BY_KINDS]:
            for column in [self.by_name[name] for name in map(plain, KIND_COLUMNS) if name in self.by_name]:
                values = self.values(column) if column != self.understood.kind_column else []
                if sum(self._choice(attribute, str(each)) is not None for each in values) > len(values) * MOST:
                    self._propose(attribute.slug, column)

    def _find_answers(self) -> None:
        """Columns of yes and no, in which 无 is no empty cell."""
        spare = [each for each in self.columns if each not in {*self.mapping.values(), *self.left_out}]
        said = {each: {str(row.raw.get(each) or "").strip().casefold() for row in self.sample} for each in spare}
        self.know(yes_or_no=[each for each in spare if said[each] <= ANSWERS | {""} and said[each] & YES])

    def _described_of(self, names: Sequence[str]) -> str | None:
        """The column with the surest of these names; of a code and what it means (``X``, ``X_DESC``) the latter."""
        found = next((self.described[plain(name)] for name in names if plain(name) in self.described), None)
        plainly = self.first_of(names)
        return found if plainly is None or (found and SPELT_OUT.search(found)) else plainly

    def _find_attributes(self) -> None:
        """Columns that are attributes of the kinds that the file has."""
        for attribute in [each for kind in self._kinds() for each in self.catalogue.attributes_of(kind).values()]:
            column = self._described_of(names_of(attribute)) if attribute.slug not in FIELDS else None
            if column and attribute.type in NUMBERS and not are_convertible(column, attribute.unit):
                self._say_not_taken(column)
            else:
                self._propose(attribute.slug, column)


def without_suffix(heading: str) -> str:
    """``LIGHTTYPE_DESC`` → ``LIGHTTYPE``, ``WATTAGE1`` → ``WATTAGE``; empty where there is nothing to leave out."""
    bare = SUFFIX.sub("", without_unit(heading))
    return bare if bare != heading else ""


def _is_wkt(cell: Any) -> bool:
    text = str(cell)
    if "(" not in text:
        return shapes.HEXADECIMAL.fullmatch(text) is not None
    return shapely.from_wkt(shapes.EWKT.sub("", text), on_invalid="ignore") is not None


CELLS: dict[str, Callable[[Any], bool]] = {  # how a cell tells its place, the surest first
    "geojson cell": lambda cell: isinstance(cell, dict) or ('"coordinates"' in str(cell).replace("'", '"')),
    "wkt": _is_wkt,
    "one cell": lambda cell: isinstance(cell, str | list) and pair(str(cell)) is not None,
}
UNNAMED_CELLS: dict[str, Callable[[Any], bool]] = {
    "one cell": lambda cell: isinstance(cell, str) and is_plainly_a_pair(cell)
}


def _both_ways(columns: Any) -> Iterator[tuple[str, str]]:
    for one, other in combinations(columns, 2):
        yield one, other
        yield other, one


def _by_size(numbers: dict[str, datums.Floats]) -> tuple[str, str]:
    """(longitude, latitude) of two columns outside the city: the one past any latitude, else the second one."""
    first, second = numbers
    return (first, second) if _no_latitudes(numbers[first]) else (second, first)


def _proven(cells: Sequence[Any]) -> set[str]:
    """The decimal marks that numbers prove."""
    return {mark for each in cells if (mark := marks_of(each)[0])}


def _about(places: datums.Floats) -> tuple[float, float]:
    """The longitude and latitude about which places lie."""
    there = places[np.isfinite(places).all(axis=1)]
    lon, lat = np.median(there, axis=0) if len(there) else (0.0, 0.0)
    return float(lon), float(lat)


def _km_from(bounds: Sequence[float], place: datums.Floats) -> float:
    """How far a place lies from bounds (west, south, east, north), in km."""
    near = np.clip(place, bounds[:2], bounds[2:])
    return geo.metres_between((float(near[0]), float(near[1])), (float(place[0]), float(place[1]))) / 1000


def _order_named(heading: str) -> int:
    """1 where a heading names the latitude first (``lat_lon``), -1 where the longitude (``经纬度``), else 0."""
    name = plain(heading)
    return 1 if name.startswith(LATITUDE_FIRST) else -1 if name.startswith(LONGITUDE_FIRST) else 0


def _share_in(bounds: Sequence[float], places: datums.Floats) -> float:
    """Which share of places (rows of longitude, latitude) lies within bounds (west, south, east, north)."""
    return float(shapes.overlaps(places[:, [0, 1, 0, 1]], bounds).mean()) if len(places) else 0.0


def _no_latitudes(degrees: datums.Floats) -> bool:
    """Whether no city has such latitudes."""
    return not CITIES[0] <= np.nanmedian(degrees) <= CITIES[1]


def _middles(found: shapes.Shapes) -> datums.Floats:
    there = found[~shapely.is_missing(found)]
    box = shapely.bounds(there)
    middle = np.column_stack([(box[:, 0] + box[:, 2]) / 2, (box[:, 1] + box[:, 3]) / 2])
    usable = np.asarray(np.isfinite(middle).all(axis=1))
    usable[usable] = np.abs(middle[usable]).max(axis=1, initial=0) > shapes.DEGREES_OFF
    return np.asarray(middle[usable], float)


def _listed(columns: Sequence[str]) -> str:
    return ", ".join(map(repr, columns[:30])) + (" …" if len(columns) > 30 else "") if columns else "no columns"
