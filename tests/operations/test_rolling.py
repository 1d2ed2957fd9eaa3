"""While a release is rolled out, gateways of the one before still write: what they need is left as it was.

The rule stands in ``gateway/store/migrations``. It is tried on the databases that releases left (``kept/``), on SQLite
and, moved there, on PostgreSQL: that is where releases are rolled out.
"""

import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command, op
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy.exc import DBAPIError

from gateway.store.database import migrating
from gateway.store.migrations import _config
from gateway.store.revisions import revision_of, revisions

KEPT = Path(__file__).parent / "kept"
RELEASES = sorted(file.stem for file in KEPT.glob("*.sql"))
Left = Callable[[str], str]
_CHANGES_ROWS = re.compile(r'(?:UPDATE|DELETE FROM|INSERT INTO)\s+"?(?P<table>\w+)')


@dataclass(frozen=True)
class Shape:
    """What a writer of a table relies on."""

    columns: Mapping[str, tuple[str, bool, object]]
    rules: frozenset[str]


def shapes(connection: sa.Connection) -> dict[str, Shape]:
    """Every table's, as the database itself tells it."""
    found = sa.inspect(connection)
    return {name: _shape(found, name) for name in found.get_table_names() if name != "alembic_version"}


def _shape(found: sa.Inspector, table: str) -> Shape:
    columns = {
        one["name"]: (str(one["type"]), bool(one["nullable"]), one["default"]) for one in found.get_columns(table)
    }
    unique: list[Any] = [one["column_names"] for one in found.get_indexes(table) if one["unique"]]
    unique += [one["column_names"] for one in found.get_unique_constraints(table)]
    references = [
        (one["constrained_columns"], one["referred_table"], one["options"]) for one in found.get_foreign_keys(table)
    ]
    rules = [
        f"primary key {found.get_pk_constraint(table)['constrained_columns']}",
        *(f"unique {one}" for one in unique),
        *(f"reference {one}" for one in references),
        *(f"check {one['sqltext']}" for one in found.get_check_constraints(table)),
    ]
    return Shape(columns, frozenset(rules))


def in_the_way(before: Mapping[str, Shape], after: Mapping[str, Shape]) -> Iterator[str]:
    """What of the later tables a writer of the earlier ones would trip over."""
    for table, was in before.items():
        now = after.get(table)
        if now is None:
            yield f"{table} is gone"
            continue
        yield from (
            f"{table}.{name} is not what it was" for name in was.columns if now.columns.get(name) != was.columns[name]
        )
        yield from (f"{table} has another rule: {rule}" for rule in sorted(was.rules ^ now.rules))
        for name, (_, nullable, default) in now.columns.items():
            if name not in was.columns and not nullable and default is None:
                yield f"{table}.{name} must be given"


@contextmanager
def watched(connection: sa.Connection) -> Iterator[list[str]]:
    """What is in the way of an older writer after all that is done in the block; known behind it."""
    before, found, statements = shapes(connection), list[str](), list[str]()

    def heard(_: object, cursor: object, statement: str, *rest: object) -> None:
        statements.append(statement)

    sa.event.listen(connection, "before_cursor_execute", heard)
    yield found
    sa.event.remove(connection, "before_cursor_execute", heard)
    changed = {match["table"] for one in statements if (match := _CHANGES_ROWS.match(one))}
    found += [*in_the_way(before, shapes(connection)), *(f"rows of {one} are changed" for one in changed & set(before))]


def left_by(release: str, folder: Path) -> str:
    """A database as that release left it: its address."""
    with closing(sqlite3.connect(folder / "before.db")) as database:
        database.executescript((KEPT / f"{release}.sql").read_text())
    return f"sqlite:///{folder}/before.db"


def moved(kept: str, address: str) -> str:
    """The same in another, empty database: the tables of then, and what is in them."""
    with migrating(kept) as before, migrating(address) as after:
        upgraded(after, revision_of(before) or "")
        theirs, ours = tables_of(before), tables_of(after)
        for name in reversed(ours):
            after.execute(sa.delete(ours[name]))
        for name, table in ours.items():
            rows = [dict(row) for row in before.execute(sa.select(theirs[name])).mappings()]
            if rows:
                after.execute(sa.insert(table), rows)
    return address


def tables_of(connection: sa.Connection) -> dict[str, sa.Table]:
    """The tables that there are, each behind those that it refers to."""
    known = sa.MetaData()
    known.reflect(connection)
    return {table.name: table for table in known.sorted_tables if table.name != "alembic_version"}


@pytest.fixture(params=["sqlite", "postgresql"])
def left(request: pytest.FixtureRequest, tmp_path: Path) -> Left:
    """The address of a database as a release left it, on each server that there may be."""

    def by(release: str) -> str:
        kept = left_by(release, tmp_path)
        return kept if request.param == "sqlite" else moved(kept, request.getfixturevalue("empty_postgres_url"))

    return by


def upgraded(connection: sa.Connection, revision: str) -> None:
    config = _config()
    config.attributes.update(connection=connection, ring=None)
    command.upgrade(config, revision)


def stops() -> dict[str, str]:
    """The revisions that need one, and why."""
    found = ScriptDirectory.from_config(_config()).walk_revisions()
    return {one.revision: one.module.NEEDS_A_STOP for one in found if hasattr(one.module, "NEEDS_A_STOP")}


@pytest.mark.parametrize("release", RELEASES)
def test_what_came_after_a_release_only_adds_or_says_that_it_needs_a_stop(release: str, left: Left) -> None:
    with migrating(left(release)) as connection:
        released = revision_of(connection)
        assert released is not None
        for revision in revisions()[revisions().index(released) + 1 :]:
            with watched(connection) as found:
                upgraded(connection, revision)
            assert found == [] or stops().get(revision), revision


@pytest.mark.parametrize("release", RELEASES)
def test_a_writer_of_a_release_before_works_on_the_newest_tables(release: str, left: Left) -> None:
    with migrating(left(release)) as connection:
        writer, released = Writer(connection), revision_of(connection) or ""
        if any(revision > released for revision in stops()):
            pytest.skip("it may not run beside the newest: a revision since needs a stop")
        upgraded(connection, "head")
        writer.write()


class Writer:
    """A gateway of the tables that there are when it starts: it knows every column of theirs, and no other."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._tables = list(tables_of(connection).values())
        self._rows = {table: self._read(table) or [_anything(table, self)] for table in self._tables}

    def write(self) -> None:
        """Delete, write, change and read again what there was then, in every table and column."""
        for table in reversed(self._tables):
            self._connection.execute(sa.delete(table))
        for table, rows in self._rows.items():
            for row in rows:
                self._connection.execute(sa.insert(table).values(row))
                this = sa.and_(*(column == row[column.name] for column in table.primary_key))
                self._connection.execute(sa.update(table).where(this).values(row))
            assert self._read(table) == rows, table.name

    def _read(self, table: sa.Table) -> list[dict[str, Any]]:
        query = sa.select(table).order_by(*table.primary_key)
        return [dict(row) for row in self._connection.execute(query).mappings()]

    def any_of(self, reference: sa.ForeignKey) -> Any:
        """What a row may refer to."""
        return self._connection.scalar(sa.select(reference.column).limit(1))


def _anything(table: sa.Table, writer: Writer) -> dict[str, Any]:
    of_kind = {sa.Text: "x", sa.LargeBinary: b"x", sa.Integer: 1}
    return {
        column.name: next(
            (writer.any_of(reference) for reference in column.foreign_keys),
            next(value for kind, value in of_kind.items() if isinstance(column.type, kind)),
        )
        for column in table.columns
    }


def adds() -> None:
    op.create_table("webhooks", sa.Column("id", sa.Text, primary_key=True), sa.Column("url", sa.Text, unique=True))
    op.add_column("links", sa.Column("noted_at", sa.BigInteger))
    with op.batch_alter_table("api_keys") as keys:
        keys.add_column(sa.Column("uses", sa.BigInteger, nullable=False, server_default="0"))
    op.create_index("ix_links_value", "links", ["value"])
    op.drop_index("ix_attempts_created_at", "attempts")
    op.execute("INSERT INTO webhooks VALUES ('1', 'https://shop.example')")


def demands() -> None:
    with op.batch_alter_table("links") as links:
        links.add_column(sa.Column("noted_at", sa.BigInteger, nullable=False, server_default="0"))
    with op.batch_alter_table("links") as links:
        links.alter_column("noted_at", server_default=None)


def drops() -> None:
    with op.batch_alter_table("api_keys") as keys:
        keys.drop_column("networks")


def renames() -> None:
    op.rename_table("links", "bonds")


def renames_a_column() -> None:
    op.alter_column("links", "claim", new_column_name="taken")


def tightens() -> None:
    with op.batch_alter_table("links") as links:
        links.alter_column("claim", nullable=False)


def retypes() -> None:
    with op.batch_alter_table("attempts") as attempts:
        attempts.alter_column("status", type_=sa.Text)


def forbids_twins() -> None:
    op.execute("DELETE FROM attempts")
    op.create_index("uq_attempts_operation", "attempts", ["operation"], unique=True)


def allows_twins() -> None:
    op.drop_index("uq_links_claim", "links")


def rewrites() -> None:
    op.execute("UPDATE attempts SET state = 'manual' WHERE state = 'unheard-of'")


@pytest.mark.parametrize(
    ("upgrade", "told", "works"),
    [
        (adds, [], True),
        (demands, ["links.noted_at must be given"], False),
        (drops, ["api_keys.networks is not what it was"], False),
        (renames, ["links is gone"], False),
        (renames_a_column, ["links.claim is not what it was"], False),
        (tightens, ["links.claim is not what it was"], True),
        (retypes, ["attempts.status is not what it was"], False),
        (forbids_twins, ["attempts has another rule: unique ['operation']"], False),
        (allows_twins, ["links has another rule: unique ['connection_id', 'resource', 'field', 'claim']"], True),
        (rewrites, ["rows of attempts are changed"], True),
    ],
    ids=lambda one: getattr(one, "__name__", ""),
)
def test_what_is_in_an_older_writers_way_is_seen(
    upgrade: Callable[[], None], told: Sequence[str], works: bool, left: Left
) -> None:
    with migrating(left(RELEASES[0])) as connection:
        writer = Writer(connection)
        context = MigrationContext.configure(connection, opts={"render_as_batch": True})
        with watched(connection) as found, Operations.context(context):
            upgrade()
        assert found[:1] == told
        with nullcontext() if works else pytest.raises((DBAPIError, AssertionError)):
            writer.write()
