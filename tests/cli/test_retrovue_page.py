"""The importer on docs/retrovue.md, with stand-ins for the classes that Retrovue provides.

Their fields and methods, and which of them are abstract, are those of Retrovue's ``adapters/importers/base.py``.
"""

from __future__ import annotations

import re
import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "retrovue.md").read_text("utf-8")
CODE = re.search(r"<!-- example: an importer -->\n```python\n(.+?)```", PAGE, re.DOTALL)


@dataclass
class DiscoveredItem:
    path_uri: str
    provider_key: str | None = None
    raw_labels: list[str] | None = None
    last_modified: Any = None
    size: int | None = None
    hash_sha256: str | None = None
    editorial: dict[str, Any] | None = None
    probed: dict[str, Any] | None = None
    sidecar: dict[str, Any] | None = None
    source_payload: dict[str, Any] | None = None


@dataclass
class ImporterConfig:
    required_params: list[dict[str, str]]
    optional_params: list[dict[str, str]]
    description: str


@dataclass
class UpdateFieldSpec:
    config_key: str
    cli_flag: str
    help: str
    field_type: str
    is_sensitive: bool = False
    is_immutable: bool = False


class ImporterError(Exception):
    pass


class ImporterConfigurationError(ImporterError):
    pass


class ImporterConnectionError(ImporterError):
    pass


class BaseImporter(ABC):
    name = "base-importer"

    def __init__(self, **config: Any) -> None:
        self.config = config
        for param in self.get_config_schema().required_params:
            if param["name"] not in config:
                raise ImporterConfigurationError(param["name"])
        self._validate_parameter_types()

    @abstractmethod
    def discover(self) -> list[DiscoveredItem]: ...

    @classmethod
    @abstractmethod
    def get_config_schema(cls) -> ImporterConfig: ...

    @abstractmethod
    def _validate_parameter_types(self) -> None: ...

    @classmethod
    @abstractmethod
    def get_update_fields(cls) -> list[UpdateFieldSpec]: ...

    @classmethod
    @abstractmethod
    def validate_partial_update(cls, partial_config: dict[str, Any]) -> None: ...


@pytest.fixture
def importer(monkeypatch) -> Any:
    """The class that the page defines."""
    base = ModuleType("retrovue.adapters.importers.base")
    for each in (DiscoveredItem, ImporterConfig, UpdateFieldSpec, BaseImporter):
        vars(base)[each.__name__] = each
    for error in (ImporterConfigurationError, ImporterConnectionError):
        vars(base)[error.__name__] = error
    for name in ("retrovue", "retrovue.adapters", "retrovue.adapters.importers"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, base.__name__, base)
    assert CODE
    names: dict[str, Any] = {"__name__": "daemon_importer"}
    exec(compile(CODE[1], "docs/retrovue.md", "exec"), names)  # noqa: S102 -- the code of our own page
    return names["DaemonImporter"]


def test_the_importer_of_the_page_reads_our_database(importer, database, rows) -> None:
    """Each film and episode that can be played once, under an id that stays, with its file on this machine."""
    reader = importer(str(database))
    items = {item.provider_key: item for item in reader.discover()}
    assert set(items) == {
        f"{kind}:{row_id}"
        for kind, table in (("movie", "movies"), ("episode", "episodes"))
        for (row_id,) in rows(f"SELECT id FROM {table} WHERE state = 'active'")
    }
    ((row_id, path),) = rows("SELECT id, file_path FROM active_movies WHERE title = 'The General'")
    film = items[f"movie:{row_id}"]
    assert film.path_uri == Path(str(path)).as_uri()
    assert film.editorial["production_year"] == 1926
    assert {"title", "library", "duration_ms", "video_codec", "audio_codec", "container"} <= {
        label.split(":")[0] for label in film.raw_labels
    }
    assert reader.resolve_local_uri(film) == film.path_uri


def test_the_importer_of_the_page_reads_one_library(importer, database, rows) -> None:
    """As Retrovue says by the external id of a collection."""
    reader = importer(str(database))
    libraries = {each["name"]: each for each in reader.list_collections({})}
    assert set(libraries) == {name for (name,) in rows("SELECT library_name FROM libraries")}
    reader.library_key = next(iter(libraries.values()))["external_id"]
    found = {item.editorial["library_name"] for item in reader.discover()}
    assert found == {next(iter(libraries))}


def test_the_importer_of_the_page_reports_what_is_wrong(importer, tmp_path) -> None:
    """With the errors that Retrovue expects."""
    with pytest.raises(ImporterConfigurationError):
        importer("relative.db")
    with pytest.raises(ImporterConnectionError):
        importer(str(tmp_path / "none.db")).discover()
    assert importer.get_update_fields()[0].config_key == "database"
