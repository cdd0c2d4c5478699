"""Our side of the messaging rows, a process of its own: ``python -m tests.bench.ours keep|tell``."""

from __future__ import annotations

import eventlet

eventlet.monkey_patch()

import signal
import sys
import warnings
from collections.abc import Sequence

warnings.filterwarnings("ignore", category=DeprecationWarning)

from nameko.runners import ServiceRunner
from sqlalchemy.orm import Session

from deploy import logs as log_output
from deploy import settings
from deploy.waiting import cooperate
from shared.db import Database, insert_new
from shared.events.inspections import FindingConfirmed
from shared.messaging import on
from shared.metrics import Metrics
from shared.relay import Relay
from shared.service import Given
from tests.bench import toy

cooperate()


class Keeper:
    """Keeps findings where assets would record defects."""

    name = "assets"
    db = Given("databases")
    relay = Relay()
    metrics = Metrics()

    @on("assets.record_defects")
    def keep(self, session: Session, events: Sequence[FindingConfirmed]) -> None:
        insert_new(session, toy.kept, [toy.row(each) for each in events])


class Teller:
    """Only a relay, which tells what is in the outbox."""

    name = "inspections"
    relay = Relay()


SIDES: dict[str, type[Keeper | Teller]] = {"keep": Keeper, "tell": Teller}


def main(side: str) -> None:
    chosen = settings.load()
    log_output.start(level=chosen.log_level, as_json=False)
    service = SIDES[side]
    databases = {service.name: Database(chosen.database_urls[service.name], chosen.database_connections)}
    runner = ServiceRunner(config={"settings": chosen, "databases": databases, "max_workers": chosen.workers})
    runner.add_service(service)
    runner.start()
    told = eventlet.Event()
    signal.signal(signal.SIGTERM, lambda *_: told.send())
    told.wait()
    runner.stop()


if __name__ == "__main__":
    main(sys.argv[1])
