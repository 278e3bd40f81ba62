-- How many rows of a library are missing or unavailable, counted without reading each row. Active rows, which are nearly
-- all, are not in these indexes.
CREATE INDEX movies_states ON movies (library_id, state) WHERE state <> 'active';
CREATE INDEX shows_states ON shows (library_id, state) WHERE state <> 'active';
CREATE INDEX seasons_states ON seasons (library_id, state) WHERE state <> 'active';
CREATE INDEX episodes_states ON episodes (library_id, state) WHERE state <> 'active';
