"""Types of values for [postgresql]: the address of the database, the schema, and the name of this mirror."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from retrovue_daemon.config.conninfo import SCHEMES, UnclearAddress, has_password, settings_of
from retrovue_daemon.config.files import read_secret_text, remarks_on_secret_file, resolve
from retrovue_daemon.config.tokens import MASK, Secret
from retrovue_daemon.config.values import BadValue, Value
from retrovue_daemon.errors import ConfigError, ConfigProblem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retrovue_daemon.config.values import Context

URL_MASK: Final = f"postgresql://{MASK}"

_FILE_KEY: Final = "url_file"
_SETTINGS: Final = re.compile(r"\s*[a-z_]+\s*=")
_NAME: Final = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_ORIGIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def _url(raw: str, where: str, source: tuple[str, str] | None = None) -> Secret:
    text = raw.strip()
    if not text:
        raise BadValue(f"must be an address, but {where} is empty")
    if not text.isprintable():
        raise BadValue(f"must be a single line, but {where} contains line breaks or control characters")
    if not text.startswith(SCHEMES) and not _SETTINGS.match(text):
        raise BadValue('must start with postgresql://, or be settings of libpq such as "host=db user=plex"')
    try:
        settings_of(text)
    except UnclearAddress as unclear:
        raise BadValue(f"cannot be read: {unclear}; {unclear.hint}") from None
    return Secret(text, source)


def _inline_remarks(_raw: object, url: Secret, context: Context) -> Iterator[str]:
    if context.is_public and has_password(url.reveal()):
        yield (
            "has a password that every user of the system can read; make the configuration private (mode 0600),"
            " or use url_file"
        )


def _from_file(raw: str, context: Context) -> Secret:
    path = resolve(raw, context)
    try:
        return _in_file(path)
    except BadValue as bad:
        # It may be on a disk that is not mounted yet, and nothing but publishing needs it.
        return Secret("", (_FILE_KEY, str(path)), missing=str(bad))


def _in_file(path: Path) -> Secret:
    return _url(read_secret_text(path, "an address"), "the file", (_FILE_KEY, str(path)))


def found_again(url: Secret) -> Secret:
    """Return an address whose file could not be read, once it can; any other one as it is. Raise `ConfigError`."""
    if url.missing is None or url.source is None:
        return url
    try:
        return _in_file(Path(url.source[1]))
    except BadValue as bad:
        raise ConfigError(None, [ConfigProblem(_FILE_KEY, str(bad))]) from None


def _file_remarks(raw: str, url: Secret, context: Context) -> Iterator[str]:
    if url.missing is not None:
        yield f"{url.missing}; unless a daemon has read it before, nothing is published until that is mended"
    else:
        yield from remarks_on_secret_file(resolve(raw, context))


URL: Final[Value[Secret]] = Value(
    'an address such as "postgresql://plex@db.example/media", or settings of libpq',
    str,
    lambda raw, _context: _url(raw, "it"),
    plain=lambda _url: URL_MASK,
    remarks=_inline_remarks,
    private=True,
)

URL_FILE: Final[Value[Secret]] = Value(
    "the path of a file that holds the address", str, _from_file, remarks=_file_remarks, private=True
)


def _convert_schema(raw: str, _context: Context) -> str:
    if not _NAME.fullmatch(raw) or raw.startswith("pg_"):
        raise SCHEMA.refusal(raw)
    return raw


SCHEMA: Final[Value[str]] = Value(
    "the name of a schema: small letters, digits and underscores, up to 63, not beginning with pg_",
    str,
    _convert_schema,
    schema={"pattern": f"^{_NAME.pattern}$"},
)


def _convert_origin(raw: str, _context: Context) -> str:
    if not _ORIGIN.fullmatch(raw):
        raise ORIGIN.refusal(raw)
    return raw


ORIGIN: Final[Value[str]] = Value(
    "a name of letters, digits, dots, hyphens and underscores, up to 100",
    str,
    _convert_origin,
    schema={"pattern": f"^{_ORIGIN.pattern}$"},
)
