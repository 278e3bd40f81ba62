"""A real PostgreSQL in a temporary directory, which is reached over a Unix socket, and what is published to it."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import threading
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from retrovue_daemon.config import Secret
from retrovue_daemon.publish.postgresql.target import Target
from retrovue_daemon.store.feed.published import PUBLISHED
from retrovue_daemon.store.file.visits import reading

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "PostgreSQL (Debian's package `postgresql`)"

PASSWORD = "pa55word"

_SETTINGS = {
    "fsync": "off",
    "listen_addresses": "",
    "shared_buffers": "16MB",
    "max_connections": "20",
    "autovacuum": "off",
    "jit": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
}

# The server ends with this process, however that ends: then the shell reads the end of its standard input.
_SHELL = '"$@" & read -r _; kill -QUIT $!; wait $!'


class PostgresServer:
    """A server; ``kill`` ends it as a crash does, without a checkpoint, and ``start`` lets it recover."""

    def __init__(self, programs: Path, directory: Path) -> None:
        self._programs = programs
        self._directory = directory
        # It refuses to run as root.
        nobody = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        self._user = nobody and nobody.pw_uid
        self._group = nobody and nobody.pw_gid
        self._process: subprocess.Popen[bytes] | None = None
        if nobody:
            os.chown(directory, nobody.pw_uid, nobody.pw_gid)
        options = ("-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions")
        command: list[str | Path] = [programs / "initdb", "-D", directory / "data", *options]
        subprocess.run(command, check=True, capture_output=True, cwd=directory, user=self._user, group=self._group)

    def start(self) -> None:
        """Start it, and wait until it accepts connections."""
        settings = [part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}")]
        server: list[str | Path] = [
            self._programs / "postgres",
            "-D",
            self._directory / "data",
            "-k",
            self._directory,
            *settings,
        ]
        self._process = subprocess.Popen(
            ["sh", "-c", _SHELL, "sh", *server],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self._directory,
            user=self._user,
            group=self._group,
        )
        assert self._process.stderr is not None
        seen = []
        for line in self._process.stderr:
            seen.append(line)
            if b"ready to accept connections" in line:
                break
        else:
            raise AssertionError(b"".join(seen).decode())
        threading.Thread(target=self._process.stderr.read, daemon=True).start()

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.communicate()
            self._process = None

    def url(self, user: str = "postgres") -> str:
        return f"postgresql://{user}:{PASSWORD}@/postgres?host={self._directory}"

    def connect(self, schema: str) -> psycopg.Connection:
        """Connect as a reader of a schema does."""
        return psycopg.connect(self.url(), autocommit=True, options=f"-c search_path={schema}")

    def target(self, schema: str, origin: str = "here") -> Target:
        return Target(Secret(self.url()), schema, origin)


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Run a server; skip the test if it is not installed, or fail it where `.ci/run` installs it."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    on_path = shutil.which("initdb")
    if not places and on_path is None:
        if os.environ.get("CI"):
            pytest.fail(f"{NAME} is not installed")
        pytest.skip(f"{NAME} is not installed")
    programs = Path(on_path).parent if on_path is not None else places[-1]
    # Not below pytest's directory, into which only this user can look.
    with tempfile.TemporaryDirectory(prefix="postgresql-") as directory:
        server = PostgresServer(programs, Path(directory))
        server.start()
        try:
            yield server
        finally:
            server.kill()


def differences(server: PostgresServer, mirror: Path, schema: str, origin: str = "here") -> list[str]:
    """Return how the published rows of an origin differ from those of a mirror."""
    found = []
    with reading(mirror) as here, closing(server.connect(schema)) as there:
        for table in PUBLISHED:
            ours = sorted(map(repr, table.all(here)))
            query = f"SELECT {', '.join(table.columns)} FROM {table.name} WHERE origin = %s"
            theirs = sorted(map(repr, there.execute(query, (origin,))))
            if ours != theirs:
                lacking, more = set(ours) - set(theirs), set(theirs) - set(ours)
                found.append(f"{table.name}: {len(ours)} rows, published {len(theirs)}; -{lacking} +{more}")
    return found
