"""What `from retrovue_daemon import …` offers, and that it costs nothing until it is used."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

import retrovue_daemon
from retrovue_daemon import GUIDParser, extract_guids_from_plex_metadata


def test_every_name_leads_somewhere() -> None:
    """All of them are documented where they are defined."""
    assert len(retrovue_daemon.__all__) > 15
    for name in retrovue_daemon.__all__:
        value = getattr(retrovue_daemon, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert value.__doc__, name
    assert set(retrovue_daemon.__all__) <= set(dir(retrovue_daemon))


def test_a_name_that_is_none_is_reported_as_python_does() -> None:
    """Also to `hasattr`, and to `import`."""
    assert not hasattr(retrovue_daemon, "PlexExporter")
    with pytest.raises(ImportError, match="PlexExporter"):
        from retrovue_daemon import PlexExporter  # noqa: F401, PLC0415


def test_importing_the_package_imports_nothing_else() -> None:
    """The command line must not wait for what only other programs need."""
    program = (
        "import sys, retrovue_daemon; retrovue_daemon.__version__;"
        "print(sorted(name for name in sys.modules if name.startswith(('retrovue_daemon', 'aiohttp', 'structlog'))))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['retrovue_daemon', 'retrovue_daemon.version']"


def test_guids_are_parsed_and_collected() -> None:
    """By the names that programs know."""
    assert GUIDParser.parse_guid("com.plexapp.agents.thetvdb://81189/1/2?lang=en") == ("tvdb", "81189/1/2")
    metadata = {"guid": "plex://show/5d9c", "Guid": [{"id": "tvdb://81189"}, {"id": "imdb://tt0903747"}]}
    assert extract_guids_from_plex_metadata(metadata) == ["plex://show/5d9c", "tvdb://81189", "imdb://tt0903747"]
