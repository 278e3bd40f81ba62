"""Reading tables into fields: every key is read separately, and problems are collected instead of raised."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from retrovue_daemon.config.keys import Key, OneOf, Tables, toml_keys
from retrovue_daemon.config.values import BadValue, did_you_mean, type_of
from retrovue_daemon.errors import ConfigProblem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrovue_daemon.config.keys import Spec
    from retrovue_daemon.config.values import Context

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
            shown = name if name.isprintable() else ascii(name)
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
            self.problem(f"{at}.{name}", f"is missing; give one of {', '.join(spec.keys)}")
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
