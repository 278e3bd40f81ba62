"""Targets that cannot be used are refused, with what is wrong and what to do, and nothing is written there."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import warnings
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from retrovue_daemon.config import Secret
from retrovue_daemon.config.conninfo import secrets_in
from retrovue_daemon.errors.publish import PublishError, PublishRefused
from retrovue_daemon.publish.postgresql import copying
from retrovue_daemon.publish.postgresql import target as targets
from retrovue_daemon.publish.postgresql.examination import examine
from retrovue_daemon.publish.postgresql.explanation import without_credentials
from retrovue_daemon.publish.postgresql.following import follow
from retrovue_daemon.publish.postgresql.target import Target, connected, state_of, take_origin, upgrade
from retrovue_daemon.records import Kind
from retrovue_daemon.store.feed.recording import record
from tests.support.commands import run_here
from tests.support.postgresql import PASSWORD, PostgresServer, differences

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def tables(server: PostgresServer, schema: str) -> list[str]:
    query = "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(%s) AND relkind IN ('r', 'v')"
    with closing(server.connect(schema)) as connection:
        return sorted(name for (name,) in connection.execute(query, (schema,)))


@pytest.fixture
def refused(server: PostgresServer, schema: str) -> Callable[..., PublishRefused]:
    """Return why a target is refused, the same by the check and by the publisher; nothing is written to it."""

    def attempt(url: str | None = None) -> PublishRefused:
        target, before = Target(Secret(url or server.url()), schema, "here"), tables(server, schema)
        with pytest.raises(PublishRefused) as checked:
            examine(target, "mirror")
        with pytest.raises(PublishRefused) as tried, connected(target) as connection:
            upgrade(connection, target)
        assert str(checked.value) == str(tried.value)
        assert checked.value.hint == tried.value.hint
        assert tables(server, schema) == before
        return tried.value

    return attempt


@pytest.fixture
def role(server: PostgresServer, schema: str) -> Iterator[str]:
    """A role that may do nothing."""
    with closing(server.connect(schema)) as connection:
        connection.execute("CREATE ROLE plain LOGIN")
        yield "plain"
        connection.execute("DROP OWNED BY plain CASCADE")
        connection.execute("DROP ROLE plain")


def test_an_old_version_is_refused(refused, monkeypatch) -> None:
    """By its number; the server that the tests use counts as one."""
    monkeypatch.setattr(targets, "OLDEST", 990_000)
    error = refused()
    assert "is too old" in str(error)
    assert error.hint == "use PostgreSQL 99 or a newer one"


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_database_that_cannot_hold_every_title_is_refused(refused, server, schema, encoding) -> None:
    """By its encoding, before anything is written, and not by the first title that does not fit."""
    name = f"as_{encoding.lower()}"
    with closing(server.connect(schema)) as connection:
        connection.execute(f"CREATE DATABASE {name} ENCODING '{encoding}' TEMPLATE template0")
    error = refused(server.url().replace("/postgres?", f"/{name}?"))
    assert f"the database '{name}' has the encoding {encoding}" in str(error)


def test_a_standby_is_trouble_that_may_pass(server, schema, role) -> None:
    """After a failover, for example; the hint says how the primary is found."""
    with closing(server.connect(schema)) as connection:
        connection.execute("ALTER ROLE plain SET default_transaction_read_only = on")
    with pytest.raises(PublishError, match="only lets this role read") as failed:
        examine(Target(Secret(server.url(role)), schema, "here"), "mirror")
    assert failed.value.is_passing
    assert "target_session_attrs=read-write" in (failed.value.hint or "")


HINDERING = {
    "statement_timeout": "250ms", "lock_timeout": "1ms", "idle_session_timeout": "250ms", "search_path": "nowhere",
    "idle_in_transaction_session_timeout": "1ms", "client_encoding": "LATIN1", "DateStyle": "German",
    "standard_conforming_strings": "off", "default_transaction_isolation": "serializable",
}  # fmt: skip


def test_settings_of_the_role_do_not_get_in_the_way(server, schema, role, mirror, path) -> None:
    """Such as limits of time, which administrators set for everybody."""
    with closing(server.connect(schema)) as connection:
        connection.execute(f"CREATE SCHEMA {schema} AUTHORIZATION plain")
        for name, value in HINDERING.items():
            connection.execute(f"ALTER ROLE plain SET {name} = '{value}'")
    target = Target(Secret(server.url(role)), schema, "here")
    with connected(target) as connection:
        upgrade(connection, target)
        follow(connection, mirror, "here", "mirror", take_origin(connection, target, "mirror"), lambda _: None)
        for _ in range(7):
            state_of(connection, "here")
        assert connection.execute("SELECT count(*) FROM pg_prepared_statements").fetchone() == (0,)
        limits = ("statement_timeout", "idle_session_timeout")
        assert [connection.execute(f"SHOW {name}").fetchone() for name in limits] == [("0",), ("0",)]
    assert not differences(server, path, schema)


ADDITIONS = {
    "column": "ALTER TABLE movies ADD COLUMN seen int NOT NULL DEFAULT 0; ALTER TABLE movies ALTER seen DROP DEFAULT",
    "key": "CREATE TABLE schedule (origin text, id bigint, FOREIGN KEY (origin, id) REFERENCES movies);"
    " INSERT INTO schedule SELECT origin, id FROM movies",
    "trigger": "CREATE FUNCTION never() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''never''; END';"
    " CREATE TRIGGER never BEFORE INSERT ON movies FOR EACH ROW EXECUTE FUNCTION never()",
}


@pytest.mark.parametrize("addition", ADDITIONS)
def test_what_was_added_and_refuses_rows_is_to_be_removed(server, schema, mirror, addition) -> None:
    """The hint says so."""
    target = server.target(schema)

    def publish() -> None:
        with connected(target) as connection:
            upgrade(connection, target)
            state = take_origin(connection, target, "mirror")
            follow(connection, mirror, "here", "mirror", state, lambda _: None)

    publish()
    with closing(server.connect(schema)) as other:
        other.execute(ADDITIONS[addition])
    record(mirror, Kind.MOVIE, "updated", [1, 2])
    with pytest.raises(PublishRefused) as refused:
        publish()
    assert "remove the constraint, trigger or foreign key that was added" in (refused.value.hint or "")


def test_the_schema_of_a_newer_daemon_is_refused(refused, server, schema) -> None:
    """With both versions."""
    with connected(server.target(schema)) as connection:
        upgrade(connection, server.target(schema))
        connection.execute("INSERT INTO mirror_schema (version) VALUES (99)")
    assert "has version 99, and this release knows 1" in str(refused())


def test_tables_of_others_are_refused_by_name(refused, server, schema, role) -> None:
    """A table and a view; others in the schema do not matter. So they are if the role lacks rights on them, too."""
    with closing(server.connect(schema)) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
        connection.execute("CREATE TABLE movies (id bigint); CREATE VIEW active_shows AS SELECT 1 AS x")
        connection.execute("CREATE TABLE schedules (id bigint)")
        assert "did not make: active_shows, movies" in str(refused())
        assert "did not make: active_shows, movies" in str(refused(server.url(role)))
        connection.execute("DROP TABLE movies; DROP VIEW active_shows; CREATE TABLE mirror_schema (name text)")
    assert "did not make: mirror_schema" in str(refused())


def test_missing_rights_are_named(refused, server, schema, role) -> None:
    """To make the schema, to use it, and to write to its tables."""
    error = refused(server.url(role))
    assert f"the role 'plain' lacks CREATE on the database postgres, to create the schema {schema}" in str(error)
    assert "docs/postgresql.md" in (error.hint or "")
    with connected(server.target(schema)) as connection:
        upgrade(connection, server.target(schema))
        assert f"lacks USAGE on the schema {schema}, CREATE on the schema {schema}" in str(refused(server.url(role)))
        connection.execute(f"GRANT USAGE, CREATE ON SCHEMA {schema} TO plain")
        connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO plain")
    error = refused(server.url(role))
    assert "INSERT on " in str(error)
    assert str(error).endswith(" more")


def test_a_role_with_the_documented_rights_is_enough(server, schema, role, mirror, path) -> None:
    """It owns the schema, and is nothing else."""
    with closing(server.connect(schema)) as connection:
        connection.execute(f"CREATE SCHEMA {schema} AUTHORIZATION plain")
    target = Target(Secret(server.url(role)), schema, "here")
    with connected(target) as connection:
        upgrade(connection, target)
        follow(connection, mirror, "here", "mirror", take_origin(connection, target, "mirror"), lambda _: None)
    assert not differences(server, path, schema)


def test_a_killed_daemon_leaves_whole_transactions(server, schema, mirror, path) -> None:
    """SIGKILL in the middle of the first fill; the next process begins it again."""
    target = server.target(schema)

    def fill(check: Callable[[int], None]) -> None:
        with connected(target) as connection, closing(sqlite3.connect(path, isolation_level=None)) as rows:
            upgrade(connection, target)
            follow(connection, rows, "here", "mirror", take_origin(connection, target, "mirror"), check)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads
        child = os.fork()
    if child == 0:
        vars(copying)["BLOCK"] = 1
        fill(lambda rows: os.kill(os.getpid(), signal.SIGKILL) if rows == 50 else None)
        os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    with closing(server.connect(schema)) as connection:
        assert connection.execute("SELECT count(*) FROM plex_servers").fetchone() == (0,)
        # The server may still be at its end of the connection, which holds the lock.
        ours = "application_name = 'retrovue-daemon'"
        connection.execute(f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE {ours}")
    fill(lambda _: None)
    assert not differences(server, path, schema)


def test_another_writer_is_noticed_in_the_transaction(server, schema, mirror) -> None:
    """Even if it has got round the lock: nothing of both is mixed."""
    target = server.target(schema)
    with connected(target) as connection:
        upgrade(connection, target)
        state = take_origin(connection, target, "mirror")
        state = follow(connection, mirror, "here", "mirror", state, lambda _: None).state
        with closing(server.connect(schema)) as other:
            other.execute("UPDATE mirror_state SET seq = seq - 1")
        mirror.execute("UPDATE plex_servers SET name = 'attic'")
        with pytest.raises(PublishError, match="something else has changed the state"):
            follow(connection, mirror, "here", "mirror", state, lambda _: None)
        assert connection.execute("SELECT name FROM plex_servers").fetchone() == ("home",)


URLS = (
    "postgresql://u:pa55%20word@h/d",
    "postgresql://u@h/d?password=pa55%20word&x=1",
    "host=h password='pa55 word' user=u",
    "host=h password='pa55\\'word' user=u",
    "host=h password=pa55\\ word user=u",
    "host=h password=pa55word user=u",
)


@pytest.mark.parametrize("url", URLS)
def test_no_password_is_left_in_an_error(url) -> None:
    """In whichever way it stands in the address, as written and decoded."""
    target = Target(Secret(url), "plex", "here")
    assert len(secrets_in(url)) >= 2
    shown = without_credentials(f"{url} {' '.join(secrets_in(url))}", target.url)
    assert url not in shown
    assert not [secret for secret in secrets_in(url) if secret in shown]


def test_the_library_does_not_put_the_password_into_its_errors(server, schema) -> None:
    """With a role that does not exist, and an option that libpq does not know."""
    for url in (server.url("nobody_of_that_name"), f"{server.url()}&colour=blue"):
        with pytest.raises(PublishError) as failed, connected(Target(Secret(url), schema, "here")):
            pass
        assert PASSWORD not in f"{failed.value}{failed.value.hint}"
        assert failed.value.__cause__ is None


@pytest.mark.parametrize("mistake", ["/none?", "/db?user=none&", "sslmode=none", "port=1,2", "service=none"])
def test_a_mistake_in_the_address_is_to_be_corrected(refused, server, mistake) -> None:
    """It does not pass by itself; the hint is the same for `publish check` and the daemon."""
    place = server.url().partition("?")[2]
    url = f"postgresql://{mistake}{place}" if "?" in mistake else f"{server.url()}&{mistake}"
    assert "check [postgresql] url" in (refused(url).hint or "")


def test_the_check_says_what_there_is(server, schema, path, tmp_path, mirror) -> None:
    """Before the first start, and after; also as JSON."""
    config = tmp_path / "config.toml"
    url = tmp_path / "url"
    url.write_text(server.url())
    url.chmod(0o600)
    config.write_text(f'[database]\npath = "{path}"\n[postgresql]\nurl_file = "{url}"\nschema = "{schema}"\n')
    config.chmod(0o600)
    done = run_here("publish", "check", "--config", config)
    assert done.code == 0
    assert f"schema '{schema}': will be made\norigin 'of this mirror': no rows yet" in done.out
    with connected(server.target(schema)) as connection:
        upgrade(connection, server.target(schema))
    done = run_here("publish", "check", "--config", config, "--json")
    found = json.loads(done.out)
    assert (found["schema_version"], found["published"], found["role"]) == (1, None, "postgres")
    assert PASSWORD not in done.out + done.err
