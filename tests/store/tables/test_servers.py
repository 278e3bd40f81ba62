"""Servers and their mappings: what the configuration says, and whose rows are whose."""

from __future__ import annotations

import pytest

from retrovue_daemon.config import Secret
from retrovue_daemon.errors import DuplicateServer, WrongServer
from retrovue_daemon.records import PathMapping
from retrovue_daemon.store.tables.mappings import read_mappings
from retrovue_daemon.store.tables.servers import (
    ServerEntry,
    bind_identity,
    read_servers,
    reconcile_servers,
)

NOW = 1_700_000_000


@pytest.fixture
def reconcile(database):
    async def work(*entries: ServerEntry) -> None:
        await database.writer.run(lambda c: reconcile_servers(c, entries, NOW))

    return work


@pytest.fixture
def bind(database):
    async def work(server_id: int, machine: str) -> int:
        return await database.writer.run(lambda c: bind_identity(c, server_id, "home", machine, "1.43", NOW))

    return work


@pytest.fixture
def mappings(database):
    async def work(server_id: int) -> list[PathMapping]:
        return [row.mapping for row in await database.reader.run(lambda c: read_mappings(c, server_id))]

    return work


async def test_a_server_that_leaves_the_configuration_becomes_inactive(reconcile, query) -> None:
    """Its row and everything below it stay; coming back makes it active again, under the same id."""
    await reconcile(ServerEntry("attic", "http://a:1", ()))
    await reconcile()
    assert await query("SELECT id, is_active FROM plex_servers WHERE name = 'attic'") == [(2, 0)]
    await reconcile(ServerEntry("attic", "http://a:2", ()))
    assert await query("SELECT id, is_active, server_url FROM plex_servers WHERE name = 'attic'") == [
        (2, 1, "http://a:2")
    ]


async def test_a_server_of_the_database_keeps_its_own_definition(database, reconcile, query) -> None:
    """The configuration wins while it names the server; the row's url and token are there for afterwards."""
    await database.writer.run(lambda c: c.execute("UPDATE plex_servers SET token = 'kept'"))
    await reconcile(ServerEntry("home", "http://elsewhere:1", ()))
    await reconcile()
    assert await query("SELECT server_url, token, source, is_active FROM plex_servers") == [
        ("http://127.0.0.1:1", "kept", "database", 1)
    ]


async def test_a_server_whose_name_is_spelled_anew_keeps_its_row(reconcile, query) -> None:
    """Letter case does not count; one that the database defines keeps its own spelling."""
    await reconcile(ServerEntry("attic", "http://a:1", ()), ServerEntry("HOME", "http://h:1", ()))
    await reconcile(ServerEntry("Attic", "http://a:1", ()), ServerEntry("Home", "http://h:1", ()))
    assert await query("SELECT id, name, is_active FROM plex_servers ORDER BY id") == [
        (1, "home", 1),
        (2, "Attic", 1),
    ]


async def test_nothing_is_written_where_nothing_changed(database, reconcile) -> None:
    """Starting again with the same configuration leaves every row as it is."""
    entry = ServerEntry("attic", "http://a:1", (PathMapping("/a", "/b"),))
    await reconcile(entry)
    ((before,),) = await database.writer.run(lambda c: c.execute("SELECT total_changes()").fetchall())
    await reconcile(entry)
    ((after,),) = await database.writer.run(lambda c: c.execute("SELECT total_changes()").fetchall())
    assert after == before


async def test_mappings_of_the_configuration_replace_only_their_own_kind(database, reconcile, mappings) -> None:
    """What the database's users added stays."""
    await database.writer.run(
        lambda c: c.execute(
            "INSERT INTO plex_path_mappings (server_id, plex_path, local_path) VALUES (1, '/theirs', '/x')"
        )
    )
    await reconcile(ServerEntry("home", "http://h", (PathMapping("/one", "/1", "Movies"),)))
    await reconcile(ServerEntry("home", "http://h", (PathMapping("/two", "/2"),)))
    assert await mappings(1) == [PathMapping("/theirs", "/x"), PathMapping("/two", "/2")]


async def test_a_server_is_bound_to_its_machine_at_first_contact(bind, query) -> None:
    """Another machine at the same address is refused before anything is written."""
    assert await bind(1, "machine-a") == 1
    with pytest.raises(WrongServer) as refused:
        await bind(1, "machine-b")
    assert (refused.value.expected, refused.value.found) == ("machine-a", "machine-b")
    assert await query("SELECT machine_identifier, version FROM plex_servers") == [("machine-a", "1.43")]


async def test_a_renamed_entry_adopts_the_rows_of_the_inactive_one(
    database, reconcile, bind, query, mappings
) -> None:
    """The old row, with all that belongs to it, takes over the new name, address and mappings."""
    await reconcile(ServerEntry("attic", "http://a", (PathMapping("/old", "/o"),)))
    await bind(2, "machine-a")
    await reconcile(ServerEntry("loft", "http://b", (PathMapping("/new", "/n"),)))

    assert await bind(3, "machine-a") == 2

    assert await query("SELECT id, name, server_url, is_active FROM plex_servers WHERE id > 1") == [
        (2, "loft", "http://b", 1)
    ]
    assert await mappings(2) == [PathMapping("/new", "/n")]
    assert len(await database.reader.run(read_servers)) == 2


async def test_two_active_entries_of_one_machine_are_an_error(reconcile, bind) -> None:
    """Syncing it twice would double every row."""
    await bind(1, "machine-a")
    await reconcile(ServerEntry("attic", "http://a", ()))
    with pytest.raises(DuplicateServer, match="home"):
        await bind(2, "machine-a")


async def test_a_token_does_not_show_in_a_servers_text(database) -> None:
    """A row may land in a traceback."""
    await database.writer.run(lambda c: c.execute("UPDATE plex_servers SET token = 'very-secret'"))
    (row,) = await database.reader.run(read_servers)
    assert row.token == Secret("very-secret")
    assert "very-secret" not in repr(row)
