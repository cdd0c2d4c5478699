"""What the documents say exists, exists: links, files, names in them, make targets, commands, settings."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from deploy import cli, settings, stack
from services.alerts.domain.sensors import KINDS, RAIN
from shared.events import Event
from shared.events.queues import QUEUES, SERVICES

ROOT = Path(__file__).parents[2]
SOURCE = {".py", ".toml"}
FOLDERS = ("docs", "services", "shared", "deploy", "tests")
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.md"))])
ARCHITECTURE = ROOT / "docs" / "architecture.md"
STORY = ROOT / "docs" / "story.md"
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
FILE = re.compile(r"(?:services|shared|deploy|tests|docs|\.ci)/[\w./-]+")
NAME_IN_FILE = re.compile(r"`([A-Za-z_]\w*)` in\s+`([\w/]+\.py)`")
MAKE = re.compile(r"\bmake ([a-z][a-z-]*)\b")
COMMAND = re.compile(r"python -m deploy\.(cli|stack)((?: [\w./=<>-]+)*)")
SETTING = re.compile(r"WAYWARDEN_[A-Z_]+")

each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


def commands(document: Path) -> Iterator[str]:
    """What stands in backticks or in blocks of code: the places where one looks for something to type."""
    text = document.read_text()
    blocks = re.findall(r"^```(?:sh|console|)\n(.*?)^```", text, re.S | re.M)
    yield from blocks
    yield from CODE.findall(re.sub(r"^```.*?^```", "", text, flags=re.S | re.M))


@functools.cache
def names_in(path: Path) -> set[str]:
    """Every function, method, class and assigned name of a module."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {each.id for each in targets if isinstance(each, ast.Name)}
    return found


def anchors(document: Path) -> set[str]:
    """The headings' anchors, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


@each_document
def test_every_relative_link_leads_somewhere(document: Path) -> None:
    broken = []
    for link in LINK.findall(document.read_text()):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert not broken


@each_document
def test_every_file_that_is_named_exists(document: Path) -> None:
    named = {each for code in CODE.findall(document.read_text()) for each in FILE.findall(code) if "<" not in code}
    assert not sorted(each for each in named if not (ROOT / each).exists())


@each_document
def test_every_name_that_is_said_to_be_in_a_file_is_there(document: Path) -> None:
    said = NAME_IN_FILE.findall(document.read_text())
    assert not [f"{name} in {path}" for name, path in said if name not in names_in(ROOT / path)]


def test_the_story_names_only_what_is_in_the_code() -> None:
    rows = re.findall(r"\| `([\w/]+\.py)` \| ([^|]+) \|$", STORY.read_text(), re.M)
    steps = [(path, CODE.findall(names)) for path, names in rows]
    assert len(steps) > 20
    assert not [f"{name} in {path}" for path, names in steps for name in names if name not in names_in(ROOT / path)]


def test_the_glossary_names_only_what_is_in_the_code() -> None:
    rows = re.findall(r"^\| .* \| ([^|]+) \|$", (ROOT / "docs/glossary.md").read_text(), re.M)
    named = {code for names in rows for code in CODE.findall(names) if re.fullmatch(r"\w+", code)}
    sources = [
        path for folder in ("services", "shared") for path in (ROOT / folder).rglob("*") if path.suffix in SOURCE
    ]
    words = {word for path in sources for word in re.findall(r"\w+", path.read_text())}
    assert len(named) > 60
    assert not named - words


def test_the_architecture_draws_every_event_between_services_and_no_other() -> None:
    drawn = {
        (sender, each, reader)
        for sender, names, reader in re.findall(r"^ +(\w+) -->\|([\w, ]+)\| (\w+)$", ARCHITECTURE.read_text(), re.M)
        if sender in SERVICES and reader in SERVICES
        for each in names.split(", ")
    }
    heard = {(e.service, name_of(e), queue.split(".")[0]) for queue, types in QUEUES.items() for e in types}
    assert drawn == heard


def test_the_architecture_lists_what_each_service_says() -> None:
    rows = re.findall(r"^\| (\w+) \| [^|]+ \| ([^|]+) \|$", ARCHITECTURE.read_text(), re.M)
    said = {(service, each) for service, names in rows if service in SERVICES for each in CODE.findall(names)}
    assert said == {(event.service, name_of(event)) for event in Event.known.values()}


def name_of(event: type[Event]) -> str:
    return event.event_type.split(".")[1]


@each_document
def test_every_make_target_that_is_named_exists(document: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    named = {target for code in commands(document) for target in MAKE.findall(code)}
    assert not named - targets


@each_document
def test_every_command_that_is_named_exists(document: Path) -> None:
    groups = {"cli": cli.main, "stack": stack.main}
    for code in commands(document):
        for module, words in COMMAND.findall(code):
            check_command(groups[module], words.split())


def check_command(command: click.Command, words: list[str]) -> None:
    """Follow the words into groups; what remains are options, which must be known, and arguments."""
    while isinstance(command, click.Group) and words:
        name, *words = words
        assert name in command.commands, f"{command.name} has no command {name}"
        command = command.commands[name]
    known = {option for each in command.params for option in each.opts} | {"--help"}
    assert not [word for word in words if word.startswith("--") and word.partition("=")[0] not in known]


def test_every_setting_is_documented_and_no_other() -> None:
    rows = re.findall(r"^\| `(WAYWARDEN_\w+)`", (ROOT / "docs/settings.md").read_text(), re.M)
    assert len(rows) == len(set(rows))
    assert set(rows) == settings_read()


def settings_read() -> set[str]:
    """Those that deploy/settings.py knows, and those that are named whole anywhere."""
    found = set(settings.KNOWN)
    sources = [*(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))]
    for path in [*sources, ROOT / "Makefile"]:
        if path != Path(__file__):
            found |= {name for name in SETTING.findall(path.read_text()) if not name.endswith("_")}
    return found


def test_the_defaults_are_those_of_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in settings_read():
        monkeypatch.delenv(name, raising=False)
    table = (ROOT / "docs/settings.md").read_text()
    documented = dict(re.findall(r"^\| `WAYWARDEN_(\w+)` \| [^|]+ \| `([^`]+)` \|", table, re.M))
    chosen = settings.load()
    plain = {name: getattr(chosen, name.lower()) for name in documented if hasattr(chosen, name.lower())}
    plain = {name: value for name, value in plain.items() if not isinstance(value, Path)}
    assert len(plain) > 8
    assert {name: documented[name] for name in plain} == {name: as_typed(value) for name, value in plain.items()}


def as_typed(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(f"{each:g}" if isinstance(each, float) else str(each) for each in value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_the_guide_to_alerts_names_every_kind_of_sensor_with_its_units_the_base_first() -> None:
    rows = re.findall(r"^\| `(\w+)`.* \| (`.+`) \|$", (ROOT / "docs/alerts.md").read_text(), re.M)
    told = {(kind, tuple(units.strip("`").split("`, `"))) for kind, units in rows if kind in KINDS}
    known = [*KINDS.items(), *(("rain", each) for each in RAIN.values())]
    assert told == {(kind, tuple(each.factors)) for kind, each in known}
