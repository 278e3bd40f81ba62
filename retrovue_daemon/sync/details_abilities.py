"""What a server can send in one response: found out once per version of it, and kept in its row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Self

from msgspec.structs import replace

from retrovue_daemon.records import Kind
from retrovue_daemon.store.tables.abilities import note_abilities, read_abilities

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrovue_daemon.records import Details
    from retrovue_daemon.sources.plex.details_requests import DetailsAnswer
    from retrovue_daemon.store.database import Database

SINGLES_A_DAY: Final = 500
"""Items that are requested one by one per day, where responses for many lack chapters or markers."""

SAMPLE: Final = 5
"""Items that are requested on their own to find that out; not all of them have any."""

_DAY_S: Final = 24 * 3600
_TIMES: Final = ("chapters", "markers")


class DetailsAbilities:
    """Whether responses for many items have chapters and markers, and how many items were requested singly today."""

    def __init__(self, database: Database, server_id: int, known: dict[str, Any]) -> None:
        self._database = database
        self._server_id = server_id
        self._known: dict[str, Any] = known
        self._kept = dict(known)

    @classmethod
    async def of(cls, database: Database, server_id: int) -> Self:
        """Return what is known about a server."""
        return cls(database, server_id, await database.reader.run(read_abilities, server_id))

    @property
    def singly(self) -> bool:
        """Whether chapters and markers have to be requested item by item."""
        return any(self._of(name) is False for name in _TIMES)

    @property
    def are_known(self) -> bool:
        """Whether both are known."""
        return all(self._of(name) is not None for name in _TIMES)

    def learn(self, answer: DetailsAnswer) -> None:
        """Note what a response for many items has."""
        for name in _TIMES:
            if self._of(name) is not True and any(getattr(answer.found[key], name) for key in answer.together):
                self._known[f"many_with_{name}"] = True

    def compare(self, together: Details, alone: Details) -> None:
        """Note what only the response for a single item has."""
        for name in _TIMES:
            if self._of(name) is None and getattr(alone, name) and getattr(together, name) is None:
                self._known[f"many_with_{name}"] = False

    def sample(self, kind: Kind, together: Sequence[Details], now: int) -> Sequence[str]:
        """Return the rating keys of items to request on their own: those that should have what they lack.

        Few films have markers, and no response says of an item that it has some, so a few episodes have to do. They
        are requested at most once a day.
        """
        lacking = []
        if self._of("chapters") is None:
            lacking = [each.rating_key for each in together if each.has_chapters and each.chapters is None]
        if self._of("markers") is None and kind is Kind.EPISODE:
            lacking += [each.rating_key for each in together if each.rating_key not in lacking[:SAMPLE]]
        if not lacking:
            return ()
        name = f"{kind}_probed_at"
        if 0 <= now - _number(self._known.get(name)) < _DAY_S:
            return ()
        self._known[name] = now
        return lacking[:SAMPLE]

    def complete(self, found: Details, *, alone: bool) -> Details:
        """Return details in which what the response could have had, and had not, is empty instead of unknown."""
        if found.kind is Kind.SHOW:
            return found
        empty = {name: () for name in _TIMES if getattr(found, name) is None and (alone or self._of(name))}
        return replace(found, **empty) if empty else found

    async def take_single(self, now: int) -> bool:
        """Return whether one more item may be requested on its own today."""
        day = now // _DAY_S
        taken = _number(self._known.get("singles")) if self._known.get("singles_day") == day else 0
        if taken >= SINGLES_A_DAY:
            return False
        self._known |= {"singles_day": day, "singles": taken + 1}
        await self.keep()
        return True

    async def keep(self) -> None:
        """Store what is new."""
        news = {name: value for name, value in self._known.items() if value != self._kept.get(name)}
        if news:
            await self._database.writer.run(note_abilities, self._server_id, news)
            self._kept = dict(self._known)

    def _of(self, name: str) -> bool | None:
        """Return whether a response for many items has chapters or markers, None if unknown."""
        value = self._known.get(f"many_with_{name}")
        return value if isinstance(value, bool) else None


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0
