"""``retrovue-daemon export``: write chosen items to a file for other programs."""

from __future__ import annotations

import csv
import io
import os
import stat
import sys
from contextlib import closing, contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

from retrovue_daemon.cli.display.output import print_json, print_line
from retrovue_daemon.cli.display.terminal import terminal
from retrovue_daemon.cli.filters import Choice, with_choice
from retrovue_daemon.cli.options import ConfigOption, DatabaseOption, JsonOption, QuietOption
from retrovue_daemon.cli.place import find_place
from retrovue_daemon.errors import BadInput, OutputFailed
from retrovue_daemon.units import plural, size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_REPORTED = 1_000
"""Rows between two steps of the progress bar."""


class Form(StrEnum):
    """The values of ``--format``."""

    CSV = "csv"
    NDJSON = "ndjson"


@with_choice
def export(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="The file to write, *.csv or *.ndjson; - is standard output.")
    ],
    choice: Choice,
    text: Annotated[
        str | None,
        typer.Argument(
            metavar="[TEXT]", help="Only items that `items search` finds by this text or guid.", show_default=False
        ),
    ] = None,
    form: Annotated[
        Form | None,
        typer.Option("--format", help="The format, if the file name does not say it.", show_default=False),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace the file if it exists, unless it is a database.")
    ] = False,
    quiet: QuietOption = False,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write films, shows and episodes to a file: all of them, or those that the options select.

    Each item is one row, with one of its files: the primary one or, with `--resolution`, `--language` or
    `--subtitle`, one that matches. Rows are ordered by kind and id unless `--sort` is given. Times are in Unix
    seconds, durations in milliseconds, sizes in bytes.

    In CSV, the first line names the columns, genres and labels are joined by commas, and an unknown value is empty.
    Some spreadsheet programs read a title that begins with `=` as a formula; such titles are written unchanged. In
    NDJSON, each line is one object.

    The file gets its name when it is complete. `--json` prints how many rows were written, and where.

    Examples:

    - `retrovue-daemon export everything.ndjson`
    - `retrovue-daemon export horror.csv --kind movie --genre Horror --state active --sort year`
    - `retrovue-daemon export - --format ndjson --added-since 7d | jq -r .title`
    """
    from retrovue_daemon.store.file import visits  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.items.chosen import Chosen  # noqa: PLC0415 -- likewise
    from retrovue_daemon.store.items.columns import EXPORTED  # noqa: PLC0415 -- likewise

    to_stdout = file == "-"
    form = _form(file, form)
    if to_stdout and as_json:
        raise BadInput("--json needs a FILE: standard output holds the rows", hint="name a file, or omit --json")
    target = None if to_stdout else _target(file, force=force)
    place = find_place(config, database)
    with visits.reading(place.path) as connection:
        chosen = Chosen(connection, *choice.filters(connection, text))
        total = chosen.total if choice.limit is None else min(choice.limit, chosen.total)
        write = _write_csv if form is Form.CSV else _write_ndjson
        with (
            # Closed before the connection: a query that ends later would fail.
            closing(chosen.rows(EXPORTED, sort=choice.sort, limit=choice.limit)) as rows,
            _progress(total, quiet=quiet or to_stdout) as counted,
        ):
            if target is None:
                sys.stdout.flush()
                number = write(sys.stdout.buffer, tuple(EXPORTED), counted(rows))
                sys.stdout.buffer.flush()
                return
            with _whole(target, force=force) as stream:
                number = write(stream, tuple(EXPORTED), counted(rows))
                written = stream.tell()
    if as_json:
        print_json({"file": file, "format": form.value, "items": number, "bytes": written})
    else:
        print_line(f"wrote {plural(number, 'item')} to {file} ({size(written)})")


def _form(file: str, form: Form | None) -> Form:
    ending = Path(file).suffix.lower().removeprefix(".")
    if form is not None:
        return form
    if ending in {"csv", "ndjson"}:
        return Form(ending)
    if ending == "jsonl":
        return Form.NDJSON
    raise BadInput(
        f"the name {file!r} does not say which format to write", hint="name it *.csv or *.ndjson, or pass --format"
    )


def _target(file: str, *, force: bool) -> Path:
    """Return the file to write; of a link, the file that it points to. Raise BadInput if it must not be replaced."""
    from retrovue_daemon.store.file.copies import is_database  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.file.maintenance import refuse_name_of_log  # noqa: PLC0415 -- likewise

    if not Path(file).name:
        raise BadInput(f"{file!r} names no file", hint="name a file, or - for standard output")
    if os.path.lexists(file):
        if not force:
            raise BadInput(f"{file} already exists and was left unchanged", hint="name another file, or pass --force")
        if not Path(file).is_file():
            raise BadInput(f"{file} is no regular file", hint="name another file, or - for standard output")
        if is_database(Path(file)):
            raise BadInput(f"{file} is a database and was left unchanged", hint="name another file")
    target = Path(file).resolve()
    refuse_name_of_log(target)
    return target


def _write_csv(stream: BinaryIO, names: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> int:
    lists = _lists(names)
    text = io.TextIOWrapper(stream, "utf-8", newline="")
    try:
        writer = csv.writer(text)
        writer.writerow(names)
        number = 0
        for row in rows:
            values = list(row)
            for place in lists:
                values[place] = ", ".join(_parts(values[place]))
            writer.writerow(values)
            number += 1
        return number
    finally:
        text.detach()


def _write_ndjson(stream: BinaryIO, names: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> int:
    import msgspec  # noqa: PLC0415 -- not for --help

    encode = msgspec.json.Encoder().encode
    lists = _lists(names)
    number = 0
    for row in rows:
        values = dict(zip(names, row, strict=True))
        for place in lists:
            values[names[place]] = _parts(row[place])
        stream.write(encode(values) + b"\n")
        number += 1
    return number


def _lists(names: tuple[str, ...]) -> tuple[int, ...]:
    """Return the places of the columns that hold lists."""
    return names.index("genres"), names.index("labels")


def _parts(value: str | None) -> list[str]:
    return value.split("\x1f") if value else []


@contextmanager
def _whole(target: Path, *, force: bool) -> Iterator[BinaryIO]:
    """Yield a file to write, which gets its name once it is complete; on errors it is removed.

    Raise BadInput if it cannot be created, OutputFailed if it cannot be written.
    """
    from retrovue_daemon.config.files import write_hint  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.file.copies import name_file  # noqa: PLC0415 -- not for --help

    scratch = target.with_name(f".{target.name}.{os.urandom(4).hex()}.partial")
    try:
        stream = os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666), "wb")
    except OSError as error:
        raise BadInput(f"cannot write {target}: {error.strerror}", hint=write_hint(target, error)) from None
    try:
        with stream:
            try:
                with suppress(OSError):
                    os.fchmod(stream.fileno(), stat.S_IMODE(target.stat().st_mode))
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            except OSError as error:
                raise OutputFailed(target, error.strerror or str(error), hint=write_hint(target, error)) from error
        try:
            if force:
                scratch.replace(target)
            else:
                name_file(scratch, target)
        except OSError as error:
            raise OutputFailed(target, error.strerror or str(error), hint=write_hint(target, error)) from error
    finally:
        scratch.unlink(missing_ok=True)


@contextmanager
def _progress(
    total: int, *, quiet: bool
) -> Iterator[Callable[[Iterable[tuple[Any, ...]]], Iterable[tuple[Any, ...]]]]:
    """Show a bar on a terminal: yield what passes rows on and counts them."""
    screen = None if quiet else terminal(stderr=True)
    if screen is None:
        yield lambda rows: rows
        return
    from rich.progress import Progress  # noqa: PLC0415 -- takes a tenth of a second

    with Progress(console=screen, transient=True) as bar:
        task = bar.add_task("exporting", total=total)

        def counted(rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
            for number, row in enumerate(rows, 1):
                yield row
                if not number % _REPORTED:
                    bar.update(task, completed=number)
            bar.update(task, completed=total)

        yield counted
