-- INSERT OR REPLACE and UPDATE OR REPLACE delete rows without running the triggers that write the feed, unless a program
-- has set recursive_triggers. What was deleted with such a server or library is not known afterwards, so readers read
-- everything anew. Within a trigger, sqlite_sequence lags behind, and with it feed_state.

-- Set before a row is written that may replace another: the replaced row's server. Writing it is left to the cases in
-- which it changes. An INSERT ... ON CONFLICT leaves it set, and the next trigger clears it.
ALTER TABLE feed ADD COLUMN replaced INTEGER;

CREATE TRIGGER plex_servers_feed_replacing BEFORE INSERT ON plex_servers
WHEN EXISTS (SELECT 1 FROM plex_servers WHERE id = new.id OR name = new.name)
  IS NOT (SELECT replaced IS NOT NULL FROM feed)
BEGIN UPDATE feed SET replaced = CASE WHEN replaced IS NULL THEN 0 END; END;

CREATE TRIGGER plex_servers_feed_renaming BEFORE UPDATE OF id, name ON plex_servers
WHEN EXISTS (SELECT 1 FROM plex_servers WHERE id <> old.id AND (id = new.id OR name = new.name))
  IS NOT (SELECT replaced IS NOT NULL FROM feed)
BEGIN UPDATE feed SET replaced = CASE WHEN replaced IS NULL THEN 0 END; END;

CREATE TRIGGER plex_servers_feed_replaced AFTER INSERT ON plex_servers
WHEN (SELECT replaced FROM feed) IS NOT NULL
BEGIN
    INSERT INTO change_batches (kind, op, ids) VALUES ('server', 'updated', '[' || new.id || ']');
    UPDATE feed SET replaced = NULL, floor = (SELECT max(seq) FROM change_batches);
END;

CREATE TRIGGER plex_servers_feed_renamed AFTER UPDATE OF id, name ON plex_servers
WHEN old.id <> new.id OR (SELECT replaced FROM feed) IS NOT NULL
BEGIN
    INSERT INTO change_batches (kind, op, ids) VALUES ('server', 'updated', '[' || new.id || ']');
    UPDATE feed SET replaced = NULL, floor = (SELECT max(seq) FROM change_batches);
END;

CREATE TRIGGER libraries_feed_replacing BEFORE INSERT ON libraries
WHEN EXISTS (SELECT 1 FROM libraries WHERE id = new.id
             UNION ALL SELECT 1 FROM libraries WHERE server_id = new.server_id AND library_key = new.library_key)
  IS NOT (SELECT replaced IS NOT NULL FROM feed)
BEGIN UPDATE feed SET replaced = CASE WHEN replaced IS NULL THEN 0 END; END;

CREATE TRIGGER libraries_feed_rekeying BEFORE UPDATE OF id, server_id, library_key ON libraries
WHEN EXISTS (SELECT 1 FROM libraries WHERE id = new.id AND id <> old.id
             UNION ALL SELECT 1 FROM libraries
             WHERE server_id = new.server_id AND library_key = new.library_key AND id <> old.id)
  IS NOT (SELECT replaced IS NOT NULL FROM feed)
BEGIN UPDATE feed SET replaced = CASE WHEN replaced IS NULL THEN 0 END; END;

CREATE TRIGGER libraries_feed_replaced AFTER INSERT ON libraries
WHEN (SELECT replaced FROM feed) IS NOT NULL
BEGIN
    INSERT INTO change_batches (kind, op, ids) VALUES ('library', 'updated', '[' || new.id || ']');
    UPDATE feed SET replaced = NULL, floor = (SELECT max(seq) FROM change_batches);
END;

CREATE TRIGGER libraries_feed_rekeyed AFTER UPDATE OF id, server_id, library_key ON libraries
WHEN old.id <> new.id OR (SELECT replaced FROM feed) IS NOT NULL
BEGIN
    INSERT INTO change_batches (kind, op, ids) VALUES ('library', 'updated', '[' || new.id || ']');
    UPDATE feed SET replaced = NULL, floor = (SELECT max(seq) FROM change_batches);
END;

-- A path mapping belongs to the entry of its server, and the one that replaces it may belong to another server.
CREATE TRIGGER plex_path_mappings_feed_replacing BEFORE INSERT ON plex_path_mappings
WHEN (SELECT server_id FROM plex_path_mappings WHERE id = new.id) IS NOT (SELECT replaced FROM feed)
BEGIN UPDATE feed SET replaced = (SELECT server_id FROM plex_path_mappings WHERE id = new.id); END;

CREATE TRIGGER plex_path_mappings_feed_replaced AFTER INSERT ON plex_path_mappings
WHEN (SELECT replaced FROM feed) <> new.server_id
BEGIN
    INSERT INTO change_batches (kind, op, ids)
    SELECT 'server', 'updated', '[' || id || ']' FROM plex_servers WHERE id = (SELECT replaced FROM feed);
END;

CREATE TRIGGER plex_path_mappings_feed_renumbering BEFORE UPDATE OF id ON plex_path_mappings
WHEN (SELECT server_id FROM plex_path_mappings WHERE id = new.id AND id <> old.id) IS NOT (SELECT replaced FROM feed)
BEGIN
    UPDATE feed SET replaced = (SELECT server_id FROM plex_path_mappings WHERE id = new.id AND id <> old.id);
END;

CREATE TRIGGER plex_path_mappings_feed_renumbered AFTER UPDATE OF id ON plex_path_mappings
WHEN (SELECT replaced FROM feed) <> new.server_id
BEGIN
    INSERT INTO change_batches (kind, op, ids)
    SELECT 'server', 'updated', '[' || id || ']' FROM plex_servers WHERE id = (SELECT replaced FROM feed);
END;
