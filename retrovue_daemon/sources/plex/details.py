"""Responses with the details of items, from bytes to records: pure functions, as in ``parse``.

A bad element is dropped with a reason; an entry without a rating key, or of another kind, is counted. Neither affects
the rest of the response.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeVar

from retrovue_daemon.records import Chapter, Credit, Details, DetailsPage, Kind, Marker, folded
from retrovue_daemon.sources.plex.artwork import without_token
from retrovue_daemon.sources.plex.details_structs import DetailsContainer
from retrovue_daemon.sources.plex.json_structs import INT64_MAX
from retrovue_daemon.sources.plex.names import clean
from retrovue_daemon.sources.plex.parse import Reader

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from retrovue_daemon.records import Job, TagKind
    from retrovue_daemon.sources.plex.details_structs import ChapterEntry, DetailsEntry, MarkerEntry, Person
    from retrovue_daemon.sources.plex.json_structs import Tag

MOST_CREDITS: Final = 1_000
"""Per job and item; real servers send 200 actors at most."""

MOST_TAGS: Final = 200
"""Per kind and item."""

MOST_TIMES: Final = 1_000
"""Chapters of an item, and likewise markers."""

T = TypeVar("T")

UNKNOWN: Final[Mapping[str, int | None]] = MappingProxyType({})
"""No durations."""

_ASKED: Final = 300
"""Entries that the limits of a response are for: an item with details has as many elements as three listed ones."""

_KINDS: Final = frozenset({Kind.MOVIE, Kind.SHOW, Kind.EPISODE})

_READER: Final = Reader(DetailsContainer)


def parse_details(
    body: bytes,
    *,
    content_type: str = "",
    cast: int,
    times_only: bool = False,
    durations: Mapping[str, int | None] = UNKNOWN,
) -> DetailsPage:
    """Parse a response with the details of items, and keep ``cast`` actors of each. Raise NotAMediaContainer.

    ``durations`` (ms, by rating key) are for items that arrive without a readable one.

    ``times_only`` says that only chapters and markers were requested. Lists that the response does not have are empty
    if they are tags and credits, which every response has, and None if they are chapters and markers, which some
    servers send for single items only.
    """
    container = _READER.read(body, content_type, _ASKED)
    found: dict[str, Details] = {}
    skipped = 0
    for entry in (*(container.directories or ()), *(container.entries or ())):
        key = None if entry.rating_key is None else str(entry.rating_key)
        if not key or entry.type not in _KINDS or key in found:
            skipped += 1
        else:
            duration = entry.duration or durations.get(key)
            found[key] = _details(entry, key, cast, duration, times_only=times_only)
    return DetailsPage(tuple(found.values()), skipped, len(body))


def _details(entry: DetailsEntry, key: str, cast: int, duration: int | None, *, times_only: bool) -> Details:
    dropped: list[str] = []
    kind = Kind(entry.type or "")
    chapters = markers = None
    if kind is not Kind.SHOW:
        chapters = None if entry.chapters is None else _chapters(entry.chapters, duration, dropped)
        markers = None if entry.markers is None else _markers(entry.markers, duration, dropped)
    return Details(
        kind,
        key,
        None if times_only else _tags(entry, dropped),
        None if times_only else _credits(entry, cast, dropped),
        chapters,
        markers,
        tuple(dropped),
        bool(entry.chapter_source),
    )


# -- tags and people ------------------------------------------------------------------------------------------------


def _tags(entry: DetailsEntry, dropped: list[str]) -> dict[TagKind, tuple[str, ...]]:
    lists: dict[TagKind, Sequence[Tag] | None] = {
        "genre": entry.genres,
        "label": entry.labels,
        "country": entry.countries,
        "network": entry.networks,
        "mood": entry.moods,
        "style": entry.styles,
    }
    return {kind: _names(kind, tags, dropped) if tags else () for kind, tags in lists.items()}


def _names(kind: TagKind, tags: Sequence[Tag], dropped: list[str]) -> tuple[str, ...]:
    """Return the names of tags, each once, however it is spelled."""
    names: dict[str, str] = {}
    for tag in tags:
        name = clean(tag.tag)
        if name is None:
            dropped.append(f"a {kind} without a name")
        elif len(names) < MOST_TAGS:
            names.setdefault(folded(name), name)
        else:
            dropped.append(f"more than {MOST_TAGS} tags of kind {kind}")
    return tuple(names.values())


def _credits(entry: DetailsEntry, cast: int, dropped: list[str]) -> tuple[Credit, ...]:
    return (
        *_people("director", entry.directors, MOST_CREDITS, dropped),
        *_people("writer", entry.writers, MOST_CREDITS, dropped),
        *_people("producer", entry.producers, MOST_CREDITS, dropped),
        *_people("actor", entry.roles, cast, dropped),
    )


def _people(job: Job, people: Sequence[Person] | None, most: int, dropped: list[str]) -> Iterable[Credit]:
    """Return the credits for one job in the order of billing, each once; a person may have several roles.

    Servers repeat people, some of them without a key: those are the ones of the same name that have one.
    """
    credits_: dict[tuple[str, str, str], Credit] = {}
    are_keyless = False
    for person in people or ():
        if len(credits_) >= most:
            # The end of a long cast is skipped because of a limit, not because of a fault.
            dropped += [] if job == "actor" else [f"more than {most} credits of one kind ({job})"]
            break
        name = clean(person.tag)
        if name is None:
            dropped.append(f"a credit of a person without a name ({job})")
            continue
        key = clean(person.tag_key) or ""
        role = clean(person.role) if job == "actor" else None
        same = (folded(name), folded(role) if role else "", key)
        if same not in credits_:
            credits_[same] = Credit(job, name, key, role, without_token(person.thumb))
            are_keyless = are_keyless or not key
    if are_keyless:
        known = {same[:2] for same in credits_ if same[2]}
        return [credit for same, credit in credits_.items() if same[2] or same[:2] not in known]
    return credits_.values()


# -- chapters and markers -------------------------------------------------------------------------------------------


def _chapters(entries: Sequence[ChapterEntry], duration: int | None, dropped: list[str]) -> tuple[Chapter, ...]:
    """Return the chapters in the order of their starts. One without an end, or with one before, lasts until the next.

    Files name 0 as the end of a chapter if they do not know it.
    """
    started = sorted(
        (entry for entry in entries if entry.start_time_offset is not None),
        key=lambda entry: entry.start_time_offset or 0,
    )
    dropped += ["a chapter without a start"] * (len(entries) - len(started))
    ends = [*(entry.start_time_offset for entry in started[1:]), duration]
    chapters = []
    for entry, following in zip(started, ends, strict=False):
        start, end = entry.start_time_offset, entry.end_time_offset
        if not end or (start is not None and end < start):
            end = following
        times = _times("chapter", start, end, duration, dropped)
        if times is not None:
            chapters.append(Chapter(clean(entry.tag), *times))
    return _first("chapters", chapters, dropped)


def _markers(entries: Sequence[MarkerEntry], duration: int | None, dropped: list[str]) -> tuple[Marker, ...]:
    """Return the markers in the order of their starts, each once. Types that are not known yet are kept."""
    markers: dict[Marker, None] = {}
    for entry in entries:
        kind = clean(entry.type)
        if kind is None:
            dropped.append("a marker without a type")
            continue
        times = _times("marker", entry.start_time_offset, entry.end_time_offset, duration, dropped)
        if times is not None:
            markers[Marker(kind, *times, bool(entry.final))] = None
    return _first("markers", sorted(markers, key=lambda marker: (marker.starts_at, marker.kind)), dropped)


def _times(
    what: str, start: int | None, end: int | None, duration: int | None, dropped: list[str]
) -> tuple[int, int] | None:
    """Return when a chapter or a marker starts and ends within the item, or None if it has no length."""
    if start is None or end is None:
        dropped.append(f"a {what} without {'a start' if start is None else 'an end'}")
        return None
    last = duration or INT64_MAX
    since, until = min(max(start, 0), last), min(end, last)
    if since < until:
        return since, until
    dropped.append(f"a {what} of no length")
    return None


def _first(what: str, found: Sequence[T], dropped: list[str]) -> tuple[T, ...]:
    """Return as many chapters or markers as are stored."""
    dropped += [f"more than {MOST_TIMES} {what}"] * max(0, len(found) - MOST_TIMES)
    return tuple(found[:MOST_TIMES])
