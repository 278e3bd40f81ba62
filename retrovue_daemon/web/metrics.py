"""The state of the mirror as metrics, by the conventions of Prometheus: docs/metrics.md describes each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily

from retrovue_daemon.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from prometheus_client import Metric

    from retrovue_daemon.service.status import Status
    from retrovue_daemon.store.feed.reading import FeedState
    from retrovue_daemon.sync.progress import Progress

_KINDS: Final = {"movies": "movie", "shows": "show", "seasons": "season", "episodes": "episode"}

_SERVER: Final = ("server",)
_LIBRARY: Final = ("server", "library", "key")
_HOOK: Final = ("hook",)


class MetricsOfStatus:
    """A collector of one state: ``collect`` yields all metrics, also those that have no value now."""

    def __init__(self, status: Status, feed: FeedState, progress: Progress, started_at: int) -> None:
        self._status = status
        self._feed = feed
        self._progress = progress
        self._started_at = started_at

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics."""
        yield from self._of_daemon()
        yield from self._of_servers()
        yield from self._of_libraries()
        yield from self._of_consumers()

    def _of_daemon(self) -> Iterator[Metric]:
        status, condition = self._status, self._status.condition
        yield InfoMetricFamily("retrovue_build", "The version of the daemon.", {"version": __version__})
        yield _value("retrovue_start_time_seconds", "When the daemon was started.", self._started_at)
        findings = condition.findings
        yield _value("retrovue_healthy", "Whether nothing is wrong: 1 or 0.", not findings)
        kinds = [finding.problem.kind for finding in findings]
        yield _values(
            "retrovue_problems",
            "Everything that is wrong now, by kind.",
            ("kind",),
            (((kind,), kinds.count(kind)) for kind in dict.fromkeys(kinds)),
        )
        yield _value("retrovue_database_bytes", "Size of the database file.", status.size)
        yield _value("retrovue_database_wal_bytes", "Size of its write-ahead log.", status.log_size)
        yield CounterMetricFamily(
            "retrovue_feed_entries", "Number of the newest entry of the change feed.", self._feed.last_seq
        )
        yield _value("retrovue_feed_floor", "Entries up to this one are no longer stored.", self._feed.floor)
        yield _value("retrovue_passes_running", "Passes that run now.", len(self._progress.running))
        yield _value("retrovue_sync_requests_waiting", "Requested syncs that are not finished.", status.waiting)
        done = condition.last_reload
        yield _values(
            "retrovue_reload_timestamp_seconds",
            "When the configuration was last reloaded.",
            (),
            [] if done is None else [((), done.at)],
        )
        yield _values(
            "retrovue_reload_successful",
            "Whether the last reload was accepted: 1 or 0.",
            (),
            [] if done is None else [((), done.outcome != "refused")],
        )

    def _of_servers(self) -> Iterator[Metric]:
        status = self._status
        active = [server for server in status.condition.servers if server.is_active]
        yield _values(
            "retrovue_server_up",
            "Whether a server can be used: 1 or 0.",
            _SERVER,
            (((server.name,), not server.fails and server.machine_identifier is not None) for server in active),
        )
        yield _values(
            "retrovue_server_live",
            "Whether a server's notifications bring changes within seconds: 1 or 0.",
            _SERVER,
            (
                ((server.name,), (live := status.live.get(server.id)) is not None and live.is_live)
                for server in active
            ),
        )
        yield _values(
            "retrovue_server_last_contact_timestamp_seconds",
            "When a server last responded.",
            _SERVER,
            (((server.name,), server.last_sync_at) for server in active if server.last_sync_at is not None),
        )

    def _of_libraries(self) -> Iterator[Metric]:
        status = self._status
        synced = {
            library.id: (library, (library.server, library.name, library.key))
            for library in status.condition.libraries
            if library.is_synced
        }
        libraries = list(synced.values())
        held = [(labels, status.contents.get(library.id)) for library, labels in libraries]
        yield _values(
            "retrovue_library_items",
            "Items of a library that its server lists.",
            (*_LIBRARY, "kind"),
            (
                ((*labels, kind), contents.present.get(table, 0))
                for labels, contents in held
                if contents is not None
                for table, kind in _KINDS.items()
                if table in contents.present
            ),
        )
        for name, words in (("missing", "that its server no longer lists"), ("unavailable", "without a usable file")):
            yield _values(
                f"retrovue_library_{name}_items",
                f"Items of a library {words}.",
                _LIBRARY,
                ((labels, getattr(contents, name) if contents else 0) for labels, contents in held),
            )
        yield _values(
            "retrovue_library_details_pending",
            "Items of a library whose details are not read yet.",
            _LIBRARY,
            ((labels, status.details_pending.get(library.id, 0)) for library, labels in libraries),
        )
        yield _values(
            "retrovue_library_up",
            "Whether the last pass over a library succeeded: 1 or 0.",
            _LIBRARY,
            ((labels, not library.fails) for library, labels in libraries),
        )
        yield _values(
            "retrovue_library_blocked",
            "Whether removals wait for a person: 1 or 0.",
            _LIBRARY,
            ((labels, library.state == "blocked") for library, labels in libraries),
        )
        for name, words in (("last_sync", "last synced"), ("last_full_sync", "last listed completely")):
            yield _values(
                f"retrovue_library_{name}_timestamp_seconds",
                f"When a library was {words}.",
                _LIBRARY,
                ((labels, at) for library, labels in libraries if (at := getattr(library, f"{name}_at")) is not None),
            )
        passes = [(labels, status.passes[library.id]) for library, labels in libraries if library.id in status.passes]
        yield _values(
            "retrovue_library_last_pass_duration_seconds",
            "Duration of the last pass over a library that changed something, or failed.",
            _LIBRARY,
            ((labels, done.finished_at - done.started_at) for labels, done in passes if done.finished_at is not None),
        )
        yield _values(
            "retrovue_library_last_pass_changes",
            "Items that this pass added, updated, removed, restored or moved.",
            _LIBRARY,
            ((labels, done.changes) for labels, done in passes),
        )

    def _of_consumers(self) -> Iterator[Metric]:
        hooks, publishing = self._status.hooks, self._status.publishing
        yield _values(
            "retrovue_hook_up",
            "Whether the last call of a hook succeeded: 1 or 0.",
            _HOOK,
            (((hook.name,), hook.last_error is None) for hook in hooks),
        )
        yield _values(
            "retrovue_hook_changes_behind",
            "Entries of the change feed that a hook has not got yet.",
            _HOOK,
            (((hook.name,), hook.behind) for hook in hooks if hook.behind is not None),
        )
        yield _values(
            "retrovue_hook_events_behind",
            "Log events that a hook has not got yet.",
            _HOOK,
            (((hook.name,), hook.events) for hook in hooks),
        )
        states = [] if publishing is None else [publishing]
        yield _values(
            "retrovue_postgresql_up",
            "Whether publishing to PostgreSQL works: 1 or 0.",
            (),
            (((), state.report.error is None) for state in states),
        )
        yield _values(
            "retrovue_postgresql_changes_behind",
            "Entries of the change feed that are not published yet.",
            (),
            (((), state.behind) for state in states if state.behind is not None),
        )
        yield _values(
            "retrovue_postgresql_behind_seconds",
            "Age of the oldest of them.",
            (),
            (((), state.behind_s or 0) for state in states if state.behind is not None),
        )


def _value(name: str, words: str, value: float) -> Metric:
    return GaugeMetricFamily(name, words, float(value))


def _values(name: str, words: str, labels: Sequence[str], values: Iterable[tuple[tuple[str, ...], float]]) -> Metric:
    family = GaugeMetricFamily(name, words, labels=labels)
    for texts, value in values:
        family.add_metric(texts, float(value))
    return family
