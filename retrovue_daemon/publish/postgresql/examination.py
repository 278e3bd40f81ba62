"""What `publish check` finds out about the target, without writing anything."""

from __future__ import annotations

from typing import NamedTuple

from retrovue_daemon.publish.postgresql.target import (
    Target,
    connected,
    migrations,
    refuse_changed,
    refuse_unsuitable,
    state_of,
)


class Examination(NamedTuple):
    """A target that can be used. ``schema_version`` is 0 where the daemon makes the tables first.

    ``published`` says whose rows are under the origin: ``this`` mirror's, those of ``another`` one, or None for none.
    """

    version: str
    role: str
    database: str
    is_encrypted: bool
    schema_version: int
    newest_version: int
    published: str | None


def examine(target: Target, mirror_id: str | None) -> Examination:
    """Connect and check everything that the publisher checks. Raise PublishError with what is wrong."""
    with connected(target) as connection:
        at = refuse_unsuitable(connection, target)
        if at == migrations()[-1].version:
            from retrovue_daemon.publish.postgresql.structure import find_damage  # noqa: PLC0415 - needs psycopg

            refuse_changed(find_damage(connection, [each.sql for each in migrations()]), target)
        state = state_of(connection, target.origin) if at else None
        info = connection.info
        return Examination(
            info.parameter_status("server_version") or "",
            info.user,
            info.dbname,
            bool(connection.pgconn.ssl_in_use),
            at,
            migrations()[-1].version,
            None if state is None else "this" if state.mirror_id == mirror_id else "another",
        )
