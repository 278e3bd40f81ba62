"""``items`` and ``guid``: what is stored of single items."""

from __future__ import annotations

import json

import pytest


def _found(finished) -> list[tuple[str, str]]:
    assert finished.code == (0 if json.loads(finished.out)["items"] else 1), finished.err
    return [(item["kind"], item["title"]) for item in json.loads(finished.out)["items"]]


# -- search ---------------------------------------------------------------------------------------------------------


def test_titles_are_found_whatever_their_case(on) -> None:
    """Films, shows and episodes; seasons only when requested."""
    assert _found(on("items", "search", "METROPOLIS", "--json")) == [("movie", "Metropolis")]
    assert ("show", "The Lighthouse Keepers") in _found(on("items", "search", "lighthouse", "--json"))
    assert _found(on("items", "search", "specials", "--json")) == []
    assert ("season", "Specials") in _found(on("items", "search", "specials", "--kind", "season", "--json"))
    told = on("items", "search", "metropolis").out
    assert "1927" in told
    assert "Movies" in told


def test_a_year_in_a_title_stays_there(on, rows) -> None:
    """Only the column `year` has that of the item."""
    rows("UPDATE movies SET title = 'Night (1999) and Day', year = 1999 WHERE id = 1")
    assert "Night (1999) and Day   1999" in on("items", "search", "night (1999)").out


def test_the_nearest_titles_come_first(on, rows) -> None:
    """An equal one, then those that begin so, over all kinds; more are counted."""
    rows("UPDATE movies SET title = CASE id WHEN 1 THEN 'The Lamp' WHEN 2 THEN 'Lamps of the North' ELSE title END")
    rows("UPDATE shows SET title = 'LAMP' WHERE id = 1")
    result = json.loads(on("items", "search", "lamp", "--limit", "2", "--json").out)
    assert [item["title"] for item in result["items"]] == ["LAMP", "Lamps of the North"]
    assert result["total"] == 4
    assert "2 of 4; --limit shows more" in on("items", "search", "lamp", "--limit", "2").out


@pytest.mark.parametrize(
    ("text", "title"),
    [("ETE", "Été en mer"), ("été", "Été en mer"), ("straße", "Die Straße"), ("ночь", "Белая НОЧЬ")],
)
def test_letters_with_accents_are_found_without_them_and_with(on, rows, text, title) -> None:
    """In any script, and in any case."""
    rows("UPDATE movies SET title = 'x'")
    rows("UPDATE shows SET title = 'x'")
    rows("UPDATE episodes SET episode_title = 'x'")
    rows("UPDATE movies SET title = ? WHERE id = 3", title)
    assert _found(on("items", "search", text, "--json")) == [("movie", title)]


@pytest.mark.parametrize("text", ["100%", "a_b", "back\\slash", "'; --"])
def test_signs_in_a_text_mean_themselves(on, rows, text) -> None:
    """No pattern, and no SQL."""
    rows("UPDATE movies SET title = '1000 axb back-slash its'")
    rows("UPDATE movies SET title = ? WHERE id = 3", f"The {text} film")
    assert _found(on("items", "search", text, "--json")) == [("movie", f"The {text} film")]


def test_a_search_can_be_narrowed(on) -> None:
    """By kind, server and library; unknown ones are reported, and so is a search for nothing."""
    assert _found(on("items", "search", "a", "--kind", "show", "--library", "Anime", "--json"))
    assert {kind for kind, _ in _found(on("items", "search", "a", "--library", "Anime", "--json"))} == {
        "show",
        "episode",
    }
    for arguments in (("x", "--library", "Moves"), ("x", "--server", "hone"), (" ",), ("x", "--kind", "series")):
        assert on("items", "search", *arguments).code == 2


@pytest.mark.parametrize("arguments", [("items", "search", "the"), ("history",)])
def test_any_limit_is_a_limit(on, arguments) -> None:
    """Also one that is too large for SQLite."""
    numbers = (10**6, 2**63 - 1, 2**63, 10**30)
    assert len({on(*arguments, "--json", "--limit", number).out for number in numbers}) == 1
    assert on(*arguments, "--limit", 10**30).code == 0


def test_a_search_that_finds_nothing_has_the_exit_code_of_discover(on) -> None:
    """Scripts can ask whether there is such an item."""
    finished = on("items", "search", "zzzzzz")
    assert (finished.code, finished.out) == (1, "")
    assert "no stored item matches 'zzzzzz'" in finished.err
    finished = on("items", "search", "zzzzzz", "--json")
    assert (finished.code, json.loads(finished.out)) == (1, {"total": 0, "capped": False, "items": []})


def test_items_are_found_by_external_ids(on, rows) -> None:
    """In the form in which Plex writes them."""
    ((external_id, title),) = rows(
        "SELECT external_id, title FROM movie_guids JOIN movies ON id = movie_id WHERE provider = 'imdb' LIMIT 1"
    )
    assert ("movie", title) in _found(on("items", "search", f"imdb://{external_id}", "--json"))
    assert _found(on("items", "search", "imdb://tt9999999", "--json")) == []


# -- show -----------------------------------------------------------------------------------------------------------


def test_everything_about_a_film_is_shown(on, rows) -> None:
    """Every column of its row, its ids, and every column of its files."""
    ((item_id,),) = rows("SELECT id FROM movies WHERE title = 'Metropolis'")
    everything = json.loads(on("items", "show", item_id, "--kind", "movie", "--by", "id", "--json").out)
    columns = {name for (name,) in rows("SELECT name FROM pragma_table_info('movies')")}
    assert set(everything["item"]) == columns
    assert (everything["item"]["title"], everything["library"], everything["server"]) == (
        "Metropolis",
        "Movies",
        "home",
    )
    assert {guid["provider"] for guid in everything["guids"]} >= {"imdb", "tmdb"}
    file_columns = {name for (name,) in rows("SELECT name FROM pragma_table_info('media_files')")}
    assert [set(file) for file in everything["files"]] == [file_columns | {"streams"}] * len(everything["files"])
    told = on("items", "show", item_id, "--kind", "movie", "--by", "id").out
    for word in ("Fritz Lang", "/srv/media/movies", "imdb", "GiB"):
        assert word in told


def test_shows_and_seasons_show_what_they_hold(on, rows) -> None:
    """Seasons with the number of their episodes, episodes with their show."""
    ((show_id,),) = rows("SELECT id FROM shows WHERE title = 'The Lighthouse Keepers'")
    show = json.loads(on("items", "show", show_id, "--kind", "show", "--by", "id", "--json").out)
    assert show["seasons"][0]["season_number"] == 0
    assert sum(season["episodes"] for season in show["seasons"]) > 0
    season = json.loads(on("items", "show", show["seasons"][0]["id"], "--kind", "season", "--by", "id", "--json").out)
    assert (season["show"], len(season["episodes"])) == (show["item"]["title"], show["seasons"][0]["episodes"])
    episode = json.loads(
        on("items", "show", season["episodes"][0]["id"], "--kind", "episode", "--by", "id", "--json").out
    )
    assert episode["show"] == show["item"]["title"]
    assert episode["files"]
    assert "Specials" in on("items", "show", show_id, "--kind", "show", "--by", "id").out


def test_a_number_that_means_several_items_lists_them(on, rows) -> None:
    """With what distinguishes them, and exit code 2."""
    rows("UPDATE movies SET title = 'A Film', year = 1902 WHERE id = 1")
    rows("UPDATE shows SET title = 'A Show', rating_key = 'k30' WHERE id = 1")
    finished = on("items", "show", "1")
    assert (finished.code, finished.out) == (2, "")
    for word in ("movie A Film (1902)", "show A Show", "rating key k30", "--kind", "--by"):
        assert word in finished.err


def test_the_hint_names_what_is_still_to_be_said(on, rows) -> None:
    """Not the options that were passed, or that all of them share."""
    rows("UPDATE movies SET rating_key = 'k1' WHERE id = 1")
    rows("UPDATE movies SET rating_key = '1' WHERE id = 2")
    finished = on("items", "show", "1", "--kind", "movie")
    assert finished.err.rstrip().endswith("select one with --by id or --by rating-key")


def test_a_rating_key_is_found_and_distinguished_from_an_id(on, rows) -> None:
    """The same film has both numbers; it is one match."""
    ((rating_key, item_id),) = rows("SELECT rating_key, id FROM shows WHERE id = 1")
    by_key = json.loads(on("items", "show", rating_key, "--by", "rating-key", "--json").out)
    assert (by_key["kind"], by_key["item"]["id"]) == ("show", item_id)
    rows("UPDATE movies SET rating_key = 'odd-key' WHERE id = 3")
    assert json.loads(on("items", "show", "odd-key", "--json").out)["item"]["id"] == 3
    rows("UPDATE movies SET id = 999, rating_key = '999' WHERE id = 4")
    assert json.loads(on("items", "show", "999", "--json").out)["item"]["id"] == 999


@pytest.mark.parametrize("number", ["123456", "1.5", "x", "9" * 30, "9" * 5000])
def test_a_number_that_nothing_has_is_reported(on, number) -> None:
    """With how to find items."""
    finished = on("items", "show", number)
    assert finished.code == 2
    assert "items search" in finished.err


# -- guid -----------------------------------------------------------------------------------------------------------


def test_a_guid_is_read_as_the_mirror_reads_it(run) -> None:
    """For people and for programs."""
    finished = run("guid", "parse", "com.plexapp.agents.thetvdb://268592/1/2?lang=en", "--json")
    assert json.loads(finished.out)["provider"] == "tvdb"
    assert json.loads(finished.out)["external_id"] == "268592/1/2"
    assert "tt0017136" in run("guid", "parse", "imdb://tt0017136").out


@pytest.mark.parametrize(
    ("guid", "word"), [("tt0017136", "a scheme"), ("imdb://", "an id"), ("", "a scheme"), ("://x", "a scheme")]
)
def test_what_is_no_guid_is_reported(run, guid, word) -> None:
    """With what one looks like."""
    finished = run("guid", "parse", guid)
    assert (finished.code, finished.out) == (2, "")
    assert f"it lacks {word}" in finished.err
    assert "imdb://tt0017136" in finished.err
