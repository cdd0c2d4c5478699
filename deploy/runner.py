"""Runs services in this process: all four embedded, or those that WAYWARDEN_SERVICES or the arguments name.

``python -m deploy.runner [SERVICE ...]``
"""

from __future__ import annotations

import gc
import os
import signal


def _interrupted(*_: object) -> None:
    """End at once, as after a kill. Raised, KeyboardInterrupt would be lost in a callback that nobody waits for."""
    os.write(2, b"\nwaywarden: interrupted. The next start goes on.\n")
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.raise_signal(signal.SIGINT)  # whoever waits for us learns how it ended


if __name__ == "__main__":
    signal.signal(signal.SIGINT, _interrupted)  # importing takes a second or two

gc.disable()  # what is imported is no garbage; see _spare_the_collector
os.environ.setdefault("EVENTLET_THREADPOOL_SIZE", "6")  # see THREADS in shared/workers.py

import eventlet  # noqa: E402

eventlet.monkey_patch()  # before everything else that is imported

import resource  # noqa: E402
import sys  # noqa: E402
import warnings  # noqa: E402
from collections.abc import Iterator  # noqa: E402
from contextlib import contextmanager  # noqa: E402
from typing import Any  # noqa: E402

from nameko.runners import ServiceRunner  # noqa: E402
from sqlalchemy.exc import OperationalError  # noqa: E402
from werkzeug.wrappers import Response  # noqa: E402

from deploy import broker, data_folder, documents, settings, welcome  # noqa: E402
from deploy import logs as log_output  # noqa: E402
from deploy.audit import WINDOW, Trail  # noqa: E402
from deploy.connections import Limits  # noqa: E402
from deploy.exposition import exposition  # noqa: E402
from deploy.keys import make_keys, read_keys  # noqa: E402
from deploy.readiness import Readiness  # noqa: E402
from deploy.services import SERVICE_CLASSES  # noqa: E402
from deploy.settings import UnusableSettings  # noqa: E402
from deploy.site import Site  # noqa: E402
from deploy.waiting import cooperate  # noqa: E402
from shared import logs  # noqa: E402
from shared.db import Database  # noqa: E402
from shared.settings import Settings  # noqa: E402
from shared.web import JSON  # noqa: E402

cooperate()
STOP_WITHIN_S = 25
SWITCH_S = 0.0005  # the hub waits so long for a thread that reckons, a tenth of what is usual
SPARE_FILES = 500  # for databases, broker and what people send
log = logs.get("deploy.runner")


def main() -> int:
    """Run until SIGINT or SIGTERM; the exit code."""
    if names := sys.argv[1:]:
        os.environ["WAYWARDEN_SERVICES"] = ",".join(names)
    os.umask(0o077)  # what is written here is for nobody else on this machine
    try:
        chosen = settings.load()
        log_output.start(level=chosen.log_level, as_json=chosen.log_json)
        for each in settings.strangers():
            log.warning(each)
        return run(chosen)
    except UnusableSettings as wrong:
        print(f"waywarden: {wrong}", file=sys.stderr)
        return 2
    except OSError as wrong:
        print(f"waywarden: cannot start: {wrong}", file=sys.stderr)
        return 1


def run(chosen: Settings) -> int:
    _raise_file_limit(chosen.connections)
    # The port first: a start on one that is taken must not touch what the other start holds.
    socket = _listen(chosen)
    with prepared(chosen):
        return serve(chosen, socket)


@contextmanager
def prepared(chosen: Settings) -> Iterator[None]:
    """Embedded, the folder is ours alone, and everything in it up to date. Raises UnusableSettings."""
    if "assets" in chosen.services:
        welcome.refuse_first_catalogue(chosen)
    if not chosen.embedded:
        yield
        return
    data_folder.refuse_half_a_city(chosen.data)
    welcome.refuse_foreign(chosen)
    with data_folder.held(chosen.data, f"process {os.getpid()} at http://{chosen.host}:{chosen.port}"):
        data_folder.close_to_others(chosen.data)
        databases = opened(chosen)
        try:
            welcome.prepare(chosen.data, databases, empty=bool(os.environ.get("WAYWARDEN_EMPTY")))
            make_keys(chosen.keys)
        except OperationalError as wrong:
            raise UnusableSettings(f"the databases in {chosen.data} cannot be used: {wrong.orig}") from wrong
        finally:
            close(databases)
        yield


def opened(chosen: Settings) -> dict[str, Database]:
    return {name: Database(chosen.database_urls[name], chosen.database_connections) for name in chosen.services}


def close(databases: dict[str, Database]) -> None:
    for database in databases.values():
        database.close()


def serve(chosen: Settings, socket: Any) -> int:
    """Run until a signal."""
    site, databases, trail = Site(Limits.of(chosen)), opened(chosen), Trail(chosen.data / "audit", chosen.audit_days)
    config = {"settings": chosen, "databases": databases, "site": site, "keys": read_keys(chosen.keys), "trail": trail}
    runner = ServiceRunner(config={**config, "max_workers": chosen.workers})
    for name in chosen.services:
        runner.add_service(SERVICE_CLASSES[name])
    mount(site, databases)
    runner.start()
    sys.setswitchinterval(SWITCH_S)
    eventlet.spawn(_keep, trail)
    _spare_the_collector()
    site.open(socket)
    broker.watch(chosen)
    if chosen.embedded:
        welcome.greet(chosen, databases)
    log.info("serving", services=chosen.services, host=chosen.host, port=chosen.port)
    _wait_for_signal()
    log.info("stopping", within_s=STOP_WITHIN_S)
    signal.alarm(STOP_WITHIN_S)  # what stands still then is left as it is: others finish it, as after a kill
    site.close()
    runner.stop()
    close(databases)
    trail.flush()
    signal.alarm(0)
    return 0


def _keep(trail: Trail) -> None:
    while True:
        eventlet.sleep(WINDOW.total_seconds())
        trail.flush()


def _raise_file_limit(connections: int) -> None:
    """A connection is a file, and many systems allow 1,024 at first."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + SPARE_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, allowed), hard))


def _listen(chosen: Settings) -> Any:
    try:
        return eventlet.listen((chosen.host, chosen.port), reuse_port=False, backlog=512)
    except OSError as wrong:
        at = f"{chosen.host}:{chosen.port}"
        raise UnusableSettings(f"cannot listen on {at}: {wrong.strerror}. Choose another port: PORT=") from wrong


def _spare_the_collector() -> None:
    """Look through what lives as long as the process no more, and through the rest less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    gc.enable()


def _wait_for_signal() -> None:
    told = eventlet.Event()

    def tell() -> None:  # make and a terminal both pass Ctrl-C on: it may come twice at once
        if not told.ready():
            told.send()

    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda *_: eventlet.spawn_after(0, tell))
    told.wait()
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_DFL)  # asked twice: stop at once


def mount(site: Site, databases: dict[str, Database]) -> None:
    """Health, metrics and the documents, which belong to the process and to no service."""
    collectors = {name: SERVICE_CLASSES[name].figures.collect for name in databases}
    site.mount("/health/live", lambda: Response('{"status":"ok"}', content_type=JSON))
    readiness = Readiness(databases)
    site.mount("/health/ready", readiness.answer)
    site.mount(
        "/metrics",
        lambda: Response(exposition(databases, collectors, readiness), content_type="text/plain; version=0.0.4"),
    )
    documents.mount(site)


if __name__ == "__main__":
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    sys.exit(main())
