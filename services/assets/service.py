"""The edges of assets: its routes (routes/), the events it listens to, and its jobs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from nameko.extensions import DependencyProvider
from sqlalchemy.orm import Session

from services.assets import document_files, figures, tables, use_cases
from services.assets.domain.catalogue import FILE
from services.assets.domain.catalogue_file import CatalogueFile
from services.assets.routes.areas import AreaRoutes
from services.assets.routes.catalogue import CatalogueRoutes
from services.assets.routes.drainage import DrainageRoutes
from services.assets.routes.exports import ExportRoutes
from services.assets.routes.facilities import FacilityRoutes
from services.assets.routes.files import FileRoutes
from services.assets.routes.imports import ImportRoutes
from services.assets.routes.labels import LabelRoutes
from services.assets.routes.lamps import LampRoutes
from services.assets.routes.lives import LifeRoutes
from services.assets.routes.rates import RateRoutes
from services.assets.routes.tiles import TileRoutes
from services.assets.routes.units import UnitRoutes
from services.assets.use_cases import areas, lamps, looks, metering, network
from services.assets.use_cases.imports import folder_of, sweep_files
from shared.events.inspections import FindingConfirmed, LightsChecked
from shared.events.workorders import OrderClosed, OrderDeclined, OrderEvent, OrderReopened, OrderVoided
from shared.messaging import UNHURRIED_S, on
from shared.service import Service, every, every_few, on_start
from shared.workers import aside


class CatalogueOfProcess(DependencyProvider):  # type: ignore[misc]
    """The file that the settings name, else the packaged one, which this process runs on from its first moment."""

    def setup(self) -> None:
        self.file = CatalogueFile(self.container.config["settings"].catalogue or FILE)
        use_cases.begin_with(self.file)

    def get_dependency(self, worker_ctx: object) -> CatalogueFile:
        return self.file


class Assets(
    ExportRoutes, FacilityRoutes, LifeRoutes, FileRoutes, LabelRoutes, CatalogueRoutes, AreaRoutes, UnitRoutes,
    RateRoutes, LampRoutes, ImportRoutes, TileRoutes, DrainageRoutes, Service,
):  # fmt: skip
    """Facilities, their defects, the catalogue, areas, and the rates."""

    name = "assets"
    figures: ClassVar = figures
    metadata = tables.mapping.metadata
    catalogue_file: CatalogueFile = CatalogueOfProcess()

    # --- events

    @on("assets.record_defects")
    def record_defects(self, session: Session, events: Sequence[FindingConfirmed]) -> None:
        use_cases.record_defects(session, events)

    @on("assets.follow_orders", rest_s=UNHURRIED_S)
    def follow_orders(self, session: Session, events: Sequence[OrderClosed | OrderReopened | OrderVoided]) -> None:
        use_cases.follow_orders(session, events)

    @on("assets.keep_orders", rest_s=UNHURRIED_S)
    def keep_orders(self, session: Session, events: Sequence[OrderEvent]) -> None:
        use_cases.keep_orders(session, events)

    @on("assets.keep_declined_orders")
    def keep_declined_orders(self, session: Session, events: Sequence[OrderDeclined]) -> None:
        use_cases.keep_orders(session, events)

    @on("assets.record_looks")
    def record_looks(self, session: Session, events: Sequence[LightsChecked]) -> None:
        use_cases.record_looks(session, events)

    @on("assets.judge_looks")
    def judge_looks(self, session: Session, events: Sequence[LightsChecked]) -> None:
        looks.tell_judgements(session, events)

    # --- jobs

    @on_start
    def tell_copied(self, session: Session) -> None:
        areas.tell_districts(session)
        use_cases.tell_catalogue(session)

    @every_few(1)
    def follow_catalogue(self) -> None:
        use_cases.follow_catalogue(self.db, self.catalogue_file)

    @every(1)
    def sweep_areas(self, session: Session) -> bool:
        return use_cases.sweep_areas(session)

    @every_few(60)
    def sweep_import_files(self) -> None:
        sweep_files(self.db, folder_of(self.settings.data))

    @every_few(3_600)
    def sweep_documents(self) -> None:
        for group in document_files.groups_of(self.settings.data):
            found = aside(document_files.forgotten_in, group)
            use_cases.remove_unnamed(self.db, self.settings.data, found)

    @every(60)
    def expire_looks(self, session: Session) -> bool:
        return use_cases.expire_looks(session) == looks.EXPIRE_AT_ONCE

    @every(30)
    def reckon_nights(self, session: Session) -> bool:
        return metering.full(session, metering.reckon_nights(session))

    @every(600)
    def forget_lamp_states(self, session: Session) -> bool:
        return lamps.forget_states(session) == lamps.FORGET_AT_ONCE

    @every(2)
    def join_pipes(self, session: Session) -> bool:
        return use_cases.join_pipes(session) == network.AT_ONCE
