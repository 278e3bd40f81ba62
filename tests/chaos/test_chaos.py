"""A few fixed seeds of `make chaos`, and that a trial finds what it looks for."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from random import Random

import pytest

from tests.chaos import promises, worlds
from tests.chaos.__main__ import play
from tests.chaos.results import Figures, Result
from tests.chaos.trials import faults
from tests.chaos.witness import Witness


@pytest.mark.parametrize(("kind", "seed"), [("faults", 102), ("copies", 1), ("files", 2000)])
async def test_a_trial_breaks_no_promise(monkeypatch, kind: str, seed: int) -> None:
    """Real processes and sockets; `make chaos` plays as many others as there is time for."""
    monkeypatch.setattr(faults, "SCHEDULES", 1)
    result = await play(seed, kind)
    assert result.broken == []
    assert result.done


LOSSES = {
    "UPDATE movies SET state = 'missing', missing_since = 1, missing_observed = 1 WHERE id = 1": "was marked missing",
    "DELETE FROM movies WHERE id = 1": "has no row any more",
    "UPDATE movies SET id = 9999 WHERE id = 1": "had the id 1 and has 9999",
    "UPDATE collections SET state = 'missing' WHERE is_smart": "was marked missing, and the server has it",
    "DELETE FROM collections WHERE is_smart": "which is gone",
    "UPDATE media_files SET id = 9999 WHERE id = 30": "had the id 30 and has 9999",
    "UPDATE shows SET title = 'Unannounced' WHERE id = 1": "no entry for the show 1",
    "DELETE FROM change_batches WHERE kind = 'season'": "no entry for the season",
}
DIFFERENCES = {
    **dict.fromkeys([*list(LOSSES)[:2], *list(LOSSES)[3:5]], "is missing"),
    "UPDATE movies SET title = 'Another' WHERE id = 1": "title is 'Another'",
    "UPDATE media_files SET file_path = '/elsewhere' WHERE id = 1": "file_path is '/elsewhere'",
    "DELETE FROM movie_tags WHERE tag_id IN (SELECT id FROM tags WHERE kind = 'label')": "label is []",
    "UPDATE movies SET genre = 'Horror' WHERE genre LIKE '%,%,%'": "genre text is ['Horror']",
    "DELETE FROM episode_credits": "director is []",
    "DELETE FROM chapters WHERE movie_id IS NOT NULL": "chapters is []",
    "DELETE FROM markers": "markers is []",
    "DELETE FROM collection_items WHERE position > 0": "the collection",
}


async def test_each_damage_is_found(tmp_path) -> None:
    """What is lost since the last look, and what differs from the server."""
    plex = worlds.small_server(Random(1))
    servers, database = {"home": plex}, tmp_path / "mirror.db"
    async with plex:
        await worlds.sync_here(tmp_path, servers)
        sound = database.read_bytes()
        for damage in LOSSES | DIFFERENCES:
            database.with_name("mirror.db-wal").unlink(missing_ok=True)
            database.write_bytes(sound)
            memory = promises.Memory(database)
            assert memory.look(servers) == promises.equal_to_servers(database, servers) == []
            with closing(sqlite3.connect(database)) as connection, connection:
                connection.execute(damage)
                assert connection.total_changes, damage
            if damage in LOSSES:
                assert any(LOSSES[damage] in text for text in memory.look(servers)), damage
            if damage in DIFFERENCES:
                found = promises.equal_to_servers(database, servers)
                assert any(DIFFERENCES[damage] in text for text in found), damage


async def test_a_removal_that_was_undone_is_found(tmp_path) -> None:
    """The rows are as before; the witness has noted what happened in between."""
    plex = worlds.small_server(Random(1))
    servers, database = {"home": plex}, tmp_path / "mirror.db"
    memory, witness = promises.Memory(database), Witness(database)
    async with plex:
        await worlds.sync_here(tmp_path, servers)
        witness.watch()
        memory.look(servers)
        for state in ("'missing', missing_since = 1, missing_observed = 1", "'active', missing_since = NULL"):
            with closing(sqlite3.connect(database)) as connection, connection:
                connection.execute(f"UPDATE movies SET state = {state} WHERE id = 1")
        with closing(sqlite3.connect(database)) as connection, connection:
            connection.execute("UPDATE movies SET missing_observed = NULL")
        assert memory.look(servers) == []
        (found,) = witness.look(servers)
        assert "was marked missing for a while" in found
        assert witness.look(servers) == []


async def test_a_film_that_gets_another_id_with_its_new_key_is_found(tmp_path) -> None:
    """Its guid is the same."""
    plex = worlds.small_server(Random(1))
    servers, database = {"home": plex}, tmp_path / "mirror.db"
    memory = promises.Memory(database)
    async with plex:
        await worlds.sync_here(tmp_path, servers)
        assert memory.look_at_equal(servers) == []
        plex.changes.recreate(min(film.id for film in plex.world.movies()))
        await worlds.sync_here(tmp_path, servers)
        with closing(sqlite3.connect(database)) as connection, connection:
            (row_id,) = connection.execute(
                "SELECT id FROM movies ORDER BY CAST(rating_key AS INTEGER) DESC"
            ).fetchone()
            connection.execute("UPDATE movies SET id = 9999 WHERE id = ?", (row_id,))
        assert any("had the id" in text and "has 9999" in text for text in memory.look_at_equal(servers))


@pytest.mark.parametrize(
    ("events", "problem"),
    [
        (["server.failed", "server.recovered"], None),
        (["server.failed"], "never recovered"),
        (["server.failed", "server.failed", "server.recovered"], "logged again"),
        (["server.recovered"], "recovered from nothing"),
        (["sync.crashed"], "sync.crashed"),
    ],
)
def test_the_log_is_judged(events: list[str], problem: str | None) -> None:
    """Trouble is logged once when it starts and once when it ends."""
    lines = [{"event": event, "server": "home", "error": "the same"} for event in events]
    broken = promises.log_is_clean(lines, "", {})
    assert len(broken) == (problem is not None)
    assert all(problem in text for text in broken if problem)


def test_a_token_in_the_log_is_found() -> None:
    """Wherever it stands."""
    plex = worlds.small_server(Random(1))
    assert promises.log_is_clean([], f'{{"error": "{plex.token}"}}', {"home": plex}) == [
        "the token of home was logged"
    ]


def test_figures_add_up(tmp_path) -> None:
    """Over runs, in a file; of measurements the largest stays."""
    file = tmp_path / "figures.json"
    for number in (1, 2):
        figures, result = Figures.read(file), Result("kills", number)
        result.count("SIGKILLs", 3)
        result.measure("MiB of memory", 10.0 / number)
        result.require(*["a film is gone"] * (number - 1))
        new = Figures()
        new.add(result)
        figures.merge(new)
        figures.write(file)
    total = Figures.read(file)
    assert (total.trials["kills"], total.failed["kills"], total.done["SIGKILLs"]) == (2, 1, 6)
    assert total.most == {"MiB of memory": 10.0}
    assert [failure["seed"] for failure in total.failures] == [2]
    assert any("SEED=2 TRIALS=1 ONLY=kills" in line for line in total.lines())
