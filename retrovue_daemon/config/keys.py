"""Descriptions of configuration keys, and reading them from tables.

A section is a frozen dataclass. The default of each field describes its TOML keys: their type, default and purpose;
`config/schema.py` documents them. Every key is read separately, and problems are collected instead of raised.
"""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar, cast, dataclass_transform, overload

import msgspec

from retrovue_daemon.config.tokens import MASK
from retrovue_daemon.config.values import BadValue, Context, Value, did_you_mean, type_of
from retrovue_daemon.errors import ConfigProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")

_SPEC: Final = "spec"

_SHORT: Final = 8
"""Characters of a key that cannot be a token."""
_BEGINNING: Final = 3
_WORDS: Final = re.compile(r"(?=.{,40}$)[A-Za-z]+(?:[_-][A-Za-z]+)*")
_SMALL_WORDS: Final = re.compile(r"(?=.{,40}$)[a-z]+(?:[_-][a-z]+)*")
"""Names of keys; tokens are random letters in both cases and digits."""

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
                    # Where a token is, is no secret; if none is there, the name may be the token itself.
                    name, value = held.source or (field, spec.keys[field].value.plain(held))
                    plain[name] = value if getattr(held, "missing", None) is None else MASK
            case Key():
                if held is not None or spec.default is not None:
                    plain[field] = spec.value.plain(held)
    return plain


# -- reading -------------------------------------------------------------------------------------------------------

_NOTHING: Final = object()

Fields = dict[str, Any]
"""The valid fields of a section, by name; absent and invalid fields are not included."""


class Reading(msgspec.Struct, frozen=True):
    """The state of reading one configuration: its context, and the problems and warnings found so far."""

    context: Context
    elsewhere: Mapping[str, str] = msgspec.field(default_factory=dict)
    """The sections of all keys, for hints about keys in the wrong table."""
    problems: list[ConfigProblem] = msgspec.field(default_factory=list)
    warnings: list[ConfigProblem] = msgspec.field(default_factory=list)

    def problem(self, path: str, message: str) -> None:
        """Add a problem."""
        self.problems.append(ConfigProblem(path, message))

    def warning(self, path: str, message: str) -> None:
        """Add a warning: a value that is allowed but questionable."""
        self.warnings.append(ConfigProblem(path, message))

    def table(self, raw: object, specs: Mapping[str, Spec], at: str) -> Fields:
        """Read the keys of one table."""
        if not isinstance(raw, dict):
            hint = f"; write [{at}] instead of [[{at}]]" if isinstance(raw, list) and "[" not in at else ""
            self.problem(at, f"must be a table, not {type_of(raw)}{hint}")
            return {}
        self.unknown_keys(raw, toml_keys(specs), at)
        fields: Fields = {}
        for name, spec in specs.items():
            match spec:
                case Key():
                    read = self._key(raw, name, spec, at)
                case OneOf():
                    read = self._one_of(raw, name, spec, at)
                case Tables():
                    read = self._tables(raw, name, spec, at)
            if read is not _NOTHING:
                fields[name] = read
        return fields

    def array(self, raw: object, at: str) -> list[object]:
        """Return an array of tables, whose elements are not checked yet."""
        if isinstance(raw, list):
            return raw
        hint = f"; write [[{at}]] instead of [{at}]" if isinstance(raw, dict) and "[" not in at else ""
        self.problem(at, f"must be an array of tables, not {type_of(raw)}{hint}")
        return []

    def unknown_keys(self, raw: Mapping[str, object], known: tuple[str, ...], at: str) -> None:
        """Report unknown keys, each with a suggestion."""
        for name in raw:
            if name in known:
                continue
            where = self.elsewhere.get(name)
            hint = f"did you mean {where}?" if where else did_you_mean(name, known)
            shown = _shown(name, is_similar=bool(hint))
            self.problem(
                f"{at}.{shown}" if at else shown,
                f"is not a key here; {hint or 'valid keys: ' + ', '.join(sorted(known))}",
            )

    def _key(self, raw: Mapping[str, object], name: str, spec: Key, at: str) -> object:
        path = f"{at}.{name}" if at else name
        if name not in raw:
            if spec.required:
                self.problem(path, f"is missing; it must be {spec.value.valid}")
            return spec.derived(self.context) if spec.derived else _NOTHING
        try:
            value = spec.value.read(raw[name], self.context)
            for remark in spec.value.remarks(raw[name], value, self.context):
                self.warning(path, remark)
        except BadValue as bad:
            self.problem(path, str(bad))
            return _NOTHING
        return value

    def _one_of(self, raw: Mapping[str, object], name: str, spec: OneOf, at: str) -> object:
        given = [option for option in spec.keys if option in raw]
        if len(given) > 1:
            self.problem(f"{at}.{given[1]}", f"stands beside {given[0]}; give only one of {', '.join(spec.keys)}")
        elif not given and spec.required:
            missing = name if name in spec.keys else next(iter(spec.keys))
            self.problem(f"{at}.{missing}", f"is missing; give one of {', '.join(spec.keys)}")
        values = [self._key(raw, option, spec.keys[option], at) for option in given]
        return values[0] if values else _NOTHING

    def _tables(self, raw: Mapping[str, object], name: str, spec: Tables, at: str) -> object:
        path = f"{at}.{name}"
        made = []
        for position, table in enumerate(self.array(raw.get(name, []), path)):
            before = len(self.problems)
            fields = self.table(table, spec.specs, f"{path}[{position}]")
            if len(self.problems) == before:
                made.append(spec.make(**fields))
        return tuple(made)


def _shown(name: str, *, is_similar: bool) -> str:
    """Return an unknown key as messages show it: only the beginning of one that may be a token in the wrong place.

    ``is_similar`` says that a known key is similar to it.
    """
    if len(name) > _SHORT and not (_WORDS if is_similar else _SMALL_WORDS).fullmatch(name):
        name = f"{name[:_BEGINNING]}…"
    return name if name.isprintable() else ascii(name)
