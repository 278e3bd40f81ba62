-- What is wrong, where readers look for it, and views without items that are not kept up to date.

-- Why a server cannot be used, or which of its settings has no effect; NULL: nothing is wrong. failing_since: since when
-- last_error_type has been the same. next_try_at: when the daemon contacts the server again.
ALTER TABLE plex_servers ADD COLUMN last_error TEXT;
ALTER TABLE plex_servers ADD COLUMN last_error_type TEXT;
ALTER TABLE plex_servers ADD COLUMN last_error_hint TEXT;
ALTER TABLE plex_servers ADD COLUMN failing_since INTEGER;
ALTER TABLE plex_servers ADD COLUMN next_try_at INTEGER;

-- The same for a library's last_error; next_try_at: when it is listed again.
ALTER TABLE libraries ADD COLUMN last_error_hint TEXT;
ALTER TABLE libraries ADD COLUMN failing_since INTEGER;
ALTER TABLE libraries ADD COLUMN next_try_at INTEGER;

-- Whether the configuration selects the library.
ALTER TABLE libraries ADD COLUMN selected INTEGER NOT NULL DEFAULT 1 CHECK (selected IN (0, 1));

-- The views omit the rows of servers and libraries that are not synced, because they are not kept up to date.
DROP VIEW preferred_movies;
DROP VIEW preferred_episodes;
DROP VIEW active_movies;
DROP VIEW active_shows;
DROP VIEW active_episodes;

CREATE VIEW active_movies AS
SELECT m.*, f.file_path, f.plex_path, f.video_resolution, f.size, l.library_name, s.name AS server_name
FROM movies AS m
JOIN libraries AS l ON l.id = m.library_id
JOIN plex_servers AS s ON s.id = m.server_id
LEFT JOIN media_files AS f ON f.id = m.media_file_id
WHERE m.state = 'active' AND s.is_active AND l.sync_enabled AND l.selected;

CREATE VIEW active_shows AS
SELECT w.*, l.library_name, s.name AS server_name
FROM shows AS w
JOIN libraries AS l ON l.id = w.library_id
JOIN plex_servers AS s ON s.id = w.server_id
WHERE w.state = 'active' AND s.is_active AND l.sync_enabled AND l.selected;

CREATE VIEW active_episodes AS
SELECT e.*, w.title AS show_title, w.year AS show_year, f.file_path, f.plex_path, f.video_resolution, f.size,
       l.library_name, s.name AS server_name
FROM episodes AS e
JOIN libraries AS l ON l.id = e.library_id
JOIN plex_servers AS s ON s.id = e.server_id
LEFT JOIN shows AS w ON w.id = e.show_id
LEFT JOIN media_files AS f ON f.id = e.media_file_id
WHERE e.state = 'active' AND s.is_active AND l.sync_enabled AND l.selected;

-- Of the active rows with the same work, the preferred one: see 0001_schema.sql. Rows of active libraries come first,
-- then the libraries' priority, the picture height and the lowest id decide.
CREATE VIEW preferred_movies AS
SELECT m.*
FROM active_movies AS m
JOIN libraries AS l ON l.id = m.library_id
LEFT JOIN media_files AS f ON f.id = m.media_file_id
WHERE m.source_id IS NULL OR m.source_id LIKE 'local://%' OR NOT EXISTS (
    SELECT 1
    FROM movies AS o
    JOIN libraries AS ol ON ol.id = o.library_id
    JOIN plex_servers AS os ON os.id = o.server_id
    LEFT JOIN media_files AS "of" ON "of".id = o.media_file_id
    WHERE o.source_id = m.source_id
      AND o.edition_title IS m.edition_title
      AND o.state = 'active' AND os.is_active AND ol.sync_enabled AND ol.selected
      AND o.id <> m.id
      AND (ol.state <> 'active', ol.priority, -ifnull("of".height, 0), o.id)
        < (l.state <> 'active', l.priority, -ifnull(f.height, 0), m.id)
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
    JOIN plex_servers AS os ON os.id = o.server_id
    LEFT JOIN media_files AS "of" ON "of".id = o.media_file_id
    WHERE o.source_id = e.source_id
      AND o.state = 'active' AND os.is_active AND ol.sync_enabled AND ol.selected
      AND o.id <> e.id
      AND (ol.state <> 'active', ol.priority, -ifnull("of".height, 0), o.id)
        < (l.state <> 'active', l.priority, -ifnull(f.height, 0), e.id)
);
