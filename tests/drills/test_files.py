"""A process dies between a file and its row; the same request again ends well, and nothing is left over."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO
from uuid import UUID

import pytest
from PIL import Image

from deploy.stack import Embedded
from services.assets import document_files, use_cases
from services.assets.use_cases.imports import ARRIVING, LOCK_FILE, folder_of, sweep_files
from services.workorders import photo_files
from services.workorders.use_cases import photos
from shared.db import Database
from tests.client import API, Answer, Client, NotAnswered, System, wait_for

TABLE = "code,lon,lat\n" + "".join(f"L-{n},24.9{n:03},60.17\n" for n in range(500))
BYTES = {"Content-Type": "application/octet-stream"}
KEPT: set[str] = set()
LAMP = {"code": "lamp", "kind": "street_light", "geometry": {"type": "Point", "coordinates": [24.95, 60.17]}}
CRASHES = [
    *(("import_", each) for each in ("file-arriving", "file-arrived", "file-kept", "import-ordered")),
    *((what, each) for what in ("document", "photo") for each in ("file-drafted", "file-kept")),
    ("removal", "document-removed"),
]


class Commands:
    """What is sent twice; of each case its own."""

    def __init__(self, number: int) -> None:
        self.id = UUID(int=number + 1)
        file = BytesIO()
        Image.new("RGB", (8, 8), (number, 0, 0)).save(file, "PNG")
        self.picture = file.getvalue()
        self.digest = hashlib.sha256(self.picture).hexdigest()

    def send(self, client: Client, what: str) -> Answer:
        answer: Answer = getattr(self, what)(client)
        return answer

    def import_(self, client: Client) -> Answer:
        fields = {"id": self.id, "options": json.dumps({"kind": "street_light"})}
        parts = [f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{each}' for name, each in fields.items()]
        parts.append(
            f'--b\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n{TABLE}\r\n--b--\r\n'
        )
        headers = {"Content-Type": "multipart/form-data; boundary=b"}
        return client.send("POST", f"{API}/facilities/imports", content="\r\n".join(parts).encode(), headers=headers)

    def document(self, client: Client) -> Answer:
        return client.send("PUT", f"{API}/facilities/lamp/documents/{self.digest}", content=self.picture, headers=BYTES)

    def photo(self, client: Client) -> Answer:
        return client.send("PUT", f"{API}/photos/{self.digest}", content=self.picture, headers=BYTES)

    def removal(self, client: Client) -> Answer:
        return client.send("DELETE", f"{API}/facilities/lamp/documents/{self.digest}")


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    with Embedded(tmp_path_factory.mktemp("files"), sample=False) as running:
        with System.of(running).user("operator") as operator:
            operator.post("/facilities", LAMP)
        yield running


@pytest.mark.parametrize(("what", "failpoint"), CRASHES)
def test_death_between_a_file_and_its_row(fresh: Embedded, what: str, failpoint: str) -> None:
    system, commands = System.of(fresh), Commands(CRASHES.index((what, failpoint)))
    if what == "removal":
        commands.document(system.user("operator"))
    fresh.stop()
    fresh.all.start(WAYWARDEN_FAILPOINT=failpoint)
    system.patience_s = 0
    with suppress(NotAnswered):
        answer = commands.send(system.user("operator"), what)
        assert failpoint == "import-ordered", f"the process outlived it: {answer}"
    wait_for(lambda: not fresh.all.running, "the process dies", 30)
    assert fresh.all.status == -signal.SIGKILL
    fresh.start()
    system.patience_s = 20
    again = commands.send(system.user("operator"), what)
    assert again.status in ((204, 404) if what == "removal" else (200, 201, 202)), str(again)
    if what == "import_":
        assert_imported_once(system.user("operator"), commands.id)
    left = [each for each in files_left(fresh) if each not in KEPT]
    assert left == ([commands.digest] if what in ("document", "photo") else [])
    KEPT.add(commands.digest)
    system.close()


def assert_imported_once(client: Client, import_id: UUID) -> None:
    done = wait_for(lambda: ended(client, import_id), "the import ends", 60)
    assert (done["state"], done["rows"], done["rejected"]) == ("done", 500, 0)
    assert done["created"] in (0, 500)
    assert client.get("/facilities", kind="street_light", limit=1)["items"]


def ended(client: Client, import_id: UUID) -> dict[str, object] | None:
    shown: dict[str, object] = client.get(f"/facilities/imports/{import_id}")
    return None if shown["state"] == "running" else shown


def files_left(running: Embedded) -> list[str]:
    """The files that people sent, once the jobs take what is there for forgotten."""
    assets, workorders = (Database(running.database_url(each), 2) for each in ("assets", "workorders"))
    for path in folder_of(running.data).glob(f"{ARRIVING}*"):
        os.utime(path, (0, 0))
    sweep_files(assets, folder_of(running.data))
    for group in document_files.groups_of(running.data):
        use_cases.remove_unnamed(assets, running.data, document_files.forgotten_in(group, -1))
    for group in photo_files.groups_of(running.data):
        photos.remove_unnamed(workorders, photo_files.forgotten_in(group, time.time() + 1), time.time() + 1)
    assets.close()
    workorders.close()
    parts = ("imports", "documents", "photos")
    found = [each for part in parts for each in (running.data / part).rglob("*") if each.is_file()]
    return [each.name for each in found if each.name != LOCK_FILE]
