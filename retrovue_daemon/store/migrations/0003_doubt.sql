-- Doubts left by a listing, former titles of libraries, and how long items have been missing by a clock that nobody can
-- set.

-- fault: what could not be read or counted at the last listing, as a JSON list; the same fault twice is a permanent trait
-- of the server. It replaces miscount, which covered only totals.
ALTER TABLE libraries ADD COLUMN fault TEXT;
ALTER TABLE libraries ADD COLUMN doubt TEXT;               -- what stays in doubt although the last listing counted as whole
ALTER TABLE libraries ADD COLUMN list_again INTEGER NOT NULL DEFAULT 0 CHECK (list_again IN (0, 1));
ALTER TABLE libraries ADD COLUMN former_names TEXT;        -- titles that it had before (JSON), the latest first
ALTER TABLE libraries DROP COLUMN miscount;

-- Items that arrived with damaged values: their rows keep the good values until the same damage arrives a second time, or
-- any damage a third time. From then on (times = 3) damage is stored, until the item arrives undamaged.
CREATE TABLE damaged_items (
    server_id  INTEGER NOT NULL REFERENCES plex_servers (id) ON DELETE CASCADE,
    rating_key TEXT    NOT NULL,
    digest     INTEGER NOT NULL,                           -- of the item as it arrived last
    times      INTEGER NOT NULL DEFAULT 1,                 -- how often it arrived damaged
    PRIMARY KEY (server_id, rating_key)
) STRICT, WITHOUT ROWID;

-- missing_observed: missing_since by the observed clock (see daemon_state), which advances only while the daemon runs.
-- Times in the future come from a wrong clock: the observed clock starts now, and must not start there.
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
