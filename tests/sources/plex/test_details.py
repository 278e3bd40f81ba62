"""Details: what is read of a response, what is dropped and why, and which requests are made for many items."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from retrovue_daemon.errors import Unauthorized
from retrovue_daemon.records import Chapter, Credit, Details, Kind, Marker
from retrovue_daemon.sources.plex.details import MOST_CREDITS, MOST_TIMES, parse_details
from retrovue_daemon.sources.plex.details_requests import HEAVY, MOST_BYTES_OF_IDS, MOST_IDS
from retrovue_daemon.sources.plex.narrowing import MOST_IN_A_ROW

if TYPE_CHECKING:
    from collections.abc import Collection

    from tests.sources.plex.conftest import FakePlex

EMPTY = dict.fromkeys(("genre", "label", "country", "network", "mood", "style"), ())


def entry(key: int | str = 1, **fields: object) -> dict[str, Any]:
    return {"ratingKey": str(key), "type": "movie", "duration": 100_000, **fields}


def body(*entries: object, **container: object) -> bytes:
    return json.dumps({"MediaContainer": {"size": len(entries), **container, "Metadata": list(entries)}}).encode()


def details(*, cast: int = 20, times_only: bool = False, **fields: Any) -> Details:
    (found,) = parse_details(body(entry(**fields)), cast=cast, times_only=times_only).items
    return found


def chapter(start: object, end: object, tag: str | None = None) -> dict[str, object]:
    return {"id": 4, "filter": "thumb=4", "startTimeOffset": start, "endTimeOffset": end, "tag": tag}


def marker(kind: str | None, start: object, end: object, **more: object) -> dict[str, object]:
    return {"id": 9, "type": kind, "startTimeOffset": start, "endTimeOffset": end, "Attributes": [], **more}


# Tags and credits ------------------------------------------------------------------------------------------------


def test_all_tags_are_read_in_the_servers_order() -> None:
    found = details(
        Genre=[{"tag": "Horror"}, {"tag": "Comedy"}, {"tag": "Drama"}],
        Label=[{"tag": "Night"}],
        Country=[{"tag": "Peru"}],
    )
    assert found.tags == {
        **EMPTY,
        "genre": ("Horror", "Comedy", "Drama"),
        "label": ("Night",),
        "country": ("Peru",),
    }
    assert (found.credits, found.chapters, found.markers, found.dropped) == ((), None, None, ())


def test_a_tag_counts_once_however_it_is_spelled_and_without_control_characters() -> None:
    found = details(Genre=[{"tag": "Hor\u0001ror"}, {"tag": "HORROR"}, {"tag": "Sci\tFi "}, {"tag": "\u0085"}, {}])
    assert found.tags == {**EMPTY, "genre": ("Horror", "Sci Fi")}
    assert found.dropped == ("a genre without a name",) * 2
    composed, decomposed = "Com\u00e9die", "Come\u0301die"
    found = details(Genre=[{"tag": composed}, {"tag": decomposed}, {"tag": decomposed.upper()}])
    assert found.tags == {**EMPTY, "genre": (composed,)}


def test_credits_are_in_the_order_of_billing_and_only_the_cast_is_cut() -> None:
    cast = [{"tag": f"Actor {number}", "role": f"Part {number}", "tagKey": f"k{number}"} for number in range(30)]
    crew = [{"tag": f"Person {number}"} for number in range(30)]
    found = details(cast=2, Role=cast, Director=crew, Producer=crew, Writer=crew)
    assert found.credits is not None
    assert [credit for credit in found.credits if credit.job == "actor"] == [
        Credit("actor", "Actor 0", "k0", "Part 0", None),
        Credit("actor", "Actor 1", "k1", "Part 1", None),
    ]
    for job in ("director", "writer", "producer"):
        assert [credit.name for credit in found.credits if credit.job == job] == [each["tag"] for each in crew]
    assert found.dropped == ()


def test_a_person_may_have_two_roles_but_not_one_role_twice() -> None:
    twice = {"tag": "A. Guinness", "role": "The Duke"}
    found = details(Role=[twice, {"tag": "A. Guinness", "role": "The General"}, twice, {"role": "A Tree"}])
    assert [(each.name, each.role) for each in found.credits or ()] == [
        ("A. Guinness", "The Duke"),
        ("A. Guinness", "The General"),
    ]
    assert found.dropped == ("a credit of a person without a name (actor)",)


def test_a_person_counts_once_per_job_however_often_the_server_repeats_them() -> None:
    """With another picture, in another case, or without the key; two people of one name have different keys."""
    found = details(
        Director=[
            {"tag": "jane doe"},
            {"tag": "Jane Doe", "tagKey": "a", "thumb": "https://one"},
            {"tag": "Jane Doe", "tagKey": "a", "thumb": "https://two"},
            {"tag": "Jane Doe", "tagKey": "b"},
        ],
        Writer=[{"tag": "Jane Doe"}, {"tag": "JANE DOE"}],
    )
    assert found.credits == (
        Credit("director", "Jane Doe", "a", None, "https://one"),
        Credit("director", "Jane Doe", "b", None, None),
        Credit("writer", "Jane Doe", "", None, None),
    )


def test_the_picture_of_a_person_has_no_token() -> None:
    found = details(Role=[{"tag": "Jane Doe", "thumb": "https://a.example/b.jpg?X-Plex-Token=secret"}])
    assert [credit.thumb for credit in found.credits or ()] == ["https://a.example/b.jpg"]


def test_ten_thousand_credits_are_bounded() -> None:
    crowd = [{"tag": f"Person {number}"} for number in range(10_000)]
    found = details(Role=crowd, Writer=crowd, cast=20)
    assert len(found.credits or ()) == MOST_CREDITS + 20
    assert found.dropped == (f"more than {MOST_CREDITS} credits of one kind (writer)",)


# Chapters and markers --------------------------------------------------------------------------------------------


def test_chapters_are_sorted_clamped_and_dropped_if_they_have_no_length() -> None:
    found = details(
        Chapter=[
            chapter(60_000, 100_500, "End"),
            chapter(-5, 30_000, "Start"),
            chapter(30_000, 60_000),
            chapter(40_000, 40_000),
            chapter(200_000, 300_000),
            chapter(None, 5),
        ]
    )
    assert found.chapters == (
        Chapter("Start", 0, 30_000),
        Chapter(None, 30_000, 60_000),
        Chapter("End", 60_000, 100_000),
    )
    assert sorted(found.dropped) == ["a chapter of no length"] * 2 + ["a chapter without a start"]


def test_a_chapter_without_an_end_lasts_until_the_next_one() -> None:
    found = details(Chapter=[chapter(0, None), chapter(40_000, None)])
    assert found.chapters == (Chapter(None, 0, 40_000), Chapter(None, 40_000, 100_000))
    unknown = details(duration=None, Chapter=[chapter(0, None), chapter(40_000, None)])
    assert unknown.chapters == (Chapter(None, 0, 40_000),)
    assert unknown.dropped == ("a chapter without an end",)


@pytest.mark.parametrize(("sent", "end"), [(None, 80_000), ("long", 80_000), (0, 80_000), (70_000, 70_000)])
def test_chapters_end_with_the_item_as_it_is_stored_if_the_response_has_no_duration(sent, end) -> None:
    """Markers, too; one that begins later is dropped."""
    times = {"Chapter": [chapter(0, None), chapter(40_000, None)], "Marker": [marker("credits", 60_000, 90_000)]}
    page = parse_details(body(entry(7, duration=sent, **times)), cast=1, durations={"7": 80_000, "8": 50_000})
    (found,) = page.items
    assert found.chapters == (Chapter(None, 0, 40_000), Chapter(None, 40_000, end))
    assert found.markers == (Marker("credits", 60_000, end, is_final=False),)
    late = entry(8, duration=None, Chapter=[chapter(60_000, 70_000)])
    (found,) = parse_details(body(late), cast=1, durations={"7": 80_000, "8": 50_000}).items
    assert (found.chapters, found.dropped) == ((), ("a chapter of no length",))


def test_a_chapter_that_ends_before_its_start_lasts_until_the_next_one() -> None:
    """Its start is where a commercial break can be; files name 0 as an end that they do not know."""
    found = details(Chapter=[chapter(0, 0), chapter(40_000, 0), chapter(60_000, 50_000), chapter(80_000, 80_000)])
    assert found.chapters == (
        Chapter(None, 0, 40_000),
        Chapter(None, 40_000, 60_000),
        Chapter(None, 60_000, 80_000),
    )
    assert found.dropped == ("a chapter of no length",)


def test_markers_of_unknown_types_are_kept_and_those_without_a_type_dropped() -> None:
    found = details(
        Marker=[
            marker("credits", 90_000, 130_000, final=True),
            marker("intro", "1000", 9_000.0),
            marker("intro", 1_000, 9_000),
            marker("recap", 500, 900),
            marker(None, 1, 2),
            marker("commercial", 5, 5),
        ]
    )
    assert found.markers == (
        Marker("recap", 500, 900, is_final=False),
        Marker("intro", 1_000, 9_000, is_final=False),
        Marker("credits", 90_000, 100_000, is_final=True),
    )
    assert found.dropped == ("a marker without a type", "a marker of no length")


def test_too_many_chapters_are_cut() -> None:
    found = details(duration=None, Chapter=[chapter(number, number + 1) for number in range(MOST_TIMES + 2)])
    assert len(found.chapters or ()) == MOST_TIMES
    assert found.dropped == (f"more than {MOST_TIMES} chapters",) * 2


def test_absent_is_not_empty() -> None:
    """A response says nothing about lists that were not requested or that it may not be able to hold."""
    assert details(times_only=True, Genre=[{"tag": "Horror"}]).tags is None
    assert details(times_only=True).credits is None
    assert (details(Chapter=[]).chapters, details(Marker=[]).markers) == ((), ())
    show = parse_details(body({**entry(), "type": "show", "Marker": [marker("intro", 1, 2)]}), cast=1).items[0]
    assert (show.kind, show.markers) == (Kind.SHOW, None)


def test_bad_elements_cost_themselves_only() -> None:
    """Also where the fast way of decoding fails: numbers as words, texts as lists, lists as objects."""
    page = parse_details(
        body(
            entry(1, Genre=[{"tag": "Horror"}, 7, {"tag": ["x"]}], Role={"tag": "Only One", "role": {"a": 1}}),
            entry(2, Chapter=[chapter("soon", 5), chapter(0, 10)], Marker=[None, marker("intro", 0, 1e30)]),
            {"type": "movie"},
            {"ratingKey": "5", "type": "artist"},
            entry(1),
            entry(6, duration="long", Genre="Drama"),
            "no entry",
        ),
        cast=5,
    )
    first, second, third = page.items
    assert (first.tags or {})["genre"] == ("Horror",)
    assert first.credits == (Credit("actor", "Only One", "", None, None),)
    assert first.dropped == ("a genre without a name",) * 2
    assert second.chapters == (Chapter(None, 0, 10),)
    assert second.markers == ()
    assert second.dropped == ("a chapter without a start", "a marker without a type", "a marker without an end")
    assert (third.tags or {})["genre"] == ("Drama",)
    assert page.skipped == 4


def test_xml_says_the_same() -> None:
    page = parse_details(
        b'<MediaContainer size="2"><Video ratingKey="7" type="episode" duration="9000"><Genre tag="Drama"/>'
        b'<Role tag="A. Person" role="Host" tagKey="abc"/>'
        b'<Chapter startTimeOffset="0" endTimeOffset="9100" tag="One"/>'
        b'<Marker type="intro" startTimeOffset="5" endTimeOffset="50" final="1"/></Video>'
        b'<Directory ratingKey="8" type="show"><Genre tag="Comedy"/></Directory></MediaContainer>',
        cast=5,
    )
    video, show = page.items
    assert video.chapters == (Chapter("One", 0, 9_000),)
    assert video.markers == (Marker("intro", 5, 50, is_final=True),)
    assert video.credits == (Credit("actor", "A. Person", "abc", "Host", None),)
    assert (show.tags or {})["genre"] == ("Comedy",)


# Requests --------------------------------------------------------------------------------------------------------


def keys_of(request: web.Request) -> list[str]:
    return request.path.rsplit("/", 1)[-1].split(",")


class Shelf:
    """Answers requests for many items as a server that has some of them, and fails for others."""

    def __init__(self, fake: FakePlex, *, bad: Collection[str] = (), missing: Collection[str] = ()) -> None:
        self.requested: list[list[str]] = []
        self.arguments: list[dict[str, str]] = []
        self._bad, self._missing = bad, missing
        fake.otherwise = self._answer

    async def _answer(self, request: web.Request) -> web.Response:
        keys = keys_of(request)
        self.requested.append(keys)
        self.arguments.append(dict(request.query))
        if not set(self._bad).isdisjoint(keys):
            return web.Response(status=500)
        there = [entry(key) for key in reversed(keys) if key not in self._missing]
        return web.Response(
            body=body(*there) if there else b"", status=200 if there else 404, content_type="application/json"
        )


async def test_many_items_are_requested_at_once_and_matched_by_key(plex, connect) -> None:
    """The server's order does not count; items that it does not have are in no list."""
    shelf = Shelf(plex, missing={"5", "240"})
    client = await connect()
    answer = await client.details.read([str(number) for number in range(250)], Kind.MOVIE, cast=20)
    assert [len(keys) for keys in shelf.requested] == [MOST_IDS, 1, MOST_IDS, 50, 1]
    assert answer.found.keys() == {str(number) for number in range(250)} - {"5", "240"}
    assert (answer.unreadable, answer.ignored, answer.failure) == ({}, 0, None)
    arguments = shelf.arguments[0]
    assert {arguments[name] for name in ("includeChapters", "includeMarkers", "skipRefresh")} == {"1"}
    assert "Producer" not in arguments["excludeElements"].split(",")


async def test_the_line_of_a_request_stays_short(plex, connect) -> None:
    shelf = Shelf(plex)
    client = await connect()
    keys = [f"{number:0200}" for number in range(40)]
    answer = await client.details.read(keys, Kind.MOVIE, cast=20)
    assert answer.found.keys() == set(keys)
    assert all(len(",".join(line)) <= MOST_BYTES_OF_IDS for line in shelf.requested)


async def test_a_server_that_sends_fewer_items_is_asked_for_the_rest(plex, connect) -> None:
    async def few(request: web.Request) -> web.Response:
        return web.Response(body=body(*map(entry, keys_of(request)[:3])))

    plex.otherwise = few
    answer = await (await connect()).details.read([str(number) for number in range(10)], Kind.MOVIE, cast=20)
    assert len(answer.found) == 10
    assert len(plex.requests) == 4


@pytest.mark.parametrize("reply", ["not found", "empty", "another item"])
@pytest.mark.parametrize("lacked", [{"3"}, None], ids=["if one is gone", "always"])
async def test_a_response_without_any_of_several_items_is_not_the_last_word(plex, connect, reply, lacked) -> None:
    """Of a server that sends nothing if it lacks one of them, or if several are requested at all."""

    async def strict(request: web.Request) -> web.Response:
        keys = keys_of(request)
        if keys == ["3"] or (len(keys) > 1 and (lacked is None or not lacked.isdisjoint(keys))):
            if reply == "not found":
                return web.Response(status=404)
            return web.Response(body=body(*([entry("999")] if reply == "another item" else [])))
        return web.Response(body=body(*map(entry, keys)))

    plex.otherwise = strict
    answer = await (await connect()).details.read([str(number) for number in range(10)], Kind.MOVIE, cast=20)
    assert answer.found.keys() == {str(number) for number in range(10)} - {"3"}
    assert (answer.unreadable, answer.failure) == ({}, None)


async def test_items_that_left_together_cost_one_request(plex, connect) -> None:
    """Once it was seen that the server only omits what it does not have."""
    shelf = Shelf(plex, missing={str(number) for number in range(90)})
    client = await connect()
    await client.details.read([str(number) for number in range(100)], Kind.MOVIE, cast=20)
    assert [len(keys) for keys in shelf.requested] == [100, 90]
    await client.details.read([str(number) for number in range(50)], Kind.MOVIE, cast=20)
    assert [len(keys) for keys in shelf.requested] == [100, 90, 50]


async def test_a_line_that_a_proxy_refuses_is_shortened_for_good(plex, connect) -> None:
    async def narrow(request: web.Request) -> web.Response:
        keys = keys_of(request)
        return web.Response(status=414) if len(keys) > 30 else web.Response(body=body(*map(entry, keys)))

    plex.otherwise = narrow
    client = await connect()
    answer = await client.details.read([str(number) for number in range(100)], Kind.MOVIE, cast=20)
    assert (len(answer.found), answer.failure) == (100, None)
    assert client.details.at_once == 25
    requests = len(plex.requests)
    await client.details.read([str(number) for number in range(100)], Kind.MOVIE, cast=20)
    assert len(plex.requests) == requests + 4


async def test_a_heavy_answer_leaves_the_rest_for_the_next_one(plex, connect) -> None:
    """Items with thousands of people would fill the memory if those of a hundred were collected."""
    crowd = [{"tag": f"Person {number}"} for number in range(MOST_CREDITS)]

    async def heavy(request: web.Request) -> web.Response:
        if len(keys_of(request)) > 4:
            return web.Response(status=500)
        return web.Response(body=body(*(entry(key, Writer=crowd, Producer=crowd) for key in keys_of(request))))

    plex.otherwise = heavy
    client, keys, answers = await connect(), [str(number) for number in range(40)], 0
    while keys:
        answer = await client.details.read(keys, Kind.MOVIE, cast=20)
        assert sum(each.elements for each in answer.found.values()) * 300 <= 2 * HEAVY
        assert answer.found.keys() == set(keys) - answer.rest
        keys, answers = sorted(answer.rest, key=int), answers + 1
    assert answers > 2


async def test_after_a_heavy_response_fewer_items_are_requested(plex, connect) -> None:
    """While it is read, it takes several times as much memory as its answer."""
    crowd = [{"tag": f"Person {number}"} for number in range(150)]
    entries = [entry(key, Writer=crowd, Producer=crowd) for key in range(100)]
    plex.otherwise = plex.reply({"MediaContainer": {"size": 100, "Metadata": entries}})
    client = await connect()
    answer = await client.details.read([str(number) for number in range(100)], Kind.MOVIE, cast=20)
    assert (len(answer.found), client.details.at_once) == (100, 50)


async def test_what_is_heavy_but_was_not_requested_is_no_reason_to_stop(plex, connect) -> None:
    """The caller requests the rest until there is none."""
    crowd = [{"tag": f"Person {number}"} for number in range(MOST_CREDITS)]
    foreign = [entry(key, Writer=crowd) for key in range(1_000, 1_040)]
    plex.otherwise = plex.reply({"MediaContainer": {"size": 40, "Metadata": foreign}})
    answer = await (await connect()).details.read(["1", "2", "3", "4"], Kind.MOVIE, cast=20)
    assert (answer.found, answer.rest, answer.ignored) == ({}, frozenset(), 40 * 7)


async def test_after_too_large_a_response_few_items_are_requested_for_a_while(plex, connect) -> None:
    """Otherwise each answer with such items would begin with megabytes that are thrown away."""
    objects = [{"tag": "x"}] * 1_500

    async def large(request: web.Request) -> web.Response:
        return web.Response(body=body(*(entry(key, Role=objects) for key in keys_of(request))))

    plex.otherwise = large
    client = await connect()
    await client.details.read([str(number) for number in range(100)], Kind.MOVIE, cast=20)
    assert client.details.at_once == 25
    sizes = []
    for start in range(100, 600, 50):
        await client.details.read([str(number) for number in range(start, start + 25)], Kind.MOVIE, cast=20)
        sizes.append(client.details.at_once)
    assert sizes[:3] == [25] * 3
    assert max(sizes) == 50


async def test_an_answer_for_another_item_is_ignored_and_counted(plex, connect) -> None:
    """Other keys, other kinds, the same item again."""
    strange = [entry("9"), {**entry("2"), "type": "show"}, entry("1", Genre=[{"tag": "Horror"}]), entry("1")]
    plex.answer("/library/metadata/1,2", plex.reply({"MediaContainer": {"size": 4, "Metadata": strange}}))
    plex.answer("/library/metadata/2", plex.reply(status=404))
    answer = await (await connect()).details.read(["1", "2"], Kind.MOVIE, cast=20)
    assert list(answer.found) == ["1"]
    assert (answer.found["1"].tags or {})["genre"] == ("Horror",)
    assert answer.ignored == 3


async def test_items_that_the_server_cannot_send_are_found_in_halves(plex, connect) -> None:
    shelf = Shelf(plex, bad={"3", "77"})
    client = await connect()
    answer = await client.details.read([str(number) for number in range(100)], Kind.MOVIE, cast=20)
    assert answer.unreadable.keys() == {"3", "77"}
    assert answer.found.keys() == {str(number) for number in range(100)} - {"3", "77"}
    assert answer.failure is None
    assert len(shelf.requested) < 50


async def test_a_server_that_sends_nothing_is_left_alone_soon(plex, connect) -> None:
    shelf = Shelf(plex, bad=[str(number) for number in range(100)])
    client = await connect()
    answer = await client.details.read([str(number) for number in range(100)], Kind.MOVIE, cast=20)
    assert len(answer.unreadable) == MOST_IN_A_ROW
    assert answer.failure is not None
    assert len(shelf.requested) < 150


async def test_what_was_read_before_the_server_refused_is_kept(plex, connect) -> None:
    first = ",".join(str(number) for number in range(MOST_IDS))
    plex.answer(f"/library/metadata/{first}", plex.reply({"MediaContainer": {"size": 1, "Metadata": [entry("1")]}}))
    plex.otherwise = plex.reply(status=401)
    answer = await (await connect()).details.read([str(number) for number in range(150)], Kind.MOVIE, cast=20)
    assert list(answer.found) == ["1"]
    assert isinstance(answer.failure, Unauthorized)


async def test_reading_times_again_leaves_the_rest_out(plex, connect) -> None:
    shelf = Shelf(plex)
    answer = await (await connect()).details.read(["1", "2"], Kind.MOVIE, cast=20, times_only=True)
    assert (answer.found["1"].tags, answer.found["1"].credits, answer.together) == (None, None, {"1", "2"})
    assert {"Genre", "Role", "Producer", "Media"} <= set(shelf.arguments[0]["excludeElements"].split(","))
