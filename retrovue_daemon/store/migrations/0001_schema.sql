-- The first schema. Times are Unix seconds (UTC), durations milliseconds, sizes bytes, bitrates kbit/s.
-- Columns that other programs fill (servers, switches, mappings) come with defaults for everything else.

-- What the daemon stores about itself, such as its X-Plex-Client-Identifier.
CREATE TABLE daemon_state (
    key   TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

CREATE TABLE plex_servers (
    id                 INTEGER PRIMARY KEY,
    name               TEXT    NOT NULL UNIQUE,
    server_url         TEXT    NOT NULL,
    token              TEXT,                                  -- only where source is 'database'
    is_active          INTEGER NOT NULL DEFAULT 1 CHECK (is_active IN (0, 1)),
    source             TEXT    NOT NULL DEFAULT 'database' CHECK (source IN ('config', 'database')),
    machine_identifier TEXT,
    version            TEXT,
    created_at         INTEGER NOT NULL DEFAULT (unixepoch()),
    updated_at         INTEGER NOT NULL DEFAULT (unixepoch())
) STRICT;

CREATE TABLE libraries (
    id                 INTEGER PRIMARY KEY,
    server_id          INTEGER NOT NULL REFERENCES plex_servers (id) ON DELETE CASCADE,
    library_key        TEXT    NOT NULL,
    uuid               TEXT,
    library_name       TEXT    NOT NULL,
    library_type       TEXT    NOT NULL,
    library_root       TEXT,                                  -- the first of library_locations
    sync_enabled       INTEGER NOT NULL DEFAULT 1 CHECK (sync_enabled IN (0, 1)),
    priority           INTEGER NOT NULL DEFAULT 100,          -- the lower one is preferred
    state              TEXT    NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'missing', 'blocked')),
    content_changed_at INTEGER,                               -- a counter of the server's, not a time
    watermark          INTEGER,                               -- the highest updated_at of a complete listing
    path_fingerprint   INTEGER,                               -- of what local paths were computed from
    last_full_sync_at  INTEGER,
    last_sync_at       INTEGER,
    last_error         TEXT,
    created_at         INTEGER NOT NULL DEFAULT (unixepoch()),
    updated_at         INTEGER NOT NULL DEFAULT (unixepoch()),
    UNIQUE (server_id, library_key)
) STRICT;

CREATE TABLE library_locations (
    library_id INTEGER NOT NULL REFERENCES libraries (id) ON DELETE CASCADE,
    path       TEXT    NOT NULL,
    PRIMARY KEY (library_id, path)
) STRICT;

CREATE TABLE plex_path_mappings (
    id           INTEGER PRIMARY KEY,
    server_id    INTEGER NOT NULL REFERENCES plex_servers (id) ON DELETE CASCADE,
    library_root TEXT,                                        -- only for the library with this root
    library_name TEXT,                                        -- only for the library of this name
    plex_path    TEXT    NOT NULL,
    local_path   TEXT    NOT NULL,
    source       TEXT    NOT NULL DEFAULT 'database' CHECK (source IN ('config', 'database')),
    created_at   INTEGER NOT NULL DEFAULT (unixepoch())
) STRICT;
CREATE INDEX plex_path_mappings_server ON plex_path_mappings (server_id);

-- One row for each Plex Part. rating_key is the movie's or episode's; paths are not unique.
CREATE TABLE media_files (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    server_id        INTEGER NOT NULL REFERENCES plex_servers (id) ON DELETE CASCADE,
    library_id       INTEGER NOT NULL REFERENCES libraries (id) ON DELETE CASCADE,
    rating_key       TEXT    NOT NULL,
    media_id         INTEGER,
    part_id          INTEGER,
    part_index       INTEGER NOT NULL,
    file_path        TEXT,                                    -- as this machine sees it
    plex_path        TEXT,                                    -- as the server sees it
    duration         INTEGER,
    size             INTEGER,
    container        TEXT,
    video_codec      TEXT,
    audio_codec      TEXT,
    audio_channels   INTEGER,
    width            INTEGER,
    height           INTEGER,
    video_resolution TEXT,
    bitrate          INTEGER,
    optimized        INTEGER NOT NULL DEFAULT 0,
    change_stamp     INTEGER,                                 -- the file's modification time, as Plex tells it
    media_type       TEXT    NOT NULL,
    source_type      TEXT    NOT NULL DEFAULT 'plex',
    source_id        TEXT,                                    -- the item's Plex guid
    library_name     TEXT,
    updated_at       INTEGER,
    created_at       INTEGER NOT NULL,
    state            TEXT    NOT NULL DEFAULT 'active',
    UNIQUE (server_id, part_id)
) STRICT;
CREATE INDEX media_files_item ON media_files (server_id, rating_key);
CREATE INDEX media_files_library ON media_files (library_id);

CREATE TABLE shows (
    id                      INTEGER PRIMARY KEY AUTOINCREMENT,
    server_id               INTEGER NOT NULL REFERENCES plex_servers (id) ON DELETE CASCADE,
    library_id              INTEGER NOT NULL REFERENCES libraries (id) ON DELETE CASCADE,
    rating_key              TEXT    NOT NULL,
    title                   TEXT    NOT NULL,
    year                    INTEGER,
    total_seasons           INTEGER,
    total_episodes          INTEGER,
    show_rating             TEXT,
    show_summary            TEXT,
    genre                   TEXT,
    studio                  TEXT,
    originally_available_at TEXT,
    guid_primary            TEXT,
    source_type             TEXT    NOT NULL DEFAULT 'plex',
    source_id               TEXT,
    updated_at              INTEGER,
    created_at              INTEGER NOT NULL,
    synced_at               INTEGER NOT NULL,
    digest                  INTEGER,
    state                   TEXT    NOT NULL DEFAULT 'active',
    missing_since           INTEGER,
    UNIQUE (server_id, rating_key)
) STRICT;
CREATE INDEX shows_library ON shows (library_id);
CREATE INDEX shows_title ON shows (title COLLATE NOCASE);

CREATE TABLE show_guids (
    show_id     INTEGER NOT NULL REFERENCES shows (id) ON DELETE CASCADE,
    provider    TEXT    NOT NULL,
    external_id TEXT    NOT NULL,
    PRIMARY KEY (show_id, provider, external_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX show_guids_external ON show_guids (external_id, provider);

CREATE TABLE seasons (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    server_id     INTEGER NOT NULL REFERENCES plex_servers (id) ON DELETE CASCADE,
    library_id    INTEGER NOT NULL REFERENCES libraries (id) ON DELETE CASCADE,
    show_id       INTEGER REFERENCES shows (id) ON DELETE CASCADE,
    rating_key    TEXT    NOT NULL,
    season_number INTEGER,                                    -- 0 holds the specials
    title         TEXT    NOT NULL,
    source_type   TEXT    NOT NULL DEFAULT 'plex',
    source_id     TEXT,
    updated_at    INTEGER,
    created_at    INTEGER NOT NULL,
    synced_at     INTEGER NOT NULL,
    digest        INTEGER,
    state         TEXT    NOT NULL DEFAULT 'active',
    missing_since INTEGER,
    UNIQUE (server_id, rating_key)
) STRICT;
CREATE INDEX seasons_library ON seasons (library_id);
CREATE INDEX seasons_show ON seasons (show_id, season_number);

CREATE TABLE episodes (
    id                      INTEGER PRIMARY KEY AUTOINCREMENT,
    server_id               INTEGER NOT NULL REFERENCES plex_servers (id) ON DELETE CASCADE,
    library_id              INTEGER NOT NULL REFERENCES libraries (id) ON DELETE CASCADE,
    rating_key              TEXT    NOT NULL,
    show_id                 INTEGER REFERENCES shows (id) ON DELETE CASCADE,
    season_id               INTEGER REFERENCES seasons (id) ON DELETE SET NULL,
    media_file_id           INTEGER REFERENCES media_files (id) ON DELETE SET NULL,
    episode_title           TEXT    NOT NULL,
    season_number           INTEGER,
    episode_number          INTEGER,
    rating                  TEXT,
    summary                 TEXT,
    originally_available_at TEXT,
    duration                INTEGER,
    source_type             TEXT    NOT NULL DEFAULT 'plex',
    source_id               TEXT,
    updated_at              INTEGER,
    created_at              INTEGER NOT NULL,
    synced_at               INTEGER NOT NULL,
    digest                  INTEGER,
    state                   TEXT    NOT NULL DEFAULT 'active',
    missing_since           INTEGER,
    UNIQUE (server_id, rating_key)
) STRICT;
CREATE INDEX episodes_library ON episodes (library_id);
CREATE INDEX episodes_show ON episodes (show_id, season_number, episode_number);
CREATE INDEX episodes_season ON episodes (season_id);
CREATE INDEX episodes_media_file ON episodes (media_file_id);
CREATE INDEX episodes_source ON episodes (source_id);

CREATE TABLE episode_guids (
    episode_id  INTEGER NOT NULL REFERENCES episodes (id) ON DELETE CASCADE,
    provider    TEXT    NOT NULL,
    external_id TEXT    NOT NULL,
    PRIMARY KEY (episode_id, provider, external_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE movies (
    id                      INTEGER PRIMARY KEY AUTOINCREMENT,
    server_id               INTEGER NOT NULL REFERENCES plex_servers (id) ON DELETE CASCADE,
    library_id              INTEGER NOT NULL REFERENCES libraries (id) ON DELETE CASCADE,
    rating_key              TEXT    NOT NULL,
    media_file_id           INTEGER REFERENCES media_files (id) ON DELETE SET NULL,
    title                   TEXT    NOT NULL,
    year                    INTEGER,
    edition_title           TEXT,
    rating                  TEXT,
    summary                 TEXT,
    genre                   TEXT,
    director                TEXT,
    studio                  TEXT,
    originally_available_at TEXT,
    duration                INTEGER,
    guid_primary            TEXT,
    source_type             TEXT    NOT NULL DEFAULT 'plex',
    source_id               TEXT,
    updated_at              INTEGER,
    created_at              INTEGER NOT NULL,
    synced_at               INTEGER NOT NULL,
    digest                  INTEGER,
    state                   TEXT    NOT NULL DEFAULT 'active',
    missing_since           INTEGER,
    UNIQUE (server_id, rating_key)
) STRICT;
CREATE INDEX movies_library ON movies (library_id);
CREATE INDEX movies_media_file ON movies (media_file_id);
CREATE INDEX movies_source ON movies (source_id);
CREATE INDEX movies_title ON movies (title COLLATE NOCASE);

CREATE TABLE movie_guids (
    movie_id    INTEGER NOT NULL REFERENCES movies (id) ON DELETE CASCADE,
    provider    TEXT    NOT NULL,
    external_id TEXT    NOT NULL,
    PRIMARY KEY (movie_id, provider, external_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX movie_guids_external ON movie_guids (external_id, provider);

CREATE TABLE sync_runs (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    server_id   INTEGER NOT NULL REFERENCES plex_servers (id) ON DELETE CASCADE,
    library_id  INTEGER REFERENCES libraries (id) ON DELETE CASCADE,
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
    skipped     INTEGER NOT NULL DEFAULT 0,
    pages       INTEGER NOT NULL DEFAULT 0,
    bytes       INTEGER NOT NULL DEFAULT 0,
    error       TEXT
) STRICT;
CREATE INDEX sync_runs_library ON sync_runs (library_id, started_at);
CREATE INDEX sync_runs_server ON sync_runs (server_id, started_at);

CREATE TABLE sync_requests (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    server_id    INTEGER REFERENCES plex_servers (id) ON DELETE CASCADE,
    library_id   INTEGER REFERENCES libraries (id) ON DELETE CASCADE,
    kind         TEXT    NOT NULL DEFAULT 'quick',
    options      TEXT    NOT NULL DEFAULT '{}',               -- a JSON object
    requested_at INTEGER NOT NULL DEFAULT (unixepoch()),
    run_id       INTEGER REFERENCES sync_runs (id) ON DELETE SET NULL,
    finished_at  INTEGER,
    result       TEXT
) STRICT;
CREATE INDEX sync_requests_server ON sync_requests (server_id);
CREATE INDEX sync_requests_library ON sync_requests (library_id);
CREATE INDEX sync_requests_run ON sync_requests (run_id);

-- Views for readers ---------------------------------------------------------------------------------------------

CREATE VIEW active_movies AS
SELECT m.*, f.file_path, f.plex_path, f.video_resolution, f.size, l.library_name, s.name AS server_name
FROM movies AS m
JOIN libraries AS l ON l.id = m.library_id
JOIN plex_servers AS s ON s.id = m.server_id
LEFT JOIN media_files AS f ON f.id = m.media_file_id
WHERE m.state = 'active';

CREATE VIEW active_shows AS
SELECT w.*, l.library_name, s.name AS server_name
FROM shows AS w
JOIN libraries AS l ON l.id = w.library_id
JOIN plex_servers AS s ON s.id = w.server_id
WHERE w.state = 'active';

CREATE VIEW active_episodes AS
SELECT e.*, w.title AS show_title, w.year AS show_year, f.file_path, f.plex_path, f.video_resolution, f.size,
       l.library_name, s.name AS server_name
FROM episodes AS e
JOIN libraries AS l ON l.id = e.library_id
JOIN plex_servers AS s ON s.id = e.server_id
LEFT JOIN shows AS w ON w.id = e.show_id
LEFT JOIN media_files AS f ON f.id = e.media_file_id
WHERE e.state = 'active';

-- Of the rows with the same work (equal guid and edition), the preferred one: by the libraries' priority, then the
-- picture height, then the lowest id. A local:// guid is only a row number of its server, so each of these stays.
-- NOT EXISTS with the index on the guid answers row by row; a window function would have to sort all rows.
CREATE VIEW preferred_movies AS
SELECT m.*
FROM active_movies AS m
JOIN libraries AS l ON l.id = m.library_id
LEFT JOIN media_files AS f ON f.id = m.media_file_id
WHERE m.source_id IS NULL OR m.source_id LIKE 'local://%' OR NOT EXISTS (
    SELECT 1
    FROM movies AS o
    JOIN libraries AS ol ON ol.id = o.library_id
    LEFT JOIN media_files AS "of" ON "of".id = o.media_file_id
    WHERE o.source_id = m.source_id
      AND o.edition_title IS m.edition_title
      AND o.state = 'active'
      AND o.id <> m.id
      AND (ol.priority, -ifnull("of".height, 0), o.id) < (l.priority, -ifnull(f.height, 0), m.id)
);

CREATE VIEW preferred_episodes AS
SELECT e.*
FROM active_episodes AS e
JOIN libraries AS l ON l.id = e.library_id
LEFT JOIN media_files AS f ON f.id = e.media_file_id
WHERE e.source_id IS NULL OR e.source_id LIKE 'local://%' OR NOT EXISTS (
    SELECT 1
    FROM episodes AS o
    JOIN libraries AS ol ON ol.id = o.library_id
    LEFT JOIN media_files AS "of" ON "of".id = o.media_file_id
    WHERE o.source_id = e.source_id
      AND o.state = 'active'
      AND o.id <> e.id
      AND (ol.priority, -ifnull("of".height, 0), o.id) < (l.priority, -ifnull(f.height, 0), e.id)
);
