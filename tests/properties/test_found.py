"""What could be lost, mixed up or invented: small stories. Every round is checked as a whole, too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from retrovue_daemon.demo.items import Tags
from retrovue_daemon.demo.reissued import reissue_keys
from retrovue_daemon.demo.shelf import plex_guid
from retrovue_daemon.demo.timeline import Chapter
from retrovue_daemon.demo.world import media_of
from tests.properties.rounds import Interruption, Manner, Trouble

if TYPE_CHECKING:
    from retrovue_daemon.demo.items import Episode, Item, Movie, Show
    from tests.properties.rounds import Rounds

DAY_S = 86_400


def _library(rounds: Rounds, kind: str = "movie") -> str:
    number = len(rounds.world.libraries)
    return rounds.plex.changes.add_library(kind, f"Library {number}", f"/srv/{number}").key


def _films(rounds: Rounds, library: str, number: int) -> list[Movie]:
    return [rounds.plex.changes.add_movie(library, f"Film {n}", 1950 + n) for n in range(number)]


def _show(rounds: Rounds, library: str, episodes: int, title: str = "Show", guid: str | None = None) -> Show:
    show = rounds.plex.changes.add_show(library, title, 1960, guid=guid)
    for number in range(episodes):
        rounds.plex.changes.add_episode(show.id, 1, number, f"Episode {number}")
    return show


def _ids(rounds: Rounds, *items: Item) -> list[int | None]:
    """Return the ids of these items' rows."""
    rows = rounds.mirror().items
    return [row.id if (row := rows.get((f"{item.type}s", item.rating_key))) is not None else None for item in items]


def _states(rounds: Rounds, *items: Item) -> list[str]:
    rows = rounds.mirror().items
    return [rows[f"{item.type}s", item.rating_key].state for item in items]


def _episodes(rounds: Rounds, show: Item) -> list[Episode]:
    return rounds.world.leaves_of(show.id)


# The same rating keys


def test_films_that_exchange_title_and_guid_keep_their_ids(rounds) -> None:
    """A rating key is what an item is; each was only taken for the other."""
    first, second = _films(rounds, _library(rounds), 2)
    rounds.sync()
    before = _ids(rounds, first, second)
    for film, like in ((first, second), (second, first)):
        rounds.plex.changes.edit(film.id, title=like.title, guid=like.guid)
    rounds.sync()
    assert _ids(rounds, first, second) == before


def test_split_and_merged_again_leaves_one_film(rounds) -> None:
    """Its id stays all the time, and both files are its own in the end."""
    film, other, _ = _films(rounds, _library(rounds), 3)
    rounds.sync()
    before = _ids(rounds, film)
    merged = rounds.plex.changes.merge(film.id, other.id)
    rounds.sync()
    _, half = rounds.plex.changes.split(film.id)
    rounds.sync()
    rounds.plex.changes.merge(film.id, half.id)
    rounds.sync()
    assert _ids(rounds, film) == before
    assert _states(rounds, film, half) == ["active", "missing"]
    files = rounds.mirror().files
    assert {files[media.parts[0].id]["rating_key"] for media in media_of(merged)} == {film.rating_key}


def test_an_episode_may_change_its_show(rounds) -> None:
    """It keeps its id; a show without episodes is gone."""
    library = _library(rounds, "show")
    one, other = _show(rounds, library, 1, "One"), _show(rounds, library, 2, "Other")
    rounds.sync()
    (episode,), season = _episodes(rounds, one), rounds.world.seasons_of(other.id)[0]
    before = _ids(rounds, episode)
    emptied = rounds.world.season_of(episode)
    rounds.plex.changes.edit(episode.id, show_id=other.id, season_id=season.id, index=9)
    rounds.plex.changes.delete(emptied.id)
    rounds.sync()
    assert _ids(rounds, episode) == before
    assert _states(rounds, episode, emptied, one) == ["active", "missing", "missing"]


def test_a_key_may_go_to_a_copy_in_another_library(rounds) -> None:
    """The show keeps its id under the key that it got, although only its library is looked at."""
    here, there = _library(rounds, "show"), _library(rounds, "show")
    show, copy = (_show(rounds, library, 2, guid=plex_guid("show", 1)) for library in (here, there))
    rounds.sync()
    before = _ids(rounds, show)
    reissue_keys(rounds.world, show.id, copy.id)
    again, *_ = rounds.plex.changes.recreate(copy.id)
    rounds.sync(Manner(only=here))
    assert _ids(rounds, again) == before


@pytest.mark.parametrize("kind", ["movie", "show"])
@pytest.mark.parametrize("first", [0, 1])
def test_keys_that_went_to_another_library_cut_no_listing_short(rounds, kind, first) -> None:
    """A server without totals has an item under the key, but not in the library that misses its own."""
    libraries = _library(rounds, kind), _library(rounds, kind)
    rounds.plex.quirks.no_totals = True
    if kind == "movie":
        items = [rounds.plex.changes.add_movie(library, f"Film of {library}") for library in libraries]
        _films(rounds, libraries[0], 1)
        _films(rounds, libraries[1], 1)
    else:
        items = [_show(rounds, library, 2, f"Show of {library}") for library in libraries]
    rounds.sync()
    before = _ids(rounds, *items)
    reissue_keys(rounds.world, *(item.id for item in items))

    done = rounds.sync(Manner(order=(libraries[first], libraries[1 - first])))

    assert [done.status(library) for library in libraries] == ["ok", "ok"]
    assert _ids(rounds, *reversed(items)) == before


def test_seasons_that_exchange_keys_between_two_listings_get_no_episode_of_another_show(rounds) -> None:
    """The listing of seasons showed the keys as they were; the next pass sees what belongs where."""
    library = _library(rounds, "show")
    shows = [_show(rounds, library, 2, f"Show {number}") for number in range(2)]
    rounds.sync()
    seasons = [rounds.world.seasons_of(show.id)[0] for show in shows]
    before = _ids(rounds, *seasons)
    path = f"/library/sections/{library}/allLeaves"
    late = Interruption(path, 0, lambda: reissue_keys(rounds.world, *(season.id for season in seasons)))
    rounds.sync(interruption=late)
    rounds.sync()
    assert _ids(rounds, *reversed(seasons)) == before


def test_a_show_without_episodes_leaves_its_id_to_no_other(rounds) -> None:
    """Its row has no file to compare, but its guid is listed under another key."""
    library = _library(rounds, "show")
    shows = [_show(rounds, library, episodes, f"Show {episodes}") for episodes in (1, 2, 0)]
    rounds.sync()
    before = _ids(rounds, *shows)
    reissue_keys(rounds.world, *(show.id for show in shows))
    rounds.sync()
    assert _ids(rounds, *shows) == [before[2], *before[:2]]


def test_a_film_that_lost_its_key_goes_without_a_total(rounds) -> None:
    """The server cannot be queried for it, so the listing is read twice."""
    library = _library(rounds)
    film, _ = _films(rounds, library, 2)
    rounds.plex.quirks.no_totals = True
    rounds.sync()
    other = rounds.plex.changes.add_movie(library, "Another", 1970)
    reissue_keys(rounds.world, film.id, other.id)
    rounds.plex.changes.delete(other.id)
    rounds.sync()
    (row,) = [row for row in rounds.mirror().items.values() if row.content["title"] == film.title]
    assert (row.key, row.state) == (f"{film.id} (once, row {row.id})", "missing")


def test_seasons_of_two_libraries_may_exchange_their_keys(rounds) -> None:
    """The first pass has moved the season's episodes when the second one looks for the key's owner."""
    first, second = _library(rounds, "show"), _library(rounds, "show")
    shows = _show(rounds, first, 1, guid="local://of-nobody"), _show(rounds, second, 2, "Other")
    rounds.sync()
    seasons = [rounds.world.seasons_of(show.id)[0] for show in shows]
    before = _ids(rounds, seasons[1])
    reissue_keys(rounds.world, *(season.id for season in seasons))
    rounds.sync(Manner(order=(first, second)))
    assert _ids(rounds, seasons[0]) == before


@pytest.mark.parametrize("only", [None, "1"])
def test_a_film_without_files_gets_none_with_the_key_of_a_film_of_another_library(rounds, only) -> None:
    """Not even where the token sees no paths, so that stored files are kept of films that have none."""
    here, there = _library(rounds), _library(rounds)
    guid = plex_guid("movie", "the same")
    films = [rounds.plex.changes.add_movie(library, f"The Same {library}", guid=guid) for library in (here, there)]
    bare = rounds.plex.changes.edit(films[0].id, media=(), duration=None)
    rounds.sync()
    reissue_keys(rounds.world, *(film.id for film in films))
    rounds.plex.quirks.hides = "paths"
    rounds.sync(Manner(order=(here, there), only=only))
    row = rounds.mirror().items["movies", films[1].rating_key]
    assert (row.content["title"], row.content["file"], row.state) == (bare.title, None, "unavailable")


def test_the_first_show_of_a_library_may_get_a_key_of_another_library(rounds) -> None:
    """A library without rows is not looked up item by item, but its shows are."""
    first, second = _library(rounds, "show"), _library(rounds, "show")
    show = _show(rounds, first, 2)
    rounds.sync()
    before = _ids(rounds, show)
    other = _show(rounds, second, 2, "Other")
    reissue_keys(rounds.world, show.id, other.id)
    rounds.sync(Manner(order=(first, second)))
    assert _ids(rounds, other) == before


# Other rating keys, the same items


def test_a_film_that_came_again_after_days_has_its_id(rounds) -> None:
    """The row that had gone missing lives on, and there is no second one."""
    film, _ = _films(rounds, _library(rounds), 2)
    rounds.sync()
    before = _ids(rounds, film)
    gone = rounds.plex.changes.delete(film.id)
    for _ in range(3):
        rounds.now += DAY_S
        rounds.sync()
    (again,) = rounds.plex.changes.add_again(*gone)
    rounds.sync()
    assert _ids(rounds, again, film) == [*before, None]


def test_a_film_may_come_again_under_a_lower_rating_key(rounds) -> None:
    """It is then listed before what it was known as: order proves nothing."""
    library = _library(rounds)
    lower = rounds.world.new_id("item")
    film, _ = _films(rounds, library, 2)
    rounds.sync()
    before = _ids(rounds, film)
    (gone,) = rounds.plex.changes.delete(film.id)
    (again,) = rounds.plex.changes.add_again(gone)
    rounds.world.drop(again.id)
    again = msgspec.structs.replace(again, id=lower)
    rounds.world.put(again)
    rounds.sync()
    assert _ids(rounds, again) == before


def test_a_film_may_come_again_before_its_file(rounds) -> None:
    """The row of its file waits for the next one, and keeps its id."""
    library = _library(rounds)
    film, _ = _films(rounds, library, 2)
    rounds.sync()
    ((part, file_id),) = [
        each for each in rounds.mirror().file_ids.items() if each[0] == media_of(film)[0].parts[0].id
    ]
    gone = rounds.plex.changes.delete(film.id)
    rounds.sync()
    (again,) = rounds.plex.changes.add_again(*gone)
    media = again.media
    rounds.plex.changes.edit(again.id, media=())
    rounds.sync()
    assert rounds.mirror().file_ids == rounds.mirror().file_ids | {-file_id: file_id}
    rounds.plex.changes.edit(again.id, media=media)
    rounds.sync()
    assert rounds.mirror().file_ids[media[0].parts[0].id] == file_id
    assert part not in rounds.mirror().file_ids


@pytest.mark.parametrize("at_once", [1, 4])
@pytest.mark.parametrize("order", [("1", "2"), ("2", "1")])
def test_a_film_that_moved_has_its_id(rounds, order, at_once) -> None:
    """Whichever library is looked at first, and where both are at once."""
    here, there = _library(rounds), _library(rounds)
    film, _ = _films(rounds, here, 2)
    rounds.sync()
    before = _ids(rounds, film)
    moved = rounds.plex.changes.move(film.id, there)
    rounds.sync(Manner(order=order, at_once=at_once))
    assert _ids(rounds, moved, film) == [*before, None]


@pytest.mark.parametrize("only", ["1", "2"])
def test_a_move_may_be_seen_in_two_halves(rounds, only) -> None:
    """One library today, the other one tomorrow."""
    here, there = _library(rounds), _library(rounds)
    film, _ = _films(rounds, here, 2)
    rounds.sync()
    before = _ids(rounds, film)
    moved = rounds.plex.changes.move(film.id, there)
    rounds.sync(Manner(only=only))
    rounds.now += DAY_S
    rounds.sync()
    assert _ids(rounds, moved) == before


def test_films_that_change_places_keep_their_ids(rounds) -> None:
    """Each goes where the other was."""
    here, there = _library(rounds), _library(rounds)
    (one, _), (other, _) = (
        _films(rounds, here, 2),
        [rounds.plex.changes.add_movie(there, title, 1980) for title in ("Other", "Another")],
    )
    rounds.sync()
    before = _ids(rounds, one, other)
    moved = rounds.plex.changes.move(one.id, there), rounds.plex.changes.move(other.id, here)
    rounds.sync()
    assert _ids(rounds, *moved) == before


def test_a_film_that_moved_on_has_its_id_from_the_beginning(rounds) -> None:
    """It was seen in the second library while the first one was being scanned, and is in the third one now."""
    first, second, third = (_library(rounds) for _ in range(3))
    film, _ = _films(rounds, first, 2)
    _films(rounds, second, 1)
    rounds.sync()
    before = _ids(rounds, film)
    rounds.plex.changes.start_scan(first)
    moved = rounds.plex.changes.move(film.id, second)
    rounds.sync()
    rounds.plex.changes.finish_scan(first)
    moved = rounds.plex.changes.move(moved.id, third)
    rounds.sync()
    rounds.sync_again()
    assert _ids(rounds, moved) == before


def test_a_show_may_move_with_half_of_its_episodes(rounds) -> None:
    """What came along keeps its id, what stayed behind is missing."""
    here, there = _library(rounds, "show"), _library(rounds, "show")
    show, _ = _show(rounds, here, 4), _show(rounds, here, 1, "Stays")
    rounds.sync()
    episodes = _episodes(rounds, show)
    before = _ids(rounds, show, *episodes)
    for episode in episodes[2:]:
        rounds.plex.changes.delete(episode.id)
    moved = rounds.plex.changes.move(show.id, there)
    rounds.sync()
    assert _ids(rounds, moved, *_episodes(rounds, moved)) == before[:3]
    assert _states(rounds, *episodes[2:]) == ["missing", "missing"]


def test_an_unmatched_show_is_found_by_its_files(rounds) -> None:
    """If there are only the server's own guids, paths identify the episodes, and these their show."""
    library = _library(rounds, "show")
    show, _ = _show(rounds, library, 3, guid="local://nobody"), _show(rounds, library, 1, "Another")
    rounds.sync()
    before = _ids(rounds, *_episodes(rounds, show))
    again = rounds.plex.changes.recreate(show.id)[0]
    rounds.sync()
    assert _ids(rounds, *_episodes(rounds, again)) == before


def test_all_episodes_of_a_show_may_come_again_while_it_stays(rounds) -> None:
    """As after a new disk: nothing left for good, so nothing is held back."""
    library = _library(rounds, "show")
    show = _show(rounds, library, 30)
    rounds.sync()
    before = _ids(rounds, *_episodes(rounds, show))
    rounds.plex.changes.recreate(show.id)
    (again,) = rounds.world.shows(library)
    done = rounds.sync()
    assert done.status(library) == "ok"
    assert _ids(rounds, *_episodes(rounds, again)) == before


def test_two_episodes_of_one_file_are_distinguished(rounds) -> None:
    """They share a path, so their guids decide."""
    show = _show(rounds, _library(rounds, "show"), 3)
    one, other, _ = _episodes(rounds, show)
    file = media_of(one)[0].parts[0].file
    (media,) = other.media
    shared = msgspec.structs.replace(media, parts=(msgspec.structs.replace(media.parts[0], file=file),))
    rounds.world.put(msgspec.structs.replace(other, media=(shared,)))
    rounds.sync()
    before = _ids(rounds, one, other)
    again = [rounds.plex.changes.recreate(episode.id)[-1] for episode in (one, other)]
    rounds.sync()
    assert _ids(rounds, *again) == before


def test_editions_of_one_film_keep_their_ids_apart(rounds) -> None:
    """They have one guid; the edition distinguishes them."""
    library = _library(rounds)
    guid = plex_guid("movie", "the same")
    films = [
        rounds.plex.changes.edit(
            rounds.plex.changes.add_movie(library, f"The Same {edition}", 1950, guid=guid).id, edition_title=edition
        )
        for edition in (None, "Director's Cut", "Final Cut")
    ]
    rounds.sync()
    before = _ids(rounds, *films)
    again = [rounds.plex.changes.recreate(film.id)[0] for film in reversed(films)]
    rounds.sync()
    assert _ids(rounds, *reversed(again)) == before


# Not the same items


def test_a_copy_of_long_standing_is_never_the_film_that_left(rounds) -> None:
    """Both have one guid; each is itself, also when the first one comes again."""
    here, there = _library(rounds), _library(rounds)
    film, _ = _films(rounds, here, 2)
    copy = rounds.plex.changes.add_movie(there, "A Copy", film.year, guid=film.guid)
    rounds.sync()
    before = _ids(rounds, film, copy)
    gone = rounds.plex.changes.delete(film.id)
    rounds.sync()
    assert _ids(rounds, film, copy) == before
    assert _states(rounds, film, copy) == ["missing", "active"]
    (again,) = rounds.plex.changes.add_again(*gone)
    rounds.sync()
    assert _ids(rounds, again, copy) == before


def test_which_of_two_it_is_is_not_guessed(rounds) -> None:
    """Two films of one guid left, one came, under a path of its own: it is a new one."""
    library = _library(rounds)
    guid = plex_guid("movie", "the same")
    films = [rounds.plex.changes.add_movie(library, f"The Same {n}", 1950, guid=guid) for n in range(2)]
    _films(rounds, library, 1)
    rounds.sync()
    before = _ids(rounds, *films)
    for film in films:
        rounds.plex.changes.delete(film.id)
    new = rounds.plex.changes.add_movie(library, "The Same once more", 1950, guid=guid)
    rounds.sync()
    assert _ids(rounds, *films) == before
    assert _ids(rounds, new)[0] not in before


# What is held back


def test_a_library_may_not_trickle_away(rounds) -> None:
    """A dozen at a time is as much as all at once, within a day."""
    library = _library(rounds)
    films = _films(rounds, library, 60)
    rounds.sync(Manner(page_size=50))
    for film in films[:12]:
        rounds.plex.changes.delete(film.id)
    assert rounds.sync().status(library) == "ok"
    rounds.now += DAY_S // 2
    for film in films[12:24]:
        rounds.plex.changes.delete(film.id)
    assert rounds.sync().status(library) == "blocked"
    assert _states(rounds, *films[12:24]) == ["active"] * 12
    assert rounds.sync(Manner(accept_removals=True)).status(library) == "ok"
    assert _states(rounds, *films[12:24]) == ["missing"] * 12


def test_a_library_that_is_hidden_for_a_while_loses_nothing(rounds) -> None:
    """Its rows stay as they are, and no copy in another library takes their place."""
    here, there = _library(rounds), _library(rounds)
    film, _ = _films(rounds, here, 2)
    copy = rounds.plex.changes.add_movie(there, "A Copy", film.year, guid=film.guid)
    rounds.sync()
    before = _ids(rounds, film, copy)
    rounds.plex.quirks.hidden_libraries = {here}
    assert rounds.sync().status(here) == "blocked"
    rounds.plex.quirks.hidden_libraries = set()
    rounds.sync()
    assert _ids(rounds, film, copy) == before


# While it is read


def test_what_slips_through_between_two_pages_stays(rounds) -> None:
    """A film left while a listing was read, so all that follow moved up by one, and one of them was not shown."""
    library = _library(rounds)
    films = _films(rounds, library, 8)
    rounds.sync()
    slip = Interruption(f"/library/sections/{library}/all", 1, lambda: rounds.plex.changes.delete(films[0].id))
    rounds.sync(Manner(page_size=3), interruption=slip)
    assert _states(rounds, *films[1:]) == ["active"] * 7


def test_a_library_may_be_renamed_while_it_is_listed(rounds) -> None:
    """Entries that were edited before that have its former name until the next pass."""
    library = _library(rounds)
    (film,) = _films(rounds, library, 1)
    rounds.sync()

    def happens() -> None:
        rounds.plex.changes.edit(film.id, summary="Edited")
        rounds.plex.changes.rename_library(library, "Renamed")

    for interruption, name in (
        (Interruption(f"/library/sections/{library}/all", 0, happens), "Library 0"),
        (None, "Renamed"),
    ):
        rounds.sync(interruption=interruption)
        assert [file["library_name"] for file in rounds.mirror().files.values()] == [name]


def test_a_film_that_leaves_while_it_is_listed_has_the_genres_of_its_listing(rounds) -> None:
    """They are the first two, until its details are read, and these it no longer has."""
    library = _library(rounds)
    film, *_ = _films(rounds, library, 5)
    rounds.plex.changes.edit(film.id, tags=Tags(genres=("A", "B", "C")))
    late = Interruption(f"/library/sections/{library}/all", 1, lambda: rounds.plex.changes.delete(film.id))
    rounds.sync(Manner(page_size=2), interruption=late)
    assert rounds.mirror().items["movies", film.rating_key].lists["genre text"] == ["A, B"]


def test_a_film_has_the_details_of_the_row_that_it_replaced_until_its_own_are_read(rounds) -> None:
    """A copy of it left, and it is in the library of that copy now."""
    here, there = _library(rounds), _library(rounds)
    guid = plex_guid("movie", "the same")
    film = rounds.plex.changes.add_movie(here, "The Same", 1950, guid=guid)
    copy = rounds.plex.changes.add_movie(there, "A Copy", 1950, guid=guid)
    rounds.plex.rich.set_chapters(copy.id, Chapter(0, 60_000, "One"))
    rounds.sync(Manner(order=(here, there)))
    rounds.plex.changes.delete(copy.id)
    moved = rounds.plex.changes.move(film.id, there)
    rounds.sync(Manner(order=(here, there), details=False))
    assert rounds.mirror().items["movies", moved.rating_key].lists["chapters"]
    rounds.sync()
    assert "chapters" not in rounds.mirror().items["movies", moved.rating_key].lists


def test_a_show_that_was_matched_anew_loses_a_damaged_value_until_it_arrives_again(rounds) -> None:
    """Whether it is another show was not known when the damage was seen."""
    show = _show(rounds, _library(rounds, "show"), 2, guid="local://of-nobody")
    rounds.sync()
    rounds.plex.changes.edit(show.id, guid=plex_guid("show", 1))
    years = []
    for troubles in ([Trouble("damaged", "*")], []):
        rounds.sync(troubles=troubles)
        years.append(rounds.mirror().items["shows", show.rating_key].content["year"])
    assert years == [None, show.year]


def test_a_season_may_be_moved_before_its_episodes_can_be_read(rounds) -> None:
    """Two shows exchanged their keys, and the server cannot send one of the episodes: the next pass mends it."""
    library = _library(rounds, "show")
    shows = [_show(rounds, library, 3, f"Show {number}", guid="local://of-nobody") for number in range(2)]
    rounds.sync()
    reissue_keys(rounds.world, *(show.id for show in shows))
    done = rounds.sync(troubles=[Trouble("poison error", "*", after=1)])
    assert done.status(library) == "incomplete"
    assert rounds.mirror().strangers
    rounds.sync()
    assert not rounds.mirror().strangers


# Damaged values


@pytest.mark.parametrize("xml", [False, True])
def test_a_good_value_stays_until_its_damage_comes_again(rounds, xml) -> None:
    """The second time it is what the server has; when the damage ends, so is the good value."""
    (film,) = _films(rounds, _library(rounds), 1)
    rounds.plex.quirks.always_xml = xml
    rounds.sync()
    durations = []
    for troubles in ([Trouble("damaged", "*")], [Trouble("damaged", "*")], []):
        rounds.sync(troubles=troubles)
        durations.append(rounds.mirror().items["movies", film.rating_key].content["duration"])
    assert durations == [film.duration, None, film.duration]


def test_what_arrived_damaged_once_is_read_again(rounds) -> None:
    """The next pass lists the library completely, though nothing else would have it do so."""
    library = _library(rounds)
    (film,) = _films(rounds, library, 1)
    rounds.sync()
    rounds.plex.changes.edit(film.id, summary="Edited")
    rounds.sync(troubles=[Trouble("damaged", "*")])
    done = rounds.sync(Manner(full=False))
    assert done.passes[library].kind == "full"
    assert rounds.mirror().items["movies", film.rating_key].content["summary"] == "Edited"
