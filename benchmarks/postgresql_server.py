"""A real PostgreSQL in a temporary directory, which is reached over a Unix socket; the tests use it, too."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Final

import psycopg

from retrovue_daemon.config import Secret
from retrovue_daemon.publish.postgresql.target import Target

NAME: Final = "PostgreSQL (Debian's package `postgresql`)"

PASSWORD = "pa55word"  # noqa: S105 -- the server trusts everybody who reaches its socket

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

    def start(self, port: int | None = None, certificate: Path | None = None) -> None:
        """Start it, and wait until it accepts connections: also on a port, with TLS if it gets a certificate.

        The certificate's key is beside it, as ``server.key``.
        """
        values = dict(_SETTINGS)
        if port is not None:
            values |= {"listen_addresses": "127.0.0.1", "port": str(port)}
        if certificate is not None:
            values["ssl"] = "on"
            self._keep(certificate, certificate.with_name("server.key"))
        settings = [part for name, value in values.items() for part in ("-c", f"{name}={value}")]
        server: list[str | Path] = [
            self._programs / "postgres",
            "-D",
            self._directory / "data",
            "-k",
            self._directory,
            *settings,
        ]
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", _SHELL, "sh", *server],
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

    def _keep(self, *files: Path) -> None:
        for file in files:
            kept = self._directory / "data" / file.name
            shutil.copyfile(file, kept)
            kept.chmod(0o600)
            if self._user is not None and self._group is not None:
                os.chown(kept, self._user, self._group)

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


def programs() -> Path | None:
    """Return the directory of the server's programs, the newest version's; None if it is not installed."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).parent
    return places[-1] if places else None
