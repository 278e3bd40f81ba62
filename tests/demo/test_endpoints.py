"""Each path answers as records of real servers do."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
import pytest

from retrovue_daemon.demo import RELEASE_2016, RELEASE_2023, RELEASE_2026

if TYPE_CHECKING:
    from retrovue_daemon.demo import SimulatedPlex
    from tests.demo.conftest import Get


async def test_identity_needs_no_token(get: Get, plex: SimulatedPlex) -> None:
    """Any client may request the server's identity."""
    answer = await get("/identity", X_Plex_Token=None)
    assert answer.container == {
        "size": 0,
        "apiVersion": "1.2.2",
        "claimed": True,
        "machineIdentifier": plex.world.machine_identifier,
        "version": plex.world.release.version,
    }


@pytest.mark.parametrize("token", [None, "wrong", ""])
@pytest.mark.parametrize("path", ["/library/sections", "/library/sections/1/all", "/no/such/path"])
async def test_without_the_token_everything_else_is_closed(get: Get, path: str, token: str | None) -> None:
    """401 comes with the plain page of 91 bytes of HTML, and the connection closes."""
    answer = await get(path, X_Plex_Token=token)
    assert answer.status == 401
    assert answer.headers["Content-Type"].startswith("text/html")
    assert answer.headers["Connection"] == "close"
    assert len(answer.body) == 91


async def test_the_root_sends_strangers_to_the_web_client(get: Get) -> None:
    """The 401 of / has 193 bytes: it carries a script that leads on."""
    answer = await get("/", X_Plex_Token="wrong")
    assert answer.status == 401
    assert len(answer.body) == 193
    assert b"web/index.html" in answer.body


async def test_the_token_may_stand_in_the_query(get: Get, plex: SimulatedPlex) -> None:
    """Every X-Plex header may be an argument instead."""
    answer = await get(f"/library/sections?X-Plex-Token={plex.token}", X_Plex_Token=None)
    assert answer.status == 200


async def test_a_token_can_be_revoked(get: Get, plex: SimulatedPlex) -> None:
    """A token that worked is refused as soon as the owner has another one."""
    assert (await get("/library/sections")).status == 200
    old, plex.token = plex.token, "new"
    assert (await get("/library/sections", X_Plex_Token=old)).status == 401


async def test_sessions_are_for_the_owner(get: Get, plex: SimulatedPlex) -> None:
    """Somebody whom the libraries are shared with sees them, and not who is watching."""
    assert (await get("/library/sections", X_Plex_Token=plex.shared_token)).status == 200
    assert (await get("/status/sessions", X_Plex_Token=plex.shared_token)).status == 403
    answer = await get("/status/sessions")
    assert answer.body == b'{"MediaContainer":{"size":0}}'


async def test_sections_are_directories(get: Get, plex: SimulatedPlex) -> None:
    """The list of libraries is `Directory` even in JSON, is never paged, and knows every folder."""
    container = (await get("/library/sections?X-Plex-Container-Start=0&X-Plex-Container-Size=1")).container
    assert container["size"] == len(plex.world.libraries) == len(container["Directory"])
    assert "totalSize" not in container
    movies = container["Directory"][0]
    assert (movies["key"], movies["type"], movies["title"]) == ("1", "movie", "Movies")
    assert [place["path"] for place in movies["Location"]] == ["/srv/media/movies", "/srv/archive/films"]
    assert movies["contentChangedAt"] == plex.world.libraries["1"].content_changed_at
    assert movies["refreshing"] is False
    assert movies["hidden"] == 0


async def test_a_library_is_hoisted_to_the_container(get: Get, plex: SimulatedPlex) -> None:
    """Entries of a listing do not say which library they are in; those of details and of /library/all do."""
    listing = await get("/library/sections/1/all")
    assert listing.container["librarySectionID"] == 1
    assert listing.container["librarySectionUUID"] == plex.world.libraries["1"].uuid
    assert all("librarySectionID" not in entry for entry in listing.entries)
    for path in ("/library/metadata/1", "/library/all?type=1"):
        assert all("librarySectionID" in entry for entry in (await get(path)).entries), path


async def test_a_search_over_all_libraries_has_two_ways(get: Get, plex: SimulatedPlex) -> None:
    """The list of libraries holds items where a type is requested; not where the server goes by the description."""
    query = "type=2&title=lighthouse&year=2019"
    documented = await get(f"/library/all?{query}")
    assert documented.titles == ["The Lighthouse Keepers"]
    assert (await get(f"/library/sections/all?{query}")).entries == documented.entries
    plex.quirks.no_legacy_search = True
    listed = (await get(f"/library/sections/all?{query}")).container
    assert [section["key"] for section in listed["Directory"]] == list(plex.world.libraries)
    assert "Metadata" not in listed


async def test_an_empty_list_has_no_list(get: Get) -> None:
    """Where nothing is listed, the key of the list is absent."""
    assert "Metadata" not in (await get("/library/sections/7/all?type=2")).container


async def test_listings_cut_tags_and_details_do_not(get: Get) -> None:
    """A page shows two genres and three actors at most, and no streams; a detail shows all."""
    listed = next(e for e in (await get("/library/sections/1/all?title=Charade")).entries)
    assert len(listed["Genre"]) == 2
    assert len(listed["Role"]) == 3
    assert listed["Genre"][0].keys() == {"tag"}
    assert "Stream" not in listed["Media"][0]["Part"][0]
    detail = (await get(f"/library/metadata/{listed['ratingKey']}")).entries[0]
    assert len(detail["Genre"]) == 3
    assert len(detail["Role"]) == 4
    assert detail["Genre"][0].keys() == {"id", "filter", "tag"}
    assert [s["streamType"] for s in detail["Media"][0]["Part"][0]["Stream"]] == [1, 2]


async def test_guids_are_included_on_request(get: Get) -> None:
    """`Guid` stands beside `guid` in listings with includeGuids=1, and in details always."""
    plain = await get("/library/sections/1/all?title=Charade")
    asked = await get("/library/sections/1/all?title=Charade&includeGuids=1")
    detail = await get(f"/library/metadata/{plain.entries[0]['ratingKey']}")
    assert "Guid" not in plain.entries[0]
    assert (
        asked.entries[0]["Guid"] == detail.entries[0]["Guid"] == [{"id": "imdb://tt0056923"}, {"id": "tmdb://4808"}]
    )


async def test_legacy_agents_rate_without_a_source(get: Get) -> None:
    """They give one rating and not whose it is; modern ones give two ratings of films, with the source of each.

    Both are by the audience: so are those of IMDb wherever they are recorded.
    """
    legacy = (await get("/library/sections/5/all?title=Navigator")).entries[0]
    modern = (await get("/library/metadata/16")).entries[0]
    ratings = {"rating", "ratingImage", "audienceRating", "audienceRatingImage"}
    assert legacy.keys() & ratings == {"rating"}
    assert "Rating" not in (await get(f"/library/metadata/{legacy['ratingKey']}")).entries[0]
    assert modern.keys() & ratings == ratings
    assert [rating["type"] for rating in modern["Rating"]] == ["audience", "audience"]


async def test_other_videos_go_by_their_librarys_name(get: Get) -> None:
    """A library without an agent has films only by its type."""
    container = (await get("/library/sections/6/all")).container
    assert (container["title2"], container["thumb"]) == ("All Trailers & Bumpers ", "/:/resources/video.png")
    assert {entry["subtype"] for entry in container["Metadata"]} == {"clip"}


async def test_a_list_over_all_libraries_is_paged(get: Get, plex: SimulatedPlex) -> None:
    """Counted over all of them, and each entry of the page says where it is."""
    path = "/library/all?type=4&sort=id&X-Plex-Container-Start=20&X-Plex-Container-Size=30"
    container = (await get(path)).container
    assert container["totalSize"] == len(list(plex.world.episodes()))
    assert {entry["librarySectionID"] for entry in container["Metadata"]} == {3, 4}


async def test_elements_can_be_left_away(get: Get) -> None:
    """ExcludeElements and excludeFields take keys out of entries."""
    answer = await get(
        "/library/sections/3/all?type=4&excludeElements=Image,Media,Director&excludeFields=summary,art"
    )
    assert answer.entries
    for entry in answer.entries:
        assert not entry.keys() & {"Image", "Media", "Director", "summary", "art"}
    kept = await get("/library/sections/3/all?type=4&excludeFields=ratingKey,type,key,guid")
    assert all(entry["ratingKey"] and entry["type"] == "episode" for entry in kept.entries)


async def test_seasons_have_a_pseudo_entry_before_them(get: Get, plex: SimulatedPlex) -> None:
    """The entry "All episodes" has neither ratingKey nor type, stands in a list of its own and is counted."""
    show = next(show for show in plex.world.shows() if show.title == "The Lighthouse Keepers")
    container = (await get(f"/library/metadata/{show.id}/children")).container
    assert container["size"] == 4
    assert [season["index"] for season in container["Metadata"]] == [0, 1, 2]
    assert len(container["Directory"]) == 1
    assert not container["Directory"][0].keys() & {"ratingKey", "type"}
    without = (await get(f"/library/metadata/{show.id}/children?excludeAllLeaves=1")).container
    assert without["size"] == 3
    assert "Directory" not in without


async def test_episodes_of_a_season_have_its_facts_on_the_container(get: Get, plex: SimulatedPlex) -> None:
    """There the show's key is a number and the season's title empty, though entries have both right."""
    season = next(season for season in plex.world.seasons() if season.index == 0)
    answer = await get(f"/library/metadata/{season.id}/children")
    assert answer.container["grandparentRatingKey"] == season.show_id
    assert answer.container["parentTitle"] == ""
    assert {entry["grandparentRatingKey"] for entry in answer.entries} == {str(season.show_id)}
    assert {entry["parentIndex"] for entry in answer.entries} == {0}


async def test_leaves_of_a_show_are_all_its_episodes(get: Get, plex: SimulatedPlex) -> None:
    """Season by season, specials first."""
    show = next(show for show in plex.world.shows() if show.title == "The Lighthouse Keepers")
    answer = await get(f"/library/metadata/{show.id}/allLeaves")
    assert answer.titles == [episode.title for episode in plex.world.leaves_of(show.id)]
    assert answer.titles[:3] == ["The Making of the Lamp", "A Keeper's Christmas", "Fog"]


async def test_leaves_of_a_library_are_its_episodes(get: Get, plex: SimulatedPlex) -> None:
    """AllLeaves lists what all?type=4 lists."""
    leaves = await get("/library/sections/3/allLeaves?sort=id&includeGuids=1")
    assert leaves.entries == (await get("/library/sections/3/all?type=4&sort=id&includeGuids=1")).entries
    assert [int(e["ratingKey"]) for e in leaves.entries] == sorted(e.id for e in plex.world.episodes("3"))


async def test_several_items_can_be_read_at_once(get: Get) -> None:
    """Ids in a list, of any library; unknown ones are omitted, and only if all are unknown it is 404."""
    answer = await get("/library/metadata/16,28,99999")
    assert [entry["librarySectionID"] for entry in answer.entries] == [1, 2]
    assert "librarySectionID" not in answer.container
    assert (await get("/library/metadata/99999")).status == 404
    assert (await get("/library/metadata/nonsense/children")).status == 404


async def test_errors_are_html_whatever_was_accepted(get: Get) -> None:
    """An unknown path or library is 404 with a page of HTML."""
    for path in ("/library/sections/77/all", "/nothing/here"):
        answer = await get(path)
        assert answer.status == 404
        assert answer.body == b"<html><head><title>Not Found</title></head><body><h1>404 Not Found</h1></body></html>"


async def test_a_mistake_of_the_server_is_html_too(get: Get, plex: SimulatedPlex) -> None:
    """500 with a page like all others: here a year that is none cannot be compared."""
    plex.world.put(msgspec.structs.replace(plex.world.item(1), year="abc"))
    answer = await get("/library/sections/1/all?sort=year")
    assert answer.status == 500
    assert answer.headers["Content-Type"].startswith("text/html")
    assert b"<h1>500 Internal Server Error</h1>" in answer.body


async def test_genres_lead_to_their_films(get: Get) -> None:
    """A genre's key filters a listing down to the films that have it, cut or not."""
    choices = (await get("/library/sections/1/genre")).container["Directory"]
    crime = next(choice for choice in choices if choice["title"] == "Crime")
    assert (await get(f"/library/sections/1/all?genre={crime['key']}&sort=year")).titles == [
        "The Cabinet of Dr. Caligari",
        "Detour",
        "D.O.A.",
    ]


async def test_bodies_are_compressed_on_request(get: Get) -> None:
    """With gzip accepted the head says how long the body was and is."""
    plain = await get("/library/sections/1/all")
    packed = await get("/library/sections/1/all", Accept_Encoding="gzip")
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.headers["X-Plex-Content-Original-Length"] == str(len(plain.body))
    assert packed.headers["X-Plex-Content-Compressed-Length"] == packed.headers["Content-Length"]
    assert packed.body == plain.body
    assert "Content-Encoding" not in plain.headers
    assert plain.headers["Keep-Alive"] == "timeout=20"


async def test_old_servers_lack_what_came_later(get: Get, plex: SimulatedPlex) -> None:
    """No counter of changes and no guids before they were invented, no picture lists before 1.41."""
    plex.world.release = RELEASE_2016
    assert "contentChangedAt" not in (await get("/library/sections")).container["Directory"][0]
    assert "apiVersion" not in (await get("/identity")).container
    for path in (
        "/library/sections/1/all?includeGuids=1",
        "/library/metadata/1,2,3",
        "/library/sections/3/all?type=3",
        "/library/sections/3/all?type=4",
    ):
        entries = (await get(path)).entries
        assert entries
        assert not [
            entry
            for entry in entries
            if entry.keys() & {"Guid", "slug", "grandparentSlug", "parentGuid", "grandparentGuid"}
        ]


async def test_a_release_shows_at_once(get: Get, plex: SimulatedPlex) -> None:
    """A server that is updated answers anew, also on pages that it has sent before."""
    plex.world.release = RELEASE_2023
    section = (await get("/library/sections")).container["Directory"][0]
    assert "contentChangedAt" in section
    assert "composite" in section
    assert "metadataAgentProviderGroupId" not in section
    assert all("Image" not in entry for entry in (await get("/library/sections/1/all")).entries)
    plex.world.release = RELEASE_2026
    section = (await get("/library/sections")).container["Directory"][0]
    assert section["metadataAgentProviderGroupId"] == 1
    assert "composite" not in section
    assert all("Image" in entry for entry in (await get("/library/sections/1/all")).entries)


async def test_specials_do_not_count_as_a_season(get: Get) -> None:
    """`childCount` counts them, `seasonCount` doesn't, and is there only where that makes a difference."""
    shows = {entry["title"]: entry for entry in (await get("/library/sections/3/all")).entries}
    keepers = shows["The Lighthouse Keepers"]
    assert (keepers["childCount"], keepers["seasonCount"]) == (3, 2)
    assert "seasonCount" not in shows["Das Fenster zum Moor"]


async def test_a_flattened_show_says_so(get: Get) -> None:
    """On itself and on its episodes, which keep the keys of their season."""
    (show,) = (await get("/library/sections/3/all?title=almanac")).entries
    assert show["skipChildren"] is True
    assert show["flattenSeasons"] == "1"
    episodes = (await get(f"/library/metadata/{show['ratingKey']}/allLeaves")).entries
    assert all(entry["skipParent"] is True and entry["parentRatingKey"] for entry in episodes)


async def raw_answer(plex: SimulatedPlex, path: str, *headers: str) -> bytes:
    """Send a request of HTTP/1.1 by hand and read until the server closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(plex.url.rpartition(":")[2]))
    lines = (f"GET {path} HTTP/1.1", "Host: plex", f"X-Plex-Token: {plex.token}", *headers, "", "")
    writer.write("\r\n".join(lines).encode())
    try:
        async with asyncio.timeout(10):  # half of what an idle connection is kept
            return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


async def test_an_error_closes_the_connection(plex: SimulatedPlex) -> None:
    """Not only in its head: after the body nothing more can be sent."""
    answer = await raw_answer(plex, "/nothing/here")
    assert b"\r\nConnection: close\r\n" in answer
    assert answer.endswith(b"</html>")


async def test_connection_close_is_respected(plex: SimulatedPlex) -> None:
    """The answer to `Connection: close` promises no more than it keeps."""
    head = (await raw_answer(plex, "/identity", "Connection: close")).partition(b"\r\n\r\n")[0].lower()
    assert b"connection: close" in head
    assert b"keep-alive" not in head


@pytest.mark.parametrize("path", ["/", "/library"])
async def test_pointers_lead_somewhere(get: Get, path: str) -> None:
    """What / and /library list is counted, and there."""
    container = (await get(path)).container
    assert container["size"] == len(container["Directory"]) > 0
    for directory in container["Directory"]:
        target = f"{path.rstrip('/')}/{directory['key']}"
        assert (await get(target if target != "/status" else "/status/sessions")).status == 200


@pytest.mark.parametrize(
    ("encodings", "packed"),
    [
        ("GZIP", True),
        ("deflate, gzip;q=0.5", True),
        ("gzip; q=1.0", True),
        ("gzip;q=0", False),
        ("gzip; q=0.000, deflate", False),
        ("notgzipped", False),
    ],
)
async def test_gzip_is_a_word_of_its_header(get: Get, encodings: str, *, packed: bool) -> None:
    """In any case of letters, and not where it is refused."""
    answer = await get("/library/sections/1/all", Accept_Encoding=encodings)
    assert ("Content-Encoding" in answer.headers) is packed


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("Application/JSON", "application/json"),
        ("text/xml;q=0.5, application/json; charset=utf-8", "application/json"),
        ("application/json;q=0, text/xml", "text/xml"),
        ("application/jsonish", "text/xml"),
    ],
)
async def test_json_is_a_word_of_its_header(get: Get, accept: str, content_type: str) -> None:
    """The same; without an Accept header for JSON, the response is XML."""
    assert (await get("/identity", Accept=accept)).headers["Content-Type"].partition(";")[0] == content_type


async def test_a_list_over_all_libraries_follows_changes(get: Get, plex: SimulatedPlex) -> None:
    """Its order is kept from page to page, and made anew when something has changed."""
    path = "/library/all?type=1&sort=title&X-Plex-Container-Size=1"
    before = (await get(path)).titles
    plex.changes.edit(16, title="!")
    assert before != (await get(path)).titles == ["!"]
