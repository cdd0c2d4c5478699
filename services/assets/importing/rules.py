"""Every rule by which a row is refused or repaired. ``docs/importing.md`` shows this table."""

from __future__ import annotations

from collections.abc import Mapping

MOVED_FAR = "moved-far"  # which only the registry can tell

REFUSED: Mapping[str, str] = {
    "no-geometry": "The row does not say where it is: the cells for its place are empty.",
    "unreadable-place": "The place cannot be read as coordinates or as a geometry.",
    "not-finite": "A coordinate is infinite or no number.",
    "null-island": "Both coordinates are 0, as a device writes that had no fix, or one is, far from the rest.",
    "outside-world": "The place lies outside longitude ±180, latitude ±90, or where its coordinate system ends.",
    "outside-bounds": "The place lies outside the city's bounds, though most of the file lies inside.",
    "swapped-lon-lat": "Only with longitude and latitude swapped it lies in the city; most of the file lies elsewhere.",
    "geometry-too-large": "The geometry is far larger than a city's facility can be, a polygon around the globe, say.",
    "unsupported-geometry": "The geometry mixes points, lines and polygons.",
    "not-measurable": "The kind is measured in metres or square metres, and neither geometry nor columns say how many.",
    "unknown-kind": "The value of the kind's column is no kind of the catalogue.",
    "duplicate-code": "Another row of the file has this code already; the first one stands.",
    "bad-code": "The code cannot be one: a reserved word, over 100 characters, or with one that is not seen.",
    "spoilt-code": "A spreadsheet has broken the code: 4.4E+15, over 15 digits, a day, or not what the cell shows.",
    "unknown-area": "The row names a district, community or grid cell that is none, where any of the level is drawn.",
    "ragged-row": "The row has more cells than the table has columns, so that they have slipped.",
    "no-feature": "The item is neither a GeoJSON feature nor a row of JSON.",
    "too-long": "What is to be kept under attributes is over 20,000 characters.",
}

REPAIRED: Mapping[str, str] = {
    "swapped-lon-lat": "Longitude and latitude stand in each other's place; they are put right.",
    "third-dimension-dropped": "A height or depth in the coordinates is left out.",
    "self-intersection": "A polygon crosses itself; its area is drawn without the crossing.",
    "single-part": "A multi-geometry with one part becomes that part.",
    "outside-bounds": "With bounds=warn: the place lies outside the city's bounds and is kept.",
    "unknown-area": "With unknown_areas=locate: the row names an area that is none; the one in which it lies is taken.",
    "code-generated": "There is no code: one is made of the kind and the place, the same every time.",
    "code-cleaned": "The code holds a slash, control characters, blanks around it, or an apostrophe before it.",
    "spreadsheet-text": 'A cell written as a formula that is a text, ="0071", is read as that text.',
    "code-respelled": "The code's characters look like others that are usual: wide ones, radicals, another dash, NFD.",
    "kind-assumed": "The kind's column does not say a kind of the catalogue; the kind given for the import is taken.",
    "impossible-date": "The date is in no calendar, or lies far off; it is kept as text under attributes.",
    "date-assumed": "Of the date only the month or year is known, or it is an Excel serial number.",
    "unit-converted": "A quantity in feet or another unit, of its cell or heading, is turned into the registry's.",
    "thousands-mark": "A mark between thousands is left out, as the column's other numbers or the file's show.",
    "junk-value": "The value does not fit the field's type; it is kept under attributes as it came.",
    "moved-far": "The facility was registered over a kilometre away; it moves. Of most of a file, this is asked about.",
    "text-cut": "A text is too long for its field; the whole is kept under attributes.",
    "unreadable-characters": "Some characters cannot be read in the file's encoding.",
}
