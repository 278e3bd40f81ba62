"""What changes show to a client: the items, and the marks that move or, as on real servers, do not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from retrovue_daemon.demo import RELEASE_2023, Changes, World, built_in_library, generated_library
from retrovue_daemon.demo.items import Tags
from retrovue_daemon.demo.reissued import reissue_keys
from retrovue_daemon.demo.shelf import new_library
from retrovue_daemon.demo.world import media_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from retrovue_daemon.demo import SimulatedPlex
    from retrovue_daemon.demo.items import Episode, Movie
    from tests.demo.conftest import Get


@pytest.fixture
def world() -> World:
    return built_in_library()


@pytest.fixture
def changes(world: World) -> Changes:
    return Changes(world)


def film(world: World, title: str, library: str = "1") -> Movie:
    return next(movie for movie in world.movies(library) if movie.title == title)


def show_id(world: World, title: str) -> int:
    return next(show.id for show in world.shows() if show.title == title)


def marks(world: World, key: str = "1") -> tuple[int, int]:
    library = world.libraries[key]
    return library.content_changed_at, library.scanned_at


@pytest.mark.parametrize(
    ("change", "item_moves", "content_moves", "scan_moves"),
    [
        (lambda c, m: c.edit(m.id, title="Charade!"), True, False, False),
        (lambda c, m: c.rematch(m.id, "plex://movie/5d000000000000000000abcd"), True, False, False),
        (lambda c, m: c.replace_file(m.id, size=5, duration=7), False, False, True),
        (lambda c, m: c.upgrade_file(m.id), True, True, True),
        (lambda c, m: c.split_file(m.id), True, True, True),
        (lambda c, m: c.rename_file(m.id, "/srv/media/movies/Charade.mkv"), False, True, True),
        (lambda c, m: c.analyse(m.id), False, False, False),
        (lambda c, m: c.trash(m.id), False, True, True),
        (lambda c, m: c.restore(m.id), False, True, True),
        (lambda c, m: c.merge(m.id, 1), True, True, False),
        (lambda c, m: c.split(m.id), True, True, False),
        (lambda c, _: (c.start_scan("1"), c.finish_scan("1")), False, False, True),
    ],
)
def test_marks_move_as_on_a_real_server(
    world: World,
    changes: Changes,
    change: Callable[[Changes, Movie], object],
    *,
    item_moves: bool,
    content_moves: bool,
    scan_moves: bool,
) -> None:
    """A file replaced in place moves nothing but scannedAt; an edit does not move contentChangedAt."""
    movie = film(world, "Charade")
    updated_at, (content, scan) = movie.updated_at, marks(world)
    change(changes, movie)
    now = world.item(movie.id)
    assert (now.updated_at != updated_at) is item_moves
    assert (marks(world)[0] != content) is content_moves
    assert (marks(world)[1] != scan) is scan_moves


def test_other_libraries_marks_stay(world: World, changes: Changes) -> None:
    """A change shows in its own library only."""
    before = marks(world, "2")
    changes.add_movie("1", "The Bat", 1926)
    assert marks(world, "2") == before


def test_the_counter_is_the_servers_and_no_time(world: World, changes: Changes) -> None:
    """ContentChangedAt of one library can be anything but less than it was, and is far from an epoch."""
    changes.add_movie("1", "The Bat", 1926)
    first = world.libraries["1"].content_changed_at
    changes.add_movie("2", "The Bat", 1926)
    assert first < world.libraries["2"].content_changed_at < 10_000


def test_a_scan_moves_the_librarys_updated_at_since_1_43(world: World, changes: Changes) -> None:
    """55 seconds after scannedAt; older servers leave it alone."""
    changes.finish_scan("1")
    library = world.libraries["1"]
    assert library.updated_at == library.scanned_at + 55
    world.release = RELEASE_2023
    before = library.updated_at
    changes.finish_scan("1")
    assert library.updated_at == before
    changes.rename_library("1", "Pictures")
    assert library.updated_at > before


def test_a_deleted_film_that_returns_has_a_new_key(world: World, changes: Changes) -> None:
    """Same guid, same file, another id, another part; no id is ever used twice."""
    before = film(world, "Charade")
    gone = changes.delete(before.id)
    assert before.id not in world.items
    (after,) = changes.add_again(*gone)
    assert after.id > before.id
    assert (after.guid, after.title) == (before.guid, before.title)
    again = film(world, "Charade")
    assert [p.file for m in again.media for p in m.parts] == [p.file for m in before.media for p in m.parts]
    assert not {p.id for m in again.media for p in m.parts} & {p.id for m in before.media for p in m.parts}


def test_recreating_is_deleting_and_adding(world: World, changes: Changes) -> None:
    """In one step: another id, the same guid, and a show keeps its episodes."""
    show = show_id(world, "The Lighthouse Keepers")
    before = world.item(show), [leaf.title for leaf in world.leaves_of(show)]
    after = changes.recreate(show)[0]
    assert show not in world.items
    assert (after.guid, [leaf.title for leaf in world.leaves_of(after.id)]) == (before[0].guid, before[1])


def test_deleted_items_can_be_named_by_their_ids(world: World, changes: Changes) -> None:
    """For who has only those: another process."""
    gone = changes.delete(show_id(world, "The Lighthouse Keepers"))
    again = changes.add_again(*(item.id for item in gone))
    assert [item.guid for item in again] == [item.guid for item in gone]


def test_no_item_returns_without_its_parent(world: World, changes: Changes) -> None:
    """An episode whose season is gone as well is refused, and nothing is put anywhere."""
    episode = next(episode for episode in world.episodes() if episode.title == "Fog")
    gone = changes.delete(episode.id)
    changes.delete(episode.season_id)
    before = dict(world.items)
    for wrong in (gone, [*gone, episode.season_id]):
        with pytest.raises(KeyError, match=str(episode.season_id)):
            changes.add_again(*wrong)
    with pytest.raises(KeyError, match=str(episode.season_id)):
        changes.edit(next(world.episodes()).id, season_id=episode.season_id)
    assert world.items == before


def test_what_was_unmatched_returns_unmatched(world: World, changes: Changes) -> None:
    """A local guid names the id, so it changes with it."""
    before = film(world, "VTS_01_1")
    (after,) = changes.add_again(*changes.delete(before.id))
    assert before.guid == f"local://{before.id}"
    assert after.guid == f"local://{after.id}"


def test_the_last_episode_takes_season_and_show_along(world: World, changes: Changes) -> None:
    """A season without episodes goes, and so does a show without seasons."""
    show = show_id(world, "מגדלור")
    (episode,) = world.leaves_of(show)
    gone = changes.delete(episode.id)
    assert [item.type for item in gone] == ["show", "season", "episode"]
    assert show not in world.items
    again = changes.add_again(*gone)
    assert [item.type for item in again] == ["show", "season", "episode"]
    assert [leaf.title for leaf in world.leaves_of(again[0].id)] == [episode.title]


def test_a_deleted_show_goes_whole(world: World, changes: Changes) -> None:
    """With all seasons and episodes."""
    show = show_id(world, "The Lighthouse Keepers")
    episodes = len(list(world.episodes("3")))
    gone = changes.delete(show)
    assert len(gone) == 1 + 3 + 11
    assert len(list(world.episodes("3"))) == episodes - 11
    assert not [season for season in world.seasons() if season.show_id == show]


def test_a_moved_film_lives_in_the_other_librarys_folder(world: World, changes: Changes) -> None:
    """New id, same guid, path under the other root; both libraries' content has changed."""
    before = film(world, "The General")
    contents = marks(world, "1")[0], marks(world, "2")[0]
    after = changes.move(before.id, "2")
    assert film(world, "The General", "2") == after
    assert after.id != before.id
    assert after.guid == before.guid
    files = [part.file for _, _, part in world.parts("2")]
    assert "/srv/media/movies-4k/The General (1926)/The General (1926).mkv" in files
    assert marks(world, "1")[0] != contents[0]
    assert marks(world, "2")[0] != contents[1]


@pytest.mark.parametrize("library", ["3", "99"])
def test_a_film_stays_where_it_cannot_move(world: World, changes: Changes, library: str) -> None:
    """A library of another type or none at all is refused before anything is deleted."""
    before = film(world, "The General")
    with pytest.raises((ValueError, KeyError), match=library):
        changes.move(before.id, library)
    assert film(world, "The General") == before


def test_a_moved_show_keeps_its_shape(world: World, changes: Changes) -> None:
    """All seasons and episodes follow under new ids."""
    show = show_id(world, "The Lighthouse Keepers")
    before = [(e.season_index, e.index, e.title, e.guid) for e in world.leaves_of(show)]
    moved = changes.move(show, "7")
    assert [(e.season_index, e.index, e.title, e.guid) for e in world.leaves_of(moved.id)] == before
    assert {e.library for e in world.leaves_of(moved.id)} == {"7"}
    with pytest.raises(TypeError, match="episode"):
        changes.move(world.leaves_of(moved.id)[0].id, "3")


def test_merging_makes_versions_and_splitting_films(world: World, changes: Changes) -> None:
    """The other id disappears; after a split the first version keeps the id and the rest is unmatched."""
    charade, detour = film(world, "Charade"), film(world, "The General")
    merged = changes.merge(charade.id, detour.id)
    assert detour.id not in world.items
    assert merged.media == charade.media + detour.media
    films = changes.split(charade.id)
    assert [len(each.media) for each in films] == [1, 1, 1]
    assert films[0].id == charade.id
    assert [each.guid for each in films[1:]] == [f"local://{each.id}" for each in films[1:]]


def test_only_films_of_one_library_are_merged(world: World, changes: Changes) -> None:
    """Not a film into itself, nor one of another library."""
    in_hd, in_4k = film(world, "Charade"), film(world, "Charade", "2")
    for other in (in_hd, in_4k):
        with pytest.raises(ValueError, match=str(other.id)):
            changes.merge(in_hd.id, other.id)
    assert film(world, "Charade") == in_hd
    assert film(world, "Charade", "2") == in_4k


def test_edits_may_be_as_json_has_them(world: World, changes: Changes) -> None:
    """Lists and objects become what the item has; what no item could have is refused, and so is another id."""
    edited = changes.edit(1, tags={"genres": ["Horror", "Comedy"]}, external_guids=["imdb://tt1"], rating=7)
    assert edited.tags == Tags(genres=("Horror", "Comedy"))
    assert edited.external_guids == ("imdb://tt1",)
    assert isinstance(edited.rating, float)
    for fields in (
        {"title": 5},
        {"year": "many"},
        {"tags": {"genres": "Horror"}},
        {"id": 7},
        {"library": "2"},
        {"x": 1},
    ):
        with pytest.raises((ValueError, KeyError)):
            changes.edit(1, **fields)
    assert world.item(1) == edited
    assert changes.edit(1, updated_at=None).updated_at is None


def test_a_replaced_file_keeps_its_part_and_changes_its_stamp(world: World, changes: Changes) -> None:
    """Same path, same ids, another size, length and mtime."""
    before = film(world, "Nosferatu")
    changes.replace_file(before.id, size=123, duration=456)
    after = film(world, "Nosferatu")
    old, new = before.media[0].parts[0], after.media[0].parts[0]
    assert (new.id, new.file) == (old.id, old.file)
    assert (new.size, new.duration, after.duration) == (123, 456, 456)
    assert new.stamp > old.stamp


def test_an_upgraded_file_is_another_part(world: World, changes: Changes) -> None:
    """Another name and container, other Media and Part ids, the same item."""
    before = film(world, "Nosferatu")
    changes.upgrade_file(before.id)
    after = film(world, "Nosferatu")
    assert after.media[0].id != before.media[0].id
    assert after.media[0].parts[0].id != before.media[0].parts[0].id
    assert (after.media[0].parts[0].file or "").endswith("Nosferatu (1922).mp4")


def test_a_split_file_is_a_version_in_two_files(world: World, changes: Changes) -> None:
    """Other Media and Part ids, two paths instead of the one, the same item and length."""
    before = film(world, "Nosferatu")
    changes.split_file(before.id)
    after = film(world, "Nosferatu")
    (old,) = before.media[0].parts
    first, second = after.media[0].parts
    assert after.media[0].id != before.media[0].id
    assert len({old.id, first.id, second.id}) == 3
    assert [(part.file or "").rpartition(" - ")[2] for part in (first, second)] == ["pt1.mkv", "pt2.mkv"]
    assert (first.duration or 0) + (second.duration or 0) == before.duration == after.duration
    with pytest.raises(IndexError):
        changes.split_file(film(world, "Detour").id)


def test_keys_given_out_again_leave_no_part_id_twice(world: World, changes: Changes) -> None:
    """Also where one of three films is in two files."""
    films = [film for film in world.movies("1") if len(film.media) == 1 and len(film.media[0].parts) == 1][:3]
    changes.split_file(films[0].id)

    reissue_keys(world, *(film.id for film in films))

    parts = [part.id for film in world.movies("1") for version in media_of(film) for part in version.parts]
    assert len(parts) == len(set(parts))


def test_episodes_that_share_a_file_get_one_each(world: World, changes: Changes) -> None:
    """The same episodes, each with its own path, length and size; the other episodes of the show are left alone."""
    lighthouse = show_id(world, "The Lighthouse Keepers")
    before = world.leaves_of(lighthouse)
    old = [episode for episode in before if episode.title.startswith("The Storm")]
    content = marks(world, "3")[0]
    separated = changes.separate_episodes(old[1].id)
    assert [episode.id for episode in separated] == [episode.id for episode in old]
    files = [part.file for episode in separated for media in episode.media for part in media.parts]
    assert files == [
        "/srv/media/tv/The Lighthouse Keepers (2019)/Season 02/"
        f"The Lighthouse Keepers - S02E0{number} - The Storm, Part {word}.mkv"
        for number, word in ((3, "One"), (4, "Two"))
    ]
    for new, former in zip(separated, old, strict=True):
        assert new.duration == new.media[0].duration == new.media[0].parts[0].duration == (former.duration or 0) // 2
        assert new.media[0].display_offset is None
        assert new.updated_at != former.updated_at
    assert [e for e in world.leaves_of(lighthouse) if e not in separated] == [e for e in before if e not in old]
    assert marks(world, "3")[0] != content


def test_an_episode_moves_to_another_season(world: World, changes: Changes) -> None:
    """It keeps its id, guid and files; contentChangedAt moves only where a season comes or goes by it."""
    lighthouse = show_id(world, "The Lighthouse Keepers")
    before = world.leaves_of(lighthouse)[0]
    content, scan = marks(world, "3")
    moved = changes.move_episode(before.id, lighthouse, 2, 9)
    assert (moved.id, moved.guid, moved.media) == (before.id, before.guid, before.media)
    assert (moved.show_id, moved.season_index, moved.index) == (lighthouse, 2, 9)
    assert world.leaves_of(lighthouse)[-1] == moved
    assert moved.updated_at != before.updated_at
    assert marks(world, "3") == (content, scan)
    changes.move_episode(before.id, lighthouse, 7, None)
    assert [season.index for season in world.seasons_of(lighthouse)] == [0, 1, 2, 7]
    assert marks(world, "3")[0] != content


def test_an_episode_moves_to_another_show(world: World, changes: Changes) -> None:
    """Of its library; the season and the show that are empty without it are gone."""
    former, show = show_id(world, "מגדלור"), show_id(world, "The Lighthouse Keepers")
    (episode,) = world.leaves_of(former)
    content = marks(world, "3")[0]
    changes.move_episode(episode.id, show, 1, 6)
    assert former not in world.items
    assert episode.season_id not in world.items
    assert world.show_of(world.season_of(next(e for e in world.episodes() if e.id == episode.id))).id == show
    assert marks(world, "3")[0] != content
    with pytest.raises(ValueError, match="4"):
        changes.move_episode(episode.id, next(world.shows("4")).id, 1, 1)


def test_the_trash_can_be_emptied(world: World, changes: Changes) -> None:
    """What was trashed goes, the rest stays."""
    changes.trash(film(world, "Charade").id)
    assert sorted(item.title for item in changes.empty_trash("1")) == ["Charade", "Plan 9 from Outer Space"]
    assert len(list(world.movies("1"))) == 25


def test_an_episode_opens_its_season(world: World, changes: Changes) -> None:
    """A season that is not there yet is made; the show's own updatedAt stays."""
    show = show_id(world, "The Lighthouse Keepers")
    before = world.item(show).updated_at
    episode = changes.add_episode(show, 3, 1, "The Lamp Goes Electric")
    assert world.season_of(episode).index == 3
    assert world.item(show).updated_at == before
    assert changes.add_episode(show, 3, 2, "Blackout").season_id == episode.season_id


def test_libraries_come_and_go(world: World, changes: Changes) -> None:
    """A removed library takes its items along, and its key is not given again."""
    changes.remove_library("2")
    assert "2" not in world.libraries
    assert not [item for item in world.items.values() if item.library == "2"]
    assert changes.add_library("movie", "Matinée", "/srv/matinee").key == "10"


def test_no_film_is_lost_on_the_way_to_a_library_without_a_folder(world: World, changes: Changes) -> None:
    """It stays where it is."""
    library = new_library(world, "movie", "Nowhere")
    with pytest.raises(ValueError, match=library.key):
        changes.move(3, library.key)
    assert world.item(3).library == "1"


def test_an_episode_hangs_below_a_season_of_its_show(world: World, changes: Changes) -> None:
    """A season that has episodes stays with its show, and a show has seasons of its own library only."""
    keepers = world.seasons_of(show_id(world, "The Lighthouse Keepers"))
    episode = world.episodes_of(keepers[0].id)[0]
    other = next(show for show in world.shows("3") if show.id != episode.show_id)
    anime = next(world.shows("4"))
    for item, wrong in (
        (episode, {"season_id": world.seasons_of(other.id)[0].id}),
        (episode, {"show_id": other.id}),
        (episode, {"show_id": anime.id, "season_id": world.seasons_of(anime.id)[0].id}),
        (keepers[0], {"show_id": other.id}),
        (keepers[0], {"show_id": anime.id}),
    ):
        with pytest.raises(ValueError, match=r"\d+"):
            changes.edit(item.id, **wrong)
    assert changes.edit(episode.id, season_id=keepers[1].id) in world.episodes_of(keepers[1].id)


def test_the_same_changes_lead_to_the_same_world() -> None:
    """No chance and no clock of the machine is involved."""

    def run() -> tuple[Any, ...]:
        world = generated_library(movies=10, shows=2, episodes=5, seed=3)
        changes = Changes(world)
        changes.edit(4, title="Same")
        changes.add_again(*changes.delete(5))
        changes.move(6, changes.add_library("movie", "Other", "/other").key)
        return dict(world.items), world.libraries, world.now

    assert run() == run()


async def test_pages_show_changes_at_once(get: Get, plex: SimulatedPlex) -> None:
    """Bytes that were kept from an earlier page are made anew, also where a show's title stands in its episodes."""
    path = "/library/sections/3/all?type=4&sort=id"
    before = (await get(path)).entries
    episode: Episode = next(plex.world.episodes("3"))
    plex.changes.edit(episode.show_id, title="The Lamp Keepers")
    plex.changes.edit(episode.season_id, title="Odds and Ends")
    plex.changes.edit(episode.id, title="Changed")
    after = (await get(path)).entries
    assert len(after) == len(before)
    changed = next(entry for entry in after if entry["ratingKey"] == episode.rating_key)
    assert changed["title"] == "Changed"
    assert changed["parentTitle"] == "Odds and Ends"
    assert changed["grandparentTitle"] == "The Lamp Keepers"
    leaves = [entry for entry in after if entry["grandparentRatingKey"] == str(episode.show_id)]
    assert {entry["grandparentTitle"] for entry in leaves} == {"The Lamp Keepers"}


async def test_counts_of_a_show_follow_its_episodes(get: Get, plex: SimulatedPlex) -> None:
    """LeafCount and childCount are right after an addition, though updatedAt did not move."""
    show = show_id(plex.world, "The Lighthouse Keepers")
    path = "/library/sections/3/all?type=2&title=Lighthouse"
    before = (await get(path)).entries[0]
    plex.changes.add_episode(show, 9, 1, "A Visitor")
    after = (await get(path)).entries[0]
    assert (after["leafCount"], after["childCount"]) == (before["leafCount"] + 1, before["childCount"] + 1)
    assert after["updatedAt"] == before["updatedAt"]


async def test_counts_follow_an_episode_that_moves(get: Get, plex: SimulatedPlex) -> None:
    """Both of the season that it left and of the one that it came to, and its own entry names the new one."""
    show = show_id(plex.world, "The Lighthouse Keepers")
    path = "/library/sections/3/all?type=3&show.title=Lighthouse&sort=index"
    before = [season["leafCount"] for season in (await get(path)).entries]
    episode = plex.world.leaves_of(show)[0]
    await get(f"/library/metadata/{show}/allLeaves")
    plex.changes.move_episode(episode.id, show, 2, 9)
    assert [season["leafCount"] for season in (await get(path)).entries] == [before[0] - 1, before[1], before[2] + 1]
    entry = (await get(f"/library/metadata/{show}/allLeaves")).entries[-1]
    assert (entry["ratingKey"], entry["parentTitle"], entry["parentIndex"]) == (str(episode.id), "Season 2", 2)


async def test_a_scan_shows_as_refreshing(get: Get, plex: SimulatedPlex) -> None:
    """From its start to its end."""
    plex.changes.start_scan("1")
    assert (await get("/library/sections")).container["Directory"][0]["refreshing"] is True
    plex.changes.finish_scan("1")
    assert (await get("/library/sections")).container["Directory"][0]["refreshing"] is False


async def test_trashed_items_are_listed_on(get: Get, plex: SimulatedPlex) -> None:
    """With deletedAt on the item and on its versions."""
    trashed = plex.changes.trash(1)
    entry = next(e for e in (await get("/library/sections/1/all")).entries if e["ratingKey"] == "1")
    assert entry["deletedAt"] == entry["Media"][0]["deletedAt"] == trashed.deleted_at
