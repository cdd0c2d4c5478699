"""Starts the process that carries out imports, and looks after it."""

from __future__ import annotations

import subprocess
from typing import Any

from nameko.extensions import DependencyProvider
from sqlalchemy.orm import Session

from services.assets.import_worker import end_worker, somebody_works, start_worker
from services.assets.queries import imports as queries
from services.assets.use_cases.imports import folder_of
from shared import failpoints, logs
from shared.db import Database
from shared.loops import Loop
from shared.settings import Settings

LOOK_EVERY_S = 1.0
log = logs.get(__name__)


class Importer(DependencyProvider):  # type: ignore[misc]
    """Looks for imports that wait, also those that another process left behind, and has a worker at them."""

    def setup(self) -> None:
        self.settings: Settings = self.container.config["settings"]
        self.database: Database = self.container.config["databases"][self.container.service_name]
        self.worker: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.loop = Loop(self.container, f"{self.container.service_name}.imports", self._turn)
        self.database.listeners.append(self._heard)

    def _heard(self, session: Session) -> None:
        if "import" in session.info:
            failpoints.pass_by("import-ordered")
            self.loop.wake()

    def _turn(self) -> float:
        if self.worker and self.worker.poll() is None:
            return LOOK_EVERY_S
        self._bury()
        with self.database.read() as session:
            waits = queries.one_waits(session)
        if waits and not somebody_works(self.database, folder_of(self.settings.data)):
            self.worker = start_worker(self.settings)
        return LOOK_EVERY_S

    def _bury(self) -> None:
        if self.worker and self.worker.returncode:
            log.warning("import worker ended", status=self.worker.returncode)
        if self.worker:
            end_worker(self.worker)
        self.worker = None

    def stop(self) -> None:
        self.loop.stop()
        if self.worker:
            end_worker(self.worker)

    def get_dependency(self, worker_ctx: Any) -> None:
        return None
