"""Descriptions of configuration fields, used for reading, messages and documentation.

A section is a frozen dataclass. The default of each field describes its TOML keys: their type, default and purpose.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Any,
    Final,
    NamedTuple,
    TypeAlias,
    TypeVar,
    cast,
    dataclass_transform,
    overload,
)

import msgspec

from retrovue_daemon.config.values import Context, Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

T = TypeVar("T")

_SPEC: Final = "spec"
_REQUIRED: Final = object()
_NOWHERE: Final = Context(base_dir=Path("/"), environ={})


class Key(msgspec.Struct, frozen=True):
    """One TOML key; ``default`` is a TOML value, or None if the absence of the key has its own meaning."""

    value: Value[Any]
    doc: str
    required: bool = False
    default: object = None
    derived: Callable[[Context], object] | None = None
    """Returns the field's value for an absent key, if that depends on the environment."""


class OneOf(msgspec.Struct, frozen=True):
    """Several TOML keys, one of which sets the field."""

    keys: Mapping[str, Key]
    required: bool


class Tables(msgspec.Struct, frozen=True):
    """An array of tables, each of which ``make`` turns into an object."""

    make: Callable[..., object]
    specs: Mapping[str, Key]
    doc: str


Spec: TypeAlias = Key | OneOf | Tables


@overload
def key(value: Value[T], doc: str, *, derived: Callable[[Context], T] | None = None) -> T: ...
@overload
def key(value: Value[T], doc: str, *, default: None) -> T | None: ...
@overload
def key(value: Value[T], doc: str, *, default: object) -> T: ...
def key(
    value: Value[T], doc: str, *, default: object = _REQUIRED, derived: Callable[[Context], T] | None = None
) -> T | None:
    """Describe a field with a single key.

    Without ``default`` or ``derived``, the key is required. Write a default as in TOML; with None, the field is None
    if the key is absent.
    """
    if default is _REQUIRED:
        return cast("T", _field(Key(value, doc, required=derived is None, derived=derived)))
    converted = None if default is None else value.read(default, _NOWHERE)
    return cast("T", _field(Key(value, doc, default=default), default=converted))


@overload
def one_of(keys: Mapping[str, tuple[Value[T], str]]) -> T: ...
@overload
def one_of(keys: Mapping[str, tuple[Value[T], str]], *, default: None) -> T | None: ...
def one_of(keys: Mapping[str, tuple[Value[T], str]], *, default: object = _REQUIRED) -> T | None:
    """Describe a field that exactly one of several keys sets; with a default, all may be absent."""
    options = {name: Key(value, doc) for name, (value, doc) in keys.items()}
    if default is _REQUIRED:
        return cast("T", _field(OneOf(options, required=True)))
    return cast("T", _field(OneOf(options, required=False), default=default))


def tables(make: Callable[..., T], specs: Mapping[str, Key], doc: str, *, default: tuple[T, ...]) -> tuple[T, ...]:
    """Describe a field of objects, each with its own table."""
    return cast("tuple[T, ...]", _field(Tables(make, specs, doc), default=default))


def _field(spec: Spec, **default: object) -> object:
    return dataclasses.field(metadata={_SPEC: spec}, **default)  # type: ignore[call-overload]  # passed on


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(key, one_of, tables))
def section(described: type[T]) -> type[T]:
    """Turn a class into a section; `key`, `one_of` and `tables` describe its fields."""
    return dataclasses.dataclass(frozen=True, slots=True, kw_only=True)(described)


def specs_of(described: type) -> dict[str, Spec]:
    """Return the descriptions of a section by field."""
    return {field.name: field.metadata[_SPEC] for field in dataclasses.fields(described)}


def toml_keys(specs: Mapping[str, Spec]) -> tuple[str, ...]:
    """Return the valid keys in the table of a section."""
    return tuple(
        name for field, spec in specs.items() for name in (spec.keys if isinstance(spec, OneOf) else (field,))
    )


class Documented(NamedTuple):
    """One key for documentation; ``default`` is a TOML value, or None if there is no default."""

    path: str
    valid: str
    default: object
    required: bool
    doc: str


def documented(specs: Mapping[str, Spec], at: str) -> Iterator[Documented]:
    """Yield all keys of a section, including nested tables; ``at`` is the section's path."""
    for field, spec in specs.items():
        match spec:
            case Key():
                yield Documented(f"{at}.{field}", spec.value.valid, spec.default, spec.required, spec.doc)
            case OneOf():
                yield from documented(spec.keys, at)
            case Tables():
                yield from documented(spec.specs, f"{at}.{field}")


def to_plain(held_by: object, specs: Mapping[str, Spec]) -> dict[str, object]:
    """Return an object as a TOML table, without absent keys and with masked secrets."""
    plain: dict[str, object] = {}
    for field, spec in specs.items():
        held = getattr(held_by, field)
        match spec:
            case Tables():
                if held:
                    plain[field] = [to_plain(entry, spec.specs) for entry in held]
            case OneOf():
                if held is not None:
                    plain[field] = spec.keys[field].value.plain(held)
            case Key():
                if held is not None or spec.default is not None:
                    plain[field] = spec.value.plain(held)
    return plain
