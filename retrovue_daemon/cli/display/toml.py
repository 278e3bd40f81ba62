"""Configurations as TOML text, in the usual handwritten form."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def config_text(plain: Mapping[str, object]) -> str:
    """Return a configuration, given as by ``Config.to_plain``, as TOML."""
    parts = [_table(f"[{name}]", table) for name, table in plain.items() if isinstance(table, dict)]
    parts += [server_text(table) for table in cast("Sequence[Mapping[str, object]]", plain.get("servers", ()))]
    parts += [_table("[[hooks]]", table) for table in cast("Sequence[Mapping[str, object]]", plain.get("hooks", ()))]
    return "\n".join(parts)


def server_text(server: Mapping[str, object]) -> str:
    """Return one ``[[servers]]`` table, with the tables of its path mappings, as TOML."""
    # tomli_w would write a short array of tables as one line, to which the user could not append.
    own = {name: value for name, value in server.items() if name != "path_mappings"}
    mappings = cast("Sequence[Mapping[str, object]]", server.get("path_mappings", ()))
    return "\n".join(
        [_table("[[servers]]", own), *(_table("[[servers.path_mappings]]", mapping) for mapping in mappings)]
    )


def _table(head: str, table: Mapping[str, object]) -> str:
    import tomli_w  # noqa: PLC0415 -- not for --help

    return f"{head}\n{tomli_w.dumps(table)}"
