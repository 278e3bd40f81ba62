"""``retrovue-daemon history``: the results of past passes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from retrovue_daemon.cli.display.findings import finding_lines
from retrovue_daemon.cli.display.output import print_json, print_line, print_table
from retrovue_daemon.cli.display.table import Table
from retrovue_daemon.cli.options import ConfigOption, DatabaseOption, JsonOption, LibraryOption, ServerOption
from retrovue_daemon.cli.place import find_place
from retrovue_daemon.service.named import choose_libraries, choose_servers
from retrovue_daemon.units import lasting, moment, size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrovue_daemon.service.status import Finding
    from retrovue_daemon.store.overview import PassRecord
    from retrovue_daemon.store.tables.libraries import StoredLibrary
    from retrovue_daemon.store.tables.servers import StoredServer


def history(
    server: ServerOption = None,
    library: LibraryOption = None,
    limit: Annotated[
        int,
        typer.Option("--limit", "-n", metavar="NUMBER", min=1, help="How many passes to show, and how many outages."),
    ] = 20,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show past passes, the newest first: the status, duration and counts of each.

    A pass is one sync of one library. Records are kept for 90 days; a pass without changes may leave none. A server
    that cannot be used has no passes. Therefore past outages, with their beginning and end, and current problems are
    printed below the passes. --limit applies to passes and to outages.

    Examples:

    - `retrovue-daemon history`
    - `retrovue-daemon history --server home --library "TV Shows" --limit 5`
    - `retrovue-daemon history --json --limit 100`
    """
    from retrovue_daemon.service.json.outages import outage_json  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.service.json.passes import pass_json  # noqa: PLC0415 -- likewise
    from retrovue_daemon.service.json.problems import finding_json  # noqa: PLC0415 -- likewise
    from retrovue_daemon.service.status import read_condition  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store import overview  # noqa: PLC0415 -- likewise
    from retrovue_daemon.store.file import visits  # noqa: PLC0415 -- likewise
    from retrovue_daemon.store.tables.outages import read_outages  # noqa: PLC0415 -- likewise

    place = find_place(config, database)
    state = read_condition(place.path)
    servers = choose_servers(state.servers, server)
    libraries = [each for each in state.libraries if each.server_id in {server.id for server in servers}]
    if library is not None:
        libraries = choose_libraries(libraries, library, None)
    ids = None if server is library is None else [each.id for each in libraries]
    with visits.reading(place.path) as connection:
        passes = overview.passes(connection, library_ids=ids, limit=limit)
        outages = read_outages(connection)
    chosen = {each.id for each in servers}
    outages = [each for each in reversed(outages) if each.server_id in chosen][:limit]
    findings = [finding for finding in state.findings if _concerns(finding, servers, libraries)]
    if as_json:
        plain = [finding_json(finding) for finding in findings]
        past = [outage_json(outage) for outage in outages]
        print_json({"passes": [pass_json(done) for done in passes], "outages": past, "problems": plain})
        return
    if passes:
        print_table(_table(passes))
    else:
        print("no passes are recorded yet")
    for outage in outages:
        until = f"until {moment(outage.until)} ({lasting(outage.until - outage.since)})"
        print_line(f"past outage: {outage.server}: {outage.message}, from {moment(outage.since)} {until}")
    for line in finding_lines(findings):
        print_line(line)


def _concerns(finding: Finding, servers: Sequence[StoredServer], libraries: Sequence[StoredLibrary]) -> bool:
    """Return whether a finding is about one of these servers, or one of these libraries."""
    if finding.library is None:
        return any(finding.server == server.name for server in servers)
    return any((finding.server, finding.library) == (library.server, library.name) for library in libraries)


def _table(passes: Sequence[PassRecord]) -> Table:
    """Return the passes as a table, without columns that contain only zeros, so that it fits a terminal."""
    counted = [name for name in passes[0].counts if name == "listed" or any(done.counts[name] for done in passes)]
    drop_first = ("bytes", "pages", "unchanged", "run", "duration", "kind", *reversed(counted))
    table = Table("run", "started", "duration", "server", "library", "kind", "status", drop_first=drop_first)
    for name in counted:
        table.add_numbers(name)
    remarks = any(done.error for done in passes)
    if remarks:
        table.add_column("remark")
    for done in passes:
        took = "" if done.finished_at is None else lasting(done.finished_at - done.started_at)
        counts = (size(done.counts[name]) if name == "bytes" else f"{done.counts[name]:,}" for name in counted)
        table.add_row(
            *(str(done.id), moment(done.started_at), took, done.server, done.library or "", done.kind, done.status),
            *counts,
            *([done.error or ""] if remarks else []),
        )
    return table
