"""A secret stays one, whatever prints, copies or encodes it."""

from __future__ import annotations

import copy
import dataclasses
import json
import logging
import pickle

import msgspec
import pytest
import tomli_w

from retrovue_daemon.config import Secret, ServerSection

TEXT = "s3cr3t-t0ken-value"
SERVER = ServerSection(name="home", url="http://plex:32400", token=Secret(TEXT))


def test_only_reveal_shows_it() -> None:
    """Every way to a text but one gives asterisks."""
    secret = Secret(TEXT)
    shown = [str(secret), repr(secret), f"{secret}", f"{secret!r:>5}", f"{secret:>5}"]
    assert {part for text in shown for part in text.split()} == {"***"}
    assert TEXT not in repr(SERVER)
    assert secret.reveal() == TEXT


def test_a_log_record_masks_it(caplog: pytest.LogCaptureFixture) -> None:
    """A section may be logged as a whole."""
    logging.getLogger("test").warning("%s", SERVER)
    assert "***" in caplog.text
    assert TEXT not in caplog.text


@pytest.mark.parametrize("encode", [json.dumps, msgspec.json.encode, msgspec.msgpack.encode, msgspec.to_builtins])
def test_no_encoder_takes_it(encode: object) -> None:
    """A token cannot get into JSON by accident, alone or inside a section."""
    assert callable(encode)
    for value in (Secret(TEXT), SERVER):
        with pytest.raises(TypeError) as caught:
            encode(value)
        assert TEXT not in str(caught.value)


def test_toml_and_pickle_refuse_it() -> None:
    """Neither a file nor another process gets it."""
    with pytest.raises(TypeError):
        tomli_w.dumps({"token": Secret(TEXT)})
    with pytest.raises(TypeError):
        pickle.dumps(Secret(TEXT))


def test_equality_is_of_the_text_and_its_source() -> None:
    """A reload sees by equality whether a token changed, or the file in which to look for a newer one."""
    in_file = Secret(TEXT, ("token_file", "/etc/a"))
    assert in_file == Secret(TEXT, ("token_file", "/etc/a")) != Secret(TEXT, ("token_file", "/etc/b"))
    assert in_file != Secret(TEXT)
    assert Secret(TEXT) == Secret(TEXT)
    assert hash(Secret(TEXT)) == hash(Secret(TEXT))
    assert Secret(TEXT) != Secret("other")
    assert Secret(TEXT) != TEXT


def test_copies_are_secrets_too() -> None:
    """A section can be copied, replaced in part and taken apart; the secret in it stays masked."""
    assert copy.deepcopy(SERVER) == SERVER
    assert copy.copy(SERVER.token) is SERVER.token
    assert dataclasses.replace(SERVER, name="other").token == SERVER.token
    assert TEXT not in str(dataclasses.asdict(SERVER))
