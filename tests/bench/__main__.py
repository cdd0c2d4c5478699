"""``python -m tests.bench [ROW …] [--quick]``: rows 1 to 11, or all. ``--quick`` only sees whether they run."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

import click

from deploy.servers import Servers, temporary
from tests.bench import imports, labels, lamps, messaging, registry, siege, web
from tests.bench.bed import Bed
from tests.bench.messaging import Beds
from tests.bench.table import Line, printed

MESSAGING: dict[str, Callable[[Beds], Iterator[Line]]] = {
    "1": messaging.insert_a_row,
    "2": messaging.open_an_order,
    "3": messaging.publish,
}
WEB: dict[str, Callable[[web.Bench], Iterator[Line]]] = {"4": web.report, "5": web.play_stories, "6": web.await_orders}

REGISTRY: dict[str, Callable[[Servers, bool], Iterator[Line]]] = {
    "7": lambda servers, quick: imports.take_census(servers, 20_000 if quick else imports.ROWS),
    "8": registry.measure,
    "10": siege.measure,
    "9": lambda servers, quick: lamps.take_states(servers, 20_000 if quick else lamps.STATES),
    "11": labels.draw,
}


@click.command()
@click.argument("rows", nargs=-1, type=click.Choice([*MESSAGING, *WEB, *REGISTRY]))
@click.option("--quick", is_flag=True, help="A few events each: shows that the rows run, says nothing of speed.")
def main(rows: Sequence[str], quick: bool) -> None:
    """The benchmarks, each beside its yardstick in the same run."""
    chosen = rows or [*MESSAGING, *WEB, *REGISTRY]
    click.echo(f"{datetime.now():%Y-%m-%d %H:%M}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start")
    lines: list[Line] = []
    with temporary() as servers:
        for line in measured(chosen, servers, quick):
            click.echo(f"  {line.what}: {line.ours} | {line.yardstick} | {line.ratio}", err=True)
            lines.append(line)
    click.echo(printed(lines))


def measured(rows: Sequence[str], servers: Servers, quick: bool) -> Iterator[Line]:
    if wanted := [MESSAGING[row] for row in rows if row in MESSAGING]:
        beds = make_beds(servers, quick)
        for measure in wanted:
            yield from measure(beds)
    if more := [WEB[row] for row in rows if row in WEB]:
        with web.bench(servers, quick) as bench:
            for play in more:
                yield from play(bench)
    for take in [REGISTRY[row] for row in rows if row in REGISTRY]:
        yield from take(servers, quick)


def make_beds(servers: Servers, quick: bool) -> Beds:
    folder = Path(servers.folder) / "bench"
    ours, stock = Bed(servers, "ours", folder), Bed(servers, "stock", folder)
    if quick:
        return Beds(ours, stock, rounds=1, events=2_000, workers=[10])
    return Beds(ours, stock, rounds=3, events=20_000, workers=[10, 20, 50])


if __name__ == "__main__":
    sys.exit(main())
