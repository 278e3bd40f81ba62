"""``database import-retrovue``: what was set up in the original Retrovue.

The tables have the names and columns of Retrovue's own: schema 2 and 3 those of its ``core/database.py`` (whose
migration 15 puts path_mappings in the place of plex_path_mappings), release 1.2.x those of
``retrovue_schema_v1.2.3.sql``.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from retrovue_daemon.errors import BadInput
from retrovue_daemon.store.retrovue import original

_COMMON = """
CREATE TABLE schema_version (version INTEGER PRIMARY KEY, applied_at TIMESTAMP, description TEXT);
INSERT INTO schema_version (version) VALUES (1), (2);
CREATE TABLE plex_servers (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, server_url TEXT NOT NULL, token TEXT NOT NULL,
    is_active BOOLEAN DEFAULT 1, created_at TIMESTAMP, UNIQUE (server_url)
);
CREATE TABLE libraries (
    id INTEGER PRIMARY KEY AUTOINCREMENT, server_id INTEGER NOT NULL, library_key TEXT NOT NULL,
    library_name TEXT NOT NULL, library_type TEXT NOT NULL, library_root TEXT, sync_enabled BOOLEAN DEFAULT 1,
    UNIQUE (server_id, library_key)
);
"""
_OLDER_MAPPINGS = """
CREATE TABLE plex_path_mappings (
    id INTEGER PRIMARY KEY AUTOINCREMENT, plex_path TEXT NOT NULL, local_path TEXT NOT NULL, server_id INTEGER,
    library_root TEXT, library_name TEXT, created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
"""
VERSION_2 = _COMMON + _OLDER_MAPPINGS
VERSION_3 = (
    _COMMON
    + """
INSERT INTO schema_version (version) VALUES (3);
CREATE TABLE path_mappings (
    id INTEGER PRIMARY KEY AUTOINCREMENT, server_id INTEGER NOT NULL, plex_prefix TEXT NOT NULL,
    local_prefix TEXT NOT NULL
);
"""
)
FIRST_MAPPINGS = """
CREATE TABLE schema_version (version INTEGER PRIMARY KEY);
INSERT INTO schema_version (version) VALUES (2);
CREATE TABLE plex_servers (id INTEGER PRIMARY KEY, name TEXT, server_url TEXT UNIQUE, token TEXT);
CREATE TABLE plex_path_mappings (id INTEGER PRIMARY KEY, plex_path TEXT, local_path TEXT, created_at TIMESTAMP);
"""
RELEASE_1_2 = """
CREATE TABLE plex_servers (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, base_url TEXT NOT NULL, token TEXT NOT NULL,
    is_default INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE libraries (
    id INTEGER PRIMARY KEY, server_id INTEGER NOT NULL, plex_library_key TEXT NOT NULL, title TEXT NOT NULL,
    library_type TEXT NOT NULL, sync_enabled INTEGER NOT NULL DEFAULT 1
);
CREATE TABLE path_mappings (
    id INTEGER PRIMARY KEY, server_id INTEGER NOT NULL, library_id INTEGER NOT NULL, plex_path TEXT NOT NULL,
    local_path TEXT NOT NULL
);
CREATE TABLE system_config (key TEXT PRIMARY KEY, value TEXT NOT NULL, description TEXT);
INSERT INTO system_config (key, value) VALUES ('default_plex_server_name', '');
"""


@pytest.fixture
def retrovue(tmp_path):
    """Make a database of the original, with some rows."""

    def make(schema: str = VERSION_3, rows: str = "", name: str = "retrovue.db"):
        (tmp_path / "retrovue").mkdir(exist_ok=True)
        path = tmp_path / "retrovue" / name
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(schema + rows)
        return path

    return make


_SERVERS = """
INSERT INTO plex_servers (name, server_url, token, is_active) VALUES
    ('Home', 'http://10.0.0.1:32400/', 'first-token', 1), ('Attic', 'http://10.0.0.2:32400', 'second-token', 0);
INSERT INTO libraries (server_id, library_key, library_name, library_type, library_root, sync_enabled) VALUES
    (1, '1', 'Movies', 'movie', '/m', 1), (1, '2', 'TV', 'show', '/t', 0), (2, '1', 'Films', 'movie', NULL, 1);
"""
_MAPPINGS = """
INSERT INTO path_mappings (server_id, plex_prefix, local_prefix) VALUES
    (1, '/m', 'D:\\Movies'), (1, '/all', '/mnt/all'), (2, '/all', '/mnt/all');
"""
TWO_SERVERS = _SERVERS + _MAPPINGS
SERVERS_OF_1_2 = """
INSERT INTO plex_servers (name, base_url, token) VALUES ('Home', 'http://10.0.0.1:32400', 'first-token');
INSERT INTO libraries (server_id, plex_library_key, title, library_type, sync_enabled) VALUES
    (1, '1', 'Movies', 'movie', 1), (1, '2', 'TV', 'show', 0);
INSERT INTO path_mappings (server_id, library_id, plex_path, local_path) VALUES
    (1, 1, '/data', '/mnt/films'), (1, 2, '/data', '/mnt/series'), (1, 9, '/gone', '/x');
"""


def _outcomes(finished) -> dict[str, dict[str, int]]:
    return json.loads(finished.out)["counts"]


def _rows(path, sql):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


def test_what_a_row_lacks_is_not_made_up(run, retrovue, tmp_path) -> None:
    """It is refused with a reason; so is what belongs to a server that is not there."""
    rows = """
        INSERT INTO plex_servers (name, server_url, token) VALUES (NULL, 'http://10.0.0.1:1', 't-1234567'),
            ('Home', 'http://10.0.0.2:1', 't-1234567'), ('Attic', NULL, 't-1234567');
        INSERT INTO libraries (server_id, library_key, library_name, library_type) VALUES
            (2, NULL, 'Movies', 'movie'), (2, '2', NULL, 'show'), (2, '3', 'TV', 'show'), (9, '1', 'Lost', 'movie');
        INSERT INTO path_mappings (plex_prefix, local_prefix, server_id) VALUES (NULL, '/m', 2), ('/gone', '/m', 9);
    """
    schema = VERSION_3.replace(" NOT NULL", "")
    path = tmp_path / "new.db"
    finished = run("database", "import-retrovue", retrovue(schema, rows), "--json", "--database", path)
    assert finished.code == 1
    steps = json.loads(finished.out)["steps"]
    refused = {(step["what"], step["name"]): step["reason"] for step in steps if step["outcome"] == "refused"}
    assert refused["library", "Home / Movies"] == refused["library", "Home / key 2"] == "it has no key, or no name"
    assert refused["library", "Lost"] == refused["mapping", "/gone -> /m"] == "its server is missing"
    assert refused["server", ""].startswith("name must be")
    assert refused["server", "Attic"].startswith("url must be")
    assert "plex_path: must be" in refused["mapping", "Home:  -> /m"]
    assert _rows(path, "SELECT name FROM plex_servers") == [("Home",)]
    assert _rows(path, "SELECT library_key, library_name FROM libraries") == [("3", "TV")]
    assert _rows(path, "SELECT count(*) FROM plex_path_mappings") == [(0,)]


def test_servers_libraries_and_mappings_are_taken(run, retrovue, tmp_path) -> None:
    """With tokens and switches. A new database is made for them."""
    path = tmp_path / "new.db"
    finished = run("database", "import-retrovue", retrovue(rows=TWO_SERVERS), "--json", "--database", path)
    assert finished.code == 0
    assert _outcomes(finished) == {"server": {"added": 2}, "library": {"added": 3}, "mapping": {"added": 3}}
    assert "first-token" not in finished.out
    assert _rows(path, "SELECT name, server_url, token, is_active, source FROM plex_servers ORDER BY id") == [
        ("Home", "http://10.0.0.1:32400", "first-token", 1, "database"),
        ("Attic", "http://10.0.0.2:32400", "second-token", 0, "database"),
    ]
    libraries = "SELECT server_id, library_key, library_name, library_type, library_root, sync_enabled FROM libraries"
    assert _rows(path, libraries) == [
        (1, "1", "Movies", "movie", "/m", 1),
        (1, "2", "TV", "show", "/t", 0),
        (2, "1", "Films", "movie", None, 1),
    ]
    mappings = "SELECT server_id, plex_path, local_path, library_root, library_name FROM plex_path_mappings"
    assert sorted(_rows(path, mappings), key=str) == [
        (1, "/all", "/mnt/all", None, None),
        (1, "/m", "D:\\Movies", None, None),
        (2, "/all", "/mnt/all", None, None),
    ]


def test_mappings_of_schema_2_keep_their_meaning(run, retrovue, tmp_path) -> None:
    """A library that a row names meant nothing, nor did a row without a server; of two for one path one was used."""
    rows = """
        INSERT INTO plex_path_mappings (plex_path, local_path, server_id, library_root, library_name) VALUES
            ('/m', '/old', 1, NULL, NULL), ('/m', '/films', 1, '/m', 'Movies'),
            ('/all', '/mnt/all', NULL, NULL, NULL);
    """
    path = tmp_path / "new.db"
    source = retrovue(VERSION_2, _SERVERS + rows)
    finished = run("database", "import-retrovue", source, "--json", "--database", path)
    assert finished.code == 0
    left = {step["name"]: step["reason"] for step in json.loads(finished.out)["steps"] if step["outcome"] == "left"}
    assert left == {
        "/all -> /mnt/all": "it names no server, so Retrovue never used it",
        "Home: /m -> /old": "Retrovue used another one for this directory",
    }
    mappings = "SELECT server_id, plex_path, local_path, library_root, library_name FROM plex_path_mappings"
    assert _rows(path, mappings) == [(1, "/m", "/films", None, None)]


def test_of_equal_mappings_of_schema_3_the_first_was_used(run, retrovue, tmp_path) -> None:
    """What is left over in the table of schema 2 was not used any more."""
    rows = """
        INSERT INTO path_mappings (server_id, plex_prefix, local_prefix) VALUES
            (1, '/m', '/first'), (1, '/m', '/second');
        INSERT INTO plex_path_mappings (server_id, plex_path, local_path) VALUES (1, '/t', '/older');
    """
    path = tmp_path / "new.db"
    source = retrovue(VERSION_3 + _OLDER_MAPPINGS, _SERVERS + rows)
    finished = run("database", "import-retrovue", source, "--json", "--database", path)
    assert finished.code == 0
    left = {step["name"]: step["reason"] for step in json.loads(finished.out)["steps"] if step["outcome"] == "left"}
    assert left["Home: /m -> /second"] == "Retrovue used another one for this directory"
    assert "only its newer table" in left["/t -> /older"]
    assert _rows(path, "SELECT plex_path, local_path FROM plex_path_mappings") == [("/m", "/first")]


@pytest.mark.parametrize("version", [None, "1.2.3"])
def test_release_1_2_is_taken(run, retrovue, tmp_path, version) -> None:
    """Its mappings hold for one library each, so they name it; one of a library that is not there is refused."""
    stated = f"INSERT INTO system_config (key, value) VALUES ('schema_version', '{version}');" if version else ""
    path = tmp_path / "new.db"
    source = retrovue(RELEASE_1_2, SERVERS_OF_1_2 + stated)
    finished = run("database", "import-retrovue", source, "--json", "--database", path)
    assert finished.code == 1
    steps = json.loads(finished.out)["steps"]
    assert [(step["name"], step["reason"]) for step in steps if step["outcome"] == "refused"] == [
        ("Home: /gone -> /x", "its library is missing")
    ]
    assert _rows(path, "SELECT name, server_url, token, is_active FROM plex_servers") == [
        ("Home", "http://10.0.0.1:32400", "first-token", 1)
    ]
    libraries = "SELECT library_key, library_name, library_type, sync_enabled FROM libraries ORDER BY id"
    assert _rows(path, libraries) == [("1", "Movies", "movie", 1), ("2", "TV", "show", 0)]
    mappings = (
        "SELECT server_id, plex_path, local_path, library_root, library_name FROM plex_path_mappings ORDER BY id"
    )
    assert _rows(path, mappings) == [
        (1, "/data", "/mnt/films", None, "Movies"),
        (1, "/data", "/mnt/series", None, "TV"),
    ]


def test_older_files_lack_columns_and_tables(run, retrovue, tmp_path) -> None:
    """What they lack has the value that it had by default."""
    path = tmp_path / "new.db"
    rows = (
        "INSERT INTO plex_servers (name, server_url, token) VALUES ('Home', 'http://10.0.0.1:32400', 't');"
        "INSERT INTO plex_path_mappings (plex_path, local_path) VALUES ('/m', '/n');"
    )
    finished = run("database", "import-retrovue", retrovue(FIRST_MAPPINGS, rows), "--json", "--database", path)
    assert _outcomes(finished) == {"server": {"added": 1}, "mapping": {"added": 1}}
    assert _rows(path, "SELECT is_active FROM plex_servers") == [(1,)]


def test_a_dry_run_changes_nothing(run, retrovue, tmp_path) -> None:
    """Not even is a database made."""
    path = tmp_path / "new.db"
    finished = run("database", "import-retrovue", retrovue(rows=TWO_SERVERS), "--dry-run", "--database", path)
    assert finished.code == 0
    assert "servers: 2 would be added" in finished.out
    assert not path.exists()


def test_a_second_import_finds_everything_there(run, retrovue, tmp_path) -> None:
    """And leaves it, also what was changed here since."""
    path, source = tmp_path / "new.db", retrovue(rows=TWO_SERVERS)
    run("database", "import-retrovue", source, "--database", path)
    run("libraries", "disable", "Movies", "--database", path)
    finished = run("database", "import-retrovue", source, "--json", "--database", path)
    assert _outcomes(finished) == {"server": {"left": 2}, "library": {"left": 3}, "mapping": {"left": 3}}
    assert _rows(path, "SELECT count(*), sum(sync_enabled) FROM libraries") == [(3, 1)]
    assert "its address is that of 'Home' here" in run("database", "import-retrovue", source, "--database", path).out


def test_what_cannot_be_used_costs_nothing_else(run, retrovue, tmp_path) -> None:
    """It is reported with its reason, and exit code 1."""
    path = tmp_path / "new.db"
    source = retrovue(
        rows=TWO_SERVERS + "INSERT INTO plex_servers (name, server_url, token) VALUES"
        "   ('bad', 'ftp://x', 't'), ('empty', 'http://10.0.0.3:1', ''), ('Home', 'http://10.0.0.4:1', 't4');"
        "INSERT INTO libraries (server_id, library_key, library_name, library_type) VALUES"
        "   (1, '9', 'Music', 'artist'), (3, '1', 'Lost', 'movie');"
        "INSERT INTO path_mappings (plex_prefix, local_prefix, server_id) VALUES"
        "   ('relative', 'x', 1), ('/dir', '/old', 1), ('/dir/', '/new', 1);"
    )
    finished = run("database", "import-retrovue", source, "--json", "--database", path)
    assert finished.code == 1
    steps = {(step["what"], step["name"]): step for step in json.loads(finished.out)["steps"]}
    assert steps["server", "bad"]["outcome"] == "refused"
    assert "url must be" in steps["server", "bad"]["reason"]
    assert "token" in steps["server", "empty"]["reason"]
    assert steps["library", "bad / Lost"]["reason"] == "its server was not imported"
    assert "'artist' are not mirrored" in steps["library", "Home / Music"]["reason"]
    assert "absolute path" in steps["mapping", "Home: relative -> x"]["reason"]
    assert "Retrovue used another one" in steps["mapping", "Home: /dir -> /old"]["reason"]
    assert {name for (name,) in _rows(path, "SELECT name FROM plex_servers")} == {"Home", "Attic", "Home (2)"}
    assert _rows(path, "SELECT local_path FROM plex_path_mappings WHERE plex_path LIKE '/dir%'") == [("/new",)]


def test_what_is_set_up_here_wins(on, retrovue, rows, config_file) -> None:
    """A server by its address keeps its name; a name of another server is not taken over."""
    rows("UPDATE plex_servers SET server_url = 'http://10.0.0.1:32400'")
    config = config_file('[[servers]]\nname = "ATTIC"\nurl = "http://10.0.0.9:1"\ntoken = "t"\n')
    finished = on("database", "import-retrovue", retrovue(rows=TWO_SERVERS), "--json", "--config", config)
    assert finished.code == 1
    steps = {(step["what"], step["name"]): step for step in json.loads(finished.out)["steps"]}
    assert steps["server", "Home"]["outcome"] == "left"
    assert "another server already has this name" in steps["server", "Attic"]["reason"]
    assert steps["library", "Home / Movies"]["outcome"] == "left"
    assert rows("SELECT plex_path, server_id FROM plex_path_mappings ORDER BY 1") == [("/all", 1), ("/m", 1)]

    config = config_file('[[servers]]\nname = "cellar"\nurl = "http://10.0.0.2:32400"\ntoken = "t"\n')
    finished = on(
        "database", "import-retrovue", retrovue(name="b.db", rows=TWO_SERVERS), "--json", "--config", config
    )
    steps = {(step["what"], step["name"]): step for step in json.loads(finished.out)["steps"]}
    assert "the configuration defines it as 'cellar'" in steps["server", "Attic"]["reason"]


# -- the file itself ------------------------------------------------------------------------------------------------


def _state(directory) -> list[tuple[str, int, bytes]]:
    return sorted((file.name, file.stat().st_mtime_ns, file.read_bytes()) for file in directory.iterdir())


def test_the_original_is_not_touched(run, retrovue, tmp_path) -> None:
    """Neither the file nor its directory, whatever its journal: nothing is created, changed or tidied up."""
    closed = retrovue(rows=TWO_SERVERS)
    logging = retrovue(rows=TWO_SERVERS + "PRAGMA journal_mode = WAL;", name="logging.db")
    with closing(sqlite3.connect(retrovue(name="open.db"))) as retrovue_itself:
        retrovue_itself.execute("PRAGMA journal_mode = WAL")
        retrovue_itself.executescript(TWO_SERVERS)
        opened = closed.with_name("open.db")
        shutil.copy(opened, closed.with_name("killed.db"))
        shutil.copy(opened.with_name("open.db-wal"), closed.with_name("killed.db-wal"))
        for source in (closed, logging, opened, closed.with_name("killed.db")):
            before = _state(closed.parent)
            finished = run(
                "database", "import-retrovue", source, "--json", "--database", tmp_path / f"{source.stem}.new"
            )
            assert _outcomes(finished)["server"] == {"added": 2}, source
            assert _state(closed.parent) == before


def test_a_directory_that_cannot_be_written_is_no_hindrance(as_reader, database, retrovue) -> None:
    """The original may belong to another user."""
    others = TWO_SERVERS.replace("'Home'", "'House'")
    source = shutil.copy(retrovue(rows=others), database.parent / "theirs.db")
    source.chmod(0o444)
    finished = as_reader("database", "import-retrovue", source, "--dry-run", "--json")
    assert finished.code == 0, finished.err
    assert _outcomes(finished)["server"] == {"added": 2}


def test_a_file_that_is_being_written_is_not_used(retrovue, monkeypatch) -> None:
    """A copy of two files of different moments may be nonsense: after three tries it gives up."""
    source = retrovue(rows=TWO_SERVERS)
    source.with_name("retrovue.db-wal").write_bytes(b"x" * 100)
    copyfile = shutil.copyfile
    copies = []

    def copy_while_written(origin, target):
        copies.append(origin)
        os.utime(source, ns=(len(copies), len(copies)))
        return copyfile(origin, target)

    monkeypatch.setattr("retrovue_daemon.store.retrovue.original.shutil.copyfile", copy_while_written)
    with pytest.raises(BadInput, match="being written"):
        original.read(source)
    assert len(copies) == 6


@pytest.mark.parametrize(
    ("schema", "word"),
    [
        ("CREATE TABLE theirs (x);", "not a known database of the original Retrovue"),
        ("CREATE TABLE schema_version (version); CREATE TABLE plex_servers (id);", "not a known database"),
        (
            RELEASE_1_2 + "INSERT INTO system_config (key, value) VALUES ('schema_version', '2.0');",
            "schema version 2.0",
        ),
        (VERSION_3 + "INSERT INTO schema_version (version) VALUES (4);", "schema version 4; schema versions 2 and 3"),
    ],
)
def test_other_databases_are_refused(run, retrovue, tmp_path, schema, word) -> None:
    """With what it is, and what can be done."""
    finished = run("database", "import-retrovue", retrovue(schema), "--database", tmp_path / "new.db")
    assert (finished.code, finished.out) == (2, "")
    assert word in finished.err
    assert "hint: " in finished.err
    assert not (tmp_path / "new.db").exists()


def test_what_is_no_database_is_refused(run, tmp_path, database) -> None:
    """A text, a directory, nothing, and a database of our own."""
    (tmp_path / "text").write_text("some text that is no database at all" * 100)
    for source in (tmp_path / "text", tmp_path, tmp_path / "nothing", database):
        finished = run("database", "import-retrovue", source, "--database", tmp_path / "new.db")
        assert finished.code == 2, source
        assert "Traceback" not in finished.err
    assert "a database of retrovue-daemon itself" in finished.err
    assert f"--database {database}" in finished.err


@pytest.mark.parametrize("command", ["sync", "status", "servers list", "database check", "database vacuum"])
@pytest.mark.parametrize("journal", ["DELETE", "WAL"])
@pytest.mark.parametrize("schema", [VERSION_2, VERSION_3, RELEASE_1_2])
def test_as_our_own_database_it_is_refused(run, retrovue, schema, journal, command) -> None:
    """With the command that takes over what is in it; nothing is put beside it, no lock and no log."""
    source = retrovue(schema, f"PRAGMA journal_mode = {journal};")
    before = _state(source.parent)
    finished = run(*command.split(), "--database", source)
    assert finished.code == 78
    assert "a database of the original Retrovue" in finished.err
    assert f"retrovue-daemon database import-retrovue {source}" in " ".join(finished.err.split())
    assert _state(source.parent) == before


def test_the_daemon_refuses_it_too(retrovue, tmp_path) -> None:
    """As a process of its own: at its end it sees to it that the process ends."""
    source = retrovue()
    before = _state(source.parent)
    finished = subprocess.run(
        [sys.executable, "-m", "retrovue_daemon", "run", "--database", source],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert finished.returncode == 78
    assert f"retrovue-daemon database import-retrovue {source}" in finished.stderr
    assert _state(source.parent) == before
