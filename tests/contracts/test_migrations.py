"""Migrations run while old replicas work: nothing in them may hold a table up, or take away what old code reads."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
# Written before old and new replicas were to run side by side; no other may be added here.
BEFORE = {
    "shared": {"0001_mailboxes", "0002_sums_by_label"},
    "assets": {"0001_initial", "0002_registry", "0003_at_scale", "0004_nights_as_known"},
    "inspections": {"0001_initial"},
    "workorders": {"0001_initial", "0002_copies"},
    "alerts": {"0001_initial"},
}
SMALL = {("inspections", "0003_words_from_above")}  # touches a handful of rows
CONTRACTS = "CONTRACTS"  # what a migration that takes something away says: since which version no code reads it


class Call(NamedTuple):
    """A call in a migration, and the tables that the migration itself makes."""

    node: ast.Call
    name: str  # as written: op.add_column, sa.update
    own: frozenset[str]

    @property
    def step(self) -> str:
        return self.name.rpartition(".")[2]

    def given(self, name: str) -> ast.expr | None:
        return next((each.value for each in self.node.keywords if each.arg == name), None)

    def is_true(self, name: str) -> bool:
        value = self.given(name)
        return isinstance(value, ast.Constant) and value.value is True

    def says(self, name: str, value: object) -> bool:
        found = self.given(name)
        return isinstance(found, ast.Constant) and found.value is value

    def on(self, place: int, name: str) -> bool:
        """Whether the table, given by place or name, is one that was there before."""
        table = self.given(name) or (self.node.args[place] if len(self.node.args) > place else None)
        return not (isinstance(table, ast.Constant) and table.value in self.own)

    @property
    def text(self) -> str:
        found = (each.value for each in ast.walk(self.node) if isinstance(each, ast.Constant))
        return " ".join(each for each in found if isinstance(each, str))


class Rule(NamedTuple):
    why: str
    broken_by: Callable[[Call], bool]


def column_of(call: Call) -> Call | None:
    columns = (each for each in call.node.args if isinstance(each, ast.Call) and ast.unparse(each.func) == "sa.Column")
    return next((Call(each, "sa.Column", call.own) for each in columns), None)


def is_constant(default: ast.expr) -> bool:
    """A default that PostgreSQL keeps beside the table: it need not write every row anew."""
    if isinstance(default, ast.Constant):
        return True
    written = ast.unparse(default)
    return written in ("sa.true()", "sa.false()") or bool(re.fullmatch(r"sa\.text\([\"'][^()]*[\"']\)", written))


def is_added_in_passing(call: Call) -> bool:
    column = column_of(call)
    if column is None:
        return False
    default = column.given("server_default")
    if default is not None and not is_constant(default):
        return False
    inner = {ast.unparse(each.func) for each in column.node.args if isinstance(each, ast.Call)}
    return bool(
        (default is not None or not column.says("nullable", False))
        and not inner & {"sa.ForeignKey", "sa.Identity", "sa.Computed"}
        and not any(column.is_true(name) for name in ("index", "unique", "primary_key"))
    )


SQL = {
    r"\balter\s+column\s+\S+\s+(set\s+data\s+)?type\b": "Changing a type writes the table anew: add a column instead.",
    r"\bset\s+not\s+null\b": "NOT NULL reads the whole table under its lock: add a check as NOT VALID, validate it "
    "in a later migration.",
    r"\bcreate\s+(unique\s+)?index\s+(?!concurrently)": "An index keeps writers out: shared.migrating.create_index.",
    r"^\s*(update|delete\s+from|truncate|lock\s+table|vacuum\s+full|cluster|reindex)\b": "A statement over a table in "
    "use holds what it touches: shared.migrating.in_batches.",
    r"\badd\s+constraint\b(?!.*\bnot\s+valid\b)(?!.*\busing\s+index\b)": "A constraint is checked under a lock: add "
    "it as NOT VALID, and validate it in a later migration.",
}


def in_sql(pattern: str) -> Callable[[Call], bool]:
    return lambda call: call.step in ("execute", "text") and bool(re.search(pattern, call.text, re.I | re.S))


RULES = [
    *(Rule(why, in_sql(pattern)) for pattern, why in SQL.items()),
    Rule(
        "An index keeps writers out: shared.migrating.create_index.",
        lambda call: call.name == "op.create_index" and call.on(1, "table_name"),
    ),
    Rule("It waits for all who read: shared.migrating.drop_index.", lambda call: call.name == "op.drop_index"),
    Rule(
        "A new column is nullable, or has a constant server_default, and no key, index or reference of its own.",
        lambda call: call.step == "add_column" and call.on(0, "table_name") and not is_added_in_passing(call),
    ),
    Rule(
        "Changing a type writes the table anew: add a column instead.",
        lambda call: call.step == "alter_column" and call.given("type_") is not None,
    ),
    Rule(
        "NOT NULL reads the whole table under its lock: add a check as NOT VALID, validate it in a later migration.",
        lambda call: call.step == "alter_column" and call.says("nullable", False),
    ),
    Rule(
        "A constraint is checked under a lock: postgresql_not_valid=True, and validate it in a later migration.",
        lambda call: (
            call.step in ("create_foreign_key", "create_check_constraint") and not call.is_true("postgresql_not_valid")
        ),
    ),
    Rule(
        "It builds an index under a lock: shared.migrating.create_index with unique=True.",
        lambda call: call.step in ("create_unique_constraint", "create_primary_key", "create_exclude_constraint"),
    ),
    Rule(
        "A statement over a table in use holds what it touches: shared.migrating.in_batches.",
        lambda call: call.step in ("update", "delete"),
    ),
]
READ_STILL = f"Old code reads it still: take it away one version after the code, and say {CONTRACTS}."
TAKING_AWAY = [
    Rule(
        READ_STILL,
        lambda call: (
            call.step in ("drop_table", "drop_column", "drop_constraint", "rename_table")
            or (call.step == "alter_column" and call.given("new_column_name") is not None)
        ),
    ),
    Rule(READ_STILL, in_sql(r"\bdrop\s+(table|column|constraint)\b|\brename\b")),
]


def faults(source: str) -> Iterator[str]:
    """What is wrong with a migration, with its line."""
    tree = ast.parse(source)
    calls = [each for each in ast.walk(tree) if isinstance(each, ast.Call)]
    made = [each.args[0] for each in calls if ast.unparse(each.func) == "op.create_table" and each.args]
    own = frozenset(each.value for each in made if isinstance(each, ast.Constant) and isinstance(each.value, str))
    contracts = any(isinstance(each, ast.Assign) and ast.unparse(each.targets[0]) == CONTRACTS for each in tree.body)
    for node in calls:
        call = Call(node, ast.unparse(node.func), own)
        for rule in RULES if contracts else RULES + TAKING_AWAY:
            if rule.broken_by(call):
                yield f"line {node.lineno}: {ast.unparse(node)[:80]}: {rule.why}"


def migrations() -> Iterator[tuple[str, Path]]:
    for folder in (ROOT / "shared", *sorted((ROOT / "services").iterdir())):
        for path in sorted((folder / "migrations" / "versions").glob("*.py")):
            yield folder.name, path


@pytest.mark.parametrize(
    "path",
    [path for name, path in migrations() if path.stem not in BEFORE[name] and (name, path.stem) not in SMALL],
    ids=lambda path: path.stem,
)
def test_a_migration_keeps_nobody_waiting_and_takes_nothing_away_that_is_read(path: Path) -> None:
    assert list(faults(path.read_text())) == []


def test_what_was_written_before_is_there() -> None:
    found = {(name, path.stem) for name, path in migrations()}
    assert {(name, stem) for name, stems in BEFORE.items() for stem in stems} <= found


@pytest.mark.parametrize(
    "step",
    [
        'op.create_index("ix_a", "facilities", ["a"])',
        'op.drop_index("ix_a", "facilities")',
        'op.add_column("facilities", sa.Column("a", sa.Integer, nullable=False))',
        'op.add_column("facilities", sa.Column("a", Time, nullable=False, server_default=sa.func.now()))',
        'op.add_column("facilities", sa.Column("a", sa.Uuid, server_default=sa.text("gen_random_uuid()")))',
        'op.add_column("facilities", sa.Column("a", sa.Integer, index=True))',
        'op.add_column("facilities", sa.Column("a", sa.Integer, sa.ForeignKey("areas.code")))',
        'op.alter_column("facilities", "a", type_=sa.BigInteger)',
        'batch.alter_column("a", nullable=False)',
        'op.alter_column("facilities", "a", new_column_name="b")',
        'op.create_foreign_key("fk", "facilities", "areas", ["a"], ["code"])',
        'op.create_check_constraint("ck", "facilities", "a > 0")',
        'op.create_unique_constraint("uq", "facilities", ["a"])',
        'op.drop_column("facilities", "a")',
        'op.drop_table("facilities")',
        'op.execute("UPDATE facilities SET a = 1")',
        'op.execute("DELETE FROM facilities WHERE a = 1")',
        'op.get_bind().execute(sa.text("ALTER TABLE facilities ALTER COLUMN a TYPE bigint"))',
        'op.execute("ALTER TABLE facilities ALTER COLUMN a SET NOT NULL")',
        'op.execute("CREATE UNIQUE INDEX ix ON facilities (a)")',
        'op.execute("ALTER TABLE facilities ADD CONSTRAINT ck CHECK (a > 0)")',
        'op.execute("ALTER TABLE facilities DROP COLUMN a")',
        "op.get_bind().execute(sa.update(facilities).values(a=1))",
        "op.execute(facilities.update().values(a=1))",
    ],
)
def test_a_step_that_holds_a_table_up_is_refused(step: str) -> None:
    assert list(faults(step))


@pytest.mark.parametrize(
    "step",
    [
        'op.create_table("new", sa.Column("a", sa.Integer))\nop.create_index("ix_a", "new", ["a"])',
        'op.add_column("facilities", sa.Column("a", sa.Integer))',
        'op.add_column("facilities", sa.Column("a", sa.Boolean, nullable=False, server_default=sa.false()))',
        'op.create_check_constraint("ck", "facilities", "a > 0", postgresql_not_valid=True)',
        'op.execute("ALTER TABLE facilities VALIDATE CONSTRAINT ck")',
        'op.execute("INSERT INTO new SELECT DISTINCT kind FROM facilities")',
        'CONTRACTS = "0.4"\nop.drop_column("facilities", "a")',
        'create_index("ix_a", "facilities", ["a"])\nin_batches("facilities", "a = 1", "a IS NULL")',
    ],
)
def test_a_step_that_nobody_notices_is_not_refused(step: str) -> None:
    assert list(faults(step)) == []
