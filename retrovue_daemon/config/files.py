"""Types of values for files, file modes and groups."""

from __future__ import annotations

import grp
import os
import re
import ssl
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from retrovue_daemon.config.values import BadValue, Value, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrovue_daemon.config.values import Context

_MODE: Final = re.compile(r"0?[0-7]{3}")
_OWNER_READS_AND_WRITES: Final = 0o600
_SENSELESS_BITS: Final = 0o113  # execution by anyone, and writing by every user


def home(environ: Mapping[str, str]) -> Path:
    """Return the home directory, from ``$HOME`` or the user database."""
    return Path(environ.get("HOME") or Path.home())


def resolve(raw: str, context: Context) -> Path:
    """Return a configured path as an absolute path: ``~`` is expanded, relative paths start at the file's directory.

    Raise `BadValue` if it is empty, contains a NUL, or names a user that does not exist.
    """
    word = raw.strip()
    if not word or "\0" in word:
        raise BadValue("must be a path, and it is empty" if not word else "must be a path, without NUL characters")
    if word == "~" or word.startswith("~/"):
        return home(context.environ) / word[2:]
    try:
        path = Path(word).expanduser()
    except RuntimeError:
        raise BadValue(f"must be a path; there is no user {Path(word).parts[0][1:]!r}") from None
    return Path(os.path.normpath(context.base_dir / path))


def reason(error: OSError) -> str:
    """Return in a few words why a file could not be used."""
    return (error.strerror or type(error).__name__).lower()


def _convert_file(raw: str, context: Context) -> Path:
    path = resolve(raw, context)
    if os.path.isdir(path):  # noqa: PTH112  # Path.is_dir raises where a parent may not be looked into
        raise BadValue(f"must be a file, and {path} is a directory")
    return path


FILE: Final[Value[Path]] = Value("the path of a file", str, _convert_file, plain=str)


def _convert_ca_file(raw: str, context: Context) -> Path:
    path = _convert_file(raw, context)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except ssl.SSLError:
        raise BadValue(f"must be a PEM file with certificates, and {path} holds none") from None
    except OSError as error:
        raise BadValue(f"cannot be read: {path}: {reason(error)}") from None
    return path


CA_FILE: Final[Value[Path]] = Value("the path of a PEM file with certificates", str, _convert_ca_file, plain=str)


def _convert_mode(raw: str, _context: Context) -> int:
    bits = int(raw, 8) if _MODE.fullmatch(raw.strip()) else 0
    if bits & _OWNER_READS_AND_WRITES != _OWNER_READS_AND_WRITES or bits & _SENSELESS_BITS:
        raise MODE.refusal(raw)
    return stat.S_IMODE(bits)


MODE: Final[Value[int]] = Value(
    'a file mode in octal as a string, such as "0600", "0640" or "0644"',
    str,
    _convert_mode,
    lambda bits: f"{bits:04o}",
    schema={"pattern": f"^{_MODE.pattern}$"},
)


def _convert_group(raw: str, _context: Context) -> str:
    name = raw.strip()
    try:
        grp.getgrnam(name)
    except (KeyError, ValueError):
        hint = did_you_mean(name, (entry.gr_name for entry in grp.getgrall()))
        raise GROUP.refusal(raw, hint) from None
    return name


GROUP: Final[Value[str]] = Value("the name of a group on this system", str, _convert_group)
