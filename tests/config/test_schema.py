"""The JSON Schema of the configuration says what the configuration's own reader says."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from retrovue_daemon.config import ConfigError, documented_keys, parse_config
from retrovue_daemon.config.schema import json_schema

GOOD_SERVER = {"name": "home", "url": "http://127.0.0.1:32400", "token": "t"}

_TYPES = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool}


def _fits(value: object, schema: dict) -> bool:
    """Validate as far as our schema goes; a word in it that this does not know is a failure of the test."""
    return all(_CHECKS[word](value, told, schema) for word, told in schema.items())


def _fits_properties(value: object, properties: dict, schema: dict) -> bool:
    assert schema["additionalProperties"] is False
    return isinstance(value, dict) and all(
        name in properties and _fits(entry, properties[name]) for name, entry in value.items()
    )


_CHECKS = {
    **dict.fromkeys(("$schema", "title", "description", "default", "additionalProperties"), lambda *_: True),
    "type": lambda value, told, _: type(value) is _TYPES[told],
    "properties": _fits_properties,
    "required": lambda value, told, _: set(told) <= set(value),
    "items": lambda value, told, _: isinstance(value, list) and all(_fits(entry, told) for entry in value),
    "minItems": lambda value, told, _: len(value) >= told,
    "minLength": lambda value, told, _: len(value) >= told,
    "minimum": lambda value, told, _: value >= told,
    "maximum": lambda value, told, _: value <= told,
    "pattern": lambda value, told, _: isinstance(value, str) and re.search(told, value) is not None,
    "enum": lambda value, told, _: value in told,
    "allOf": lambda value, told, _: all(_fits(value, one) for one in told),
    "anyOf": lambda value, told, _: any(_fits(value, one) for one in told),
    "oneOf": lambda value, told, _: sum(_fits(value, one) for one in told) == 1,
    "not": lambda value, told, _: not _fits(value, told),
}


def _reads(mapping: dict) -> bool:
    try:
        parse_config(mapping, environ={})
    except ConfigError:
        return False
    return True


def test_every_documented_key_is_in_the_schema_and_no_other() -> None:
    """Both are made of the same descriptions."""
    found = set()

    def walk(schema: dict, at: str) -> None:
        for name, entry in schema["properties"].items():
            path = f"{at}.{name}" if at else name
            if entry["type"] == "object":
                walk(entry, path)
            elif entry["type"] == "array" and entry["items"]["type"] == "object":
                walk(entry["items"], path)
            else:
                found.add(path)
                assert entry["description"]

    walk(json_schema(), "")
    assert found == {key.path for key in documented_keys()}


def test_the_example_fits() -> None:
    """As it is, and with every key that it explains switched on."""
    text = Path(__file__).parents[2].joinpath("config.example.toml").read_text("utf-8")
    assert _fits(tomllib.loads(text), json_schema())


@pytest.mark.parametrize(
    "mapping",
    [
        {},
        {"servers": [GOOD_SERVER]},
        {"database": {"mode": "0640", "batch_size": 1}},
        {"sync": {"interval": "1h30m", "max_removed": "12.5%", "retention": "never", "page_size": 1000}},
        {"logging": {"level": "debug", "format": "json"}},
        {"web": {"listen": "127.0.0.1:8181", "token": "x"}},
        {
            "servers": [
                {**GOOD_SERVER, "libraries": ["A"], "path_mappings": [{"plex_path": "M:\\a", "local_path": "/a"}]}
            ]
        },
        {"servers": [{**GOOD_SERVER, "path_mappings": [{"plex_path": "\\\\nas\\a", "local_path": "smb://nas/a"}]}]},
    ],
    ids=str,
)
def test_what_is_valid_fits(mapping) -> None:
    """No editor complains of what the daemon takes."""
    assert _reads(mapping)
    assert _fits(mapping, json_schema())


@pytest.mark.parametrize(
    "mapping",
    [
        {"nonsense": {}},
        {"sync": {"intervall": "5m"}},
        {"sync": {"interval": 5}},
        {"sync": {"interval": "5 minutes"}},
        {"sync": {"page_size": 0}},
        {"sync": {"page_size": True}},
        {"sync": {"max_removed": "20"}},
        {"sync": {"retention": "for ever"}},
        {"logging": {"level": "loud"}},
        {"database": {"mode": "0999"}},
        {"servers": {}},
        {"servers": [{"name": "home", "token": "t"}]},
        {"servers": [{"name": "home", "url": "http://127.0.0.1:1"}]},
        {"servers": [{**GOOD_SERVER, "token_env": "X"}]},
        {"servers": [{**GOOD_SERVER, "url": "ftp://x"}]},
        {"servers": [{**GOOD_SERVER, "libraries": []}]},
        {"servers": [{**GOOD_SERVER, "path_mappings": [{"plex_path": "a", "local_path": "/a"}]}]},
        {"servers": [{**GOOD_SERVER, "path_mappings": [{"plex_path": "/a"}]}]},
        {"web": {"token": "x", "token_env": "X"}},
    ],
    ids=str,
)
def test_what_is_wrong_does_not_fit(mapping) -> None:
    """An editor says so while it is typed."""
    assert not _reads(mapping)
    assert not _fits(mapping, json_schema())


def test_defaults_fit_themselves() -> None:
    """They are written in TOML's form."""
    for key in documented_keys():
        schema: Any = json_schema()
        for name in key.path.split("."):
            schema = schema["properties"][name]
            schema = schema.get("items", schema) if schema.get("items", {}).get("type") == "object" else schema
        if key.default is not None:
            assert schema["default"] == key.default
            assert _fits(key.default, schema)
