"""``libraries``: which are synced, and which are preferred."""

from __future__ import annotations

import json

import pytest

CONFIG = '[[servers]]\nname = "home"\nurl = "http://127.0.0.1:2"\ntoken = "t"\nlibraries = ["Movies"]\n'


@pytest.fixture
def two_servers(rows):
    """A second server with a library of the same title."""
    rows("INSERT INTO plex_servers (name, server_url) VALUES ('attic', 'http://127.0.0.1:1')")
    rows(
        "INSERT INTO libraries (server_id, library_key, library_name, library_type)"
        " VALUES (2, '9', 'Movies', 'movie')"
    )


def test_the_list_shows_what_is_in_each(on) -> None:
    """With its roots and switches, for people and for programs."""
    told = on("libraries", "list").out
    for word in ("Trailers & Bumpers", "/srv/media/movies-4k", "27 films, 2 unavailable", "11 shows, 38 episodes"):
        assert word in told
    libraries = {entry["title"]: entry for entry in json.loads(on("libraries", "list", "--json").out)["libraries"]}
    assert libraries["Movies"]["roots"] == ["/srv/media/movies", "/srv/archive/films"]
    assert libraries["TV Shows"]["items"] == {"shows": 11, "seasons": 14, "episodes": 38}
    assert (libraries["Movies"]["sync_enabled"], libraries["Movies"]["priority"]) == (True, 100)


def test_the_list_can_be_of_one_server(on, two_servers) -> None:
    """Unknown ones are reported."""
    assert len(json.loads(on("libraries", "list", "--server", "attic", "--json").out)["libraries"]) == 1
    finished = on("libraries", "list", "--server", "atic")
    assert finished.code == 2
    assert "did you mean 'attic'?" in finished.err


def test_libraries_are_switched_off_and_on(on, rows) -> None:
    """By title or by key, and only the one that is meant."""
    assert "is now off" in on("libraries", "disable", "TV Shows").out
    assert "was off" in on("libraries", "disable", "3").out
    assert rows("SELECT library_name FROM libraries WHERE NOT sync_enabled") == [("TV Shows",)]
    assert "is now on" in on("libraries", "enable", "3").out
    assert rows("SELECT count(*) FROM libraries WHERE NOT sync_enabled") == [(0,)]


def test_spaces_around_titles_do_not_count(on, rows) -> None:
    """Plex keeps them, people do not see them."""
    assert on("libraries", "disable", "Trailers & Bumpers").code == 0
    assert rows("SELECT library_name FROM libraries WHERE NOT sync_enabled") == [("Trailers & Bumpers ",)]


def test_a_title_that_several_have_is_reported_with_all_of_them(on, two_servers, rows) -> None:
    """Nothing is changed until the server is named."""
    finished = on("libraries", "disable", "Movies")
    assert finished.code == 2
    for word in ("key 1", "key 9", "'attic'", "'home'", "--server"):
        assert word in finished.err
    assert rows("SELECT count(*) FROM libraries WHERE NOT sync_enabled") == [(0,)]
    assert on("libraries", "disable", "Movies", "--server", "attic").code == 0
    assert rows("SELECT server_id FROM libraries WHERE NOT sync_enabled") == [(2,)]


def test_the_hint_names_only_what_tells_libraries_apart(on, two_servers, rows) -> None:
    """Two servers may use one key, and a server may have two libraries of one title."""
    either = "hint: select one with --server, or pass the key instead of the title\n"
    assert on("libraries", "disable", "Movies").err.endswith(either)
    rows("UPDATE libraries SET library_key = '1' WHERE server_id = 2")
    for name in ("Movies", "1"):
        assert on("libraries", "disable", name).err.endswith("hint: select one with --server\n")
    rows("UPDATE libraries SET library_name = 'Movies' WHERE server_id = 1")
    both = "hint: select one with --server, and pass the key instead of the title\n"
    assert on("libraries", "disable", "Movies").err.endswith(both)
    by_key = "hint: pass the key instead of the title\n"
    assert on("libraries", "disable", "Movies", "--server", "home").err.endswith(by_key)


def test_unknown_libraries_are_reported_with_near_names(on) -> None:
    """In every command."""
    for command in (("enable", "Moves"), ("disable", "Moves"), ("priority", "Moves", "1")):
        finished = on("libraries", *command)
        assert finished.code == 2
        assert "no library is named 'Moves'" in finished.err
        assert "did you mean 'Movies'?" in finished.err


def test_a_switch_that_the_configuration_overrules_is_reported(on, config_file) -> None:
    """Both have to want the library."""
    finished = on("libraries", "enable", "TV Shows", "--config", config_file(CONFIG))
    assert finished.code == 0
    assert "does not select it" in finished.err
    assert on("libraries", "enable", "Movies", "--config", config_file(CONFIG)).err == ""


def test_priority_decides_which_copy_is_preferred(on, rows) -> None:
    """The views follow it."""
    both = "SELECT library_name FROM preferred_movies WHERE title = 'Metropolis'"
    assert on("libraries", "priority", "Movies 4K", "7").code == 0
    assert rows("SELECT priority FROM libraries WHERE library_name = 'Movies 4K'") == [(7,)]
    shared = "SELECT source_id FROM movies GROUP BY source_id HAVING count(DISTINCT library_id) > 1"
    ((guid,),) = rows(f"{shared} LIMIT 1")
    preferred = "SELECT library_name FROM preferred_movies WHERE source_id = ?"
    assert rows(preferred, guid) == [("Movies 4K",)]
    assert on("libraries", "priority", "Movies", "3").code == 0
    assert rows(preferred, guid) == [("Movies",)]
    assert rows(both) == [("Movies",)]


def test_the_order_of_the_configuration_is_its_own_business(on, rows, config_file) -> None:
    """The next contact would overwrite what was set here."""
    finished = on("libraries", "priority", "Movies", "7", "--config", config_file(CONFIG))
    assert finished.code == 2
    assert "the order of its libraries" in finished.err
    assert rows("SELECT DISTINCT priority FROM libraries") == [(100,)]
    assert on("libraries", "priority", "Movies", "-1").code == 2
