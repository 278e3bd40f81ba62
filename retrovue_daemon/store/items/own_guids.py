"""Guids that a server derives from its own numbers when no catalogue knows an item.

``local://41`` and ``com.plexapp.agents.none://41/1/2?lang=xn`` say no more than the rating key 41: if keys are
reassigned, so are such guids. (With a hash instead of the number, the agent ``none`` identifies a file.)
"""

from __future__ import annotations

import re
from typing import Final

_OF_KEY: Final = re.compile(r"local://|[a-z.]*agents\.none://\d{1,19}(?![0-9a-f])")

NAMES_NO_WORK: Final = (
    "(i.source_id LIKE 'local://%' OR i.source_id GLOB '*agents.none://[0-9]*' AND length(i.source_id) < 60)"
)
"""SQL condition on the row ``i`` of an item; a hash is longer."""


def is_of_key(guid: str) -> bool:
    """Return whether a server derived a guid from a rating key."""
    return _OF_KEY.match(guid) is not None
