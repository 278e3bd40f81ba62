-- Quick passes that request only changes, ids that outlive rating keys, and a record of removals.

-- The library's values at its last complete listing, for servers without contentChangedAt.
ALTER TABLE libraries ADD COLUMN section_updated_at INTEGER;
ALTER TABLE libraries ADD COLUMN scanned_at INTEGER;
ALTER TABLE libraries ADD COLUMN miscount TEXT;            -- by how much the server's totals were wrong the last time
ALTER TABLE libraries ADD COLUMN removals_accepted_at INTEGER;
ALTER TABLE libraries ADD COLUMN priority_source TEXT NOT NULL DEFAULT 'database'
    CHECK (priority_source IN ('config', 'database'));

-- Moments are a server's logical time, which only increases, whatever the clocks do: it advances when a listing begins
-- or ends. It shows which rows appeared after a library's last complete listing: see store/items/rekeying.py.
ALTER TABLE libraries ADD COLUMN known_moment INTEGER NOT NULL DEFAULT 0;  -- when the library was first seen
ALTER TABLE libraries ADD COLUMN listed_from INTEGER NOT NULL DEFAULT 0;   -- when its last complete listing began
ALTER TABLE libraries ADD COLUMN listed_until INTEGER NOT NULL DEFAULT 0;  -- and ended

-- first_moment: when a row was first seen; last_moment: the last moment at which a missing row certainly existed.
ALTER TABLE movies ADD COLUMN first_moment INTEGER NOT NULL DEFAULT 0;
ALTER TABLE movies ADD COLUMN last_moment INTEGER;
ALTER TABLE shows ADD COLUMN first_moment INTEGER NOT NULL DEFAULT 0;
ALTER TABLE shows ADD COLUMN last_moment INTEGER;
ALTER TABLE seasons ADD COLUMN first_moment INTEGER NOT NULL DEFAULT 0;
ALTER TABLE seasons ADD COLUMN last_moment INTEGER;
ALTER TABLE episodes ADD COLUMN first_moment INTEGER NOT NULL DEFAULT 0;
ALTER TABLE episodes ADD COLUMN last_moment INTEGER;

UPDATE movies SET last_moment = 0 WHERE state = 'missing';
UPDATE shows SET last_moment = 0 WHERE state = 'missing';
UPDATE seasons SET last_moment = 0 WHERE state = 'missing';
UPDATE episodes SET last_moment = 0 WHERE state = 'missing';

-- Few rows are missing, so these indexes cost the others nothing.
CREATE INDEX movies_missing ON movies (server_id, missing_since) WHERE state = 'missing';
CREATE INDEX shows_missing ON shows (server_id, missing_since) WHERE state = 'missing';
CREATE INDEX seasons_missing ON seasons (server_id, missing_since) WHERE state = 'missing';
CREATE INDEX episodes_missing ON episodes (server_id, missing_since) WHERE state = 'missing';

-- A pass without changes adds one row here: without the index on the server and the sequence of AUTOINCREMENT, that
-- writes two pages instead of four.
CREATE TABLE sync_runs_next (
    id          INTEGER PRIMARY KEY,
    server_id   INTEGER NOT NULL,                             -- the library's; its rows go with the library
    library_id  INTEGER NOT NULL REFERENCES libraries (id) ON DELETE CASCADE,
    kind        TEXT    NOT NULL CHECK (kind IN ('full', 'quick', 'events', 'show')),
    started_at  INTEGER NOT NULL,
    finished_at INTEGER,
    status      TEXT    NOT NULL CHECK (status IN ('ok', 'incomplete', 'blocked', 'failed', 'cancelled')),
    listed      INTEGER NOT NULL DEFAULT 0,
    added       INTEGER NOT NULL DEFAULT 0,
    updated     INTEGER NOT NULL DEFAULT 0,
    unchanged   INTEGER NOT NULL DEFAULT 0,
    removed     INTEGER NOT NULL DEFAULT 0,
    restored    INTEGER NOT NULL DEFAULT 0,
    moved       INTEGER NOT NULL DEFAULT 0,                   -- kept their ids under another rating key
    skipped     INTEGER NOT NULL DEFAULT 0,
    pages       INTEGER NOT NULL DEFAULT 0,
    bytes       INTEGER NOT NULL DEFAULT 0,
    error       TEXT
) STRICT;
INSERT INTO sync_runs_next (id, server_id, library_id, kind, started_at, finished_at, status, listed, added, updated,
                            unchanged, removed, restored, skipped, pages, bytes, error)
SELECT id, server_id, library_id, kind, started_at, finished_at, status, listed, added, updated,
       unchanged, removed, restored, skipped, pages, bytes, error
FROM sync_runs
WHERE library_id IS NOT NULL;
UPDATE sync_requests SET run_id = NULL WHERE run_id IN (SELECT id FROM sync_runs WHERE library_id IS NULL);
DROP TABLE sync_runs;
ALTER TABLE sync_runs_next RENAME TO sync_runs;
CREATE INDEX sync_runs_library ON sync_runs (library_id, started_at);

-- The views name the new columns and prefer maintained rows: active servers, synced and active libraries.
DROP VIEW preferred_movies;
DROP VIEW preferred_episodes;

CREATE VIEW preferred_movies AS
SELECT m.*
FROM active_movies AS m
JOIN libraries AS l ON l.id = m.library_id
JOIN plex_servers AS s ON s.id = m.server_id
LEFT JOIN media_files AS f ON f.id = m.media_file_id
WHERE m.source_id IS NULL OR m.source_id LIKE 'local://%' OR NOT EXISTS (
    SELECT 1
    FROM movies AS o
    JOIN libraries AS ol ON ol.id = o.library_id
    JOIN plex_servers AS os ON os.id = o.server_id
    LEFT JOIN media_files AS "of" ON "of".id = o.media_file_id
    WHERE o.source_id = m.source_id
      AND o.edition_title IS m.edition_title
      AND o.state = 'active'
      AND o.id <> m.id
      AND (-os.is_active, -ol.sync_enabled, ol.state <> 'active', ol.priority, -ifnull("of".height, 0), o.id)
        < (-s.is_active, -l.sync_enabled, l.state <> 'active', l.priority, -ifnull(f.height, 0), m.id)
);

CREATE VIEW preferred_episodes AS
SELECT e.*
FROM active_episodes AS e
JOIN libraries AS l ON l.id = e.library_id
JOIN plex_servers AS s ON s.id = e.server_id
LEFT JOIN media_files AS f ON f.id = e.media_file_id
WHERE e.source_id IS NULL OR e.source_id LIKE 'local://%' OR NOT EXISTS (
    SELECT 1
    FROM episodes AS o
    JOIN libraries AS ol ON ol.id = o.library_id
    JOIN plex_servers AS os ON os.id = o.server_id
    LEFT JOIN media_files AS "of" ON "of".id = o.media_file_id
    WHERE o.source_id = e.source_id
      AND o.state = 'active'
      AND o.id <> e.id
      AND (-os.is_active, -ol.sync_enabled, ol.state <> 'active', ol.priority, -ifnull("of".height, 0), o.id)
        < (-s.is_active, -l.sync_enabled, l.state <> 'active', l.priority, -ifnull(f.height, 0), e.id)
);
