"""How the fields of a section are described, once and for all uses: reading, messages, documentation.

A section is a frozen dataclass; what stands behind each field's ``=`` says under which TOML keys it is found, what
they may hold, what is true without them, and what they are for.
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
    """One TOML key; ``default`` is in TOML's form, None where the absence of the key has a meaning of its own."""

    value: Value[Any]
    doc: str
    required: bool = False
    default: object = None
    derived: Callable[[Context], object] | None = None
    """What the field holds where the key is absent, if that depends on the surroundings."""


class OneOf(msgspec.Struct, frozen=True):
    """Several TOML keys, of which one fills the field."""

    keys: Mapping[str, Key]
    required: bool


class Tables(msgspec.Struct, frozen=True):
    """An array of tables, each of which becomes one object by ``make``."""

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
    """Describe a field with a key of its own.

    Without ``default`` or ``derived`` the key must be there. A default is given as it would be written in TOML; None
    means that the field is None where the key is absent.
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
    """Describe a field that one of several keys fills, and no two of them; with a default, none need to."""
    options = {name: Key(value, doc) for name, (value, doc) in keys.items()}
    if default is _REQUIRED:
        return cast("T", _field(OneOf(options, required=True)))
    return cast("T", _field(OneOf(options, required=False), default=default))


def tables(make: Callable[..., T], specs: Mapping[str, Key], doc: str, *, default: tuple[T, ...]) -> tuple[T, ...]:
    """Describe a field of objects, each of which has a table of its own."""
    return cast("tuple[T, ...]", _field(Tables(make, specs, doc), default=default))


def _field(spec: Spec, **default: object) -> object:
    return dataclasses.field(metadata={_SPEC: spec}, **default)  # type: ignore[call-overload]  # passed on


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(key, one_of, tables))
def section(described: type[T]) -> type[T]:
    """Make a section of a class whose fields are described by `key`, `one_of` and `tables`."""
    return dataclasses.dataclass(frozen=True, slots=True, kw_only=True)(described)


def specs_of(described: type) -> dict[str, Spec]:
    """Give the descriptions of a section by field."""
    return {field.name: field.metadata[_SPEC] for field in dataclasses.fields(described)}


def toml_keys(specs: Mapping[str, Spec]) -> tuple[str, ...]:
    """Give the names that may stand in the table of a section."""
    return tuple(
        name for field, spec in specs.items() for name in (spec.keys if isinstance(spec, OneOf) else (field,))
    )


class Documented(NamedTuple):
    """One key as documentation shows it; ``default`` is in TOML's form, None where there is none."""

    path: str
    valid: str
    default: object
    required: bool
    doc: str


def documented(specs: Mapping[str, Spec], at: str) -> Iterator[Documented]:
    """List all keys of a section, those of nested tables included; ``at`` is the section's own path."""
    for field, spec in specs.items():
        match spec:
            case Key():
                yield Documented(f"{at}.{field}", spec.value.valid, spec.default, spec.required, spec.doc)
            case OneOf():
                yield from documented(spec.keys, at)
            case Tables():
                yield from documented(spec.specs, f"{at}.{field}")


def to_plain(held_by: object, specs: Mapping[str, Spec]) -> dict[str, object]:
    """Write an object as a TOML table; what is None where None means absent is left out, secrets are masked."""
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
