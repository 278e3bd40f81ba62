"""Streams of files, from listings to rows."""

from __future__ import annotations

import json
from typing import cast

import pytest
from msgspec.structs import replace

from retrovue_daemon.demo.files import streams_of
from retrovue_daemon.demo.streams import Stream
from retrovue_daemon.demo.world import media_of
from retrovue_daemon.service.daemon import SyncOptions
from tests.support.rounds import FEW_LIBRARIES

pytestmark = FEW_LIBRARIES

STORED = (
    "SELECT f.part_id, s.stream_index, s.kind, s.codec, s.language, s.title, s.channels, s.width, s.frame_rate,"
    " s.color_transfer, s.dolby_vision_profile, s.is_default, s.is_forced, s.is_external, s.is_hearing_impaired"
    " FROM streams AS s JOIN media_files AS f ON f.id = s.media_file_id ORDER BY f.part_id, s.id"
)
WRITTEN = "SELECT 'm', id, synced_at, digest FROM movies UNION ALL SELECT 'e', id, synced_at, digest FROM episodes"
ABILITIES = "SELECT abilities FROM plex_servers"


def _expected(world) -> list[tuple[object, ...]]:
    """Return the rows for what a simulated server has."""
    found = []
    for item in world.items.values():
        for media in media_of(item) if item.type in {"movie", "episode"} else ():
            for part in media.parts:
                index = 0
                for stream in streams_of(media, part):
                    found.append(
                        (
                            part.id, None if stream.external else index, stream.kind, stream.codec, stream.language,
                            stream.title, stream.channels, stream.width, stream.frame_rate, stream.color_trc,
                            stream.dolby_vision, stream.default, stream.forced, stream.external,
                            stream.hearing_impaired,
                        )
                    )  # fmt: skip
                    index += not stream.external
    return sorted(found, key=lambda row: cast("int", row[0]))


def _add_subtitle(plex, item) -> None:
    """Put a subtitle beside an item's first file: no time of the item moves."""
    (media, *others) = item.media
    (part, *parts) = media.parts
    streams = (*streams_of(media, part), Stream(kind="subtitle", codec="srt", language="de", external=True))
    media = replace(media, parts=(replace(part, streams=streams), *parts))
    plex.world.put(replace(item, media=(media, *others)))


def _asked(plex) -> int:
    """Return how many requests asked for streams."""
    return sum("includeElements" in request.query for request in plex.requests)


def _counts(reports) -> set[tuple[str, int, int]]:
    return {(each.run.status, each.run.counts.added, each.run.counts.updated) for each in reports[0].passes}


async def test_every_stream_is_stored_by_the_first_sync(plex, sync, rows) -> None:
    """In the order of the file, and what it says about the picture."""
    await sync(plex)
    assert rows(STORED) == _expected(plex.world)
    assert rows("SELECT count(*) FROM media_files WHERE streams_digest IS NULL AND video_codec IS NOT NULL") == [(0,)]
    hdr = {hdr for (hdr,) in rows("SELECT DISTINCT hdr FROM media_files WHERE hdr IS NOT NULL")}
    assert "sdr" in hdr
    ((abilities,),) = rows(ABILITIES)
    assert json.loads(abilities)["streams"] == "listed"


async def test_a_subtitle_beside_a_file_changes_no_item(plex, sync, rows) -> None:
    """The next full pass finds it, and rewrites the streams of this file alone."""
    await sync(plex)
    before, ids = rows(WRITTEN), rows("SELECT id, media_file_id FROM streams")
    film, episode = next(iter(plex.world.movies("1"))), next(iter(plex.world.episodes()))
    for item in (film, episode):
        _add_subtitle(plex, item)
    assert _counts(await sync(plex)) == {("ok", 0, 0)}
    assert rows(STORED) == _expected(plex.world)
    assert rows(WRITTEN) == before
    changed = {row[1] for row in ids} - {
        row[1] for row in rows("SELECT id, media_file_id FROM streams") if row in ids
    }
    assert len(changed) == 2


async def test_an_edited_item_has_its_new_streams(plex, sync, rows) -> None:
    """A quick pass stores them with the item."""
    await sync(plex)
    film = next(iter(plex.world.movies("1")))
    _add_subtitle(plex, plex.changes.edit(film.id, title="Edited"))
    await sync(plex, options=SyncOptions())
    assert rows(STORED) == _expected(plex.world)


async def test_a_replaced_file_loses_the_streams_of_the_old_one(plex, sync, rows) -> None:
    """Its own are known once the server has analysed it."""
    await sync(plex)
    film = plex.changes.upgrade_file(next(iter(plex.world.movies("1"))).id)
    (media, *others) = film.media
    bare = replace(media, parts=tuple(replace(part, streams=()) for part in media.parts))
    plex.world.put(replace(film, media=(bare, *others)))
    await sync(plex)
    assert rows(STORED) == _expected(plex.world)
    part = bare.parts[0].id
    assert rows("SELECT hdr, streams_digest FROM media_files WHERE part_id = ?", part) == [(None, None)]


@pytest.mark.parametrize(
    ("quirk", "stored"), [("refused", "refused"), ("exclusive", "exclusive"), ("ignored", "ignored")]
)
async def test_a_server_that_lists_no_streams(plex, sync, rows, quirk, stored) -> None:
    """Everything else is stored, and the next sync does not try again in vain, but for what costs nothing."""
    plex.quirks.listed_streams = quirk
    assert {status for status, _, _ in _counts(await sync(plex))} == {"ok"}
    ((abilities,),) = rows(ABILITIES)
    assert json.loads(abilities)["streams"] == stored
    assert rows(STORED) == []
    assert rows("SELECT count(*) FROM movie_guids")[0][0] > len(list(plex.world.movies("1")))
    assert rows("SELECT count(*) FROM movies WHERE genre IS NOT NULL")[0][0] > 0
    plex.requests.clear()
    assert {updated for _, _, updated in _counts(await sync(plex))} == {0}
    assert (_asked(plex) > 0) == (quirk == "ignored")


@pytest.mark.parametrize(("quirk", "more"), [("refused", 2), ("exclusive", 1), ("ignored", 0)])
async def test_finding_that_out_costs_few_requests(plex, config, sync, quirk, more) -> None:
    """A refusal counts only if it is repeated, because a page may fail for other reasons."""
    alone = config(plex, sync={"concurrency": 1})
    await sync(alone)
    # The first one also asks whether the server has labels at all.
    plex.requests.clear()
    await sync(alone)
    usual = len(plex.requests)
    plex.world.release = replace(plex.world.release, version="9.9.9")
    plex.quirks.listed_streams = quirk
    plex.requests.clear()
    await sync(alone)
    assert len(plex.requests) == usual + more


@pytest.mark.parametrize("quirk", ["ignored", "exclusive", "refused"])
async def test_a_server_that_starts_to_list_streams_changes_no_item(plex, sync, rows, quirk) -> None:
    """Only streams are added; for that, an update of the server is needed where it refused them."""
    plex.quirks.listed_streams = quirk
    await sync(plex)
    before = rows(WRITTEN)
    plex.quirks.listed_streams = "work"
    if quirk != "ignored":
        plex.world.release = replace(plex.world.release, version="9.9.9")
    assert _counts(await sync(plex)) == {("ok", 0, 0)}
    assert rows(STORED) == _expected(plex.world)
    assert rows(WRITTEN) == before


async def test_a_server_that_stops_listing_streams_removes_none(plex, sync, rows) -> None:
    """Absent is not empty."""
    await sync(plex)
    before = rows(WRITTEN), rows(STORED), rows("SELECT id, hdr, streams_digest FROM media_files ORDER BY id")
    plex.quirks.listed_streams = "ignored"
    assert _counts(await sync(plex)) == {("ok", 0, 0)}
    after = rows(WRITTEN), rows(STORED), rows("SELECT id, hdr, streams_digest FROM media_files ORDER BY id")
    assert after == before
