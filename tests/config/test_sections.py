"""What sections can do: choose libraries, and write themselves as tables."""

from __future__ import annotations

import dataclasses
import json
import tomllib
from pathlib import Path

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from retrovue_daemon.config import (
    MASK,
    Config,
    DatabaseSection,
    LoggingSection,
    PathMapping,
    PostgresqlSection,
    Secret,
    ServerSection,
    SyncSection,
    WebSection,
    documented_keys,
    parse_config,
)

URL_MASK = f"postgresql://{MASK}"

SERVER = ServerSection(name="home", url="http://plex:32400", token=Secret("t0ken"))


def server(*libraries: str, without: tuple[str, ...] = ()) -> ServerSection:
    return dataclasses.replace(SERVER, libraries=libraries or None, exclude_libraries=without)


# -- libraries ------------------------------------------------------------------------------------------------------


def test_all_libraries_without_a_choice() -> None:
    """Without libraries, every one is mirrored, and none before another."""
    assert SERVER.selects("Anything", "7")
    assert SERVER.rank("Anything", "7") == SERVER.rank("Other", "1") == 0


@pytest.mark.parametrize("entry", ["Movies", "7", "Mov*", "M?vies", "[LM]ovies"])
def test_a_library_is_chosen_by_title_key_or_pattern(entry: str) -> None:
    """Each kind of entry finds the library, and no other."""
    assert server(entry).selects("Movies", "7")
    assert not server(entry).selects("TV Shows", "8")


def test_titles_are_exact_but_for_spaces() -> None:
    """Plex keeps spaces at the end of titles; case and parts of a title count."""
    assert server("TV Series").selects("TV Series ", "1")
    assert server("*Series").selects("TV Series ", "1")
    assert not server("movies").selects("Movies", "1")
    assert not server("Movies").selects("Movies 4K", "1")


def test_a_title_with_brackets_is_found_as_it_stands() -> None:
    """A title that looks like a pattern is a title first."""
    assert server("Movies [4K]").selects("Movies [4K]", "1")


def test_the_order_of_the_entries_is_the_priority() -> None:
    """The rank is the position of the entry that fits."""
    chosen = server("TV Shows", "Movies", "*")
    assert [chosen.rank(title, "9") for title in ("TV Shows", "Movies", "Home")] == [0, 1, 2]


def test_a_title_counts_before_a_key_before_a_pattern() -> None:
    """The more exact entry decides the rank, even if a looser one comes first."""
    chosen = server("*", "5", "Movies")
    assert chosen.rank("Movies", "5") == 2
    assert chosen.rank("Other", "5") == 1
    assert chosen.rank("Other", "6") == 0


@pytest.mark.parametrize("entry", ["Kids", "3", "K*"])
def test_what_is_excluded_is_out(entry: str) -> None:
    """An exclusion wins, however it names the library, with and without a choice."""
    assert not server(without=(entry,)).selects("Kids", "3")
    assert not server("Kids", "*", without=(entry,)).selects("Kids", "3")
    assert server("*", without=(entry,)).selects("Movies", "1")


# -- as tables ------------------------------------------------------------------------------------------------------

FULL = Config(
    database=DatabaseSection(path=Path("/srv/retrovue.db"), batch_size=7, mode=0o640, group="root"),
    sync=SyncSection(interval=90.0, full_interval=5400.0, max_removed=0.07, retention=None, notifications=False),
    logging=LoggingSection(level="debug", format="json"),
    web=WebSection(
        listen=("::1", 8181), token=Secret("page"), hosts=("tv.example.org",), manage=False, poster_cache=1_500_000
    ),
    postgresql=PostgresqlSection(url=Secret("postgresql://u:p4ss@h/d"), schema="tv", origin="here"),
    servers=(
        dataclasses.replace(
            SERVER,
            libraries=("Movies", "TV*"),
            exclude_libraries=("Home",),
            details=False,
            cast=3,
            tls_server_name="x.example",
            path_mappings=(PathMapping("/a", "D:\\a"), PathMapping("/a", "/b", library_name="Movies")),
        ),
        ServerSection(name="den", url="https://den", token=Secret("other"), details=True, cast=4),
    ),
)


@pytest.mark.parametrize("config", [FULL, Config(database=FULL.database)])
def test_a_written_configuration_reads_back(config: Config) -> None:
    """As TOML and as JSON, the plain form is a valid configuration again, with the same values but the tokens."""
    plain = config.to_plain()
    for text, read in ((tomli_w.dumps(plain), tomllib.loads), (json.dumps(plain), json.loads)):
        back = parse_config(read(text), environ={})
        masked = tuple(dataclasses.replace(server, token=Secret(MASK)) for server in config.servers)
        web = dataclasses.replace(config.web, token=config.web.token and Secret(MASK))
        postgresql = dataclasses.replace(config.postgresql, url=config.postgresql.url and Secret(URL_MASK))
        assert back == dataclasses.replace(config, servers=masked, web=web, postgresql=postgresql)


def test_the_plain_form_shows_no_token() -> None:
    """Tokens are masked, wherever they stand."""
    text = json.dumps(FULL.to_plain())
    assert "t0ken" not in text
    assert "other" not in text
    assert "p4ss" not in text
    assert text.count(MASK) == 4


@given(
    st.floats(1, 7 * 86400).map(lambda length: round(length, 3)),
    st.integers(0, 100_000).map(lambda share: share / 100_000),
    st.none() | st.integers(0, 3650 * 86400).map(float),
)
def test_numbers_read_back_as_they_were(interval: float, max_removed: float, retention: float | None) -> None:
    """Durations and shares lose nothing on the way to a text and back."""
    sync = SyncSection(interval=interval, max_removed=max_removed, retention=retention)
    back = parse_config(Config(database=FULL.database, sync=sync).to_plain(), environ={}).sync
    assert back.interval == pytest.approx(sync.interval)
    assert back.max_removed == pytest.approx(sync.max_removed)
    assert back.retention == sync.retention


def test_every_key_is_documented_with_its_default() -> None:
    """What documentation is made from agrees with what a configuration without the key gets."""
    known = {key.path: key for key in documented_keys()}
    assert known["sync.interval"].default == "5m"
    assert known["servers.name"].required
    assert all(key.doc and key.valid for key in known.values())
    defaults = parse_config({}, environ={"HOME": "/"}).to_plain()
    for name in ("database", "sync", "logging", "web", "postgresql"):
        section = defaults[name]
        assert isinstance(section, dict)
        stated = {
            path.removeprefix(f"{name}."): key.default
            for path, key in known.items()
            if path.startswith(f"{name}.") and key.default is not None
        }
        assert {key: value for key, value in section.items() if key != "path"} == stated
