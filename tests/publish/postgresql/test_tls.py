"""The connection is encrypted as libpq's settings say, and a server that is not the wanted one is refused."""

from __future__ import annotations

import shutil
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest

from retrovue_daemon.config import Secret
from retrovue_daemon.errors.publish import PublishError
from retrovue_daemon.publish.postgresql.examination import examine
from retrovue_daemon.publish.postgresql.target import Target
from tests.support.postgresql import PASSWORD, PostgresServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

HOST = "127.0.0.1"


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A self-made certificate of a host that cannot be looked up, ``db.invalid``, with its key beside it."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("openssl is not installed")
    made = tmp_path / "server.crt"
    options = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    names = ("-subj", "/CN=db.invalid", "-addext", "subjectAltName=DNS:db.invalid")
    files = ("-keyout", tmp_path / "server.key", "-out", made)
    subprocess.run([program, "req", "-x509", *options, *names, *files], check=True, capture_output=True)
    return made


@pytest.fixture
def started(running_server: PostgresServer, schema: str) -> Iterator[Callable[..., Callable[..., Target]]]:
    """Start the server over TCP, perhaps with TLS; return how a target is made of settings of its address."""

    def start(certificate: Path | None = None) -> Callable[..., Target]:
        with socket.create_server((HOST, 0)) as free:
            port = free.getsockname()[1]
        running_server.kill()
        running_server.start(port, certificate)

        def target(host: str, **settings: str | Path) -> Target:
            more = "".join(f"&{name}={value}" for name, value in settings.items())
            place = f"host={host}&hostaddr={HOST}&port={port}"
            return Target(Secret(f"postgresql://postgres:{PASSWORD}@/postgres?{place}{more}"), schema, "here")

        return target

    yield start
    running_server.kill()
    running_server.start()


def why_refused(target: Target) -> str:
    with pytest.raises(PublishError) as failed:
        examine(target, "mirror")
    assert PASSWORD not in f"{failed.value}{failed.value.hint}"
    return str(failed.value)


def test_the_certificate_is_checked_as_the_url_says(started, certificate) -> None:
    """Not at all, or for its authority and its name."""
    target = started(certificate)
    assert examine(target("db.other.invalid", sslmode="require"), "mirror").is_encrypted
    assert examine(target("db.invalid", sslmode="verify-full", sslrootcert=certificate), "mirror").is_encrypted
    other = target("db.other.invalid", sslmode="verify-full", sslrootcert=certificate)
    assert 'for "db.invalid" does not match host name "db.other.invalid"' in why_refused(other)
    nowhere = target("db.invalid", sslmode="verify-full", sslrootcert=certificate.with_name("missing"))
    assert "root certificate file" in why_refused(nowhere)


def test_a_server_without_tls_is_refused_where_it_is_required(started) -> None:
    """Rather than to send a password in the clear."""
    target = started()
    assert not examine(target("db.invalid"), "mirror").is_encrypted
    assert "server does not support SSL, but SSL was required" in why_refused(target("db.invalid", sslmode="require"))
