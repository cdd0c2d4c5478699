"""Imports over HTTP, embedded and in the production shape: a real file, and files that were made to do harm."""

from __future__ import annotations

import json
import socket
import zipfile
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from tests.client import API, Client, System, Thing, wait_for
from tests.conftest import Either, prove_sums

CITY = Path(__file__).parents[1] / "data" / "cambridge_ma_drainage.geojson"
LAMPS = "\n".join(
    ["code,lon,lat", *(f"E-{i},{24.9 + i * 1e-5:.5f},{60.15 + i * 1e-5:.5f}" for i in range(2_000))]
).encode()


def send(client: Client, name: str, content: bytes, **options: object) -> Thing:
    """Send a file; the import as it was taken."""
    parts = [
        f'--b\r\nContent-Disposition: form-data; name="options"\r\n\r\n{json.dumps(options)}\r\n'.encode(),
        f'--b\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode(),
        content,
        b"\r\n--b--\r\n",
    ]
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = client.send("POST", f"{API}/facilities/imports", content=b"".join(parts), headers=headers)
    assert answer.status == 202, answer
    sent: Thing = answer.json()
    return sent


def ended(client: Client, sent: Thing) -> Thing:
    """The import when it is done or has failed."""

    def look() -> Thing | None:
        shown: Thing = client.get(f"/facilities/imports/{sent['id']}")
        return shown if shown["state"] != "running" else None

    return wait_for(look, lambda: f"the import of {sent['file_name']} ends", 120)


def zip_bomb() -> bytes:
    """A shapefile that unpacks into a thousand times its size."""
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for suffix in ("shp", "shx", "dbf"):
            archive.writestr(f"lamps.{suffix}", bytes(100_000_000))
    return packed.getvalue()


def million_empty_rows() -> bytes:
    """A workbook that says where it is in its first row, and then nothing a million times."""
    head = "".join(f'<c t="inlineStr"><is><t>{each}</t></is></c>' for each in ("code", "lon", "lat"))
    rows = "".join(f'<row r="{number}"/>' for number in range(2, 1_000_002))
    sheet = f"<worksheet {MAIN}><sheetData><row r='1'>{head}</row>{rows}</sheetData></worksheet>"
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, text in {**WORKBOOK, "xl/worksheets/sheet1.xml": sheet}.items():
            archive.writestr(path, text)
    return packed.getvalue()


MAIN = "xmlns='http://schemas.openxmlformats.org/spreadsheetml/2006/main'"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
WORKBOOK = {
    "[Content_Types].xml": f"<Types xmlns='{PACKAGE}/content-types'>"
    f"<Override PartName='/xl/workbook.xml' ContentType='{TYPE}.sheet.main+xml'/>"
    f"<Override PartName='/xl/worksheets/sheet1.xml' ContentType='{TYPE}.worksheet+xml'/></Types>",
    "_rels/.rels": f"<Relationships xmlns='{PACKAGE}/relationships'>"
    f"<Relationship Id='r1' Type='{RELATIONS}/officeDocument' Target='xl/workbook.xml'/></Relationships>",
    "xl/workbook.xml": f"<workbook {MAIN} xmlns:r='{RELATIONS}'><sheets>"
    "<sheet name='Lamps' sheetId='1' r:id='r1'/></sheets></workbook>",
    "xl/_rels/workbook.xml.rels": f"<Relationships xmlns='{PACKAGE}/relationships'>"
    f"<Relationship Id='r1' Type='{RELATIONS}/worksheet' Target='worksheets/sheet1.xml'/></Relationships>",
}


def one_feature(coordinates: str) -> bytes:
    geometry = f'{{"type": "Polygon", "coordinates": {coordinates}}}'
    feature = f'{{"type": "Feature", "properties": {{"code": "{uuid4()}"}}, "geometry": {geometry}}}'
    return f'{{"type": "FeatureCollection", "features": [{feature}]}}'.encode()


NAN = "[[[24.9, 60.1], [NaN, 60.2], [24.8, 60.2], [24.9, 60.1]]]"
GLOBE = "[[[-180, -90], [180, -90], [180, 90], [-180, 90], [-180, -90]]]"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40

HOSTILE: dict[str, tuple[str, Callable[[], bytes]]] = {
    "cut off": ("lamps.geojson", lambda: CITY.read_bytes()[:20_000]),
    "another kind than its name says": ("lamps.csv", lambda: PNG),
    "a zip bomb": ("lamps.zip", zip_bomb),
    "a million empty rows": ("lamps.xlsx", million_empty_rows),
    "not a number": ("roads.geojson", lambda: one_feature(NAN)),
    "around the globe": ("roads.geojson", lambda: one_feature(GLOBE)),
}


@pytest.fixture(scope="module")
def operator(system: System) -> Client:
    return system.user("operator")


def test_a_citys_file_is_taken_as_it_is_and_again_without_a_change(
    running: Either, system: System, operator: Client
) -> None:
    first = ended(operator, send(operator, CITY.name, CITY.read_bytes(), source="cambridge", kind="channel"))
    assert (first["state"], first["rows"], first["created"] + first["rejected"]) == ("done", 137, 137)
    again = ended(operator, send(operator, CITY.name, CITY.read_bytes(), source="cambridge", kind="channel"))
    assert (again["created"], again["updated"], again["unchanged"]) == (0, 0, first["created"])
    prove_sums(running, system)


def test_hostile_files_end_in_a_clear_word_and_the_service_goes_on(operator: Client) -> None:
    sent = {what: send(operator, name, make(), kind="carriageway") for what, (name, make) in HOSTILE.items()}
    lamps = send(operator, "lamps.csv", LAMPS, kind="street_light", source="after the hostile ones")
    for what, each in sent.items():
        shown = ended(operator, each)
        assert shown["created"] == 0, what
        assert shown["state"] == "failed" or shown["rejected"] == shown["rows"], what
        assert shown["state"] == "done" or shown["error"]["detail"], what
    assert ended(operator, lamps)["created"] == 2_000


def test_a_file_that_is_far_too_large_is_refused_before_it_is_sent(system: System, operator: Client) -> None:
    address = urlsplit(system.base_url)
    assert address.hostname
    assert address.port
    head = (
        f"POST {API}/facilities/imports HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {operator.token}\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 2000000000\r\n\r\n"
    )
    with socket.create_connection((address.hostname, address.port), timeout=20) as connection:
        connection.sendall(head.encode() + b"--b\r\n")
        said = b""
        with suppress(ConnectionResetError):  # of what was sent beyond the head, which nobody reads
            while data := connection.recv(4096):
                said += data
    assert said.startswith(b"HTTP/1.1 413"), "and then the connection is closed"
    assert b"application/problem+json" in said
