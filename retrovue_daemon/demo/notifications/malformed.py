"""Frames that no client can read, or that hold values which no client expects.

`BODIES` are whole messages. `FIELDS` are fields of an otherwise correct timeline entry; `...` removes a field.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

MEGABYTE = 1_000_000


def _container(payload: str, type_: str = '"timeline"') -> bytes:
    return f'{{"NotificationContainer":{{"type":{type_},"size":1,"TimelineEntry":{payload}}}}}'.encode()


def _entry(title: str, item_id: str = '"3"') -> str:
    return (
        f'{{"identifier":"com.plexapp.plugins.library","sectionID":"1","itemID":{item_id},"type":1,'
        f'"title":{title},"state":5,"updatedAt":1}}'
    )


def _sized(size: int) -> bytes:
    return _container(f"[{_entry(chr(34) + 'x' * size + chr(34))}]")


def _nested(depth: int) -> bytes:
    return _container("[" * depth + "]" * depth)


BODIES: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "not_json": lambda: b"<html><body>It works!</body></html>",
    "cut": lambda: _container(f"[{_entry(chr(34) + 'cut' + chr(34))}]")[:-20],
    "not_utf8": lambda: _container(f"[{_entry(chr(34) + '?' + chr(34))}]").replace(b"?", b"\xff\xfe"),
    "utf16": lambda: _container("[]").decode().encode("utf-16"),
    "nul": lambda: bytes(16),
    "5_mb": lambda: _sized(5 * MEGABYTE),
    "9_mb": lambda: _sized(9 * MEGABYTE),
    "nested_1000": lambda: _nested(1000),
    "nested_100000": lambda: _nested(100_000),
    "number": lambda: b"5",
    "null": lambda: b"null",
    "array": lambda: b"[]",
    "empty_object": lambda: b"{}",
    "container_null": lambda: b'{"NotificationContainer":null}',
    "container_array": lambda: b'{"NotificationContainer":[]}',
    "no_payload": lambda: b'{"NotificationContainer":{"type":"timeline","size":1}}',
    "payload_null": lambda: _container("null"),
    "payload_text": lambda: _container('"x"'),
    "entries_scalar": lambda: _container('[5,"x",null,true,[]]'),
    "type_missing": lambda: b'{"NotificationContainer":{"size":1,"TimelineEntry":[{}]}}',
    "type_null": lambda: _container("[{}]", "null"),
    "type_number": lambda: _container("[{}]", "5"),
    "type_unknown": lambda: _container("[{}]", '"quantum.flux"'),
    "type_swapped": lambda: _container("[{}]", '"activity"'),
    "nan": lambda: _container(f"[{_entry(chr(34) + 'nan' + chr(34), 'NaN')}]"),
    "infinite": lambda: _container(f"[{_entry(chr(34) + 'inf' + chr(34), '1e400')}]"),
    "many_digits": lambda: _container(f"[{_entry(chr(34) + 'digits' + chr(34), '9' * 5000)}]"),
    "half_surrogate": lambda: _container(f"[{_entry(chr(34) + chr(92) + 'ud800' + chr(34))}]"),
    "key_twice": lambda: _container(f"[{_entry(chr(34) + 'twice' + chr(34))}]").replace(
        b'"state":5', b'"state":5,"state":9'
    ),
    "activity_null": lambda: b'{"NotificationContainer":{"type":"activity","size":1,"ActivityNotification":[null]}}',
    "activity_empty": lambda: (
        b'{"NotificationContainer":{"type":"activity","ActivityNotification":[{"event":"ended"}]}}'
    ),
    "activity_odd": lambda: (
        b'{"NotificationContainer":{"type":"activity","ActivityNotification":[{"event":"ended","uuid":null,'
        b'"Activity":{"uuid":5,"type":"library.update.section","progress":"all","Context":[{"librarySectionID":{}}]}}]}}'
    ),
    "activity_key_odd": lambda: (
        b'{"NotificationContainer":{"type":"activity","ActivityNotification":[{"event":"ended","uuid":"u",'
        b'"Activity":{"uuid":"u","type":"library.refresh.items","Context":{"key":"../../3","refreshed":true}}}]}}'
    ),
}
"""Whole messages by name."""

FIELDS: dict[str, dict[str, Any]] = {
    "id_float": {"itemID": 3.5},
    "id_null": {"itemID": None},
    "id_missing": {"itemID": ...},
    "id_negative": {"itemID": -3},
    "id_zero": {"itemID": 0},
    "id_1e30": {"itemID": 1e30},
    "id_64_bits": {"itemID": 2**64 - 1},
    "id_text": {"itemID": "three"},
    "id_empty": {"itemID": ""},
    "id_long": {"itemID": "9" * 40},
    "id_signed": {"itemID": "+3"},
    "id_other_digits": {"itemID": "\u0663"},
    "id_two": {"itemID": "3,4"},
    "id_path": {"itemID": "3/children"},
    "id_true": {"itemID": True},
    "id_list": {"itemID": ["3"]},
    "id_object": {"itemID": {"id": "3"}},
    "section_null": {"sectionID": None},
    "section_1e30": {"sectionID": 1e30},
    "section_text": {"sectionID": "Movies"},
    "section_unknown": {"sectionID": "999999"},
    "section_list": {"sectionID": ["1"]},
    "state_null": {"state": None},
    "state_text": {"state": "five"},
    "state_float": {"state": 5.5},
    "state_unknown": {"state": 99},
    "state_1e30": {"state": 1e30},
    "item_type_null": {"type": None},
    "item_type_text": {"type": "movie"},
    "item_type_unknown": {"type": 4711},
    "identifier_number": {"identifier": 5},
    "title_null": {"title": None},
    "title_object": {"title": {}},
    "media_state_number": {"mediaState": 5},
    "metadata_state_list": {"metadataState": []},
    "parent_negative": {"parentItemID": -1, "rootItemID": 1e30},
    "updated_at_text": {"updatedAt": "yesterday"},
    "updated_at_1e30": {"updatedAt": 1e30},
}
"""Odd values in a timeline entry by name."""

KINDS = (*BODIES, *FIELDS)
"""The names of all malformed frames."""
