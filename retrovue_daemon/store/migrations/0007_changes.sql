-- The change feed: which rows changed, in the order in which their transactions were committed.

-- One row per transaction, kind and operation, for up to 1,000 rows of a table; see store/feed/recording.py.
CREATE TABLE change_batches (
    seq    INTEGER PRIMARY KEY AUTOINCREMENT,
    at     INTEGER NOT NULL DEFAULT (unixepoch()),
    run_id INTEGER,                                           -- of the pass, once it has ended
    kind   TEXT    NOT NULL CHECK (kind IN ('movie', 'show', 'season', 'episode', 'collection', 'library', 'server')),
    op     TEXT    NOT NULL CHECK (op IN ('added', 'updated', 'moved', 'missing', 'restored', 'deleted',
                                          'path_changed')),
    ids    TEXT    NOT NULL                                   -- a JSON list
) STRICT;

-- One row: what a reader must know about the feed as a whole. opened: see store/feed/epoch.py.
CREATE TABLE feed (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    feed_id TEXT    NOT NULL,                                 -- another one: read everything anew
    floor   INTEGER NOT NULL,                                 -- readers that have not come this far, too
    opened  TEXT
) STRICT;
INSERT INTO feed (id, feed_id, floor) VALUES (1, lower(hex(randomblob(16))), 0);

-- Rows of earlier releases have no entry: a reader that begins reads everything first.
INSERT INTO sqlite_sequence (name, seq) SELECT 'change_batches', 1 WHERE EXISTS (SELECT 1 FROM plex_servers);
UPDATE feed SET floor = 1 WHERE EXISTS (SELECT 1 FROM plex_servers);

CREATE VIEW changes AS
SELECT b.seq, b.at, b.run_id, b.kind, i.value AS item_id, b.op
FROM change_batches AS b, json_each(b.ids) AS i;

CREATE VIEW feed_state AS
SELECT feed_id, floor, ifnull((SELECT seq FROM sqlite_sequence WHERE name = 'change_batches'), 0) AS last_seq
FROM feed;

-- Rows that other programs may write, also while no daemon runs ---------------------------------------------------
-- Functions of JSON are not used here: SQLite refuses some of them in triggers if the schema is not trusted.

CREATE TRIGGER plex_servers_feed_added AFTER INSERT ON plex_servers
BEGIN INSERT INTO change_batches (kind, op, ids) VALUES ('server', 'added', '[' || new.id || ']'); END;

CREATE TRIGGER plex_servers_feed_updated
AFTER UPDATE OF name, server_url, is_active, source, machine_identifier, version ON plex_servers
WHEN (old.name, old.server_url, old.is_active, old.source, old.machine_identifier, old.version)
  IS NOT (new.name, new.server_url, new.is_active, new.source, new.machine_identifier, new.version)
BEGIN INSERT INTO change_batches (kind, op, ids) VALUES ('server', 'updated', '[' || new.id || ']'); END;

-- Before, because everything that belongs to the server is deleted with it.
CREATE TRIGGER plex_servers_feed_deleted BEFORE DELETE ON plex_servers
BEGIN
    INSERT INTO change_batches (kind, op, ids)
    SELECT 'episode', 'deleted', '[' || group_concat(id) || ']' FROM episodes WHERE server_id = old.id GROUP BY id / 1000;
    INSERT INTO change_batches (kind, op, ids)
    SELECT 'season', 'deleted', '[' || group_concat(id) || ']' FROM seasons WHERE server_id = old.id GROUP BY id / 1000;
    INSERT INTO change_batches (kind, op, ids)
    SELECT 'show', 'deleted', '[' || group_concat(id) || ']' FROM shows WHERE server_id = old.id GROUP BY id / 1000;
    INSERT INTO change_batches (kind, op, ids)
    SELECT 'movie', 'deleted', '[' || group_concat(id) || ']' FROM movies WHERE server_id = old.id GROUP BY id / 1000;
    INSERT INTO change_batches (kind, op, ids)
    SELECT 'collection', 'deleted', '[' || group_concat(id) || ']' FROM collections WHERE server_id = old.id GROUP BY id / 1000;
    INSERT INTO change_batches (kind, op, ids)
    SELECT 'library', 'deleted', '[' || group_concat(id) || ']' FROM libraries WHERE server_id = old.id GROUP BY id / 1000;
    INSERT INTO change_batches (kind, op, ids) VALUES ('server', 'deleted', '[' || old.id || ']');
END;

CREATE TRIGGER libraries_feed_added AFTER INSERT ON libraries
BEGIN INSERT INTO change_batches (kind, op, ids) VALUES ('library', 'added', '[' || new.id || ']'); END;

CREATE TRIGGER libraries_feed_updated
AFTER UPDATE OF server_id, library_key, uuid, library_name, library_type, library_root, sync_enabled, selected, priority,
                priority_source, state
ON libraries
WHEN (old.server_id, old.library_key, old.uuid, old.library_name, old.library_type, old.library_root, old.sync_enabled,
      old.selected, old.priority, old.priority_source, old.state)
  IS NOT (new.server_id, new.library_key, new.uuid, new.library_name, new.library_type, new.library_root,
          new.sync_enabled, new.selected, new.priority, new.priority_source, new.state)
BEGIN
    INSERT INTO change_batches (kind, op, ids)
    VALUES ('library', CASE WHEN old.state = new.state THEN 'updated' WHEN new.state = 'missing' THEN 'missing'
                            WHEN old.state = 'missing' THEN 'restored' ELSE 'updated' END, '[' || new.id || ']');
END;

-- Where its server is deleted, the trigger of the server has said everything.
CREATE TRIGGER libraries_feed_deleted BEFORE DELETE ON libraries
WHEN EXISTS (SELECT 1 FROM plex_servers WHERE id = old.server_id)
BEGIN
    INSERT INTO change_batches (kind, op, ids)
    SELECT 'episode', 'deleted', '[' || group_concat(id) || ']' FROM episodes WHERE library_id = old.id GROUP BY id / 1000;
    INSERT INTO change_batches (kind, op, ids)
    SELECT 'season', 'deleted', '[' || group_concat(id) || ']' FROM seasons WHERE library_id = old.id GROUP BY id / 1000;
    INSERT INTO change_batches (kind, op, ids)
    SELECT 'show', 'deleted', '[' || group_concat(id) || ']' FROM shows WHERE library_id = old.id GROUP BY id / 1000;
    INSERT INTO change_batches (kind, op, ids)
    SELECT 'movie', 'deleted', '[' || group_concat(id) || ']' FROM movies WHERE library_id = old.id GROUP BY id / 1000;
    INSERT INTO change_batches (kind, op, ids)
    SELECT 'collection', 'deleted', '[' || group_concat(id) || ']' FROM collections WHERE library_id = old.id GROUP BY id / 1000;
    INSERT INTO change_batches (kind, op, ids) VALUES ('library', 'deleted', '[' || old.id || ']');
END;

CREATE TRIGGER library_locations_feed_added AFTER INSERT ON library_locations
BEGIN INSERT INTO change_batches (kind, op, ids) VALUES ('library', 'updated', '[' || new.library_id || ']'); END;

CREATE TRIGGER library_locations_feed_deleted AFTER DELETE ON library_locations
WHEN EXISTS (SELECT 1 FROM libraries WHERE id = old.library_id)
BEGIN INSERT INTO change_batches (kind, op, ids) VALUES ('library', 'updated', '[' || old.library_id || ']'); END;

-- Path mappings belong to the entry of their server.
CREATE TRIGGER plex_path_mappings_feed_added AFTER INSERT ON plex_path_mappings
BEGIN INSERT INTO change_batches (kind, op, ids) VALUES ('server', 'updated', '[' || new.server_id || ']'); END;

CREATE TRIGGER plex_path_mappings_feed_updated AFTER UPDATE ON plex_path_mappings
BEGIN
    INSERT INTO change_batches (kind, op, ids)
    SELECT 'server', 'updated', '[' || id || ']' FROM plex_servers WHERE id IN (old.server_id, new.server_id);
END;

CREATE TRIGGER plex_path_mappings_feed_deleted AFTER DELETE ON plex_path_mappings
WHEN EXISTS (SELECT 1 FROM plex_servers WHERE id = old.server_id)
BEGIN INSERT INTO change_batches (kind, op, ids) VALUES ('server', 'updated', '[' || old.server_id || ']'); END;
