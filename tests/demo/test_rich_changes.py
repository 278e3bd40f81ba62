"""Changes of tags, chapters, markers and subtitles, and which of them leave a trace."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from retrovue_daemon.demo.timeline import Chapter, Marker, markers_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from retrovue_daemon.demo import SimulatedPlex
    from tests.demo.conftest import Get

FILM = 16


@pytest.mark.parametrize(
    "change",
    [
        lambda plex: plex.rich.add_label(FILM, "Late night"),
        lambda plex: plex.rich.remove_label(FILM, "none"),
        lambda plex: plex.rich.add_collection("1", "One", [FILM]),
        lambda plex: plex.rich.set_chapters(FILM, Chapter(0, 5, "First"), Chapter(5)),
        lambda plex: plex.rich.generate_markers(FILM),
        lambda plex: plex.rich.add_subtitle(FILM, "de"),
    ],
)
async def test_most_changes_leave_no_trace(plex: SimulatedPlex, change: Callable[[SimulatedPlex], object]) -> None:
    """In updatedAt of the item or in the marks of its library."""
    before = plex.world.item(FILM).updated_at, msgspec.to_builtins(plex.world.libraries["1"])
    change(plex)
    assert (plex.world.item(FILM).updated_at, msgspec.to_builtins(plex.world.libraries["1"])) == before


async def test_edited_tags_move_updated_at(plex: SimulatedPlex, get: Get) -> None:
    """Other kinds of tags stay as they are."""
    before = plex.world.item(FILM)
    edited = plex.rich.edit_tags(FILM, genres=["Horror", "Noir", "Crime"])
    assert (edited.updated_at or 0) > (before.updated_at or 0)
    assert edited.tags.roles == before.tags.roles
    full = (await get(f"/library/metadata/{FILM}")).entries[0]
    assert [tag["tag"] for tag in full["Genre"]] == ["Horror", "Noir", "Crime"]
    with pytest.raises(TypeError):
        plex.rich.edit_tags(FILM, nonsense=["x"])


async def test_labels_come_and_go(plex: SimulatedPlex, get: Get) -> None:
    """Details show them, and the library offers them as a filter only while one exists."""

    async def offered() -> bool:
        meta = (await get("/library/sections/5/all?includeMeta=1&X-Plex-Container-Size=0")).container["Meta"]
        return any(each["filter"] == "label" for each in meta["Type"][0]["Filter"])

    film = next(plex.world.movies("5"))
    assert not await offered()
    plex.rich.add_label(film.id, "Late night")
    plex.rich.add_label(film.id, "Late night")
    full = (await get(f"/library/metadata/{film.id}")).entries[0]
    assert [tag["tag"] for tag in full["Label"]] == ["Late night"]
    assert await offered()
    plex.rich.remove_label(film.id, "Late night")
    assert "Label" not in (await get(f"/library/metadata/{film.id}")).entries[0]
    assert not await offered()


async def test_markers_are_made_for_whole_seasons(plex: SimulatedPlex, get: Get) -> None:
    """Or a show, or one item; credits end with the item."""
    season = next(season for season in plex.world.seasons("3") if season.index == 1)
    episodes = plex.rich.generate_markers(season.id)
    assert [episode.id for episode in episodes] == [episode.id for episode in plex.world.episodes_of(season.id)]
    entry = (await get(f"/library/metadata/{episodes[0].id}?includeMarkers=1")).entries[0]
    assert [(m["type"], m["endTimeOffset"]) for m in entry["Marker"]] == [
        ("credits", episodes[0].duration),
        ("intro", 90_000),
    ]
    assert len(plex.rich.generate_markers(season.show_id)) == len(plex.world.leaves_of(season.show_id))
    (film,) = plex.rich.generate_markers(FILM)
    assert markers_of(film)[0].end == film.duration
    assert plex.rich.set_markers(FILM, Marker("bookmark", 5, 5)).markers[0].type == "bookmark"
    with pytest.raises(TypeError):
        plex.rich.set_markers(season.id)


async def test_a_subtitle_file_adds_a_stream(plex: SimulatedPlex, get: Get) -> None:
    """Beside those that the file has."""
    film = plex.world.item(FILM)
    before = (await get(f"/library/metadata/{FILM}")).entries[0]["Media"][0]["Part"][0]["Stream"]
    plex.rich.add_subtitle(FILM, "de", forced=True)
    *same, added = (await get(f"/library/metadata/{FILM}")).entries[0]["Media"][0]["Part"][0]["Stream"]
    assert same == before
    assert (added["languageCode"], added["forced"], "index" in added) == ("deu", True, False)
    assert plex.world.item(FILM).updated_at == film.updated_at
    with pytest.raises(ValueError, match="xx"):
        plex.rich.add_subtitle(FILM, "xx")
