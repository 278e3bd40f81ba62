"""The PostgreSQL database to publish to: connecting, what must be true of it, and its numbered migrations."""

from __future__ import annotations

import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from retrovue_daemon.config.conninfo import UnclearAddress, settings_of
from retrovue_daemon.errors.publish import DriverMissing, PublishError, PublishRefused
from retrovue_daemon.publish.postgresql.explanation import explained

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

    from retrovue_daemon.config import Secret
    from retrovue_daemon.publish.postgresql.patience import PatientConnection
    from retrovue_daemon.publish.postgresql.structure import Damage

OLDEST: Final = 130_000
"""The oldest version that is accepted, as PostgreSQL counts: 13.0. Older ones get no security updates any more."""

_WITH_IDLE_TIMEOUT: Final = 140_000
"""The first version that ends idle sessions on request; between two changes, the publisher's session is idle."""

CONNECT_S: Final = 10

_SERVER_SETTINGS: Final = {
    # A prepared statement fails once after the table that it reads was changed, and poolers may lose it.
    "prepare_threshold": None,
    "application_name": "retrovue-daemon",
    "client_encoding": "utf8",
    # A connection that is gone must not hold the publisher for hours.
    "connect_timeout": CONNECT_S,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}

_SESSION_SETTINGS: Final = {
    # The names that every statement of this package uses are those of the schema.
    "search_path": "{schema}",
    # A first fill may take long; a lock that another session holds for long is trouble.
    "statement_timeout": "0",
    "lock_timeout": "60s",
    # If this host or its network vanishes, the server gives up the session, and with it the lock of the origin.
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
    "idle_in_transaction_session_timeout": "10min",
}

_LACKING: Final = """
    WITH place AS (SELECT to_regnamespace(quote_ident(%(schema)s)) AS schema)
    SELECT 'TEMPORARY', 'the database ' || current_database()
    WHERE NOT has_database_privilege(current_database(), 'TEMPORARY')
    UNION ALL
    SELECT 'CREATE', 'the database ' || current_database() || ', to create the schema ' || %(schema)s
    FROM place WHERE schema IS NULL AND NOT has_database_privilege(current_database(), 'CREATE')
    UNION ALL
    SELECT p, 'the schema ' || %(schema)s FROM place, unnest(ARRAY['USAGE', 'CREATE']) AS p
    WHERE schema IS NOT NULL AND NOT has_schema_privilege(schema, p)
    UNION ALL
    SELECT p, relname FROM place, pg_class, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS p
    WHERE relnamespace = schema AND relkind IN ('r', 'p') AND relname = ANY(%(tables)s)
      AND NOT has_table_privilege(pg_class.oid, p)
"""

_MOST_NAMED: Final = 5
"""Missing rights that are named; the others are counted."""

_LOCK_SCHEMA: Final = "SELECT pg_advisory_xact_lock(hashtext('retrovue-daemon schema'))"

_LOCK: Final = "SELECT pg_try_advisory_lock(hashtext('retrovue-daemon/' || current_schema()), hashtext(%s))"

_HOLDER: Final = """
    SELECT l.pid, a.client_addr
    FROM pg_locks AS l LEFT JOIN pg_stat_activity AS a ON a.pid = l.pid
    WHERE l.locktype = 'advisory' AND l.granted
      AND l.classid::bigint = hashtext('retrovue-daemon/' || current_schema())::bigint & 4294967295
      AND l.objid::bigint = hashtext(%s)::bigint & 4294967295
"""


class Target(msgspec.Struct, frozen=True):
    """Where to publish: a URL (or libpq's key=value text), the schema, and the name of this mirror among others."""

    url: Secret
    schema: str
    origin: str


class TargetState(NamedTuple):
    """How far the published rows of an origin are: row ``mirror_state`` of it."""

    mirror_id: str
    feed_id: str
    seq: int


class Migration(NamedTuple):
    """One file of this folder's ``migrations``."""

    version: int
    sql: str


def migrations() -> list[Migration]:
    """Return all migrations of this release, oldest first."""
    return [
        Migration(int(file.name.split("_", 1)[0]), file.read_text("utf-8"))
        for file in sorted((Path(__file__).parent / "migrations").glob("*.sql"))
    ]


@contextmanager
def connected(target: Target) -> Iterator[PatientConnection]:
    """Connect for as long as the context is open, with the schema as the only search path; close in any case.

    Raise PublishError without credentials in its text, also for errors of PostgreSQL within the context.
    """
    try:
        from retrovue_daemon.publish.postgresql.patience import PatientConnection  # noqa: PLC0415 - needs psycopg
    except ImportError as missing:
        raise DriverMissing from missing
    _refuse_unreadable(target.url.reveal())
    with explained(target.url, target.schema):
        url = target.url.reveal()
        connection = PatientConnection.connect(url, autocommit=True, **_SERVER_SETTINGS)  # type: ignore[arg-type]
    try:
        with explained(target.url, target.schema):
            _set_session(connection, target.schema)
            yield connection
    finally:
        connection.close()


def _set_session(connection: PatientConnection, schema: str) -> None:
    """Apply all settings in one statement: until it ends, the limits that an administrator set for the role apply."""
    settings = {name: value.format(schema=f'"{schema}"') for name, value in _SESSION_SETTINGS.items()}
    if connection.info.server_version >= _WITH_IDLE_TIMEOUT:
        settings["idle_session_timeout"] = "0"
    calls = ", ".join(["set_config(%s, %s, false)"] * len(settings))
    connection.execute(f"SELECT {calls}", [text for setting in settings.items() for text in setting])


def _refuse_unreadable(url: str) -> None:
    """Refuse an address that libpq would split in the wrong places: its errors quote parts of the password then."""
    import psycopg.conninfo  # noqa: PLC0415 - an optional dependency

    try:
        settings_of(url)
        psycopg.conninfo.conninfo_to_dict(url)
    except UnclearAddress as unclear:
        raise PublishRefused(f"[postgresql] url cannot be read: {unclear}", hint=unclear.hint) from None
    except psycopg.ProgrammingError:
        hint = "libpq does not know one of its settings: check their names"
        raise PublishRefused("[postgresql] url cannot be read", hint=hint) from None


def refuse_unsuitable(connection: psycopg.Connection, target: Target) -> int:
    """Check version and schema; return the schema's version, 0 if the daemon has made nothing there yet.

    Raise PublishRefused for an old server, the schema of a newer daemon, or tables of somebody else.
    """
    version = connection.info.server_version
    if version < OLDEST:
        raise PublishRefused(
            f"version {version // 10_000} is too old", hint=f"use PostgreSQL {OLDEST // 10_000} or a newer one"
        )
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise PublishRefused(
            f"the database {connection.info.dbname!r} has the encoding {encoding}, which cannot hold every title",
            hint="publish to one that was made with ENCODING 'UTF8' TEMPLATE template0",
        )
    read_only = connection.execute("SHOW transaction_read_only").fetchone()
    if read_only == ("on",):
        raise PublishError(
            "the server only lets this role read: it is a standby, or default_transaction_read_only is set",
            hint="name the primary; a URL with several hosts and target_session_attrs=read-write finds it by itself",
        )
    is_ours = _refuse_others_tables(connection, target)
    # Afterwards: rights on tables of others would not help.
    refuse_missing_rights(connection, target)
    if not is_ours:
        return 0
    found = connection.execute("SELECT max(version) FROM mirror_schema").fetchone()
    at = int(found[0] or 0) if found else 0
    newest = migrations()[-1].version
    if at > newest:
        raise PublishRefused(
            f"the schema {target.schema} has version {at}, and this release knows {newest}",
            hint="a newer daemon publishes there; upgrade this one, or set another [postgresql] schema",
        )
    return at


def _refuse_others_tables(connection: psycopg.Connection, target: Target) -> bool:
    """Return whether a daemon has made the schema's tables, False if it has none of their names yet.

    Raise PublishRefused if somebody else has made some. The catalogue can be read without rights on the schema.
    """
    there = connection.execute(
        "SELECT relname, EXISTS (SELECT 1 FROM pg_attribute WHERE attrelid = c.oid AND attname = 'version')"
        " FROM pg_class AS c WHERE relnamespace = to_regnamespace(quote_ident(%s))"
        " AND relkind IN ('r', 'p', 'v', 'm', 'f') AND relname = ANY(%s) ORDER BY relname",
        (target.schema, ["mirror_schema", *relations()]),
    ).fetchall()
    if ("mirror_schema", True) in there:
        return True
    if there:
        raise PublishRefused(
            f"the schema {target.schema} has tables that the daemon did not make: {', '.join(r[0] for r in there)}",
            hint="set another [postgresql] schema, or drop these tables",
        )
    return False


def refuse_missing_rights(connection: psycopg.Connection, target: Target) -> None:
    """Raise PublishRefused with the rights that the role lacks, as far as they can be known beforehand."""
    lacking = [
        f"{right} on {place}"
        for right, place in connection.execute(_LACKING, {"schema": target.schema, "tables": relations()})
    ]
    if lacking:
        role = connection.info.user
        more = f" and {len(lacking) - _MOST_NAMED} more" if len(lacking) > _MOST_NAMED else ""
        raise PublishRefused(
            f"the role {role!r} lacks {', '.join(lacking[:_MOST_NAMED])}{more}",
            hint=f"grant the role what docs/postgresql.md lists, for the schema {target.schema}",
        )


def relations() -> list[str]:
    """Return the names of all tables and views that the migrations make."""
    created = re.compile(r"^CREATE (?:TABLE|VIEW) (\w+)", re.MULTILINE)
    return [name for each in migrations() for name in created.findall(each.sql)]


def upgrade(connection: psycopg.Connection, target: Target, *, rebuild: bool = False) -> None:
    """Create the schema, or bring it to this release's version; each migration is one transaction.

    Make dropped tables and views again. Raise PublishRefused if a table was changed, or ``rebuild`` it as well.
    """
    at = refuse_unsuitable(connection, target)
    exists = connection.execute("SELECT to_regnamespace(quote_ident(%s)) IS NOT NULL", (target.schema,)).fetchone()
    if exists is None or not exists[0]:
        from psycopg import sql  # noqa: PLC0415 - an optional dependency

        connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(target.schema)))
    for migration in migrations():
        if migration.version <= at:
            continue
        with connection.transaction():
            # Two daemons may begin at the same time.
            connection.execute(_LOCK_SCHEMA)
            if refuse_unsuitable(connection, target) >= migration.version:
                continue
            connection.execute(
                "CREATE TABLE IF NOT EXISTS mirror_schema"
                " (version bigint PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
            )
            connection.execute(migration.sql.encode())
            connection.execute("INSERT INTO mirror_schema (version) VALUES (%s)", (migration.version,))
    if at == migrations()[-1].version:
        _mend(connection, target, rebuild=rebuild)


def _mend(connection: psycopg.Connection, target: Target, *, rebuild: bool) -> None:
    from retrovue_daemon.publish.postgresql import structure  # noqa: PLC0415 - needs psycopg

    texts = [migration.sql for migration in migrations()]
    if structure.find_damage(connection, texts) == structure.NONE:
        return
    with connection.transaction():
        # Two daemons may begin at the same time.
        connection.execute(_LOCK_SCHEMA)
        damage = structure.find_damage(connection, texts)
        if not rebuild:
            refuse_changed(damage, target)
        structure.make_again(connection, texts, damage)


def refuse_changed(damage: Damage, target: Target) -> None:
    """Raise PublishRefused if tables were changed, which only a person may undo: others may rely on the change."""
    if damage.changed:
        found = "; ".join(f"{table}: {reason}" for table, reason in damage.changed.items())
        raise PublishRefused(
            f"tables in the schema {target.schema} were changed: {found}",
            hint="undo the change, or let the daemon drop these tables and make and fill them again:"
            " `retrovue-daemon publish resync`",
        )


def take_origin(
    connection: psycopg.Connection, target: Target, mirror_id: str, *, take_over: bool = False
) -> TargetState | None:
    """Lock the origin for this connection, and return its state, None if nothing was published under it yet.

    Raise PublishError if another process publishes under it now, PublishRefused if another mirror's rows are there,
    unless the caller is to ``take_over`` from it.
    """
    locked = connection.execute(_LOCK, (target.origin,)).fetchone()
    if locked is None or not locked[0]:
        holder = connection.execute(_HOLDER, (target.origin,)).fetchone()
        session = "" if holder is None else f" (session {holder[0]}" + (f" from {holder[1]})" if holder[1] else ")")
        end = "" if holder is None else f", end it: SELECT pg_terminate_backend({holder[0]})"
        raise PublishError(
            f"another process publishes under the origin {target.origin!r} now{session}",
            hint="set another [postgresql] origin in one of the two; a session that was left behind ends within"
            f" minutes, or if it hangs{end}",
        )
    state = state_of(connection, target.origin)
    if state is not None and state.mirror_id != mirror_id and not take_over:
        raise PublishRefused(
            f"the rows under the origin {target.origin!r} come from another mirror",
            hint="set another [postgresql] origin, or replace them: `retrovue-daemon publish resync --take-over`",
        )
    return state


def refuse_other_writers(connection: psycopg.Connection, origin: str, expected: TargetState | None) -> None:
    """Raise PublishError if the rows of an origin are not where this writer left them. The caller's transaction.

    The lock of `take_origin` alone is not enough: a pooler between the two may give it to somebody else.
    """
    if state_of(connection, origin, for_update=True) != expected:
        raise PublishError(
            f"something else has changed the state of the origin {origin!r}",
            hint="if another daemon publishes under it, set another [postgresql] origin in one of the two",
        )


def state_of(connection: psycopg.Connection, origin: str, *, for_update: bool = False) -> TargetState | None:
    """Return how far the rows of an origin are, None if there are none."""
    query = "SELECT mirror_id, feed_id, seq FROM mirror_state WHERE origin = %s"
    row = connection.execute(query + (" FOR UPDATE" if for_update else ""), (origin,)).fetchone()
    return None if row is None else TargetState(*row)
