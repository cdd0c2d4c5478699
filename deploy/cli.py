"""The ``waywarden`` command: tokens, migrations, samples, recounts, and events that failed.

It works on the databases directly, so that it helps when services are down. Settings: docs/settings.md.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import click
from amqp.exceptions import AMQPError
from sqlalchemy import Row, delete, select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from deploy import audit, broker, data_folder, settings, welcome
from deploy.backup import backup, restore
from deploy.import_command import import_file
from deploy.keys import make_keys, read_keys
from deploy.migrations import migrate, open_begun
from deploy.recount import recount_rows, recount_sums, waiting
from deploy.restored import count_on
from deploy.services import SERVICE_CLASSES
from deploy.settings import UnusableSettings
from services.assets.domain.catalogue import FILE, read_catalogue
from services.assets.domain.catalogue_file import CatalogueFile
from services.assets.domain.sections import CatalogueError
from services.assets.use_cases.editions import join_in
from shared import clock, inbox
from shared.auth import ROLES, User
from shared.db import Database
from shared.events.queues import QUEUES
from shared.inbox import retries
from shared.messaging import connect, declare
from shared.outbox import outbox
from shared.settings import Settings

WORKING_DAY = timedelta(hours=12)
LONGEST_NAME = 128
service_option = click.option("--service", type=click.Choice(list(SERVICE_CLASSES)), required=True)


@contextmanager
def opened(service: str) -> Iterator[Database]:
    """Of a system that was started once. Raises ClickException."""
    try:
        database = open_begun(_settings(), service)
    except UnusableSettings as wrong:
        raise click.ClickException(str(wrong)) from wrong
    except OperationalError as wrong:
        raise click.ClickException(f"The database of {service} does not answer: {wrong.orig}") from wrong
    try:
        yield database
    finally:
        database.close()


def _settings() -> Settings:
    try:
        return settings.load()
    except UnusableSettings as wrong:
        raise click.ClickException(str(wrong)) from wrong


@contextmanager
def _brokered() -> Iterator[Settings]:
    """The settings of a system with a broker. Raises ClickException, also where that does not do what it is asked."""
    if (chosen := _settings()).embedded:
        raise click.ClickException("Embedded there is no broker: WAYWARDEN_BROKER_URL names one.")
    try:
        yield chosen
    except (OSError, AMQPError) as wrong:
        raise click.ClickException(f"The broker does not answer, or refuses: {wrong}") from wrong


@click.group()
def main() -> None:
    """Work on a Waywarden system from outside."""
    os.umask(0o077)  # what is written here is for nobody else on this machine
    with suppress(UnusableSettings):  # told by the command that needs them
        settings.load()
    for each in settings.strangers():
        click.echo(f"Warning: {each}", err=True)


@main.command()
@click.option("--role", type=click.Choice(ROLES), required=True)
@click.option("--name", help="Whose token; the role's name by default.")
@click.option("--crew", help="A crew's code, for role crew.")
@click.option("--unit", help="A unit's code.")
def token(role: str, name: str | None, crew: str | None, unit: str | None) -> None:
    """Print a bearer token for a working day, signed with the key in the data folder."""
    folder = _settings().keys
    if not (folder / "signing.pem").exists():
        raise click.ClickException(f"There is no signing key in {folder}. Was the system started with this DATA=?")
    if name is not None and not (name.strip() and name.isprintable() and len(name) <= LONGEST_NAME):
        raise click.ClickException(f"NAME= takes 1 to {LONGEST_NAME} printable characters.")
    if role == "crew" and not crew:
        raise click.ClickException("Role crew needs a crew: CREW=code (GET /api/v1/crews lists them).")
    try:
        signing = read_keys(folder)
    except UnusableSettings as wrong:
        raise click.ClickException(str(wrong)) from wrong
    click.echo(signing.sign(User(name or role, role, crew, unit), WORKING_DAY))


@main.command()
def keys() -> None:
    """Make the signing key, unless it is there."""
    make_keys(_settings().keys)


@main.command("declare")
def declare_command() -> None:
    """Declare all exchanges, queues and bindings, with a broker's user who may. Again, it changes nothing."""
    with _brokered() as chosen, connect(chosen.broker_url) as connection:
        declare(connection.channel())
    click.echo(f"{len(QUEUES)} queues are there and bound.")


@main.command("migrate")
@click.argument("services", nargs=-1, type=click.Choice(list(SERVICE_CLASSES)))
@click.option("--sample", is_flag=True, help="All four, and new ones get the sample city. Again, it changes nothing.")
@click.option("--empty", is_flag=True, help="All four, and new ones are to hold a city of your own.")
def migrate_command(services: tuple[str, ...], sample: bool, empty: bool) -> None:
    """Bring the databases of these services, or of all, up to date."""
    if sample or empty:
        return _prepare(empty)
    urls = _settings().database_urls
    for name in services or SERVICE_CLASSES:
        with closing(Database(urls[name], connections=2, patient=True)) as database:
            migrate(database.engine, name, SERVICE_CLASSES[name].metadata)


def _prepare(empty: bool) -> None:
    chosen = _settings()
    databases = {name: Database(chosen.database_urls[name], connections=2, patient=True) for name in SERVICE_CLASSES}
    try:
        welcome.refuse_foreign(chosen)
        welcome.refuse_first_catalogue(chosen)
        data_folder.make(chosen.data)
        welcome.prepare(chosen.data, databases, empty=empty)
    except UnusableSettings as wrong:
        raise click.ClickException(str(wrong)) from wrong
    finally:
        for database in databases.values():
            database.close()


@main.command("broker")
def broker_command() -> None:
    """Try whether the broker drops events that are delivered too often. Exit code 1 where it does."""
    with _brokered() as chosen:
        limits = {name: broker.delivery_limit(chosen.broker_url, name) for name in chosen.services}
    dropping = {name: limit for name, limit in limits.items() if limit <= broker.TRIED}
    for name, limit in dropping.items():
        click.echo(f"Events for {name} are dropped after {limit:g} deliveries: see RabbitMQ in docs/operations.md.")
    if not dropping:
        click.echo(f"The broker dropped nothing in {broker.TRIED} deliveries.")
    sys.exit(bool(dropping))


@main.command()
def admin() -> None:
    """Make the first account, unless there is one, and print its password."""
    with opened("workorders") as database, welcome.administrator(database) as password:
        made = f"First start: account admin, password {password}\nIt is shown this once."
        click.echo(made if password else "There are accounts already.")


@main.command()
@click.option("--repair", is_flag=True, help="Set what is wrong.")
def recount(repair: bool) -> None:
    """Count anew whatever is kept of the facts, sums and rows, and compare. Exit code 1 where something differs."""
    with opened("assets") as database:  # how far back looks at lamps count stands in the city's catalogue
        join_in(database, CatalogueFile(_settings().catalogue or FILE))
    wrong = 0
    for name in SERVICE_CLASSES:
        for line in _recount(name, repair):
            click.echo(f"{name} {line}")
            wrong += 1
    click.echo(f"{wrong} lines of differences." if wrong else "Every sum is right.")
    sys.exit(1 if wrong and not repair else 0)


def _recount(name: str, repair: bool) -> Iterator[str]:
    """Rows before sums, which are counted from them."""
    figures = SERVICE_CLASSES[name].figures
    proofs = getattr(figures, "PROOFS", ())
    with opened(name) as database:
        for line in waiting(database, proofs):
            click.echo(f"{name} {line}")
        yield from recount_rows(database, proofs, repair=repair)
        yield from recount_sums(database, figures, repair=repair)


main.add_command(import_file)
main.add_command(backup)
main.add_command(restore)


@main.command("audit")
@click.option("--since", type=click.DateTime(), help="UTC; a day ago by default.")
@click.option("--until", type=click.DateTime(), help="UTC; now by default.")
@click.option("--account", help="Only what this account did, or what was tried in its name.")
@click.option("--sort", type=click.Choice(["sign-in", "read", "export", "change"]))
@click.option("--outcome", type=click.Choice(["done", "refused"]))
def show_audit(since: datetime | None, until: datetime | None, **wanted: str | None) -> None:
    """Who signed in, was refused, read what names people, took data out: one JSON object a line, oldest first."""
    if not _settings().data.is_dir():
        raise click.ClickException(f"There is no {_settings().data}. Was the system started with this DATA=?")
    last = until.replace(tzinfo=UTC) if until else clock.now()
    first = since.replace(tzinfo=UTC) if since else last - timedelta(days=1)
    for entry in audit.read(_settings().data / "audit", first, last):
        if all(value in (None, entry.get(name)) for name, value in wanted.items()):
            click.echo(json.dumps(entry, ensure_ascii=False))


@main.group()
def catalogue() -> None:
    """The city's file of kinds and defects."""


@catalogue.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def check(file: Path) -> None:
    """Say whether a catalogue file can be used, and if not, which line and key is wrong. Exit code 1 then."""
    try:
        found = read_catalogue(CatalogueFile(file).text(), str(file))
    except CatalogueError as wrong:
        raise click.ClickException(str(wrong)) from wrong
    click.echo(f"{file} is good: {len(found.kinds)} kinds, {len(found.categories)} categories of defects.")


@main.command()
@service_option
def restored(service: str) -> None:
    """Say that a service's database went back to an earlier point, while no process of it runs."""
    with opened(service) as database, database.begin() as session:
        count_on(session, service)
    click.echo(f"What {service} tells from now on is newer than what others heard of it.")


@main.group()
def events() -> None:
    """Events that a handler could not take: parked ones, and dead letters, which used up their tries."""


@events.command("list")
@service_option
@click.option("--all", "everything", is_flag=True, help="Also those that will be tried again by themselves.")
def list_events(service: str, everything: bool) -> None:
    """One event a line: queue, id, type, tries, when next, error."""
    query = select(retries).order_by(retries.c.parked_at)
    with opened(service) as database, database.read() as session:
        for row in session.execute(query if everything else query.where(retries.c.next_at.is_(None))):
            state = "dead" if row.next_at is None else row.next_at.isoformat(timespec="seconds")
            click.echo(f"{row.queue}  {row.event_id}  {row.event_type}  {row.tries}  {state}  {row.error}")


@events.command()
@service_option
@click.argument("event_id", type=click.UUID)
def show(service: str, event_id: UUID) -> None:
    """The whole of one event."""
    with opened(service) as database, database.read() as session:
        rows = session.execute(select(retries).where(retries.c.event_id == event_id)).all()
    if not rows:
        raise click.ClickException("There is no such event.")
    for row in rows:
        known = {name: value if value is None else str(value) for name, value in row._mapping.items() if name != "body"}
        click.echo(json.dumps({**known, "body": _body(row.body)}, indent=2, ensure_ascii=False))


def _body(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text


@events.command()
@service_option
@click.argument("event_ids", type=click.UUID, nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every dead letter of the service.")
def replay(service: str, event_ids: tuple[UUID, ...], everything: bool) -> None:
    """Try events again now, with all their tries back."""
    with opened(service) as database, database.begin() as session:
        chosen = _chosen(session, event_ids, everything)
        for row in chosen:
            inbox.replay(session, row.queue, row.event_id)
    click.echo(f"{len(chosen)} will be tried again.")


@events.command()
@service_option
@click.option("--since", required=True, help="A time with its zone, such as 2026-03-01T00:00+02:00.")
def resend(service: str, since: str) -> None:
    """Send again what the service published since then. Its readers drop what they know."""
    with opened(service) as database, database.begin() as session:
        again = update(outbox).where(outbox.c.published_at >= _time(since)).values(published_at=None)
        sent = session.execute(again.returning(outbox.c.id)).all()
    click.echo(f"{len(sent)} will be sent again.")


def _time(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError as wrong:
        raise click.ClickException(f"{text} is no time: {wrong}.") from None
    if at.tzinfo is None:
        raise click.ClickException(f"{text} has no zone: add +02:00, or Z.")
    return at


@events.command()
@service_option
@click.argument("event_ids", type=click.UUID, nargs=-1, required=True)
def discard(service: str, event_ids: tuple[UUID, ...]) -> None:
    """Give events up for good."""
    with opened(service) as database, database.begin() as session:
        chosen = _chosen(session, event_ids, False)
        session.execute(delete(retries).where(retries.c.event_id.in_(event_ids)))
    click.echo(f"{len(chosen)} discarded.")


def _chosen(session: Session, event_ids: tuple[UUID, ...], everything: bool) -> Sequence[Row[Any]]:
    """All that are named, or every dead letter. Raises ClickException, and nothing is done, where one is not there."""
    wanted = retries.c.next_at.is_(None) if everything else retries.c.event_id.in_(event_ids)
    if not everything and not event_ids:
        raise click.ClickException("Name events by their ids, or say --all.")
    found = session.execute(select(*retries.c["queue", "event_id"]).where(wanted)).all()
    if strange := sorted({str(each) for each in event_ids} - {str(row.event_id) for row in found}):
        raise click.ClickException(f"Nothing was done. No such event waits here: {', '.join(strange)}.")
    return found


if __name__ == "__main__":
    main()
