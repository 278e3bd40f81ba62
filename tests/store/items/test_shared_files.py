"""Whose guids other rows have, too: such items may have been added again under another key."""

from __future__ import annotations

from retrovue_daemon.records import Kind
from retrovue_daemon.store.items.shared_files import is_guid_elsewhere, with_guid_elsewhere


async def test_a_guid_is_elsewhere_where_another_present_row_has_it(write, make, database) -> None:
    """Neither the row itself counts, nor a missing one, nor one of another server, nor two rows without guids."""
    await write(*(make.movie(str(number), make.part(number)) for number in range(1, 9)))
    guids = ("twin", "twin", "gone", "gone", "alone", "alone", None, None)

    def change(connection) -> list[int]:
        connection.executemany(
            "UPDATE movies SET source_id = ? WHERE rating_key = ?", zip(guids, "12345678", strict=True)
        )
        connection.execute("INSERT INTO plex_servers (name, server_url) VALUES ('other', 'http://127.0.0.1:2')")
        connection.execute("UPDATE movies SET state = 'missing' WHERE rating_key = '4'")
        connection.execute("UPDATE movies SET server_id = 2 WHERE rating_key = '6'")
        keys = [key for (key,) in connection.execute("SELECT id FROM movies WHERE rating_key IN (1, 3, 4, 5, 7)")]
        return with_guid_elsewhere(connection, Kind.MOVIE, keys)

    found = await database.writer.run(change)
    assert found == [1, 4]
    assert await database.reader.run(is_guid_elsewhere, Kind.MOVIE, 2)
    assert not await database.reader.run(is_guid_elsewhere, Kind.MOVIE, 3)
