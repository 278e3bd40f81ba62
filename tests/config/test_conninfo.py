"""Addresses of PostgreSQL have one meaning, or are refused without a word of them."""

from __future__ import annotations

import pytest

from retrovue_daemon.config import Secret, parse_config
from retrovue_daemon.config.conninfo import UnclearAddress, has_password, secrets_in, settings_of
from retrovue_daemon.errors import ConfigError
from retrovue_daemon.errors.publish import PublishRefused
from retrovue_daemon.publish.postgresql.target import Target, connected

psycopg = pytest.importorskip("psycopg.conninfo")
ProgrammingError = pytest.importorskip("psycopg").ProgrammingError

CLEAR = (
    "postgresql://",
    "postgres://u@h",
    "postgresql://u:p%40ss@h:5432/db?sslmode=verify-full&sslrootcert=/path/ca.pem",
    "postgresql://u:a:b@[::1]:5432,h2:5433/db",
    "postgresql://%2Frun%2Fpostgresql/db?user=a%40b&password=x%26y",
    "postgresql:///db?host=/run&options=-csearch_path%3Dx",
    "host=db1,db2 port=1,2 user=plex password='a b\\'c\\\\d'  dbname = media",
    "user=u password=a\\ b\\'c options='-c geqo=off'",
    "  host=/run  user=u ",
    "service=media",
)

UNCLEAR = (
    "postgresql://u:foo@PART/rest@host/db",
    "postgresql://u:PART@rest@host/db",
    "postgresql://u:foo/PART@host/db",
    "postgresql://u:foo#PART@host/db",
    "postgresql://u:foo?PART@host/db",
    "postgresql://u:foo@PART?rest@host/db",
    "postgresql://u:foo%PART@host/db",
    "postgresql://u:foo%0PART@host/db",
    "postgresql://u:foo PART@host/db",
    "postgresql://u:PART",
    "postgresql://u:1PART/db",
    "postgresql://u:foo@PART:rest@/db",
    "postgresql://u@PART:99999/db",
    "postgresql://u@host/db?password=foo&PART",
    "postgresql://u@host/db?password=foo=PART",
    "postgresql://u@host/db?password=foo@PART",
    "postgresql://u@host/db?password=foo&password=PART",
    "postgresql://u:foo@[PART/db",
    "host=host password=foo PART user=u",
    "host=host password='foo' PART' user=u",
    "host=host password='foo'PART user=u",
    "host=host password='foo PART",
    "host=host password=foo'PART user=u",
    "host=foo@PART user=u",
    "host=foo/PART user=u",
    "host=host password=foo host=PART",
    "host=host password=foo\\",
    "host=host port=PART",
    "dbname=postgresql://u:PART@host/db",
)


@pytest.mark.parametrize("address", CLEAR)
def test_a_clear_address_is_read_as_libpq_reads_it(address) -> None:
    """Whose own parser is the model; only brackets of IPv6 addresses stay here."""
    found = settings_of(address)
    assert {**found, "host": found.get("host", "").replace("[", "").replace("]", "")} == {
        "host": "",
        **psycopg.conninfo_to_dict(address),
    }
    assert parse_config({"postgresql": {"url": address}}).postgresql.url == Secret(address.strip())


@pytest.mark.parametrize("address", UNCLEAR)
def test_an_unclear_address_is_refused_before_anything_is_resolved(address, tmp_path) -> None:
    """The configuration and the connection refuse it; no part is shown, and the message says how to write it."""
    file = tmp_path / "address"
    file.write_text(address)
    with pytest.raises(ConfigError) as refused:
        parse_config({"postgresql": {"url": address}})
    config = parse_config({"postgresql": {"url_file": str(file)}})
    for text in (str(refused.value), str(config.warnings)):
        assert "PART" not in text
        assert "foo" not in text
        assert "password in .pgpass" in text
    assert config.postgresql.url is not None
    assert config.postgresql.url.missing is not None
    with pytest.raises(PublishRefused) as late, connected(Target(Secret(address), "plex", "here")):
        pass
    assert "PART" not in f"{late.value}{late.value.hint}"


def test_every_split_of_a_password_is_refused_or_right() -> None:
    """Whatever two characters a password has: libpq never takes a part of it for a host."""
    special = "@/?#%:&='\\ ,[]$"
    for one in special:
        for two in special:
            password = f"foo{one}PART{two}rest"
            for address in (f"postgresql://u:{password}@host/db", f"host=host password={password} user=u"):
                try:
                    settings_of(address)
                    found = psycopg.conninfo_to_dict(address)
                except (UnclearAddress, ProgrammingError):
                    continue
                assert found["host"] == "host"
                assert found["user"] == "u"
                assert secrets_in(address)


@pytest.mark.parametrize(
    ("address", "has"),
    [("postgresql://u:p@h", True), ("host=h password=x", True), ("postgresql://u@h", False), ("passfile=/x", False)],
)
def test_a_password_is_found(address, has) -> None:
    """For the warning about a configuration that every user can read."""
    assert has_password(address) is has


@pytest.mark.parametrize("address", ["mysql://u:PART@host/db", "PART", "u:PART@host"])
def test_the_address_of_another_database_is_refused(address) -> None:
    """In one sentence, without it."""
    with pytest.raises(ConfigError) as refused:
        parse_config({"postgresql": {"url": address}})
    assert str(refused.value).endswith(
        'must start with postgresql://, or be settings of libpq such as "host=db user=plex"'
    )
