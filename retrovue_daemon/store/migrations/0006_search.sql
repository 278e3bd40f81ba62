-- What the index of words does not show yet, or no longer: see store/items/word_index.py. The index itself is a virtual
-- table, search_index, that only SQLite with FTS5 can have: the daemon makes it, not this file.

-- Rows whose entry in the index is outdated. New rows are not here: those are the ones with the highest ids.
-- row_key: the row's id in the lower 48 bits, above it 1 for a film, 2 a show, 3 an episode, 4 a collection, 5 a person.
-- Not unique: in a trigger, the conflict clause of the statement that fires it would apply instead of OR IGNORE.
CREATE TABLE search_queue (
    id      INTEGER PRIMARY KEY,
    row_key INTEGER NOT NULL
) STRICT;

CREATE TRIGGER movies_search_changed AFTER UPDATE OF title, original_title ON movies
WHEN old.title IS NOT new.title OR old.original_title IS NOT new.original_title
BEGIN INSERT INTO search_queue (row_key) VALUES ((1 << 48) + new.id); END;
CREATE TRIGGER movies_search_deleted AFTER DELETE ON movies
BEGIN INSERT INTO search_queue (row_key) VALUES ((1 << 48) + old.id); END;

CREATE TRIGGER shows_search_changed AFTER UPDATE OF title, original_title ON shows
WHEN old.title IS NOT new.title OR old.original_title IS NOT new.original_title
BEGIN INSERT INTO search_queue (row_key) VALUES ((2 << 48) + new.id); END;
CREATE TRIGGER shows_search_deleted AFTER DELETE ON shows
BEGIN INSERT INTO search_queue (row_key) VALUES ((2 << 48) + old.id); END;

CREATE TRIGGER episodes_search_changed AFTER UPDATE OF episode_title, original_title ON episodes
WHEN old.episode_title IS NOT new.episode_title OR old.original_title IS NOT new.original_title
BEGIN INSERT INTO search_queue (row_key) VALUES ((3 << 48) + new.id); END;
CREATE TRIGGER episodes_search_deleted AFTER DELETE ON episodes
BEGIN INSERT INTO search_queue (row_key) VALUES ((3 << 48) + old.id); END;

CREATE TRIGGER collections_search_changed AFTER UPDATE OF title ON collections
WHEN old.title IS NOT new.title
BEGIN INSERT INTO search_queue (row_key) VALUES ((4 << 48) + new.id); END;
CREATE TRIGGER collections_search_deleted AFTER DELETE ON collections
BEGIN INSERT INTO search_queue (row_key) VALUES ((4 << 48) + old.id); END;

CREATE TRIGGER people_search_deleted AFTER DELETE ON people
BEGIN INSERT INTO search_queue (row_key) VALUES ((5 << 48) + old.id); END;
