"""`Meta`: what a library can be filtered and sorted by; clients request it with includeMeta=1."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrovue_daemon.demo.query import TYPE_NUMBERS

if TYPE_CHECKING:
    from retrovue_daemon.demo.shape import Entry
    from retrovue_daemon.demo.world import Library

LEVELS = {"movie": ("movie",), "show": ("show", "season", "episode"), "artist": ("artist",), "photo": ("photo",)}
LEVEL_TITLES = {
    "movie": "Movies",
    "show": "TV Shows",
    "season": "Seasons",
    "episode": "Episodes",
    "artist": "Artists",
    "photo": "Photos",
    "collection": "Collections",
}
FILTERS = (
    ("genre", "string", "Genre"),
    ("year", "integer", "Year"),
    ("country", "string", "Country"),
    ("director", "string", "Director"),
    ("writer", "string", "Writer"),
    ("actor", "string", "Actor"),
    ("collection", "string", "Collection"),
    ("label", "string", "Label"),
)
SORTS = (
    ("year", "desc", "Year"),
    ("originallyAvailableAt", "desc", "Release Date"),
    ("rating", "desc", "Critic Rating"),
    ("audienceRating", "desc", "Audience Rating"),
    ("duration", "desc", "Duration"),
    ("addedAt", "desc", "Date Added"),
)
FIELDS = (
    # updatedAt and id are accepted but not advertised, as on real servers
    ("title", "string", "Title"),
    ("studio", "string", "Studio"),
    ("contentRating", "tag", "Content Rating"),
    ("year", "integer", "Year"),
    ("originallyAvailableAt", "date", "Release Date"),
    ("duration", "integer", "Duration"),
    ("unmatched", "boolean", "Unmatched"),
    ("genre", "tag", "Genre"),
    ("country", "tag", "Country"),
    ("director", "tag", "Director"),
    ("writer", "tag", "Writer"),
    ("actor", "tag", "Actor"),
    ("collection", "tag", "Collection"),
    ("label", "tag", "Label"),
    ("addedAt", "date", "Date Added"),
    ("trash", "boolean", "Trash"),
    ("editionTitle", "string", "Edition"),
)
OPERATORS = {
    "tag": (("=", "is"), ("!=", "is not")),
    "integer": (("=", "is"), ("!=", "is not"), (">>=", "is greater than"), ("<<=", "is less than")),
    "string": (
        ("=", "contains"),
        ("!=", "does not contain"),
        ("==", "is"),
        ("!==", "is not"),
        ("<=", "begins with"),
        (">=", "ends with"),
    ),
    "boolean": (("=", "is true"), ("!=", "is false")),
    "date": (("<<=", "is before"), (">>=", "is after")),
}


def of_library(library: Library, active: str | None, *, labels: bool) -> Entry:
    """Return the levels of a library with their filters, sorts and fields, and the operators of each field type.

    Labels are among them if the library has any.
    """
    levels = (active,) if active == "collection" else LEVELS[library.type]
    return {
        "Type": [_level(library, level, active=level == active, labels=labels) for level in levels],
        "FieldType": [
            {"type": name, "Operator": [{"key": key, "title": title} for key, title in operators]}
            for name, operators in OPERATORS.items()
        ],
    }


def _level(library: Library, level: str, *, active: bool, labels: bool) -> Entry:
    number = TYPE_NUMBERS.get(level)
    path = f"/library/sections/{library.key}"
    prefix = "" if level == library.type else f"{level}."
    return {
        "key": f"{path}/all?type={number}" if number else f"{path}/collections",
        "type": level,
        "title": LEVEL_TITLES[level],
        "active": active,
        "Filter": [
            {"filter": name, "filterType": kind, "key": f"{path}/{name}", "title": title, "type": "filter"}
            for name, kind, title in FILTERS
            if labels or name != "label"
        ],
        "Sort": [
            {
                "active": active,
                "activeDirection": "asc",
                "default": "asc",
                "defaultDirection": "asc",
                "descKey": "titleSort:desc",
                "firstCharacterKey": f"{path}/firstCharacter",
                "key": "titleSort",
                "title": "Title",
            },
            *(
                {"defaultDirection": direction, "descKey": f"{key}:desc", "key": key, "title": title}
                for key, direction, title in SORTS
            ),
        ],
        "Field": [
            {"key": f"{prefix}{key}", "title": title, "type": kind}
            for key, kind, title in FIELDS
            if labels or key != "label"
        ],
    }
