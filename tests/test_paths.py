"""Paths of any server, for readers on any system."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrovue_daemon.paths import PlexPathMappingService, path_form
from retrovue_daemon.records import PathMapping


def mapped(path: str, *mappings: tuple[str, str]) -> str:
    return PlexPathMappingService(PathMapping(plex, local) for plex, local in mappings).get_local_path(path)


# -- prefixes -------------------------------------------------------------------------------------------------------


def test_a_path_without_mapping_stays() -> None:
    """What no mapping covers comes back as it was, to the last character."""
    for path in ("/other//x/", "M:\\a/b", "relative/x.mkv", "", "C:x", "https://host/media/a"):
        assert mapped(path, ("/media", "/mnt"), ("D:\\", "/d")) == path
        assert mapped(path) == path


def test_the_longest_prefix_counts() -> None:
    """A mapping of a directory comes before those above it, in any order of writing."""
    mappings = (("/media", "/mnt"), ("/media/movies/4k", "/uhd"), ("/media/movies", "/films"), ("/", "/root"))
    for order in (mappings, mappings[::-1]):
        assert mapped("/media/movies/4k/a.mkv", *order) == "/uhd/a.mkv"
        assert mapped("/media/movies/b.mkv", *order) == "/films/b.mkv"
        assert mapped("/media/tv/c.mkv", *order) == "/mnt/tv/c.mkv"
        assert mapped("/x/d.mkv", *order) == "/root/x/d.mkv"


def test_names_are_whole() -> None:
    """A mapping of /media/movies says nothing of /media/movies-old."""
    assert mapped("/media/movies-old/a.mkv", ("/media/movies", "/films")) == "/media/movies-old/a.mkv"
    assert mapped("/media/movie", ("/media/movies", "/films")) == "/media/movie"
    assert mapped("M:\\moviesx\\a", ("M:\\movies", "/films")) == "M:\\moviesx\\a"


def test_the_mapped_directory_itself() -> None:
    """The path of the mapping itself is mapped too, as a directory and as a file."""
    assert mapped("/media/movies", ("/media/movies", "/films/")) == "/films"
    assert mapped("/media/movies/", ("/media/movies", "/films")) == "/films/"
    assert mapped("/media/one.mkv", ("/media/one.mkv", "/mnt/eins.mkv")) == "/mnt/eins.mkv"
    assert mapped("/media", ("/media", "/mnt/Vol. 2:")) == "/mnt/Vol. 2:"
    assert mapped("/media", ("/media", "D:\\")) == "D:\\"
    assert mapped("/media/two.mkv", ("/media/one.mkv", "/mnt/eins.mkv"), ("/media", "/m")) == "/m/two.mkv"


@pytest.mark.parametrize("plex", ["/media/movies", "/media/movies/", "/media/movies//", "//media/movies"])
@pytest.mark.parametrize("local", ["/films", "/films/", "/films//"])
def test_separators_at_the_end_do_not_count(plex: str, local: str) -> None:
    """Mappings mean the same with and without separators at their ends."""
    assert mapped("/media/movies/a.mkv", (plex, local)) == "/films/a.mkv"


def test_the_first_of_two_mappings_counts() -> None:
    """Of two mappings of one directory the one written first is used."""
    assert mapped("/a/x", ("/a", "/first"), ("/a/", "/second")) == "/first/x"


def test_nothing_is_resolved() -> None:
    """Dots are names like any other, on both sides."""
    assert mapped("/media/../etc/./x", ("/media", "/mnt/../m")) == "/mnt/../m/../etc/./x"
    assert mapped("/media/./x", ("/media/.", "/dot"), ("/media", "/mnt")) == "/dot/x"


def test_posix_counts_case() -> None:
    """Two names that differ by case are two directories on a POSIX server."""
    assert mapped("/Media/x", ("/media", "/mnt")) == "/Media/x"


# -- from one system to another -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "plex", "local", "expected"),
    [
        # POSIX to Windows and back
        ("/media/a/b.mkv", "/media", "D:\\Media", "D:\\Media\\a\\b.mkv"),
        ("/media/a/b.mkv", "/media", "D:\\", "D:\\a\\b.mkv"),
        ("/media/a/b.mkv", "/media", "D:", "D:\\a\\b.mkv"),
        ("/media", "/media", "D:", "D:\\"),
        ("/media/a/b.mkv", "/media", "D:/Media", "D:/Media/a/b.mkv"),
        ("/media/a/b.mkv", "/media", "\\\\nas\\media\\", "\\\\nas\\media\\a\\b.mkv"),
        ("/media/a/b.mkv", "/media", "smb://nas/media", "smb://nas/media/a/b.mkv"),
        ("M:\\Media\\a\\b.mkv", "M:\\Media", "/mnt", "/mnt/a/b.mkv"),
        ("M:\\Media\\a\\b.mkv", "M:\\Media", "E:\\", "E:\\a\\b.mkv"),
        ("\\\\nas\\media\\a\\b.mkv", "\\\\nas\\media", "/mnt", "/mnt/a/b.mkv"),
        ("\\\\nas\\media\\a\\b.mkv", "\\\\nas", "/mnt", "/mnt/media/a/b.mkv"),
        # Windows has two separators and no case
        ("m:/media/A/b.mkv", "M:\\MEDIA\\", "/mnt", "/mnt/A/b.mkv"),
        ("M:\\media\\a/b.mkv", "m:/Media", "/mnt", "/mnt/a/b.mkv"),
        ("\\\\NAS\\Médiá\\a.mkv", "\\\\nas\\mÉDIÁ", "/mnt", "/mnt/a.mkv"),
        ("M:\\ΟΔΟΣ\\a.mkv", "m:\\οδοσ", "/mnt", "/mnt/a.mkv"),
        ("\\\\nas\\media\\a.mkv", "//nas/media", "/mnt", "/mnt/a.mkv"),
        # roots
        ("M:\\a\\b.mkv", "M:\\", "/mnt", "/mnt/a/b.mkv"),
        ("M:\\b.mkv", "M:", "/mnt", "/mnt/b.mkv"),
        ("/a/b.mkv", "/", "/mnt", "/mnt/a/b.mkv"),
        ("/b.mkv", "/", "/mnt", "/mnt/b.mkv"),
        ("/media/a/b.mkv", "/media", "/", "/a/b.mkv"),
        ("/media", "/media", "/", "/"),
        ("/", "/", "/mnt", "/mnt/"),
        # a backslash is part of a name on POSIX
        ("/media/AC\\DC/Back\\Black.mkv", "/media", "/mnt", "/mnt/AC\\DC/Back\\Black.mkv"),
        ("/media/AC\\DC/x.mkv", "/media/AC\\DC", "/mnt", "/mnt/x.mkv"),
        ("/media/AC/x.mkv", "/media\\AC", "/mnt", "/media/AC/x.mkv"),
        ("/media/x\\", "/media", "/mnt", "/mnt/x\\"),
        ("/media/x\\", "/media/x\\", "/mnt", "/mnt"),
        ("/media/AC\\DC.mkv", "/media/AC\\", "/mnt", "/media/AC\\DC.mkv"),
        # no mapping crosses from one kind to the other
        ("/M:/a", "M:\\", "/mnt", "/M:/a"),
        ("M:\\media\\a", "/media", "/mnt", "M:\\media\\a"),
        ("M:a", "M:\\", "/mnt", "M:a"),
        # any text is a name
        ("/media/日本 ½/🎬.mkv", "/media/日本 ½", "/mnt", "/mnt/🎬.mkv"),
    ],
)
def test_any_system_to_any(path: str, plex: str, local: str, expected: str) -> None:
    """Drives, shares, roots and POSIX directories stand on either side, with separators of the local side."""
    assert mapped(path, (plex, local)) == expected


# -- libraries ------------------------------------------------------------------------------------------------------

SERVICE = PlexPathMappingService(
    [
        PathMapping("/media", "/server"),
        PathMapping("/media/movies/4k", "/server/uhd"),
        PathMapping("/media", "/kids", library_name="Kids"),
        PathMapping("/media/movies", "/films", library_root="/media/movies"),
        PathMapping("/media", "/both", library_name="Both", library_root="/media/both"),
    ]
)


def test_a_library_s_mappings_come_first() -> None:
    """A mapping for the library beats a longer one for the server; what it does not cover falls to the server's."""
    assert SERVICE.get_local_path("/media/movies/4k/a", library_name="Kids") == "/kids/movies/4k/a"
    assert SERVICE.get_local_path("/media/movies/4k/a", "/media/movies") == "/films/4k/a"
    assert SERVICE.get_local_path("/media/tv/a", "/media/movies") == "/server/tv/a"


def test_other_libraries_are_not_concerned() -> None:
    """A mapping for one library is none for another, nor where the library is not known."""
    assert SERVICE.get_local_path("/media/movies/a") == "/server/movies/a"
    assert SERVICE.get_local_path("/media/movies/a", "/media/tv", library_name="TV") == "/server/movies/a"


def test_title_and_root_together_must_both_fit() -> None:
    """A mapping that names both is for the library that has both."""
    assert SERVICE.get_local_path("/media/a", "/media/both", library_name="Both") == "/both/a"
    assert SERVICE.get_local_path("/media/a", "/media/both", library_name="Kids") == "/kids/a"
    assert SERVICE.get_local_path("/media/a", "/media/x", library_name="Both") == "/server/a"


def test_a_library_is_known_by_any_of_its_roots() -> None:
    """A library with several roots has the mappings of each; how a root is spelled does not matter."""
    mapper = SERVICE.for_library("Movies", ["/media/more", "/media/movies/"])
    assert mapper.local_path("/media/movies/a") == "/films/a"
    windows = PlexPathMappingService([PathMapping("M:\\", "/m", library_root="M:\\Movies")])
    assert windows.get_local_path("M:\\Movies\\a", "m:/movies/") == "/m/Movies/a"


def test_titles_are_compared_without_spaces_around() -> None:
    """Plex keeps trailing spaces of titles, which are invisible to the author of a mapping."""
    assert SERVICE.for_library("Kids ", []).local_path("/media/a") == "/kids/a"
    spaced = PlexPathMappingService([PathMapping("/media", "/kids", library_name=" Kids ")])
    assert spaced.for_library("Kids", []).local_path("/media/a") == "/kids/a"


def test_a_mapper_is_a_function() -> None:
    """A mapper can be passed on as a callable; a second call returns the same."""
    mapper = SERVICE.for_library("Kids", [])
    assert [mapper(path) for path in ("/media/a/1", "/media/a/2", "/media/a/1")] == [
        "/kids/a/1",
        "/kids/a/2",
        "/kids/a/1",
    ]


# -- properties -----------------------------------------------------------------------------------------------------

NAMES = st.text(st.characters(exclude_characters="/\\", exclude_categories=["Cs"]), min_size=1, max_size=4)
FEW_NAMES = st.sampled_from(["a", "b", "A", "a b", "..", "é"])


def posix(names: list[str]) -> str:
    return "/" + "/".join(names)


def windows(names: list[str]) -> str:
    return "M:\\" + "\\".join(names)


@given(st.lists(NAMES, min_size=1), st.lists(NAMES), st.lists(NAMES))
def test_a_mapping_replaces_just_the_prefix(prefix: list[str], rest: list[str], local: list[str]) -> None:
    """What lies below the mapped directory keeps its names, in both directions and all combinations."""
    for plex_style in (posix, windows):
        for local_style in (posix, windows):
            mapping = (plex_style(prefix), local_style(local))
            assert mapped(plex_style(prefix + rest), mapping) == local_style(local + rest)


@given(st.lists(NAMES, min_size=1), st.lists(NAMES, min_size=1))
def test_there_and_back_again(prefix: list[str], rest: list[str]) -> None:
    """The reverse mapping gives the path back."""
    there, path = (posix(prefix), "D:\\Media"), posix(prefix + rest)
    assert mapped(mapped(path, there), (there[1], there[0])) == path


@given(
    st.lists(st.tuples(st.lists(FEW_NAMES, max_size=3), st.integers(0, 9))),
    st.lists(st.lists(FEW_NAMES, max_size=4), min_size=1),
)
def test_the_answers_are_those_of_the_definition(table: list[tuple[list[str], int]], paths: list[list[str]]) -> None:
    """Caching and order change nothing: the answer is that of the longest prefix, and of the first of its like."""
    mappings = [PathMapping(posix(prefix), f"/m{number}") for prefix, number in table]
    mapper = PlexPathMappingService(mappings).for_library(None)
    for names in [*paths, *paths]:
        fitting = [entry for entry in table if names[: len(entry[0])] == entry[0]]
        expected = posix(names)
        if fitting:
            prefix, number = max(fitting, key=lambda entry: len(entry[0]))
            expected = "/".join([f"/m{number}", *names[len(prefix) :]]) + ("" if names else "/")
        assert mapper(posix(names)) == expected


@given(st.text(), st.lists(st.tuples(st.text(), st.text())))
def test_no_text_raises(path: str, table: list[tuple[str, str]]) -> None:
    """Mappings come from other programs too: whatever they hold, a path comes out."""
    assert isinstance(mapped(path, *table), str)


# -- which mapping it was -------------------------------------------------------------------------------------------


def test_the_mapping_that_covers_a_path_is_returned() -> None:
    """It is the one that the local path comes from, of the library before the server's; none covers what stays."""
    general = PathMapping("/media", "/mnt")
    longer = PathMapping("/media/movies", "/films")
    own = PathMapping("/media", "M:\\", library_name="Movies")
    service = PlexPathMappingService([general, longer, own])
    assert service.for_library("TV").covering("/media/tv/a.mkv") is general
    assert service.for_library("TV").covering("/media/movies/a.mkv") is longer
    assert service.for_library("Movies").covering("/media/movies/a.mkv") is own
    assert service.for_library("TV").covering("/media/movies") is longer
    assert service.for_library("TV").covering("/elsewhere/a.mkv") is None
    assert service.for_library("TV").covering("relative") is None


@pytest.mark.parametrize(
    ("one", "other", "are_one_file"),
    [
        ("D:\\Ärger\\ÿ.mkv", "d:/äRGER/Ÿ.MKV", True),
        ("D:\\ΟΔΟΣ.mkv", "D:\\οδος.mkv", True),
        ("D:\\Straße.mkv", "D:\\Strasse.mkv", False),
        ("D:\\ﬁlm.mkv", "D:\\film.mkv", False),
        ("D:\\ıs.mkv", "D:\\is.mkv", False),  # noqa: RUF001  # a letter like another is the point
        ("/Ärger.mkv", "/ärger.mkv", False),
    ],
)
def test_case_is_compared_letter_by_letter_as_windows_does(one, other, are_one_file) -> None:
    """Windows knows a file as Straße and another as Strasse in one folder."""
    assert (path_form(one) == path_form(other)) is are_one_file
