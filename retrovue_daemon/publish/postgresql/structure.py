"""Finding tables and views of the schema that were dropped or changed in PostgreSQL, and making them again."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import psycopg

_RELATIONS: Final = "SELECT relname FROM pg_class WHERE relnamespace = %s AND relkind IN ('r', 'p', 'v', 'm', 'f')"

_COLUMNS: Final = """
    SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod)
    FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relnamespace = %s AND c.relkind IN ('r', 'p')
"""

_KEYS: Final = """
    SELECT c.relname, string_agg(a.attname, ', ' ORDER BY array_position(k.conkey, a.attnum))
    FROM pg_class AS c
    JOIN pg_constraint AS k ON k.conrelid = c.oid AND k.contype = 'p'
    JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = ANY(k.conkey)
    WHERE c.relnamespace = %s
    GROUP BY c.relname
"""

_MADE: Final = re.compile(r"^(?:CREATE|ALTER) (?:(TABLE|VIEW)|INDEX \w+ ON) (\w+)", re.MULTILINE)


class Damage(NamedTuple):
    """What differs from this release's schema: relations that are ``missing``, and ``changed`` tables with why."""

    missing: tuple[str, ...]
    changed: dict[str, str]


NONE: Final = Damage((), {})


class _Structure(NamedTuple):
    relations: frozenset[str]
    columns: dict[tuple[str, str], str]
    keys: dict[str, str]


def find_damage(connection: psycopg.Connection, migrations: Iterable[str]) -> Damage:
    """Compare the current schema with what the migrations make; columns that were added are no damage.

    For comparison, the tables are made in the session's temporary schema, which is rolled back.
    """
    statements = [each for migration in migrations for each in _statements(migration)]
    names = {name for kind, name, _ in statements if kind != "INDEX"}
    found = _structure(connection, "(SELECT oid FROM pg_namespace WHERE nspname = current_schema())")
    with connection.transaction(force_rollback=True):
        connection.execute("SET LOCAL search_path TO pg_temp")
        tables = [statement for kind, _, statement in statements if kind == "TABLE"]
        connection.execute(";\n".join(tables).encode())
        expected = _structure(connection, "pg_my_temp_schema()")
    missing = sorted(names - found.relations)
    changed = {}
    for (table, column), kind in expected.columns.items():
        there = found.columns.get((table, column))
        if table not in missing and there != kind:
            changed[table] = f"the column {column} is missing" if there is None else f"the column {column} is {there}"
    for table, key in expected.keys.items():
        if table not in missing and found.keys.get(table) != key:
            changed.setdefault(table, f"the primary key ({key}) is missing")
    return Damage(tuple(missing), changed)


def make_again(connection: psycopg.Connection, migrations: Iterable[str], damage: Damage) -> None:
    """Make what is missing and replace what was changed. The caller's transaction.

    If a table was made again, the state of every origin is deleted, so that each daemon copies all of its rows.
    """
    statements = [statement for migration in migrations for statement in _statements(migration)]
    views = [name for kind, name, _ in statements if kind == "VIEW"]
    again = {*damage.missing, *damage.changed}
    if damage.changed:
        again.update(views)
        for name in reversed(views):
            connection.execute(sql.SQL("DROP VIEW IF EXISTS {}").format(sql.Identifier(name)))
        for name in damage.changed:
            connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(name)))
    for _, name, statement in statements:
        if name in again:
            connection.execute(statement.encode())
    if not again <= {*views}:
        connection.execute("DELETE FROM mirror_state")


def _statements(migration: str) -> Iterator[tuple[str, str, str]]:
    """Return the kind of relation, its name, and the statement, for each statement about a relation."""
    for statement in migration.split(";\n"):
        if (made := _MADE.search(statement)) is not None:
            yield made[1] or "INDEX", made[2], statement


def _structure(connection: psycopg.Connection, schema: str) -> _Structure:
    def rows(query: str) -> list[tuple[str, ...]]:
        return connection.execute(query.replace("%s", schema).encode()).fetchall()

    return _Structure(
        frozenset(name for (name,) in rows(_RELATIONS)),
        {(table, column): kind for table, column, kind in rows(_COLUMNS)},
        dict(rows(_KEYS)),  # type: ignore[arg-type]
    )
