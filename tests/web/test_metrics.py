"""``/metrics``: what Prometheus reads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families

from tests.support.web import have_removals_held_back, rows_of

pytestmark = pytest.mark.no_groups

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"


def _samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Return the values by name and labels; one that occurs twice fails, as in Prometheus."""
    found: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = sample.name, tuple(sorted(sample.labels.items()))
            assert key not in found, key
            found[key] = sample.value
    return found


async def _scrape(served) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    response = await served.get("/metrics")
    assert response.headers["Content-Type"].startswith("text/plain")
    found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for (name, labels), value in _samples(response.text).items():
        found.setdefault(name, {})[labels] = value
    return found


async def test_it_says_what_the_mirror_holds_and_whether_it_is_well(serve_page, plex) -> None:
    """Also with two libraries of one title, and titles that are no plain words."""
    plex.changes.add_library("movie", "Movies", "/srv/again")
    plex.changes.add_library("movie", 'quoted "\\\n', "/srv/quoted")
    served = await serve_page(plex, syncs=True)
    await served.has_synced()
    found = await _scrape(served)
    (films,) = rows_of(served.database.path, "SELECT count(*) FROM movies WHERE state <> 'missing'")
    items = found["retrovue_library_items"]
    assert sum(value for labels, value in items.items() if ("kind", "movie") in labels) == films[0]
    assert len({labels for labels in found["retrovue_library_up"] if ("library", "Movies") in labels}) == 2
    assert found["retrovue_server_up"] == {(("server", "home"),): 1}
    assert found["retrovue_server_live"] == {(("server", "home"),): 0}
    assert found["retrovue_healthy"] == {(): 1}
    assert found["retrovue_start_time_seconds"] == {(): served.clock.seconds}
    ((last,),) = rows_of(served.database.path, "SELECT last_seq FROM feed_state")
    assert found["retrovue_feed_entries_total"] == {(): last}
    assert "retrovue_reload_successful" not in found
    assert "process_cpu_seconds_total" in found


async def test_what_is_wrong_has_a_number(serve_page, plex) -> None:
    """A server that refuses the token, and a library whose removals are held back."""
    served = await serve_page(plex, syncs=True)
    await served.has_synced()
    await have_removals_held_back(served, plex)
    found = await _scrape(served)
    blocked = {dict(labels)["library"]: value for labels, value in found["retrovue_library_blocked"].items()}
    assert (blocked["Movies"], blocked["Anime"]) == (1, 0)
    assert found["retrovue_problems"] == {(("kind", "RemovalsHeldBack"),): 1}
    plex.token = "another"
    served.supervisor.sync_now()
    await served.events.next("server.unauthorized")
    found = await _scrape(served)
    assert found["retrovue_server_up"] == {(("server", "home"),): 0}
    assert found["retrovue_healthy"] == {(): 0}


async def test_hooks_and_postgresql_have_theirs(serve_page, path) -> None:
    """How far they are behind, and whether they work."""
    served = await serve_page()
    rows_of(path, "INSERT INTO hooks (name, last_error, failing_since) VALUES ('rescan', 'HTTP 500', 1)")
    found = await _scrape(served)
    assert found["retrovue_hook_up"] == {(("hook", "rescan"),): 0}
    assert found["retrovue_hook_events_behind"] == {(("hook", "rescan"),): 0}
    assert "retrovue_postgresql_up" not in found


async def test_openmetrics_is_sent_to_those_who_ask(serve_page) -> None:
    """As newer versions of Prometheus do."""
    served = await serve_page()
    accept = "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5"
    response = await served.get("/metrics", headers={"Accept": accept})
    assert response.headers["Content-Type"].startswith("application/openmetrics-text")
    assert "retrovue_build" in {family.name for family in parse_openmetrics(response.text)}


async def test_the_page_names_all_metrics_with_their_labels(serve_page, plex) -> None:
    """No other ones, and the alerts use those that there are."""
    text = PAGE.read_text("utf-8")
    documented = {
        name: set(re.findall(r"`(\w+)`", labels))
        for name, labels in re.findall(r"^\| `(\w+)` \| ([^|]*)\|", text, re.MULTILINE)
    }
    served = await serve_page(plex, syncs=True)
    await served.has_synced()
    response = await served.get("/metrics")
    names = {
        name for name in re.findall(r"^# TYPE (\w+)", response.text, re.MULTILINE) if name.startswith("retrovue_")
    }
    assert names == set(documented)
    for name, values in (await _scrape(served)).items():
        for labels in values if name in documented else ():
            assert {label for label, _ in labels} == documented[name], name
    used = set(re.findall(r"\bretrovue_\w+", text.partition("## Alerts")[2]))
    assert used <= set(documented)
    assert used
