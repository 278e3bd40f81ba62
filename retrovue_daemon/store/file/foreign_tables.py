"""Tables that other programs have put into the database, and that refer to rows of the daemon."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from retrovue_daemon.store.migrations import migrations

if TYPE_CHECKING:
    import sqlite3

REFUSED_HINT = "a table of another program may refer to rows that were to be deleted: `database check` names it"
"""For a delete that a foreign key refused: those of the daemon's own tables never do."""

_CREATED = re.compile(r"^CREATE TABLE (\w+)", re.MULTILINE)

_EFFECTS = {
    "CASCADE": "rows of {tables} are deleted with the rows that they refer to",
    "SET NULL": "columns of {tables} are emptied when the rows that they refer to are deleted",
    "SET DEFAULT": "columns of {tables} are reset when the rows that they refer to are deleted",
    "": "rows of {tables} keep the daemon from deleting the rows that they refer to, which it logs as errors",
}
"""What a delete does, by the action of the foreign key: https://sqlite.org/foreignkeys.html#fk_actions."""


def own_tables() -> set[str]:
    """Return the names of the daemon's tables, also of those that the newest schema no longer has."""
    return {name for migration in migrations() for name in _CREATED.findall(migration.sql)}


def effects(connection: sqlite3.Connection) -> list[str]:
    """Return what the daemon's deletes do in tables of other programs, one sentence per action.

    A table that refers to such a table counts as well if rows are deleted from that one.
    """
    own = own_tables()
    references = connection.execute(
        'SELECT t.name, k."table", k.on_delete FROM sqlite_schema AS t, pragma_foreign_key_list(t.name) AS k'
        " WHERE t.type = 'table' ORDER BY t.name"
    ).fetchall()
    tables: dict[str, list[str]] = {action: [] for action in _EFFECTS}
    deleted = {name.lower() for name in own}
    left = [(table, parent.lower(), action) for table, parent, action in references if table not in own]
    while found := [reference for reference in left if reference[1] in deleted]:
        left = [reference for reference in left if reference not in found]
        for table, _, action in found:
            names = tables[action if action in tables else ""]
            if table not in names:
                names.append(table)
            if action == "CASCADE":
                deleted.add(table.lower())
    return [_EFFECTS[action].format(tables=", ".join(names)) for action, names in tables.items() if names]
