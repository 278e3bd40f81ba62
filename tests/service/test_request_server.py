"""Requests of other programs in sync_requests: carried out with progress and a result, or refused without effect."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing

import pytest

from retrovue_daemon.store import writer
from retrovue_daemon.store.tables.requests import open_requests
from tests.service.conftest import table

INSERT = "INSERT INTO sync_requests (server_id, kind, options) VALUES (?, ?, ?) RETURNING id"


@pytest.fixture
def request_row(edit):
    """Ask for something, as any program can."""

    async def ask(kind: str = "quick", options: object = None, server_id: int | None = None) -> int:
        return (await edit(INSERT, server_id, kind, json.dumps(options or {})))[0][0]

    return ask


@pytest.fixture
def answer(rows):
    """Give what is in a request's row; None for the result where it has none."""

    def read(request_id: int):
        query = "SELECT finished_at, run_id, result FROM sync_requests WHERE id = ?"
        ((finished_at, run_id, result),) = rows(query, request_id)
        return finished_at, run_id, None if result is None else json.loads(result)

    return read


@pytest.fixture
async def in_step(serve, config, plex, events):
    """A service whose server is in step."""
    service = await serve(config(table(plex)))
    await events.count(3, "sync.finished")
    await events.next("round.finished")
    plex.requests.clear()
    return service


async def test_a_request_is_done_and_answered(in_step, plex, clock, events, request_row, answer, rows) -> None:
    """With what ``sync --json`` prints, and the last run that it led to."""
    plex.changes.add_movie("2", "Pandora's Box", 1929)
    request_id = await request_row("full", {"library": "Dramas"})
    await clock.tick()
    assert (await events.next("request.finished"))["exit_code"] == 0
    finished_at, run_id, result = answer(request_id)
    assert finished_at == clock.wall
    (server,) = result["servers"]
    (library,) = server["libraries"]
    assert (library["library"], library["kind"], library["added"], library["run_id"]) == ("Dramas", "full", 1, run_id)
    assert rows("SELECT kind, status FROM sync_runs WHERE id = ?", run_id) == [("full", "ok")]


async def test_a_request_that_ends_while_the_table_is_read_is_not_taken_again(
    in_step, clock, events, request_row, answer, monkeypatch
) -> None:
    """What was read before its answer still has it as open."""
    reader = in_step.supervisor.database.reader
    run = reader.run
    found, go_on = asyncio.Event(), asyncio.Event()

    async def read_slowly(query):
        result = await run(query)
        if query is open_requests and result and events.of("request.taken"):
            found.set()
            await go_on.wait()
        return result

    monkeypatch.setattr(reader, "run", read_slowly)
    request_id = await request_row("full")
    await clock.tick()
    await events.next("request.taken")
    looking = asyncio.create_task(in_step.supervisor._requests.take_requests())
    await found.wait()
    await events.next("request.finished")
    first = answer(request_id)
    go_on.set()
    await looking
    await clock.tick()
    assert len(events.of("request.taken")) == 1
    assert answer(request_id) == first


async def test_requests_that_come_together_share_a_pass(
    in_step, plex, clock, events, request_row, answer, rows
) -> None:
    """With any number of programs, and of rows left from a time without a daemon."""
    ids = [await request_row("full") for _ in range(50)]
    await clock.tick()
    await events.count(50, "request.finished")
    assert len(plex.requests_for("/library/sections/2/all")) == 1
    results = [answer(request_id)[2] for request_id in ids]
    assert all(result == results[0] for result in results)
    assert [library["library"] for library in results[0]["servers"][0]["libraries"]] == [
        "Comedies",
        "Dramas",
        "Westerns",
    ]


async def test_progress_is_shown_in_the_row_until_the_result_is_there(
    in_step, plex, clock, events, request_row, answer
) -> None:
    """Once a second, to all who wait."""
    stuck = plex.faults.hang("/library/sections/2/all")
    ids = [await request_row("full"), await request_row("full", {"library": "Dramas"})]
    await clock.tick()
    await stuck.reached.wait()
    await events.next("sync.finished")
    await clock.tick("progress of requests")
    for request_id in ids:
        finished_at, _, result = answer(request_id)
        assert finished_at is None
        assert "Dramas" in [one["library"] for one in result["progress"]["running"]]
    await clock.tick()
    stuck.release.set()
    await events.count(2, "request.finished")
    assert len(events.of("request.taken")) == 2
    assert all("progress" not in answer(request_id)[2] for request_id in ids)


async def test_a_request_is_finished_with_its_collections_also_while_other_passes_run(
    in_step, plex, clock, events, request_row, rows
) -> None:
    """A pass that began after those of the request would otherwise read them, after the request has ended."""
    film = plex.changes.add_movie("2", "Pandora's Box", 1929)
    plex.rich.add_collection("2", "Silent Dramas", [film.id])
    dramas = plex.faults.hang("/library/sections/2/all")
    comedies = plex.faults.hang("/library/sections/1/all", after=1)
    await request_row("full")
    await clock.tick()
    await dramas.reached.wait()
    await events.count(2, "sync.finished")
    await request_row("full", {"library": "Comedies"})
    await clock.tick()
    await comedies.reached.wait()
    dramas.release.set()
    await events.next("request.finished")
    assert rows("SELECT title FROM collections") == [("Silent Dramas",)]
    comedies.release.set()
    await events.next("request.finished")


async def test_a_request_is_finished_with_its_labels_if_its_last_pass_ends_while_others_are_read(
    in_step, plex, clock, events, request_row, rows
) -> None:
    """Those of another library, which a second request is done with."""
    film = next(film for film in plex.world.movies() if film.library == "2")
    plex.rich.add_label(film.id, "Holiday")
    dramas, lists = plex.faults.hang("/library/sections/2/all"), plex.faults.hang("/library/all")
    everything = await request_row("full")
    await request_row("full", {"library": "Comedies"})
    await clock.tick()
    await dramas.reached.wait()
    await lists.reached.wait()
    dramas.release.set()
    await events.next("sync.finished", library="Dramas")
    lists.release.set()
    await events.next("request.finished", request_id=everything)
    assert rows("SELECT name FROM tags WHERE kind = 'label'") == [("Holiday",)]


async def test_a_show_whose_library_is_busy_is_done_after_that(
    serve, config, start_plex, clock, events, request_row, answer
) -> None:
    """It does not count as an unknown server."""
    plex = await start_plex()
    library = plex.changes.add_library("show", "Serials", "/srv/serials")
    show = plex.changes.add_show(library.key, "Les Vampires", 1915)
    plex.changes.add_episode(show.id, 1, 1, "La Tête coupée")
    stuck = plex.faults.hang(f"/library/sections/{library.key}/allLeaves")
    await serve(config(table(plex)))
    await stuck.reached.wait()
    request_id = await request_row("show", {"show": "les vampires"})
    await clock.tick()
    await clock.tick("interval home")
    stuck.release.set()
    await events.next("request.finished")
    (library,) = answer(request_id)[2]["servers"][0]["libraries"]
    assert (library["library"], library["kind"], library["status"]) == ("Serials", "show", "ok")
    assert len([request for request in plex.requests if "title" in request.query]) == 1


@pytest.mark.parametrize(
    ("kind", "options", "error"),
    [
        ("full", {"library": "Drama"}, "UnknownLibrary"),
        ("show", {"show": "Les Vampires"}, "UnknownShow"),
    ],
    ids=["library", "show"],
)
async def test_a_request_for_something_unknown_gets_the_result_of_sync(
    in_step, clock, events, request_row, answer, kind, options, error
):
    """Wrong usage, in the row and in the log alike, with the reason: nothing was done, and a retry would not help."""
    request_id = await request_row(kind, options)
    await clock.tick()
    told = await events.next("request.finished")
    result = answer(request_id)[2]
    assert (told["exit_code"], result["exit_code"], result["error"]["type"]) == (2, 2, error)
    assert repr(next(iter(options.values()))) in result["error"]["message"]


NO_UTF_8 = b'{"library": "\xff"}'

JUNK = [
    ("quick", "{", "no JSON object"),
    ("quick", "[]", "no JSON object"),
    ("quick", '"text"', "no JSON object"),
    ("quick", "null", "no JSON object"),
    ("quick", "[" * 5_000, "no JSON object"),
    ("quick", '{"library": "' + "x" * 5_000_000 + '"}', "too long"),
    ("quick", NO_UTF_8, "no JSON object"),
    (b"\xff\xfe", "{}", "there is no kind"),
    ("everything", "{}", "there is no kind 'everything'"),
    ("x" * 5_000_000, "{}", "there is no kind"),
    ("full", '{"libary": "Dramas"}', "there is no option 'libary'"),
    ("full", '{"library": 5}', "library has to be a text"),
    ("full", '{"library": ""}', "library has to be a text"),
    ("full", '{"library": "\\ud800"}', "library has to be a text"),
    ("full", '{"library": "' + "x" * 5_000 + '"}', "library has to be a text"),
    ("full", '{"accept_removals": "no"}', "accept_removals has to be true or false"),
    ("full", '{"full": 1}', "full has to be true or false"),
    ("show", "{}", "options name no show"),
    ("show", '{"show": ["a"]}', "show has to be a text"),
    ("show", '{"show": "A", "year": "1920"}', "year has to be a number"),
    ("show", '{"show": "A", "year": true}', "year has to be a number"),
    ("quick", '{"year": 1920}', "options name no show"),
]


async def test_rows_that_are_not_understood_cost_nothing(in_step, plex, clock, events, request_row, answer, edit):
    """They are refused with the reason, and nothing is synced for them; what comes after them is served."""
    text = "INSERT INTO sync_requests (kind, options) VALUES (CAST(? AS TEXT), CAST(? AS TEXT)) RETURNING id"
    ids = [(await edit(text, kind, options))[0][0] for kind, options, _ in JUNK]
    await clock.tick()
    await events.count(len(JUNK), "request.refused")
    for request_id, (_, _, why) in zip(ids, JUNK, strict=True):
        finished_at, _, result = answer(request_id)
        assert finished_at is not None
        assert (result["exit_code"], result["servers"]) == (2, [])
        assert why in result["error"]["message"]
    assert not plex.requests
    await request_row()
    await clock.tick()
    await events.next("request.finished", exit_code=0)
    assert not in_step.task.done()


async def test_a_library_of_another_server_is_not_guessed(
    in_step, plex, start_plex, clock, events, answer, rows, edit
) -> None:
    """Keys are the server's own: the same one is another library elsewhere."""
    other = await start_plex("Musicals", name="Bijou")
    await edit("INSERT INTO plex_servers (name, server_url, token) VALUES ('attic', ?, ?)", other.url, other.token)
    await in_step.noticed()
    await events.next("sync.finished", server="attic")
    ((library_id,),) = rows("SELECT id FROM libraries WHERE library_name = 'Musicals'")
    insert = "INSERT INTO sync_requests (server_id, library_id, kind) VALUES (?, ?, 'full') RETURNING id"
    ((wrong,),), ((right,),) = await edit(insert, 1, library_id), await edit(insert, None, library_id)
    await clock.tick()
    await events.next("request.finished")
    assert "server_id is not the server of library_id" in answer(wrong)[2]["error"]["message"]
    (server,) = answer(right)[2]["servers"]
    assert (server["server"], [one["library"] for one in server["libraries"]]) == ("attic", ["Musicals"])


@pytest.mark.parametrize(
    ("server_id", "library_id", "why"),
    [
        (9_999, None, "there is no server with the id 9999"),
        (None, 9_999, "there is no library with the id 9999"),
        (9_999, 2, "there is no server with the id 9999"),
        (1, 9_999, "there is no library with the id 9999"),
        (None, 77, "there is no library with the id 77"),  # it is there, but its server is not
    ],
)
async def test_an_id_that_leads_nowhere_does_not_mean_everything(
    in_step, plex, clock, events, answer, path, server_id, library_id, why
) -> None:
    """Programs that do not switch foreign keys on can write such rows, and request that removals are accepted."""
    with closing(sqlite3.connect(path)) as other, other:
        other.execute(
            "INSERT INTO libraries (id, server_id, library_key, library_name, library_type)"
            " VALUES (77, 888, '2', 'lost', 'movie')"
        )
        insert = "INSERT INTO sync_requests (server_id, library_id, kind, options) VALUES (?, ?, 'full', ?)"
        request_id = other.execute(insert, (server_id, library_id, '{"accept_removals": true}')).lastrowid
    await clock.tick()
    await events.next("request.refused", request_id=request_id)
    assert answer(request_id)[2]["exit_code"] == 2
    assert answer(request_id)[2]["error"]["message"].endswith(why)
    assert not plex.requests


async def test_a_request_for_an_inactive_server_is_refused_as_such(
    in_step, clock, events, request_row, answer, rows, edit
) -> None:
    """Its row exists, but no worker syncs it."""
    await edit(
        "INSERT INTO plex_servers (name, server_url, token, is_active) VALUES ('attic', 'http://127.0.0.1:1', 'x', 0)"
    )
    ((server_id,),) = rows("SELECT id FROM plex_servers WHERE name = 'attic'")
    request_id = await request_row(server_id=server_id)
    await clock.tick()
    await events.next("request.refused")
    assert answer(request_id)[2]["error"]["type"] == "UnknownServer"


async def test_what_one_daemon_leaves_the_next_one_serves(
    in_step, serve, config, plex, clock, events, request_row, answer
) -> None:
    """The end is no answer."""
    stuck = plex.faults.hang("/library/sections/2/all")
    request_id = await request_row("full")
    await clock.tick()
    await stuck.reached.wait()
    await in_step.stop()
    assert answer(request_id)[0] is None
    await serve(config(table(plex)))
    await events.next("request.finished", exit_code=0)
    assert answer(request_id)[0] is not None


async def test_a_request_that_is_deleted_meanwhile_disturbs_nothing(
    in_step, plex, clock, events, request_row, rows, edit
) -> None:
    """The requesting program changed its mind."""
    stuck = plex.faults.hang("/library/sections/2/all")
    await request_row("full")
    await clock.tick()
    await stuck.reached.wait()
    await edit("DELETE FROM sync_requests")
    stuck.release.set()
    await events.next("request.finished")
    assert rows("SELECT count(*) FROM sync_requests") == [(0,)]


async def test_an_answer_that_cannot_be_written_is_given_later(
    in_step, clock, events, request_row, answer, locked, monkeypatch, rows
) -> None:
    """Another program keeps the database locked; the request stays open, and is taken up again."""
    monkeypatch.setattr(writer, "BUSY_TRIES", 1)
    await in_step.lose_patience()
    request_id = await request_row(options={"library": "nobody has it"})
    async with locked():
        await clock.tick()
        assert (await events.next("request.failed"))["request_id"] == request_id
    await request_row(options={"library": "nobody has it"})
    await clock.tick()
    await events.count(2, "request.finished")
    assert answer(request_id)[0] is not None


async def test_requests_that_were_answered_long_ago_are_forgotten(in_step, clock, events, request_row, rows) -> None:
    """After ninety days; the table does not grow forever."""
    old = await request_row()
    await clock.tick()
    await events.next("request.finished")
    clock.wall += 91 * 86_400
    new = await request_row()
    await clock.tick()
    await events.next("request.finished", request_id=new)
    assert rows("SELECT id FROM sync_requests") == [(new,)]
    assert old != new
