"""The documentation of all keys: a list, and a JSON Schema with which TOML editors complete and check a file.

Both are generated from the descriptions that are also used to read the configuration. The schema excludes accepted
but undocumented spellings, such as capitals in ``level``. Only ``retrovue-daemon check`` checks rules on several
keys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from retrovue_daemon.config.keys import Key, OneOf, Tables, specs_of
from retrovue_daemon.config.sections import ARRAYS, SECTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from retrovue_daemon.config.keys import Spec

# Draft 7 is the newest version that common TOML editors support.
_DIALECT: Final = "http://json-schema.org/draft-07/schema#"

_ARRAYS: Final = {
    "servers": "the Plex Media Servers to mirror",
    "hooks": "what is called when something changes or happens",
}

_TYPES: Final = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}


class Documented(NamedTuple):
    """One key for documentation; ``default`` is a TOML value, or None if there is no default."""

    path: str
    valid: str
    default: object
    required: bool
    doc: str


def documented_keys() -> Iterator[Documented]:
    """Yield every configuration key, in the order of the example, for help and documentation."""
    for name, section in SECTIONS.items():
        yield from _documented(specs_of(section), name)
    for name, section in ARRAYS.items():
        yield from _documented(specs_of(section), name)


def _documented(specs: Mapping[str, Spec], at: str) -> Iterator[Documented]:
    """Yield all keys of a section, including nested tables; ``at`` is the section's path."""
    for field, spec in specs.items():
        match spec:
            case Key():
                yield Documented(f"{at}.{field}", spec.value.valid, spec.default, spec.required, spec.doc)
            case OneOf():
                yield from _documented(spec.keys, at)
            case Tables():
                yield from _documented(spec.specs, f"{at}.{field}")


def json_schema() -> dict[str, object]:
    """Return the schema of a configuration file."""
    tables: dict[str, object] = {name: _table(specs_of(section)) for name, section in SECTIONS.items()}
    for name, description in _ARRAYS.items():
        items = _table(specs_of(ARRAYS[name]))
        tables[name] = {"type": "array", "description": description, "items": items}
    return {
        "$schema": _DIALECT,
        "title": "Configuration of retrovue-daemon",
        "type": "object",
        "properties": tables,
        "additionalProperties": False,
    }


def _table(specs: Mapping[str, Spec]) -> dict[str, object]:
    properties: dict[str, object] = {}
    required: list[str] = []
    alternatives: list[object] = []
    for name, spec in specs.items():
        match spec:
            case Key():
                properties[name] = _value(spec)
                if spec.required:
                    required.append(name)
            case OneOf():
                properties |= {option: _value(key) for option, key in spec.keys.items()}
                alternatives.append({"oneOf": _alternatives(spec)})
            case Tables():
                properties[name] = {"type": "array", "description": spec.doc, "items": _table(spec.specs)}
    table: dict[str, object] = {"type": "object", "properties": properties, "additionalProperties": False}
    if required:
        table["required"] = required
    if alternatives:
        table["allOf"] = alternatives
    return table


def _value(spec: Key) -> dict[str, object]:
    described: dict[str, object] = {"type": _TYPES[spec.value.toml], **spec.value.schema}
    described["description"] = f"{spec.doc}; {spec.value.valid}"
    if spec.default is not None:
        described["default"] = spec.default
    return described


def _alternatives(spec: OneOf) -> list[object]:
    """Return the alternatives of a group of keys: exactly one of them, or none if the group is optional."""
    each: list[object] = [{"required": [name]} for name in spec.keys]
    return each if spec.required else [*each, {"not": {"anyOf": list(each)}}]
