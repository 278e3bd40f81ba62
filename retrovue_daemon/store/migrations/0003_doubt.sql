-- What a listing left in doubt, what its titles were before, and how long something has been missing by a clock that
-- nobody sets.

-- fault: what could not be read or counted at the last listing, as a list (JSON): the same a second time is the server's
-- nature. It replaces miscount, which knew of totals only.
ALTER TABLE libraries ADD COLUMN fault TEXT;
ALTER TABLE libraries ADD COLUMN doubt TEXT;               -- what stays in doubt although the last listing counted as whole
ALTER TABLE libraries ADD COLUMN list_again INTEGER NOT NULL DEFAULT 0 CHECK (list_again IN (0, 1));
ALTER TABLE libraries ADD COLUMN former_names TEXT;        -- titles that it had before (JSON), the latest first
ALTER TABLE libraries DROP COLUMN miscount;

-- Items whose values arrived damaged: their rows keep what they have until the same damage comes a second time, or any
-- damage a third time. From then on (times = 3) damage is stored as it comes, until the item arrives undamaged.
CREATE TABLE damaged_items (
    server_id  INTEGER NOT NULL REFERENCES plex_servers (id) ON DELETE CASCADE,
    rating_key TEXT    NOT NULL,
    digest     INTEGER NOT NULL,                           -- of the item as it arrived last
    times      INTEGER NOT NULL DEFAULT 1,                 -- how often it arrived damaged
    PRIMARY KEY (server_id, rating_key)
) STRICT, WITHOUT ROWID;

-- missing_observed: missing_since by the observed clock (see daemon_state), which only grows while the daemon looks. A
-- time that lies ahead is from a clock that was set wrong: the observed clock begins now, and must not begin there.
ALTER TABLE movies ADD COLUMN missing_observed INTEGER;
ALTER TABLE shows ADD COLUMN missing_observed INTEGER;
ALTER TABLE seasons ADD COLUMN missing_observed INTEGER;
ALTER TABLE episodes ADD COLUMN missing_observed INTEGER;
UPDATE movies SET missing_observed = min(missing_since, unixepoch()) WHERE state = 'missing';
UPDATE shows SET missing_observed = min(missing_since, unixepoch()) WHERE state = 'missing';
UPDATE seasons SET missing_observed = min(missing_since, unixepoch()) WHERE state = 'missing';
UPDATE episodes SET missing_observed = min(missing_since, unixepoch()) WHERE state = 'missing';
DROP INDEX movies_missing;
DROP INDEX shows_missing;
DROP INDEX seasons_missing;
DROP INDEX episodes_missing;
CREATE INDEX movies_missing ON movies (server_id, missing_observed) WHERE state = 'missing';
CREATE INDEX shows_missing ON shows (server_id, missing_observed) WHERE state = 'missing';
CREATE INDEX seasons_missing ON seasons (server_id, missing_observed) WHERE state = 'missing';
CREATE INDEX episodes_missing ON episodes (server_id, missing_observed) WHERE state = 'missing';

ALTER TABLE sync_runs ADD COLUMN observed INTEGER;         -- started_at by the observed clock; the removal guard counts by it
UPDATE sync_runs SET observed = min(started_at, unixepoch());
