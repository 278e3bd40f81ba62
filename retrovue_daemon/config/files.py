"""Paths: the default ones of the configuration and the database, and the types of values that name files."""

from __future__ import annotations

import errno
import grp
import os
import pwd
import re
import ssl
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from retrovue_daemon.config.values import BadValue, Value, did_you_mean
from retrovue_daemon.errors import ConfigError, ConfigProblem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from retrovue_daemon.config.values import Context

VARIABLE: Final = "RETROVUE_DAEMON_CONFIG"
SYSTEM_CONFIG: Final = Path("/etc/retrovue-daemon/config.toml")
SYSTEM_STATE: Final = Path("/var/lib/retrovue-daemon")
"""The state directory of the systemd unit, whose path systemd passes to the service only."""
_APPLICATION: Final = "retrovue-daemon"
_DATABASE: Final = "retrovue.db"

_MODE: Final = re.compile(r"0?[0-7]{3}")
_OWNER_READS_AND_WRITES: Final = 0o600
_LARGEST_SECRET: Final = 64 * 1024
_LARGEST_CA_FILE: Final = 16 * 1024 * 1024
_SENSELESS_BITS: Final = 0o113  # execution by anyone, and writing by every user


def find_config(explicit: Path | None = None, environ: Mapping[str, str] | None = None) -> Path:
    """Return the configuration file to use: the explicit one, or the first of the default paths that exists.

    The order is ``explicit``, ``$RETROVUE_DAEMON_CONFIG``, ``/etc/retrovue-daemon/config.toml``,
    ``$XDG_CONFIG_HOME/retrovue-daemon/config.toml``. The first two are returned even if the file does not exist.
    Raise `ConfigError` with all these paths if there is no configuration.
    """
    environ = os.environ if environ is None else environ
    named = explicit or environ.get(VARIABLE)
    if named:
        return Path(named)
    places = (SYSTEM_CONFIG, user_config(environ))
    for place in places:
        if os.path.lexists(place):
            return place
    looked = ["--config (not given)", f"${VARIABLE} (not set)"]
    closed = [place for place in places if _is_closed(place.parent)]
    looked += [f"{place} ({'permission denied' if place in closed else 'does not exist'})" for place in places]
    message = f"no configuration found; looked at {', '.join(looked)}; create one with `retrovue-daemon init`"
    raise ConfigError(None, [ConfigProblem("", message)], hint=access_hint(closed[0]) if closed else None)


def _is_closed(directory: Path) -> bool:
    """Return whether a directory exists, but this user may not enter it."""
    return os.access(directory, os.F_OK) and not os.access(directory, os.X_OK)


def user_config(environ: Mapping[str, str]) -> Path:
    """Return the path of the user's own configuration."""
    return _xdg(environ, "XDG_CONFIG_HOME", ".config") / "config.toml"


class DefaultDatabase(NamedTuple):
    """The path of the database if nothing sets it; ``why`` says in which kind of directory it is.

    ``by_hand`` is true for the service's database in a process that the service did not start.
    """

    path: Path
    why: str
    by_hand: bool = False


def default_database(environ: Mapping[str, str], base_dir: Path | None = None) -> DefaultDatabase:
    """Return the default database of a configuration in ``base_dir``.

    It is in systemd's state directory, or else in the user's data directory. Commands that an operator runs by hand
    are not told the state directory: a configuration in the service's directory means the service's database.
    """
    # systemd separates several directories with colons (systemd.exec(5), RuntimeDirectory=).
    state = environ.get("STATE_DIRECTORY", "").split(":")[0]
    if state:
        return DefaultDatabase(Path(state) / _DATABASE, "in $STATE_DIRECTORY")
    if base_dir == SYSTEM_CONFIG.parent and os.path.lexists(SYSTEM_STATE):
        return DefaultDatabase(SYSTEM_STATE / _DATABASE, "in the state directory of the service", by_hand=True)
    directory = _xdg(environ, "XDG_DATA_HOME", ".local/share")
    return DefaultDatabase(directory / _DATABASE, "in the data directory of this user")


def _xdg(environ: Mapping[str, str], variable: str, default: str) -> Path:
    base = Path(environ.get(variable, ""))
    # The XDG Base Directory Specification says to ignore relative paths in these variables.
    return (base if base.is_absolute() else home(environ) / default) / _APPLICATION


def home(environ: Mapping[str, str]) -> Path:
    """Return the home directory, from ``$HOME`` or the user database."""
    return Path(environ.get("HOME") or Path.home())


# -- types of values -------------------------------------------------------------------------------------------------


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


def owner_hint(path: Path) -> str:
    """Return how to get access to a file that this user may not use: as its owner, or by making it accessible."""
    place, found = _visible(path)
    number = found.st_uid
    if is_read_only(place):
        return f"mount the file system of {place} with write access: it is read-only"
    if number == os.geteuid():
        return f"let this user read and write {place}: check its mode"
    try:
        user = pwd.getpwuid(number).pw_name
    except KeyError:
        user = f"#{number}"  # as sudo accepts it
    return f"run this command as {user} (sudo{'' if user == 'root' else f' -u {user}'})"


def is_read_only(place: Path) -> bool:
    """Return whether nothing can be written to the file system of an existing file or directory."""
    return bool(os.statvfs(place).f_flag & os.ST_RDONLY)


def write_hint(path: Path, error: OSError) -> str:
    """Return what to do if a file that a user named cannot be written."""
    if error.errno in {errno.ENOENT, errno.ENOTDIR}:
        return "choose a file in a directory that exists"
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return f"{owner_hint(path.parent)}, or choose another file"
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return f"free some space on the disk of {path.parent} (or raise the quota), or choose a file on another one"
    return f"check the disk of {path.parent}, or choose a file on another one"


def access_hint(path: Path) -> str:
    """Return how to get access to a file that this user may not read: as its owner, or as a member of its group."""
    _, found = _visible(path)
    how = owner_hint(path)
    if found.st_uid != os.geteuid() and found.st_mode & stat.S_IRGRP and found.st_gid:
        with suppress(KeyError):
            group = grp.getgrgid(found.st_gid).gr_name
            how += f", or as a member of the group {group} (usermod -aG {group} USER)"
    return how


def _visible(path: Path) -> tuple[Path, os.stat_result]:
    """Return a file, or the nearest directory above it that this user can see, and its status."""
    try:
        return path, path.stat()
    except OSError:
        return _visible(path.absolute().parent)


def read_regular(path: Path, largest: int) -> bytes:
    """Return the content of a regular file of at most ``largest`` bytes.

    A pipe would wait for a writer, a device may send without end. Raise `BadValue`, which does not name the file, or
    OSError.
    """
    _refuse_irregular(path.stat())
    # A pipe that takes the file's place now must not block either.
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as stream:
        _refuse_irregular(os.fstat(stream.fileno()))
        content = stream.read(largest + 1)
        if len(content) > largest:
            size = max(len(content), os.fstat(stream.fileno()).st_size)
            raise BadValue(f"must be a file of at most {largest // 1024} KiB, and it has {size} bytes")
    return content


def read_secret(path: Path) -> bytes:
    """Return the content of a small file with a secret. Raise `BadValue` with the reason and the directory.

    The file's name is not shown: the secret itself may stand there by mistake.
    """
    try:
        return read_regular(path, _LARGEST_SECRET)
    except OSError as error:
        raise BadValue(f"cannot be read: {reason(error)} {looked_in(path)}") from None
    except BadValue as bad:
        raise BadValue(f"{bad} {looked_in(path)}") from None


def read_secret_text(path: Path, what: str) -> str:
    """Return the same as text; ``what`` names it in messages, such as ``a token``."""
    try:
        return read_secret(path).decode()
    except UnicodeDecodeError:
        raise BadValue(f"must be a file with {what}, but it names one that is not text {looked_in(path)}") from None


def looked_in(path: Path) -> str:
    """Return the end of a message about a file whose name must not be shown."""
    return f"(looked in {path.parent})"


def remarks_on_secret_file(path: Path) -> Iterator[str]:
    """Yield a warning if every user may read a file with a secret."""
    try:
        is_public = path.stat().st_mode & stat.S_IROTH
    except OSError:
        return  # gone meanwhile
    if is_public:
        yield f"{path} can be read by every user of the system; set its mode to 0600"


def _refuse_irregular(found: os.stat_result) -> None:
    # Opening a directory fails by itself.
    if not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode):
        raise BadValue("must be a regular file, and it is a pipe, a device or a socket")


def reason(error: OSError) -> str:
    """Return in a few words why a file could not be used."""
    return (error.strerror or type(error).__name__).lower()


def _convert_file(raw: str, context: Context) -> Path:
    path = resolve(raw, context)
    if os.path.isdir(path):  # noqa: PTH112  # Path.is_dir raises where a parent may not be looked into
        raise BadValue(f"must be a file, and {path} is a directory")
    return path


FILE: Final[Value[Path]] = Value("the path of a file", str, _convert_file, plain=str)


def check_ca_file(path: Path) -> None:
    """Raise `BadValue` unless a file holds certificates."""
    try:
        read_regular(path, _LARGEST_CA_FILE)
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except ssl.SSLError:
        raise BadValue(f"must be a PEM file with certificates, and {path} holds none") from None
    except OSError as error:
        raise BadValue(f"cannot be read: {path}: {reason(error)}") from None
    except BadValue as bad:
        raise BadValue(f"{bad}: {path}") from None


def _ca_file_remarks(_raw: object, path: Path, _context: Context) -> Iterator[str]:
    """Yield a warning if there are no certificates: only this server cannot be reached then."""
    try:
        check_ca_file(path)
    except BadValue as bad:
        yield f"{bad}; the server is not contacted until that is mended"


CA_FILE: Final[Value[Path]] = Value(
    "the path of a PEM file with certificates", str, _convert_file, plain=str, remarks=_ca_file_remarks
)


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
