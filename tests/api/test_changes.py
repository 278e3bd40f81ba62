"""Programs that embed the library read the change feed, and follow it."""

from __future__ import annotations

import pytest

from retrovue_daemon import Database
from retrovue_daemon.errors import ReadAnew


async def test_changes_are_read_and_followed(path) -> None:
    """A list of what was, and an iterator that goes on with what comes."""
    async with Database(path) as database:
        position = (await database.feed_state()).last_seq
        server = await database.add_plex_server("home", "http://127.0.0.1:9", "a-token")
        mapping = await database.add_plex_path_mapping("/a", "/b", server)
        found = await database.changes(position)
        assert [(each.op, each.kind, each.id, each.title) for each in found] == [
            ("added", "server", server, "home"),
            ("updated", "server", server, "home"),
        ]
        assert await database.changes(found[-1].seq) == []
        following = database.follow_changes(found[0].seq)
        assert await anext(following) == found[1]
        await database.delete_plex_path_mapping(mapping)
        assert (await anext(following)).seq == found[1].seq + 1
        await database.delete_plex_server(server)
        last = [await anext(following) for _ in range(2)][-1]
        assert (last.op, last.title, last.server) == ("deleted", None, None)
        with pytest.raises(ReadAnew, match=str(last.seq)):
            await database.changes(last.seq + 1)
