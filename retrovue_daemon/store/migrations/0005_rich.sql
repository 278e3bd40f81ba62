-- What channels are scheduled by: dates, ratings, artwork, tags, credits, collections, streams, chapters and markers.

-- Listings fill these columns. added_at: when the server first had the item. Ratings: 0 to 10. thumb, art and theme are
-- the server's paths, without a token; artwork that belongs to a parent is stored there only.
ALTER TABLE movies ADD COLUMN added_at INTEGER;
ALTER TABLE movies ADD COLUMN title_sort TEXT;
ALTER TABLE movies ADD COLUMN original_title TEXT;
ALTER TABLE movies ADD COLUMN tagline TEXT;
ALTER TABLE movies ADD COLUMN critic_rating REAL;
ALTER TABLE movies ADD COLUMN audience_rating REAL;
ALTER TABLE movies ADD COLUMN thumb TEXT;
ALTER TABLE movies ADD COLUMN art TEXT;

ALTER TABLE shows ADD COLUMN added_at INTEGER;
ALTER TABLE shows ADD COLUMN title_sort TEXT;
ALTER TABLE shows ADD COLUMN original_title TEXT;
ALTER TABLE shows ADD COLUMN tagline TEXT;
ALTER TABLE shows ADD COLUMN critic_rating REAL;
ALTER TABLE shows ADD COLUMN audience_rating REAL;
ALTER TABLE shows ADD COLUMN thumb TEXT;
ALTER TABLE shows ADD COLUMN art TEXT;
ALTER TABLE shows ADD COLUMN theme TEXT;
ALTER TABLE shows ADD COLUMN show_ordering TEXT;
ALTER TABLE shows ADD COLUMN network TEXT;

ALTER TABLE seasons ADD COLUMN added_at INTEGER;
ALTER TABLE seasons ADD COLUMN title_sort TEXT;
ALTER TABLE seasons ADD COLUMN summary TEXT;
ALTER TABLE seasons ADD COLUMN critic_rating REAL;
ALTER TABLE seasons ADD COLUMN audience_rating REAL;
ALTER TABLE seasons ADD COLUMN thumb TEXT;
ALTER TABLE seasons ADD COLUMN art TEXT;

ALTER TABLE episodes ADD COLUMN added_at INTEGER;
ALTER TABLE episodes ADD COLUMN title_sort TEXT;
ALTER TABLE episodes ADD COLUMN original_title TEXT;
ALTER TABLE episodes ADD COLUMN critic_rating REAL;
ALTER TABLE episodes ADD COLUMN audience_rating REAL;
ALTER TABLE episodes ADD COLUMN thumb TEXT;
ALTER TABLE episodes ADD COLUMN art TEXT;

ALTER TABLE media_files ADD COLUMN version_title TEXT;
ALTER TABLE media_files ADD COLUMN aspect_ratio REAL;
ALTER TABLE media_files ADD COLUMN frame_rate TEXT;        -- as Plex says it: 24p, NTSC …
ALTER TABLE media_files ADD COLUMN video_profile TEXT;
ALTER TABLE media_files ADD COLUMN audio_profile TEXT;
ALTER TABLE media_files ADD COLUMN hdr TEXT;               -- sdr, hdr10, hlg, dolby vision; NULL: unknown
ALTER TABLE media_files ADD COLUMN streams_digest INTEGER; -- of its streams; NULL: they were never sent

-- Details are read after the listing. details_stamp: a digest of what the listing says about the item that its details
-- depend on; details_read_stamp: the one for which details were read last. An item whose two stamps differ, or that has
-- none, wants its details. details_read_at: when they were read. details_again_at: when they are read again, for markers,
-- which servers make hours after an item was added, or because the server could not send them; details_again: how often
-- they are still read for markers.
ALTER TABLE movies ADD COLUMN details_read_at INTEGER;
ALTER TABLE movies ADD COLUMN details_stamp INTEGER;
ALTER TABLE movies ADD COLUMN details_read_stamp INTEGER;
ALTER TABLE movies ADD COLUMN details_again_at INTEGER;
ALTER TABLE movies ADD COLUMN details_again INTEGER NOT NULL DEFAULT 0;
ALTER TABLE shows ADD COLUMN details_read_at INTEGER;
ALTER TABLE shows ADD COLUMN details_stamp INTEGER;
ALTER TABLE shows ADD COLUMN details_read_stamp INTEGER;
ALTER TABLE shows ADD COLUMN details_again_at INTEGER;
ALTER TABLE shows ADD COLUMN details_again INTEGER NOT NULL DEFAULT 0;
ALTER TABLE seasons ADD COLUMN details_read_at INTEGER;
ALTER TABLE seasons ADD COLUMN details_stamp INTEGER;
ALTER TABLE episodes ADD COLUMN details_read_at INTEGER;
ALTER TABLE episodes ADD COLUMN details_stamp INTEGER;
ALTER TABLE episodes ADD COLUMN details_read_stamp INTEGER;
ALTER TABLE episodes ADD COLUMN details_again_at INTEGER;
ALTER TABLE episodes ADD COLUMN details_again INTEGER NOT NULL DEFAULT 0;

-- Few items want their details, so these indexes are small, and cost the others nothing.
CREATE INDEX movies_details ON movies (library_id, added_at)
    WHERE details_stamp IS NULL OR details_stamp IS NOT details_read_stamp;
CREATE INDEX shows_details ON shows (library_id, added_at)
    WHERE details_stamp IS NULL OR details_stamp IS NOT details_read_stamp;
CREATE INDEX episodes_details ON episodes (library_id, added_at)
    WHERE details_stamp IS NULL OR details_stamp IS NOT details_read_stamp;
CREATE INDEX movies_details_again ON movies (library_id, details_again_at) WHERE details_again_at IS NOT NULL;
CREATE INDEX shows_details_again ON shows (library_id, details_again_at) WHERE details_again_at IS NOT NULL;
CREATE INDEX episodes_details_again ON episodes (library_id, details_again_at) WHERE details_again_at IS NOT NULL;

-- The next pass over each library is a full one, so that it fills the new columns once.
UPDATE libraries SET list_again = 1;

-- What a server can do, as JSON, found out once per version: see sources/plex.
ALTER TABLE plex_servers ADD COLUMN abilities TEXT;

-- Each tag once, as the server spells it.
CREATE TABLE tags (
    id   INTEGER PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('genre', 'label', 'country', 'network', 'mood', 'style')),
    name TEXT NOT NULL,
    UNIQUE (kind, name)
) STRICT;

CREATE TABLE movie_tags (
    movie_id INTEGER NOT NULL REFERENCES movies (id) ON DELETE CASCADE,
    tag_id   INTEGER NOT NULL REFERENCES tags (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,                                -- in the server's order, from 0, per kind
    PRIMARY KEY (movie_id, tag_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX movie_tags_tag ON movie_tags (tag_id);

CREATE TABLE show_tags (
    show_id  INTEGER NOT NULL REFERENCES shows (id) ON DELETE CASCADE,
    tag_id   INTEGER NOT NULL REFERENCES tags (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    PRIMARY KEY (show_id, tag_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX show_tags_tag ON show_tags (tag_id);

CREATE TABLE episode_tags (
    episode_id INTEGER NOT NULL REFERENCES episodes (id) ON DELETE CASCADE,
    tag_id     INTEGER NOT NULL REFERENCES tags (id) ON DELETE CASCADE,
    position   INTEGER NOT NULL,
    PRIMARY KEY (episode_id, tag_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX episode_tags_tag ON episode_tags (tag_id);

CREATE TABLE people (
    id         INTEGER PRIMARY KEY,
    name       TEXT NOT NULL,
    person_key TEXT NOT NULL DEFAULT '',                      -- Plex's tagKey, the same on every server; '': none
    thumb      TEXT,
    UNIQUE (person_key, name)
) STRICT;
CREATE INDEX people_name ON people (name COLLATE NOCASE);

-- The columns of the key come first: SQLite 3.40 takes another order for damage in tables WITHOUT ROWID.
CREATE TABLE movie_credits (
    movie_id  INTEGER NOT NULL REFERENCES movies (id) ON DELETE CASCADE,
    job       TEXT    NOT NULL CHECK (job IN ('director', 'writer', 'producer', 'actor')),
    position  INTEGER NOT NULL,                               -- in the order of billing, from 0, per job
    person_id INTEGER NOT NULL REFERENCES people (id) ON DELETE CASCADE,
    role      TEXT,
    PRIMARY KEY (movie_id, job, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX movie_credits_person ON movie_credits (person_id);

CREATE TABLE show_credits (
    show_id   INTEGER NOT NULL REFERENCES shows (id) ON DELETE CASCADE,
    job       TEXT    NOT NULL CHECK (job IN ('director', 'writer', 'producer', 'actor')),
    position  INTEGER NOT NULL,
    person_id INTEGER NOT NULL REFERENCES people (id) ON DELETE CASCADE,
    role      TEXT,
    PRIMARY KEY (show_id, job, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX show_credits_person ON show_credits (person_id);

CREATE TABLE episode_credits (
    episode_id INTEGER NOT NULL REFERENCES episodes (id) ON DELETE CASCADE,
    job        TEXT    NOT NULL CHECK (job IN ('director', 'writer', 'producer', 'actor')),
    position   INTEGER NOT NULL,
    person_id  INTEGER NOT NULL REFERENCES people (id) ON DELETE CASCADE,
    role       TEXT,
    PRIMARY KEY (episode_id, job, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX episode_credits_person ON episode_credits (person_id);

CREATE TABLE collections (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    server_id       INTEGER NOT NULL REFERENCES plex_servers (id) ON DELETE CASCADE,
    library_id      INTEGER NOT NULL REFERENCES libraries (id) ON DELETE CASCADE,
    rating_key      TEXT    NOT NULL,
    title           TEXT    NOT NULL,
    title_sort      TEXT,
    summary         TEXT,
    item_kind       TEXT,                                     -- movie, show, season or episode
    is_smart        INTEGER NOT NULL DEFAULT 0 CHECK (is_smart IN (0, 1)),
    collection_sort INTEGER,                                  -- 0 release date, 1 title, 2 custom order; NULL: default
    thumb           TEXT,
    art             TEXT,
    added_at        INTEGER,
    updated_at      INTEGER,
    created_at      INTEGER NOT NULL,
    synced_at       INTEGER NOT NULL,
    digest          INTEGER,
    state           TEXT    NOT NULL DEFAULT 'active',
    missing_since   INTEGER,
    missing_observed INTEGER,
    source_id       TEXT,                                     -- the Plex guid, which names no other collection ever
    UNIQUE (server_id, rating_key)
) STRICT;
CREATE INDEX collections_library ON collections (library_id);

CREATE TABLE collection_items (
    collection_id INTEGER NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
    position      INTEGER NOT NULL,                           -- in the order that the collection shows, from 0
    movie_id      INTEGER REFERENCES movies (id) ON DELETE CASCADE,
    show_id       INTEGER REFERENCES shows (id) ON DELETE CASCADE,
    season_id     INTEGER REFERENCES seasons (id) ON DELETE CASCADE,
    episode_id    INTEGER REFERENCES episodes (id) ON DELETE CASCADE,
    PRIMARY KEY (collection_id, position),
    CHECK ((movie_id IS NOT NULL) + (show_id IS NOT NULL) + (season_id IS NOT NULL) + (episode_id IS NOT NULL) = 1)
) STRICT, WITHOUT ROWID;
CREATE INDEX collection_items_movie ON collection_items (movie_id) WHERE movie_id IS NOT NULL;
CREATE INDEX collection_items_show ON collection_items (show_id) WHERE show_id IS NOT NULL;
CREATE INDEX collection_items_season ON collection_items (season_id) WHERE season_id IS NOT NULL;
CREATE INDEX collection_items_episode ON collection_items (episode_id) WHERE episode_id IS NOT NULL;

CREATE TABLE streams (
    id                   INTEGER PRIMARY KEY,
    media_file_id        INTEGER NOT NULL REFERENCES media_files (id) ON DELETE CASCADE,
    stream_index         INTEGER,                             -- in the file; NULL: a file beside it
    kind                 TEXT    NOT NULL CHECK (kind IN ('video', 'audio', 'subtitle')),
    codec                TEXT,
    profile              TEXT,
    language             TEXT,                                -- BCP 47: de, pt-BR
    language_code        TEXT,                                -- ISO 639-2: deu
    title                TEXT,
    bitrate              INTEGER,
    channels             INTEGER,
    channel_layout       TEXT,
    sampling_rate        INTEGER,                             -- Hz
    width                INTEGER,
    height               INTEGER,
    frame_rate           REAL,                                -- per second
    bit_depth            INTEGER,
    scan_type            TEXT,
    color_transfer       TEXT,
    dolby_vision_profile INTEGER,
    is_default           INTEGER NOT NULL,
    is_forced            INTEGER NOT NULL,
    is_external          INTEGER NOT NULL,
    is_hearing_impaired  INTEGER NOT NULL
) STRICT;
CREATE INDEX streams_media_file ON streams (media_file_id);

CREATE TABLE chapters (
    movie_id   INTEGER REFERENCES movies (id) ON DELETE CASCADE,
    episode_id INTEGER REFERENCES episodes (id) ON DELETE CASCADE,
    position   INTEGER NOT NULL,                              -- from 0
    title      TEXT,
    starts_at  INTEGER NOT NULL,                              -- milliseconds from the start
    ends_at    INTEGER NOT NULL,
    CHECK ((movie_id IS NOT NULL) + (episode_id IS NOT NULL) = 1)
) STRICT;
CREATE UNIQUE INDEX chapters_movie ON chapters (movie_id, position) WHERE movie_id IS NOT NULL;
CREATE UNIQUE INDEX chapters_episode ON chapters (episode_id, position) WHERE episode_id IS NOT NULL;

CREATE TABLE markers (
    movie_id   INTEGER REFERENCES movies (id) ON DELETE CASCADE,
    episode_id INTEGER REFERENCES episodes (id) ON DELETE CASCADE,
    kind       TEXT    NOT NULL,                              -- as Plex says it: intro, credits, commercial …
    starts_at  INTEGER NOT NULL,
    ends_at    INTEGER NOT NULL,
    is_final   INTEGER NOT NULL CHECK (is_final IN (0, 1)),
    CHECK ((movie_id IS NOT NULL) + (episode_id IS NOT NULL) = 1)
) STRICT;
CREATE INDEX markers_movie ON markers (movie_id) WHERE movie_id IS NOT NULL;
CREATE INDEX markers_episode ON markers (episode_id) WHERE episode_id IS NOT NULL;

-- Views for readers ---------------------------------------------------------------------------------------------

CREATE VIEW movie_genres AS
SELECT mt.movie_id, t.name AS genre, mt.position
FROM movie_tags AS mt JOIN tags AS t ON t.id = mt.tag_id
WHERE t.kind = 'genre';

CREATE VIEW show_genres AS
SELECT st.show_id, t.name AS genre, st.position
FROM show_tags AS st JOIN tags AS t ON t.id = st.tag_id
WHERE t.kind = 'genre';

-- Episodes have the genres of their show.
CREATE VIEW episode_genres AS
SELECT e.id AS episode_id, t.name AS genre, st.position
FROM episodes AS e JOIN show_tags AS st ON st.show_id = e.show_id JOIN tags AS t ON t.id = st.tag_id
WHERE t.kind = 'genre';

CREATE VIEW collection_movies AS
SELECT ci.collection_id, ci.position, ci.movie_id
FROM collection_items AS ci
WHERE ci.movie_id IS NOT NULL;

-- Shows and seasons stand for their episodes, in the order of broadcast.
CREATE VIEW collection_episodes AS
SELECT m.collection_id, m.position, m.episode_id,
       row_number() OVER (
           PARTITION BY m.collection_id
           ORDER BY m.position, m.season_number, m.episode_number, m.originally_available_at, m.episode_id
       ) - 1 AS episode_position
FROM (
    SELECT ci.collection_id, ci.position, e.id AS episode_id, e.season_number, e.episode_number,
           e.originally_available_at
    FROM collection_items AS ci JOIN episodes AS e ON e.id = ci.episode_id
    UNION ALL
    SELECT ci.collection_id, ci.position, e.id, e.season_number, e.episode_number, e.originally_available_at
    FROM collection_items AS ci JOIN episodes AS e ON e.season_id = ci.season_id
    UNION ALL
    SELECT ci.collection_id, ci.position, e.id, e.season_number, e.episode_number, e.originally_available_at
    FROM collection_items AS ci JOIN episodes AS e ON e.show_id = ci.show_id
) AS m;
