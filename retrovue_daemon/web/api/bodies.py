"""Types of values in the bodies of requests that change something."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

from retrovue_daemon.web.api.operations import RowId
from retrovue_daemon.web.management import LONGEST

Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=LONGEST["name"])]
Token: TypeAlias = Annotated[str, Meta(min_length=1, max_length=LONGEST["token"])]
Url: TypeAlias = Annotated[str, Meta(min_length=1, max_length=LONGEST["url"])]
Path: TypeAlias = Annotated[str, Meta(min_length=1, max_length=LONGEST["path"])]
Title: TypeAlias = Annotated[str, Meta(min_length=1, max_length=LONGEST["library"])]


class ById(msgspec.Struct, frozen=True):
    """The row that an address names."""

    id: RowId
