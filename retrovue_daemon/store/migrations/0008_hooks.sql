-- What hooks have delivered, and the events that they have not delivered yet.

CREATE TABLE hooks (
    name           TEXT    PRIMARY KEY,                       -- in the configuration
    feed_id        TEXT,                                      -- of the last delivered change; null: not subscribed
    seq            INTEGER,
    events_dropped INTEGER NOT NULL DEFAULT 0,                -- because too many waited
    delivered_at   INTEGER,
    failing_since  INTEGER,
    last_error     TEXT,
    next_try_at    INTEGER
) STRICT;

-- The newest events of each hook; a delivered one is deleted.
CREATE TABLE hook_events (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    hook   TEXT    NOT NULL REFERENCES hooks (name) ON DELETE CASCADE,
    at     INTEGER NOT NULL,
    event  TEXT    NOT NULL,
    level  TEXT    NOT NULL,
    fields TEXT    NOT NULL                                   -- a JSON object, without secrets
) STRICT;
CREATE INDEX hook_events_hook ON hook_events (hook, id);
