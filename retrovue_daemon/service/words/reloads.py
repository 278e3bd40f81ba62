"""What a reload changed, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from retrovue_daemon.store.tables.reloads import Reload


def reload_changes(done: Reload) -> str:
    """Return in one line what a reload changed, or an empty string."""
    parts = [
        f"{word} {', '.join(names)}"
        for word, names in (
            ("servers added:", done.added),
            ("servers changed:", done.changed),
            ("servers removed:", done.removed),
            ("sections changed:", done.sections),
        )
        if names
    ]
    return "; ".join(parts)
