"""Details: everything that listings shorten or lack, of one item or of several."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from retrovue_daemon.demo.items import Tags
from retrovue_daemon.demo.streams import LANGUAGES, Stream
from retrovue_daemon.demo.timeline import Chapter, Marker

if TYPE_CHECKING:
    from retrovue_daemon.demo import SimulatedPlex
    from tests.demo.conftest import Get

FILM = 16
VIDEO = Stream(kind="video", codec="hevc", width=3840, height=1600, bit_depth=10)


def names(count: int) -> tuple[str, ...]:
    return tuple(f"Name {number}" for number in range(count))


def tags_of(entry: dict[str, Any], name: str) -> list[str]:
    return [tag["tag"] for tag in entry.get(name, ())]


async def test_listings_shorten_every_kind_of_tag(plex: SimulatedPlex, get: Get) -> None:
    """Two genres, countries and writers, three directors and actors, all collections; no label and no producer."""
    tags = Tags(**{name: names(6) for name in Tags.__struct_fields__})
    plex.changes.edit(FILM, tags=tags)
    listed = (await get(f"/library/sections/1/all?id={FILM}")).entries[0]
    counts = {name: len(value) for name, value in listed.items() if value and isinstance(value, list)}
    wanted = {"Genre": 2, "Country": 2, "Writer": 2, "Director": 3, "Role": 3, "Collection": 6}
    assert {name: counts.get(name) for name in wanted} == wanted
    assert not listed.keys() & {"Label", "Producer", "Network"}
    full = (await get(f"/library/metadata/{FILM}")).entries[0]
    assert {len(full[name]) for name in (*wanted, "Label", "Producer")} == {6}
    assert "Network" not in full


async def test_a_cast_ends_at_two_hundred(plex: SimulatedPlex, get: Get) -> None:
    """In billing order; each actor with the part played, even one who plays two."""
    actors, parts = ("Twice", "Twice", *names(300)), ("First", "Second")
    plex.changes.edit(FILM, tags=Tags(roles=actors, characters=parts))
    cast = (await get(f"/library/metadata/{FILM}")).entries[0]["Role"]
    assert [person["tag"] for person in cast] == list(actors[:200])
    assert [person["role"] for person in cast[:2]] == list(parts)
    assert all({"id", "filter", "tag", "tagKey", "role"} <= person.keys() for person in cast)
    pictures = {person["tag"]: person["thumb"] for person in cast if "thumb" in person}
    assert 100 < len(pictures) < 200
    assert len(set(pictures.values())) == len(pictures)


async def test_a_person_has_one_key_and_an_id_of_each_job(plex: SimulatedPlex, get: Get) -> None:
    """People that a legacy agent found have no key."""
    plex.changes.edit(FILM, tags=Tags(roles=("Hana Wu",), directors=("Hana Wu",)))
    full = (await get(f"/library/metadata/{FILM}")).entries[0]
    director, actor = full["Director"][0], full["Role"][0]
    assert director["tagKey"] == actor["tagKey"]
    assert director["id"] != actor["id"]
    plex.changes.rematch(FILM, "com.plexapp.agents.imdb://tt0000001?lang=en")
    assert "tagKey" not in (await get(f"/library/metadata/{FILM}")).entries[0]["Role"][0]


async def test_chapters_and_markers_come_on_request(plex: SimulatedPlex, get: Get) -> None:
    """All of an item share one id; offsets are milliseconds; a listing names only the source of the chapters."""
    film = plex.world.item(FILM)
    duration = getattr(film, "duration")  # noqa: B009
    plex.world.put(
        msgspec.structs.replace(
            film,
            chapters=(Chapter(0, 600_000, "Lights down"), Chapter(600_000)),
            chapter_source="media",
            markers=(Marker("credits", 90_000, 0, final=True, from_end=True), Marker("intro", 1_000, 61_000)),
        )
    )
    plain = (await get(f"/library/metadata/{FILM}")).entries[0]
    assert not plain.keys() & {"Chapter", "Marker"}
    asked = "includeChapters=1&includeMarkers=1"
    full = (await get(f"/library/metadata/{FILM}?{asked}")).entries[0]
    assert [(c.get("tag"), c["index"], c["startTimeOffset"], c["endTimeOffset"]) for c in full["Chapter"]] == [
        ("Lights down", 1, 0, 600_000),
        (None, 2, 600_000, duration),
    ]
    assert [(m["type"], m["startTimeOffset"], m["endTimeOffset"], m.get("final")) for m in full["Marker"]] == [
        ("credits", duration - 90_000, duration, True),
        ("intro", 1_000, 61_000, None),
    ]
    assert (
        len({chapter["id"] for chapter in full["Chapter"]}) == len({marker["id"] for marker in full["Marker"]}) == 1
    )
    listed = (await get(f"/library/sections/1/all?id={FILM}&{asked}")).entries[0]
    assert listed["chapterSource"] == "media"
    assert not listed.keys() & {"Chapter", "Marker"}


async def test_several_items_may_lack_chapters_and_markers(plex: SimulatedPlex, get: Get) -> None:
    """A single one never does."""
    film = plex.world.item(FILM)
    plex.world.put(msgspec.structs.replace(film, chapters=(Chapter(0),), markers=(Marker("intro", 0, 5),)))
    query = "includeChapters=1&includeMarkers=1"
    for plain in (False, True):
        plex.quirks.plain_batches = plain
        several = (await get(f"/library/metadata/1,{FILM},99999?{query}")).entries
        assert [entry["ratingKey"] for entry in several] == ["1", str(FILM)]
        assert several[1].keys() & {"Chapter", "Marker"} == (set() if plain else {"Chapter", "Marker"})
        assert "Marker" in (await get(f"/library/metadata/{FILM}?{query}")).entries[0]


async def test_a_request_for_details_may_be_too_long(plex: SimulatedPlex, get: Get) -> None:
    """Where a proxy limits addresses."""
    plex.quirks.longest_target = 100
    assert (await get("/library/metadata/1")).status == 200
    assert (await get(f"/library/metadata/{','.join(map(str, range(1, 50)))}")).status == 414


async def test_one_item_can_spoil_the_details_of_many(plex: SimulatedPlex, get: Get) -> None:
    """A bad item answers 500 with whatever it is requested."""
    plex.faults.poison(FILM)
    assert (await get(f"/library/metadata/1,{FILM}")).status == 500
    assert (await get("/library/metadata/1,2")).status == 200


STREAMS = (
    msgspec.structs.replace(VIDEO, color_trc="smpte2084", dolby_vision=8, default=True),
    Stream(kind="audio", codec="eac3", language="de", channels=6, layout="5.1(side)", default=True),
    Stream(kind="audio", codec="aac", channels=2),
    Stream(kind="subtitle", codec="srt", language="zh", forced=True),
    Stream(kind="subtitle", codec="srt", language="fil", external=True, hearing_impaired=True),
    Stream(kind="subtitle", codec=None, language="en", title="Commentary"),
)


async def with_streams(plex: SimulatedPlex, get: Get, path: str, streams: tuple[Stream, ...]) -> list[dict[str, Any]]:
    film = next(plex.world.movies("1"))
    media = film.media[0]
    part = msgspec.structs.replace(media.parts[0], streams=streams)
    plex.world.put(msgspec.structs.replace(film, media=(msgspec.structs.replace(media, parts=(part,)),)))
    entry = (await get(path.format(film.id))).entries[0]
    streams_of: list[dict[str, Any]] = entry["Media"][0]["Part"][0]["Stream"]
    return streams_of


BOTH = pytest.mark.parametrize(
    "path", ["/library/metadata/{}", "/library/sections/1/all?id={}&includeElements=Stream&includeGuids=1"]
)


@BOTH
async def test_streams_are_described_alike_in_details_and_listings(plex: SimulatedPlex, get: Get, path: str) -> None:
    """With languages in two codes, flags only where they are set, a key in place of an index outside the file."""
    video, german, unknown, forced, external, commentary = await with_streams(plex, get, path, STREAMS)
    assert [s["streamType"] for s in (video, german, unknown, forced, external)] == [1, 2, 2, 3, 3]
    assert [s.get("index") for s in (video, german, unknown, forced, external, commentary)] == [0, 1, 2, 3, None, 4]
    assert (german["language"], german["languageTag"], german["languageCode"]) == ("German", "de", "deu")
    assert not unknown.keys() & {"language", "languageTag", "languageCode", "default", "forced"}
    assert forced["forced"] is True
    assert external["key"] == f"/library/streams/{external['id']}"
    assert (external["languageCode"], external["hearingImpaired"]) == ("fil", True)
    assert (commentary["title"], "codec" in commentary) == ("Commentary", False)
    assert len({s["id"] for s in (video, german, unknown, forced, external, commentary)}) == 6
    assert all(len(code) == 3 for _, code in LANGUAGES.values())


@BOTH
@pytest.mark.parametrize(("profile", "compatible", "enhanced"), [(5, 0, False), (7, 6, True), (8, 1, False)])
async def test_dolby_vision_has_all_of_its_keys(
    plex: SimulatedPlex, get: Get, path: str, profile: int, compatible: int, *, enhanced: bool
) -> None:
    """Other video has none of them."""
    vision = msgspec.structs.replace(VIDEO, dolby_vision=profile)
    with_it, without = await with_streams(plex, get, path, (vision, VIDEO))
    keys = {name for name in with_it if name.startswith("DOVI")}
    assert len(keys) == 8
    assert (with_it["DOVIProfile"], with_it["DOVIBLCompatID"], with_it["DOVIELPresent"]) == (
        profile,
        compatible,
        enhanced,
    )
    assert not keys & without.keys()


async def test_a_file_that_was_not_analysed_has_no_streams(plex: SimulatedPlex, get: Get) -> None:
    """Neither in details nor in listings."""
    film = next(film for film in plex.world.movies("1") if film.media and film.media[0].format is None)
    for path in (f"/library/metadata/{film.id}", f"/library/sections/1/all?id={film.id}&includeElements=Stream"):
        assert "Stream" not in (await get(path)).entries[0]["Media"][0]["Part"][0]


@pytest.mark.parametrize(
    ("quirk", "status", "streams", "others"),
    [
        ("work", 200, True, True),
        ("ignored", 200, False, True),
        ("exclusive", 200, True, False),
        ("refused", 500, None, None),
    ],
)
@pytest.mark.parametrize("path", ["sections/1/all?type=1", "sections/3/all?type=4", "sections/3/allLeaves?"])
async def test_servers_treat_streams_in_listings_differently(
    plex: SimulatedPlex, get: Get, path: str, quirk: Any, status: int, *, streams: bool | None, others: bool | None
) -> None:
    """They work, are refused, ignored, or all that there is; without the argument every server lists."""
    plex.quirks.listed_streams = quirk
    answer = await get(f"/library/{path}&includeElements=Stream&includeGuids=1")
    assert answer.status == status
    if status == 200:
        assert any(
            "Stream" in part for e in answer.entries for m in e.get("Media", ()) for part in m.get("Part", ())
        ) == (streams)
        assert all("Media" in entry for entry in answer.entries[:2])
        assert any("Guid" in entry for entry in answer.entries) == others
        assert any("Director" in entry for entry in answer.entries) == others
    plain = await get(f"/library/{path}&includeGuids=1")
    assert plain.status == 200
    assert any("Guid" in entry for entry in plain.entries)


async def test_a_show_has_a_folder_and_its_own_fields(plex: SimulatedPlex, get: Get) -> None:
    """And a theme, whose path changes with the show; seasons and episodes name it."""
    show = next(show for show in plex.world.shows("3") if show.title == "The Lighthouse Keepers")
    plex.changes.edit(show.id, tagline="One lamp.", show_ordering="absolute", has_theme=True)
    full = (await get(f"/library/metadata/{show.id}")).entries[0]
    assert full["Location"] == [{"path": "/srv/media/tv/The Lighthouse Keepers (2019)"}]
    listed = (await get(f"/library/sections/3/all?type=2&id={show.id}")).entries[0]
    theme = f"/library/metadata/{show.id}/theme/{plex.world.item(show.id).updated_at}"
    assert (listed["theme"], listed["tagline"], listed["showOrdering"]) == (theme, "One lamp.", "absolute")
    assert "Location" not in listed
    season = (await get(f"/library/metadata/{show.id}/children")).entries[0]
    episode = (await get(f"/library/metadata/{show.id}/allLeaves")).entries[0]
    assert season["parentTheme"] == episode["grandparentTheme"] == theme


async def test_items_are_found_by_labels_and_networks(plex: SimulatedPlex, get: Get) -> None:
    """Which only the lists of a library show."""
    film = next(plex.world.movies("5"))
    plex.changes.edit(film.id, tags=Tags(labels=("Late night",), networks=("Channel 9",)))
    for field, title in (("label", "Late night"), ("network", "Channel 9")):
        (choice,) = (await get(f"/library/sections/5/{field}?type=1")).container["Directory"]
        assert choice["title"] == title
        found = (await get(f"/library/sections/5/all?type=1&{field}={choice['key']}")).entries
        assert [entry["ratingKey"] for entry in found] == [str(film.id)]
    assert "Directory" not in (await get("/library/sections/3/label?type=4")).container


async def test_all_tags_of_a_kind_are_counted(plex: SimulatedPlex, get: Get) -> None:
    """Of all libraries, whatever of the list is requested; a kind that there is not has none."""
    plex.changes.edit(next(plex.world.movies("5")).id, tags=Tags(labels=("Late night", "Kids")))
    names = [entry["tag"] for entry in (await get("/library/tags?type=11")).container["Directory"]]
    assert names == sorted(names)
    assert {*names} >= {"Late night", "Kids"}
    page = (await get("/library/tags?type=11&X-Plex-Container-Start=0&X-Plex-Container-Size=1")).container
    assert (page["size"], page["totalSize"], page["Directory"][0]["tag"]) == (1, len(names), names[0])
    none = (await get("/library/tags?type=999&X-Plex-Container-Start=0&X-Plex-Container-Size=1")).container
    assert (none["size"], none["totalSize"], "Directory" in none) == (0, 0, False)
