"""Filters and orders of listings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from retrovue_daemon.demo.query import natural_key

if TYPE_CHECKING:
    from retrovue_daemon.demo import SimulatedPlex
    from tests.demo.conftest import Get

MOVIES = "/library/sections/1/all?type=1"
EPISODES = "/library/sections/3/all?type=4"


@pytest.mark.parametrize(
    ("query", "titles"),
    [
        (
            "title=of+the&sort=year",
            ["The Phantom of the Opera", "The Phantom of the Opera", "Night of the Living Dead"],
        ),
        ("title==the kid", ["The Kid"]),
        ("title%3C=his", ["His Girl Friday"]),
        ("year=1940", ["His Girl Friday"]),
        ("year=1940,1945&sort=year", ["His Girl Friday", "Detour"]),
        ("year>>=1962", ["Charade", "Night of the Living Dead"]),
        ("year>=1962", ["Carnival of Souls", "Charade", "Night of the Living Dead"]),
        ("year%3C%3C=1920", ["A Trip to the Moon"]),
        ("genre=Fantasy&sort=year", ["A Trip to the Moon", "Nosferatu"]),
        ("trash=1", ["Plan 9 from Outer Space"]),
        ("editionTitle=reissue", ["The Phantom of the Opera"]),
        ("actor=Cary+Grant&sort=year", ["His Girl Friday", "Charade"]),
    ],
)
async def test_films_are_filtered(get: Get, query: str, titles: list[str]) -> None:
    """Texts contain or equal, numbers compare, tags are found by name though a listing cuts them."""
    assert (await get(f"{MOVIES}&{query}")).titles == titles


async def test_a_guid_finds_its_item_in_every_library(get: Get, plex: SimulatedPlex) -> None:
    """Only the primary guid is looked at, and copies have the same."""
    guid = next(movie.guid for movie in plex.world.movies("2") if movie.title == "Charade")
    assert (await get(f"/library/all?type=1&guid={guid}")).titles == ["Charade", "Charade"]
    assert (await get("/library/all?type=1&guid=imdb://tt0056923")).titles == []


async def test_updated_since_finds_what_changed(get: Get, plex: SimulatedPlex) -> None:
    """The comparison is inclusive; items without updatedAt are never found."""
    assert (await get(f"{MOVIES}&updatedAt>={plex.world.now}")).titles == []
    edited = plex.changes.edit(1, title="Le Voyage dans la Lune")
    assert (await get(f"{MOVIES}&updatedAt>={edited.updated_at}")).titles == ["Le Voyage dans la Lune"]
    assert (await get(f"{MOVIES}&updatedAt>>={edited.updated_at}")).titles == []
    without = [item for item in plex.world.movies("1") if item.updated_at is None]
    assert without
    everything = await get(f"{MOVIES}&updatedAt>=0")
    assert len(everything.entries) == 27 - len(without)


async def test_added_since_may_be_relative(get: Get, plex: SimulatedPlex) -> None:
    """`-2d` counts back from the server's own now."""
    plex.world.pass_time(100 * 86_400)
    plex.changes.add_movie("1", "The Bat", 1926)
    assert (await get(f"{MOVIES}&addedAt>=-2d")).titles == ["The Bat"]


async def test_fields_may_name_their_level(get: Get) -> None:
    """In a show library `show.title` and `season.index` filter episodes."""
    answer = await get(f"{EPISODES}&show.title==The Lighthouse Keepers&season.index=0")
    assert answer.titles == ["The Making of the Lamp", "A Keeper's Christmas"]
    assert (await get(f"{EPISODES}&episode.title=fog&sort=id")).titles == ["Fog", "More Fog", "Return of the Fog"]


@pytest.mark.parametrize(
    "query",
    [
        "year~=1",
        "nonsense>=1",
        "year>=many",
        "sort=nonsense",
        "sort=year:up",
        "type=film",
        "push=1&year=1922&or=1&year=1925&pop=1",
    ],
)
async def test_nonsense_is_a_bad_request(get: Get, query: str) -> None:
    """An operator, a field or a sort that does not exist is 400 with HTML."""
    answer = await get(f"/library/sections/1/all?{query}")
    assert answer.status == 400
    assert b"400 Bad Request" in answer.body


async def test_arguments_that_are_no_fields_are_ignored(get: Get) -> None:
    """Unknown arguments without an operator do no harm."""
    assert len((await get(f"{MOVIES}&checkFiles=0&foo=bar")).entries) == 27


async def test_an_unknown_type_lists_nothing(get: Get) -> None:
    """A number that no item has is an empty list, not all items."""
    assert (await get("/library/sections/1/all?type=99")).entries == []


async def test_films_are_ordered_by_sort_title_by_default(get: Get) -> None:
    """Articles do not count, case neither."""
    titles = (await get("/library/sections/5/all")).titles
    assert titles == ["Ballet mécanique", "Battling Butler", "Die Abenteuer des Prinzen Achmed", "The Navigator"]


async def test_ids_order_as_numbers(get: Get) -> None:
    """9 comes before 10, and descending it is the other way round."""
    ids = [int(entry["ratingKey"]) for entry in (await get(f"{MOVIES}&sort=id")).entries]
    assert ids == sorted(ids)
    assert [int(entry["ratingKey"]) for entry in (await get(f"{MOVIES}&sort=id:desc")).entries] == ids[::-1]


async def test_several_sorts_apply_in_their_order(get: Get) -> None:
    """The second decides where the first is equal, in its own direction."""
    entries = (await get(f"{MOVIES}&sort=year:desc,title")).entries
    years = [entry["year"] for entry in entries if "year" in entry]
    assert years == sorted(years, reverse=True)
    assert [e["title"] for e in entries if e.get("year") == 1922] == ["Häxan", "Nosferatu"]


@pytest.mark.parametrize(("sort", "first_has_one"), [("updatedAt", False), ("updatedAt:nullsLast", True)])
async def test_items_without_a_value_stand_at_the_documented_end(get: Get, sort: str, *, first_has_one: bool) -> None:
    """First by default, last with nullsLast."""
    entries = (await get(f"{MOVIES}&sort={sort}")).entries
    assert ("updatedAt" in entries[0]) is first_has_one
    assert ("updatedAt" in entries[-1]) is not first_has_one


async def test_episodes_follow_show_season_and_number_by_default(get: Get) -> None:
    """Those without a number stand at the end of their season, by date."""
    answer = await get(f"{EPISODES}&show.title=almanac")
    assert answer.titles == [f"Almanac of 2025-12-0{day}" for day in range(1, 6)]
    shows = list(dict.fromkeys(e["grandparentTitle"] for e in (await get(EPISODES)).entries))
    assert shows[:3] == ["Das Fenster zum Moor", "Ghost in the 📺", 'Kettle & Crow: "Private" Eyes?']


def test_numbers_in_titles_count_as_numbers() -> None:
    """Part 9 before Part 10; a title that is a number before one that is a word."""
    titles = ["Part 10", "part 9", "100% Wolf", "50", "Z"]
    assert sorted(titles, key=natural_key) == ["50", "100% Wolf", "part 9", "Part 10", "Z"]


@pytest.mark.parametrize("number", [pytest.param("9" * 4400, id="absurdly long"), "٣", "%2B1", "1_0", "%201"])
async def test_a_number_is_ascii_digits(get: Get, number: str) -> None:
    """Nothing else is one, though Python reads it: 400 in an argument, and an item of that id is not there."""
    for argument in ("type", "limit", "X-Plex-Container-Start", "X-Plex-Container-Size", "year"):
        answer = await get(f"/library/sections/1/all?{argument}={number}")
        assert (answer.status, answer.headers["Content-Type"][:9]) == (400, "text/html"), argument
    for path in ("", "/children", "/allLeaves"):
        assert (await get(f"/library/metadata/{number}{path}")).status == 404


async def test_a_date_may_not_be_absurdly_far_back(get: Get) -> None:
    """Such a date is a bad request, as is one with more after it."""
    for date in (f"-{'9' * 4400}d", "-2d%0A"):
        assert (await get(f"{MOVIES}&addedAt>={date}")).status == 400


def test_accents_do_not_count() -> None:
    """A letter with one stands where the letter stands, also if the title has it decomposed."""
    assert sorted(["House", "Ha\u0308xan", "Hz", "Häxan 2", "Étoile", "Zoo"], key=natural_key) == [
        "Étoile",
        "Ha\u0308xan",
        "Häxan 2",
        "House",
        "Hz",
        "Zoo",
    ]


def test_a_title_may_be_one_long_number() -> None:
    """Longer than any that Python reads."""
    assert natural_key("9" * 5000) < natural_key("1" + "0" * 5000)
