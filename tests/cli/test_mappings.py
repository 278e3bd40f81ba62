"""``mappings``: where readers find the files, and whether they do."""

from __future__ import annotations

import json

import pytest

from retrovue_daemon.service.management.coverage import Group, common_prefixes

CONFIG = (
    '[[servers]]\nname = "home"\nurl = "http://127.0.0.1:2"\ntoken = "t"\n'
    '[[servers.path_mappings]]\nplex_path = "/srv"\nlocal_path = "/mnt"\n'
)


@pytest.fixture
def two_servers(rows):
    rows("INSERT INTO plex_servers (name, server_url) VALUES ('attic', 'http://127.0.0.1:1')")


def _listed(on) -> list[dict]:
    return json.loads(on("mappings", "list", "--json").out)["mappings"]


# -- add, list, remove ----------------------------------------------------------------------------------------------


def test_mappings_are_added_listed_and_removed(on) -> None:
    """For a server, for a library of it, for the library with a root."""
    assert "no path mappings" in on("mappings", "list").out
    assert on("mappings", "add", "/srv/media", "/mnt/nas").code == 0
    assert on("mappings", "add", "/srv/media", r"D:\Films", "--library", "1").code == 0
    assert on("mappings", "add", "/srv/media", r"\\nas\tv", "--root", "/srv/media/tv", "--server", "home").code == 0
    first, second, third = _listed(on)
    assert (first["plex_path"], first["local_path"], first["source"]) == ("/srv/media", "/mnt/nas", "database")
    assert (second["library_name"], third["library_root"]) == ("Movies", "/srv/media/tv")
    told = on("mappings", "list").out
    assert "library 'Movies'" in told
    assert r"\\nas\tv" in told
    assert on("mappings", "remove", second["id"]).code == 0
    assert [entry["id"] for entry in _listed(on)] == [first["id"], third["id"]]


def test_a_local_path_that_is_not_there_is_reported(on, tmp_path) -> None:
    """It is stored nevertheless: a disk may not be mounted. What another system has cannot be seen."""
    assert "/mnt/not/there does not exist" in on("mappings", "add", "/a", "/mnt/not/there").err
    assert on("mappings", "add", "/b", tmp_path).err == ""
    assert on("mappings", "add", "/c", "D:\\").err == ""
    assert len(_listed(on)) == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("media", "mnt"), ("PLEX_PATH must be", "LOCAL_PATH must be")),
        (("/media", "/mnt", "--root", "media"), ("--root must be",)),
        (("/media", "/mnt", "--library", "Moves"), ("'Moves'", "did you mean 'Movies'?")),
        (("/media", "/mnt", "--server", "hone"), ("'hone'", "did you mean 'home'?")),
    ],
)
def test_what_cannot_be_a_mapping_is_refused(on, arguments, words) -> None:
    """In one line that says what would be valid."""
    finished = on("mappings", "add", *arguments)
    assert finished.code == 2
    for word in words:
        assert word in finished.err
    assert _listed(on) == []


def test_a_second_mapping_of_a_directory_is_refused(on) -> None:
    """Only the older one would count; spelling does not make it another directory."""
    assert on("mappings", "add", "/srv/media", "/a").code == 0
    for path in ("/srv/media", "/srv/media/"):
        finished = on("mappings", "add", path, "/b")
        assert finished.code == 2
        assert "already" in finished.err
    assert on("mappings", "add", "M:\\Films", "/a").code == 0
    assert on("mappings", "add", "m:/films/", "/b").code == 2
    assert on("mappings", "add", "/srv/media", "/b", "--library", "Movies").code == 0


def test_of_several_servers_one_is_to_be_named(on, two_servers) -> None:
    """A library that is still unknown may be named for a server that was never contacted."""
    finished = on("mappings", "add", "/a", "/b")
    assert finished.code == 2
    assert finished.err == (
        "error: the mapping needs a server, and there are several: 'attic', 'home'\nhint: select one with --server\n"
    )
    assert on("mappings", "add", "/a", "/b", "--server", "attic", "--library", "Films").code == 0
    assert [entry["library_name"] for entry in _listed(on)] == ["Films"]
    assert json.loads(on("mappings", "list", "--server", "home", "--json").out) == {"mappings": []}


def test_without_servers_there_is_nothing_to_map(on, rows) -> None:
    """The hint says how to get one."""
    rows("DELETE FROM plex_servers")
    finished = on("mappings", "add", "/a", "/b")
    assert finished.code == 2
    assert "servers add" in finished.err


def test_the_mappings_of_the_configuration_are_changed_there(on, rows, config_file) -> None:
    """Beside them the database may hold its own."""
    rows(
        "INSERT INTO plex_path_mappings (server_id, plex_path, local_path, source)"
        " VALUES (1, '/srv', '/mnt', 'config')"
    )
    config = config_file(CONFIG)
    finished = on("mappings", "remove", 1, "--config", config)
    assert finished.code == 2
    assert str(config) in finished.err
    assert "--config" in on("mappings", "remove", 1).err
    assert on("mappings", "add", "/srv/media", "/a", "--config", config).code == 0
    assert [entry["source"] for entry in _listed(on)] == ["config", "database"]
    finished = on("mappings", "remove", 99)
    assert finished.code == 2
    assert "mappings list" in finished.err


# -- test -----------------------------------------------------------------------------------------------------------


def test_test_shows_which_mapping_applies_and_whether_the_file_is_there(on, tmp_path) -> None:
    """The library whose root holds the path decides which mappings come first."""
    (tmp_path / "a film.mkv").touch()
    on("mappings", "add", "/srv/media", "/mnt/nas")
    on("mappings", "add", "/srv/media/movies", tmp_path, "--library", "Movies")
    finished = on("mappings", "test", "/srv/media/movies/a film.mkv", "--json")
    assert finished.code == 0
    assert json.loads(finished.out)["results"] == [
        {
            "server": "home",
            "library": "Movies",
            "mapping": 2,
            "local_path": f"{tmp_path}/a film.mkv",
            "exists": True,
        }
    ]
    assert "exists" in on("mappings", "test", "/srv/media/movies/a film.mkv").out
    finished = on("mappings", "test", "/srv/media/movies/a film.mkv", "--library", "TV Shows")
    assert finished.code == 1
    assert "/mnt/nas/movies/a film.mkv" in finished.out
    assert "does not exist" in finished.out


def test_a_path_of_another_system_cannot_be_checked_here(on) -> None:
    """That is no failure."""
    on("mappings", "add", "/srv/media", "D:\\Media")
    finished = on("mappings", "test", "/srv/media/tv/a.mkv")
    assert finished.code == 0
    assert "D:\\Media\\tv\\a.mkv" in finished.out
    assert "cannot be checked here" in finished.out


def test_a_path_without_mapping_is_reported(on) -> None:
    """With what to do, and as exit code 1."""
    finished = on("mappings", "test", "/elsewhere/a.mkv")
    assert (finished.code, finished.out) == (1, "")
    assert "no mapping applies to '/elsewhere/a.mkv'" in finished.err
    assert "mappings suggest" in finished.err
    finished = on("mappings", "test", "/elsewhere/a.mkv", "--json")
    assert finished.code == 1
    assert json.loads(finished.out)["results"][0]["mapping"] is None


def test_each_server_has_mappings_of_its_own(on, two_servers) -> None:
    """Where the server is not named, all are tried."""
    on("mappings", "add", "/srv/media", "/mnt/attic", "--server", "attic")
    finished = on("mappings", "test", "/srv/media/tv/a.mkv", "--json")
    results = {result["server"]: result for result in json.loads(finished.out)["results"]}
    assert results["attic"]["local_path"] == "/mnt/attic/tv/a.mkv"
    assert results["home"]["mapping"] is None


# -- suggest --------------------------------------------------------------------------------------------------------


def test_suggest_counts_what_no_mapping_covers(on) -> None:
    """By the roots of the libraries, with commands that would cover them: one for directories side by side."""
    finished = on("mappings", "suggest", "--json")
    assert finished.code == 0
    result = json.loads(finished.out)
    assert {group["plex_path"]: group["files"] for group in result["uncovered"]} == {
        "/srv/media/tv": 37,
        "/srv/media/movies": 25,
        "/srv/media/anime": 7,
        "/srv/archive/films": 4,
        "/srv/archive/silent": 4,
        "/srv/media/bumpers": 3,
        "/srv/media/movies-4k": 2,
    }
    assert result["covered"] == result["unused"] == []
    told = on("mappings", "suggest").out
    assert "mappings add --server home /srv/media LOCAL_PATH" in told
    assert "mappings add --server home /srv/archive LOCAL_PATH" in told


def test_suggest_looks_for_a_few_files_of_what_is_covered(on, rows, tmp_path) -> None:
    """The command also lists mappings that cover nothing."""
    for (path,) in rows("SELECT plex_path FROM media_files WHERE plex_path LIKE '/srv/media/bumpers/%'"):
        local = tmp_path / path.removeprefix("/srv/media/bumpers/")
        local.parent.mkdir(parents=True, exist_ok=True)
        local.touch()
    on("mappings", "add", "/srv/media/bumpers", tmp_path)
    on("mappings", "add", "/srv/archive", "/mnt/not/there")
    on("mappings", "add", "/srv/media/tv", "T:\\")
    on("mappings", "add", "/nothing", "/mnt/nothing")
    result = json.loads(on("mappings", "suggest", "--json").out)
    covered = {group["plex_path"]: group for group in result["covered"]}
    looked = {path: (group["samples_found"], group["samples_looked_for"]) for path, group in covered.items()}
    assert looked == {"/srv/media/bumpers": (3, 3), "/srv/archive": (0, 3), "/srv/media/tv": (0, 0)}
    assert covered["/srv/archive"]["libraries"] == ["Movies", "Silent Archive"]
    assert [entry["plex_path"] for entry in result["unused"]] == ["/nothing"]
    told = on("mappings", "suggest").out
    for word in ("3 of 3 tested", "cannot be checked here", "matches no file"):
        assert word in told


def test_files_that_are_found_as_they_are_need_no_mapping(on, rows, tmp_path) -> None:
    """The server may run on this very machine."""
    (tmp_path / "here.mkv").touch()
    rows("UPDATE media_files SET plex_path = ?, state = 'active'", f"{tmp_path}/here.mkv")
    finished = on("mappings", "suggest")
    assert "mappings add" not in finished.out
    assert "3 of 3 tested" in finished.out or "4 of 4 tested" in finished.out


def test_suggest_knows_windows_paths_and_roots_that_are_gone(on, rows) -> None:
    """A file below no root is counted by the first names of its path."""
    rows("DELETE FROM library_locations")
    rows("UPDATE libraries SET library_root = NULL")
    rows(r"UPDATE media_files SET plex_path = 'M:\Films\a\' || id || '\x.mkv', state = 'active' WHERE library_id = 1")
    rows(r"UPDATE media_files SET plex_path = '\\nas\tv\' || id || '.mkv' WHERE library_id <> 1")
    told = on("mappings", "suggest").out
    assert "M:\\Films\\a" in told
    assert r"\\nas" in told
    assert r"add --server home 'M:\Films\a' LOCAL_PATH" in told


@pytest.mark.parametrize(
    ("prefixes", "suggested"),
    [
        (["/srv/media/tv", "/srv/media/films", "/data"], ["/srv/media", "/data"]),
        (["/films", "/tv"], ["/films", "/tv"]),
        (["M:\\Films", "M:\\TV"], ["M:\\Films", "M:\\TV"]),
        (["M:\\Media\\Old\\Films", "M:\\Media\\Old\\TV"], ["M:\\Media\\Old"]),
        (["\\\\nas\\films", "\\\\nas\\tv"], ["\\\\nas\\films", "\\\\nas\\tv"]),
        (["\\\\nas\\media\\films", "\\\\nas\\media\\tv"], ["\\\\nas\\media"]),
    ],
)
def test_directories_side_by_side_are_covered_by_the_one_above_them(prefixes, suggested) -> None:
    """Unless that is a root, a drive or a machine, which says nothing of where files are."""
    groups = [Group("home", prefix, None) for prefix in prefixes]
    assert common_prefixes(groups) == [("home", prefix) for prefix in suggested]


def test_suggest_without_files_says_what_to_do(on, rows) -> None:
    """There is nothing to look at before the first sync."""
    rows("DELETE FROM media_files")
    assert "retrovue-daemon sync" in on("mappings", "suggest").out
