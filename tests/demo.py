"""``make demo``: the stories, played against the running system and told as they go.

``python -m tests.demo`` takes the embedded system of WAYWARDEN_PORT and WAYWARDEN_DATA; with ``--folder .stack`` the
stack that runs there, its proxy on ``--port``. Only the sample city is played on.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from deploy.data_folder import City, city_of
from deploy.stack import Embedded
from tests.client import Answer, NotAnswered, NotKnown, System, Thing, Unexpected, wait_for
from tests.story import Cast, GaugeStory, LampStory, check_lamps, last_night, order_of

SAMPLE_GAUGES = ("gauge-underpass-1", "gauge-shore-1")  # nothing is invented of a gauge that somebody else registered


class Teller:
    """Prints what is done, by whom, with which call, and how the figures stand."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.calls = 0
        self.chapter_no = 0
        self.figures: list[tuple[str, str, str]] = []
        system.heard = self._heard

    def chapter(self, title: str) -> None:
        self.chapter_no += 1
        click.secho(f"\n{self.chapter_no}. {title}", bold=True)

    def say(self, who: str, what: str) -> None:
        click.echo(f"\n  {click.style(who, fg='cyan')} {what}")

    def fact(self, what: str) -> None:
        click.echo(f"      {what}")

    def figure(self, what: str, before: float | None, after: float | None) -> None:
        """``what`` is the name of a metric with its labels."""
        click.echo(f"      {what}  {shown(before)} → {click.style(shown(after), fg='green')}")
        self.figures.append((what, shown(before), shown(after)))

    def _heard(self, method: str, target: str, body: Any, answer: Answer) -> None:
        self.calls += 1
        if method != "GET":
            click.secho(f"      {method} {target} → {answer.status}", dim=True)


def shown(value: float | None) -> str:
    return "none" if value is None else f"{value:.6g}"


class Figure:
    """One metric, read before and after."""

    def __init__(self, teller: Teller, service: str, name: str, **labels: str) -> None:
        self.teller, self.service, self.name, self.labels = teller, service, name, labels
        self.before = self.read()

    def read(self) -> float | None:
        return self.teller.system.figure(self.service, self.name, **self.labels)

    def tell(self, fits: Callable[[float | None], bool] | None = None) -> None:
        """Wait until the value fits (by default: until it has changed), and print it with the one before."""
        changed = fits or (lambda value: value != self.before)
        wait_for(lambda: changed(self.read()), lambda: f"{self.name} {self.labels}: {self.read()}")
        now = self.read()
        labels = ", ".join(f"{name}={value}" for name, value in self.labels.items())
        self.teller.figure(f"{self.name}{{{labels}}}", self.before, now)
        self.before = now


def tell_lamp_story(teller: Teller, cast: Cast) -> None:
    story = LampStory(cast, cast.lamps(1)[0])
    district = story.lamp["district"]
    place = {"kind": "street_light", "district": district}
    ratio = Figure(teller, "assets", "waywarden_intact_ratio", **place)
    whole = ratio.before
    closed = Figure(
        teller, "workorders", "waywarden_work_orders", state="closed", category="lamp_out", district=district
    )
    teller.chapter("A lamp is dark")
    teller.say("An inspector", f"on patrol reports street light {story.lamp['code']} in district {district}.")
    found = story.report()
    teller.fact(f"The finding is {found['state']}: a patrol's word needs nobody else's.")
    teller.say("assets", "hears of it and records a defect on the lamp.")
    ratio.tell()
    teller.say("workorders", "hears of the defect, opens an order and gives it to a crew by a rule.")
    order = story.await_order()
    teller.fact(f"Order {order['number']}, crew {order['crew']}, by the rule “{order['rule']}”.")
    teller.fact(f"Due {order['due_at']}: {order['limit']['source']}.")
    tell_repair(teller, story)
    story.await_finding("resolved")
    story.await_condition("intact")
    teller.fact("The finding is resolved, the lamp is intact.")
    ratio.tell(lambda value: value == whole)
    closed.tell()


def tell_repair(teller: Teller, story: LampStory) -> None:
    teller.say("The crew", "accepts the order, drives there, repairs the lamp, takes a photo and writes what it did.")
    story.accept()
    story.start()
    story.take_photo()
    story.complete("Lamp and fuse replaced.")
    teller.say("The dispatcher", "checks the work and closes the order.")
    story.check()


def tell_gauge_story(teller: Teller, cast: Cast) -> None:
    story = GaugeStory(cast, gauge(cast))
    labels = {"kind": "water_level", "district": story.sensor["district"]}
    waiting = Figure(teller, "alerts", "waywarden_alerts_active", **labels, acknowledged="false")
    taken = Figure(teller, "alerts", "waywarden_alerts_active", **labels, acknowledged="true")
    teller.chapter("Water rises in an underpass")
    with cast.controller.stream("/alerts/stream") as stream:
        teller.say("A gauge", f"({story.sensor['code']}) reads {story.high:g} {story.sensor['unit']}.")
        sent = time.monotonic()
        story.rise()
        seen = stream.wait_for(lambda alert: alert["source"] == story.sensor["code"] and alert["state"]["active"])
        teller.say("The control room", f"sees it {seen.at - sent:.2f} s later on GET /api/v1/alerts/stream.")
    alert = story.find_alert()
    teller.fact(f"The alert is {alert['severity']}.")
    waiting.tell()
    teller.say(
        "workorders", f"opens an emergency order of category {alert['order_category']}, as the alert's rule says."
    )
    order = story.await_order()
    teller.fact(f"Order {order['number']}, crew {order['crew']}, due {order['due_at']}.")
    teller.say("The controller", "takes the alert.")
    story.acknowledge()
    taken.tell()
    teller.say("The gauge", f"reads {story.low:g} {story.sensor['unit']}: the water has gone, and the alert clears.")
    story.fall()
    taken.tell()
    teller.say("The dispatcher", "finds the order without work left, and voids it.")
    cast.dispatcher.post(f"/work-orders/{order['number']}/void", {"reason": "unfounded", "note": "The water ran off."})


def gauge(cast: Cast) -> Thing:
    """A water level gauge of the sample city for which no alert stands."""
    sensors = [each for each in cast.controller.items("/sensors", kind="water_level") if each["code"] in SAMPLE_GAUGES]
    standing = {alert["source"] for alert in cast.controller.items("/alerts", active="true", kind="water_level")}
    calm = [each for each in sensors if len(each["thresholds"]) > 1 and each["code"] not in standing]
    if not calm:
        raise LookupError(f"An alert stands at {' and at '.join(SAMPLE_GAUGES)}: let the water fall at one of them.")
    return calm[0]


def tell_patrol_story(teller: Teller, cast: Cast) -> None:
    district = cast.lamps(1)[0]["district"]
    lamps = cast.lamps(6, district=district)
    *lit, dark = [lamp["code"] for lamp in lamps]
    reported = LampStory(cast, lamps[0])
    labels = {"method": "sampled", "kind": "street_light", "district": district}
    checked = Figure(teller, "assets", "waywarden_lamps_checked", **labels)
    ratio = Figure(teller, "assets", "waywarden_light_on_ratio", **labels)
    teller.chapter("A patrol looks at lamps by night")
    teller.say("An inspector", f"has reported {lit[0]} as dark already.")
    reported.report()
    reported.await_order()
    at = last_night()
    teller.say("An inspector", f"looks at six lamps at {at:%Y-%m-%d %H:%M} UTC: four burn, two are dark.")
    check = check_lamps(cast.inspector, at, lit=lit[1:], dark=[lit[0], dark])
    for lamp in check["lamps"]:
        teller.fact(f"{lamp['facility_code']}: {lamp['outcome'].replace('_', ' ')}")
    checked.tell()
    ratio.tell(lambda value: value is not None)
    new = next(lamp["finding_id"] for lamp in check["lamps"] if lamp["outcome"] == "finding")
    order = wait_for(lambda: order_of(cast.dispatcher, finding_id=new, state="dispatched"), "the dark lamp's order")
    teller.fact(f"The dark lamp has order {order['number']} with crew {order['crew']}; the reported one got no second.")
    tell_voiding(teller, cast, reported)
    other = LampStory(cast, lamps[-1], new)
    other.await_order()
    tell_repair(teller, other)
    other.await_condition("intact")


def tell_voiding(teller: Teller, cast: Cast, story: LampStory) -> None:
    place = {"kind": "street_light", "district": story.lamp["district"]}
    defective = Figure(teller, "assets", "waywarden_facilities", **place, condition="defective")
    teller.say(
        "The dispatcher", "learns that the first report was unfounded, and voids its order: the defect is lifted."
    )
    story.void("unfounded")
    story.await_finding("rejected")
    story.await_condition("intact")
    defective.tell()


def tell_who_sees_what(teller: Teller, cast: Cast) -> None:
    teller.chapter("Nobody sees or does more than their role allows")
    teller.say("A gauge", "asks for the facilities.")
    answer = cast.device.send("GET", "/api/v1/facilities")
    teller.fact(f"{answer.status} {answer.json()['title']} {answer.json()['detail']}")
    teller.say("Somebody without a token", "asks for the alerts.")
    answer = cast.system.nobody().send("GET", "/api/v1/alerts")
    teller.fact(f"{answer.status} {answer.json()['title']} {answer.json()['detail']}")


def summary(teller: Teller, stays: bool) -> None:
    click.secho("\nWhat moved", bold=True)
    for what, before, after in teller.figures:
        click.echo(f"  {before:>10} → {after:<10} {what}")
    look = f" Look for yourself: {teller.system.base_url}/docs" if stays else ""
    click.echo(f"\n{teller.calls} calls.{look}")


@click.command()
@click.option("--folder", type=click.Path(path_type=Path), help="Of a stack: its --folder.")
@click.option("--port", type=int, default=lambda: int(os.environ.get("WAYWARDEN_PORT") or 8000), help="Of the system.")
def main(folder: Path | None, port: int) -> None:
    """Play the stories against a running system, if it holds the sample city; else against one of their own."""
    data = folder / "data" if folder else Path(os.environ.get("WAYWARDEN_DATA") or "data")
    if not ((folder or data) / "keys" / "jwks.json").exists():
        start = "make stack" if folder else "make run"
        raise click.ClickException(f"No system has run with its data in {data}. Start it with {start} first.")
    if city_of(data) is not City.SAMPLE:
        click.echo("This city is your own: nothing is invented there. The stories play on a system of their own.")
        return play_apart()
    play(System.in_folder(folder, port) if folder else System.at(port, data))


def play_apart() -> None:
    """On an embedded system in a temporary folder, which is gone afterwards."""
    with TemporaryDirectory(prefix="waywarden-demo-") as home, Embedded(Path(home)) as apart:
        play(System.of(apart), stays=False)


def play(system: System, *, stays: bool = True) -> None:
    """``stays``: it is there afterwards, to look at. Raises ClickException."""
    system.patience_s = 2
    try:
        tell(system, stays=stays)
    except NotAnswered:
        raise click.ClickException(f"Nothing answers at {system.base_url}. Is it running? (make run)") from None
    except NotKnown:
        wrong_keys = f"The system at {system.base_url} has other keys than {system.keys}: name its DATA= or STACK=."
        raise click.ClickException(wrong_keys) from None
    except (Unexpected, AssertionError, LookupError) as wrong:
        raise click.ClickException(str(wrong)) from wrong
    finally:
        system.close()


def tell(system: System, *, stays: bool = True) -> None:
    click.secho(f"The closed loop, played at {system.base_url}", bold=True)
    click.echo("Indented lines in grey are calls of the API; before → after are figures of /metrics.")
    cast, teller = Cast(system), Teller(system)
    gauge(cast)  # before anything is written
    for story in (tell_lamp_story, tell_gauge_story, tell_patrol_story, tell_who_sees_what):
        story(teller, cast)
    summary(teller, stays)


if __name__ == "__main__":
    main()
