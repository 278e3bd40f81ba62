-- The schema of the published tables. It is created in the schema of [postgresql] schema, which is the search path.

-- origin names the mirror that a row comes from and leads every key. Apart from the primary keys nothing is unique, and
-- nothing refers to anything: a batch of changes may be newer than the entries of the rows that it belongs to.

CREATE TABLE mirror_state (
    origin    text   NOT NULL PRIMARY KEY,
    mirror_id text   NOT NULL,  -- of the database that publishes under this origin
    feed_id   text   NOT NULL,  -- of its change feed, and how far the tables follow it
    seq       bigint NOT NULL,
    at        timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE plex_servers (
    origin             text NOT NULL,
    id                 bigint NOT NULL,
    name               text NOT NULL,
    server_url         text NOT NULL,
    is_active          bigint NOT NULL,
    source             text NOT NULL,
    machine_identifier text,
    version            text,
    created_at         bigint NOT NULL,
    PRIMARY KEY (origin, id)
);

CREATE TABLE plex_path_mappings (
    origin       text NOT NULL,
    id           bigint NOT NULL,
    server_id    bigint NOT NULL,
    library_root text,
    library_name text,
    plex_path    text NOT NULL,
    local_path   text NOT NULL,
    source       text NOT NULL,
    created_at   bigint NOT NULL,
    PRIMARY KEY (origin, id)
);

CREATE TABLE libraries (
    origin          text NOT NULL,
    id              bigint NOT NULL,
    server_id       bigint NOT NULL,
    library_key     text NOT NULL,
    uuid            text,
    library_name    text NOT NULL,
    library_type    text NOT NULL,
    library_root    text,
    sync_enabled    bigint NOT NULL,
    priority        bigint NOT NULL,
    state           text NOT NULL,
    created_at      bigint NOT NULL,
    priority_source text NOT NULL,
    selected        bigint NOT NULL,
    PRIMARY KEY (origin, id)
);

CREATE TABLE library_locations (
    origin     text NOT NULL,
    library_id bigint NOT NULL,
    path       text NOT NULL
);

CREATE TABLE movies (
    origin                  text NOT NULL,
    id                      bigint NOT NULL,
    server_id               bigint NOT NULL,
    library_id              bigint NOT NULL,
    rating_key              text NOT NULL,
    media_file_id           bigint,
    title                   text NOT NULL,
    year                    bigint,
    edition_title           text,
    rating                  text,
    summary                 text,
    genre                   text,
    director                text,
    studio                  text,
    originally_available_at text,
    duration                bigint,
    guid_primary            text,
    source_type             text NOT NULL,
    source_id               text,
    updated_at              bigint,
    created_at              bigint NOT NULL,
    state                   text NOT NULL,
    missing_since           bigint,
    added_at                bigint,
    title_sort              text,
    original_title          text,
    tagline                 text,
    critic_rating           double precision,
    audience_rating         double precision,
    thumb                   text,
    art                     text,
    PRIMARY KEY (origin, id)
);

CREATE TABLE movie_guids (
    origin      text NOT NULL,
    movie_id    bigint NOT NULL,
    provider    text NOT NULL,
    external_id text NOT NULL
);

CREATE TABLE movie_tags (
    origin   text NOT NULL,
    movie_id bigint NOT NULL,
    tag_id   bigint NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (origin, movie_id, tag_id)
);

CREATE TABLE movie_credits (
    origin    text NOT NULL,
    movie_id  bigint NOT NULL,
    job       text NOT NULL,
    position  bigint NOT NULL,
    person_id bigint NOT NULL,
    role      text,
    PRIMARY KEY (origin, movie_id, job, position)
);

CREATE TABLE shows (
    origin                  text NOT NULL,
    id                      bigint NOT NULL,
    server_id               bigint NOT NULL,
    library_id              bigint NOT NULL,
    rating_key              text NOT NULL,
    title                   text NOT NULL,
    year                    bigint,
    total_seasons           bigint,
    total_episodes          bigint,
    show_rating             text,
    show_summary            text,
    genre                   text,
    studio                  text,
    originally_available_at text,
    guid_primary            text,
    source_type             text NOT NULL,
    source_id               text,
    updated_at              bigint,
    created_at              bigint NOT NULL,
    state                   text NOT NULL,
    missing_since           bigint,
    added_at                bigint,
    title_sort              text,
    original_title          text,
    tagline                 text,
    critic_rating           double precision,
    audience_rating         double precision,
    thumb                   text,
    art                     text,
    theme                   text,
    show_ordering           text,
    network                 text,
    PRIMARY KEY (origin, id)
);

CREATE TABLE show_guids (
    origin      text NOT NULL,
    show_id     bigint NOT NULL,
    provider    text NOT NULL,
    external_id text NOT NULL
);

CREATE TABLE show_tags (
    origin   text NOT NULL,
    show_id  bigint NOT NULL,
    tag_id   bigint NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (origin, show_id, tag_id)
);

CREATE TABLE show_credits (
    origin    text NOT NULL,
    show_id   bigint NOT NULL,
    job       text NOT NULL,
    position  bigint NOT NULL,
    person_id bigint NOT NULL,
    role      text,
    PRIMARY KEY (origin, show_id, job, position)
);

CREATE TABLE seasons (
    origin          text NOT NULL,
    id              bigint NOT NULL,
    server_id       bigint NOT NULL,
    library_id      bigint NOT NULL,
    show_id         bigint,
    rating_key      text NOT NULL,
    season_number   bigint,
    title           text NOT NULL,
    source_type     text NOT NULL,
    source_id       text,
    updated_at      bigint,
    created_at      bigint NOT NULL,
    state           text NOT NULL,
    missing_since   bigint,
    added_at        bigint,
    title_sort      text,
    summary         text,
    critic_rating   double precision,
    audience_rating double precision,
    thumb           text,
    art             text,
    PRIMARY KEY (origin, id)
);

CREATE TABLE episodes (
    origin                  text NOT NULL,
    id                      bigint NOT NULL,
    server_id               bigint NOT NULL,
    library_id              bigint NOT NULL,
    rating_key              text NOT NULL,
    show_id                 bigint,
    season_id               bigint,
    media_file_id           bigint,
    episode_title           text NOT NULL,
    season_number           bigint,
    episode_number          bigint,
    rating                  text,
    summary                 text,
    originally_available_at text,
    duration                bigint,
    source_type             text NOT NULL,
    source_id               text,
    updated_at              bigint,
    created_at              bigint NOT NULL,
    state                   text NOT NULL,
    missing_since           bigint,
    added_at                bigint,
    title_sort              text,
    original_title          text,
    critic_rating           double precision,
    audience_rating         double precision,
    thumb                   text,
    art                     text,
    PRIMARY KEY (origin, id)
);

CREATE TABLE episode_guids (
    origin      text NOT NULL,
    episode_id  bigint NOT NULL,
    provider    text NOT NULL,
    external_id text NOT NULL
);

CREATE TABLE episode_tags (
    origin     text NOT NULL,
    episode_id bigint NOT NULL,
    tag_id     bigint NOT NULL,
    position   bigint NOT NULL,
    PRIMARY KEY (origin, episode_id, tag_id)
);

CREATE TABLE episode_credits (
    origin     text NOT NULL,
    episode_id bigint NOT NULL,
    job        text NOT NULL,
    position   bigint NOT NULL,
    person_id  bigint NOT NULL,
    role       text,
    PRIMARY KEY (origin, episode_id, job, position)
);

CREATE TABLE media_files (
    origin           text NOT NULL,
    id               bigint NOT NULL,
    server_id        bigint NOT NULL,
    library_id       bigint NOT NULL,
    rating_key       text NOT NULL,
    media_id         bigint,
    part_id          bigint,
    part_index       bigint NOT NULL,
    file_path        text,
    plex_path        text,
    duration         bigint,
    size             bigint,
    container        text,
    video_codec      text,
    audio_codec      text,
    audio_channels   bigint,
    width            bigint,
    height           bigint,
    video_resolution text,
    bitrate          bigint,
    optimized        bigint NOT NULL,
    change_stamp     bigint,
    media_type       text NOT NULL,
    source_type      text NOT NULL,
    source_id        text,
    library_name     text,
    updated_at       bigint,
    created_at       bigint NOT NULL,
    state            text NOT NULL,
    version_title    text,
    aspect_ratio     double precision,
    frame_rate       text,
    video_profile    text,
    audio_profile    text,
    hdr              text,
    PRIMARY KEY (origin, id)
);

CREATE TABLE streams (
    origin               text NOT NULL,
    id                   bigint NOT NULL,
    media_file_id        bigint NOT NULL,
    stream_index         bigint,
    kind                 text NOT NULL,
    codec                text,
    profile              text,
    language             text,
    language_code        text,
    title                text,
    bitrate              bigint,
    channels             bigint,
    channel_layout       text,
    sampling_rate        bigint,
    width                bigint,
    height               bigint,
    frame_rate           double precision,
    bit_depth            bigint,
    scan_type            text,
    color_transfer       text,
    dolby_vision_profile bigint,
    is_default           bigint NOT NULL,
    is_forced            bigint NOT NULL,
    is_external          bigint NOT NULL,
    is_hearing_impaired  bigint NOT NULL,
    PRIMARY KEY (origin, id)
);

CREATE TABLE chapters (
    origin     text NOT NULL,
    movie_id   bigint,
    episode_id bigint,
    position   bigint NOT NULL,
    title      text,
    starts_at  bigint NOT NULL,
    ends_at    bigint NOT NULL
);

CREATE TABLE markers (
    origin     text NOT NULL,
    movie_id   bigint,
    episode_id bigint,
    kind       text NOT NULL,
    starts_at  bigint NOT NULL,
    ends_at    bigint NOT NULL,
    is_final   bigint NOT NULL
);

CREATE TABLE collections (
    origin          text NOT NULL,
    id              bigint NOT NULL,
    server_id       bigint NOT NULL,
    library_id      bigint NOT NULL,
    rating_key      text NOT NULL,
    title           text NOT NULL,
    title_sort      text,
    summary         text,
    item_kind       text,
    is_smart        bigint NOT NULL,
    collection_sort bigint,
    thumb           text,
    art             text,
    added_at        bigint,
    updated_at      bigint,
    created_at      bigint NOT NULL,
    state           text NOT NULL,
    missing_since   bigint,
    source_id       text,
    PRIMARY KEY (origin, id)
);

CREATE TABLE collection_items (
    origin        text NOT NULL,
    collection_id bigint NOT NULL,
    position      bigint NOT NULL,
    movie_id      bigint,
    show_id       bigint,
    season_id     bigint,
    episode_id    bigint,
    PRIMARY KEY (origin, collection_id, position)
);

CREATE TABLE tags (
    origin text NOT NULL,
    id     bigint NOT NULL,
    kind   text NOT NULL,
    name   text NOT NULL,
    PRIMARY KEY (origin, id)
);

CREATE TABLE people (
    origin     text NOT NULL,
    id         bigint NOT NULL,
    name       text NOT NULL,
    person_key text NOT NULL,
    thumb      text,
    PRIMARY KEY (origin, id)
);

-- A B-tree takes up to 2,704 bytes of a row, and paths and external ids may have 4,096 characters, titles and names 1,000:
-- the former get hash indexes and no primary key, of the latter the beginning is indexed.
CREATE INDEX plex_path_mappings_server ON plex_path_mappings (origin, server_id);
CREATE INDEX media_files_item ON media_files (origin, server_id, rating_key);
CREATE INDEX media_files_library ON media_files (origin, library_id);
CREATE INDEX media_files_path ON media_files USING hash (file_path);
CREATE INDEX movies_library ON movies (origin, library_id);
CREATE INDEX movies_media_file ON movies (origin, media_file_id);
CREATE INDEX movies_source ON movies USING hash (source_id);
CREATE INDEX movie_guids_movie ON movie_guids (origin, movie_id);
CREATE INDEX movie_guids_external ON movie_guids USING hash (external_id);
CREATE INDEX show_guids_show ON show_guids (origin, show_id);
CREATE INDEX show_guids_external ON show_guids USING hash (external_id);
CREATE INDEX episode_guids_episode ON episode_guids (origin, episode_id);
CREATE INDEX episode_guids_external ON episode_guids USING hash (external_id);
CREATE INDEX library_locations_library ON library_locations (origin, library_id);
CREATE INDEX movies_title ON movies (origin, lower(left(title, 500)));
CREATE INDEX shows_library ON shows (origin, library_id);
CREATE INDEX shows_title ON shows (origin, lower(left(title, 500)));
CREATE INDEX seasons_show ON seasons (origin, show_id, season_number);
CREATE INDEX episodes_library ON episodes (origin, library_id);
CREATE INDEX episodes_show ON episodes (origin, show_id, season_number, episode_number);
CREATE INDEX episodes_season ON episodes (origin, season_id);
CREATE INDEX episodes_media_file ON episodes (origin, media_file_id);
CREATE INDEX episodes_source ON episodes USING hash (source_id);
CREATE INDEX episodes_title ON episodes (origin, lower(left(episode_title, 500)));
CREATE INDEX tags_name ON tags (origin, lower(left(name, 500)));
CREATE INDEX movie_tags_tag ON movie_tags (origin, tag_id);
CREATE INDEX show_tags_tag ON show_tags (origin, tag_id);
CREATE INDEX episode_tags_tag ON episode_tags (origin, tag_id);
CREATE INDEX people_name ON people (origin, lower(left(name, 500)));
CREATE INDEX movie_credits_person ON movie_credits (origin, person_id);
CREATE INDEX show_credits_person ON show_credits (origin, person_id);
CREATE INDEX episode_credits_person ON episode_credits (origin, person_id);
CREATE INDEX collections_library ON collections (origin, library_id);
CREATE INDEX collections_title ON collections (origin, lower(left(title, 500)));
CREATE INDEX streams_media_file ON streams (origin, media_file_id);
CREATE INDEX chapters_movie ON chapters (origin, movie_id, position) WHERE movie_id IS NOT NULL;
CREATE INDEX chapters_episode ON chapters (origin, episode_id, position) WHERE episode_id IS NOT NULL;
CREATE INDEX markers_movie ON markers (origin, movie_id) WHERE movie_id IS NOT NULL;
CREATE INDEX markers_episode ON markers (origin, episode_id) WHERE episode_id IS NOT NULL;

CREATE VIEW active_movies AS
SELECT m.*, f.file_path, f.plex_path, f.video_resolution, f.size, l.library_name, s.name AS server_name
FROM movies AS m
JOIN libraries AS l ON l.origin = m.origin AND l.id = m.library_id
JOIN plex_servers AS s ON s.origin = m.origin AND s.id = m.server_id
LEFT JOIN media_files AS f ON f.origin = m.origin AND f.id = m.media_file_id
WHERE m.state = 'active' AND s.is_active <> 0 AND l.sync_enabled <> 0 AND l.selected <> 0;

CREATE VIEW active_shows AS
SELECT w.*, l.library_name, s.name AS server_name
FROM shows AS w
JOIN libraries AS l ON l.origin = w.origin AND l.id = w.library_id
JOIN plex_servers AS s ON s.origin = w.origin AND s.id = w.server_id
WHERE w.state = 'active' AND s.is_active <> 0 AND l.sync_enabled <> 0 AND l.selected <> 0;

CREATE VIEW active_episodes AS
SELECT e.*, w.title AS show_title, w.year AS show_year, f.file_path, f.plex_path, f.video_resolution, f.size,
       l.library_name, s.name AS server_name
FROM episodes AS e
JOIN libraries AS l ON l.origin = e.origin AND l.id = e.library_id
JOIN plex_servers AS s ON s.origin = e.origin AND s.id = e.server_id
LEFT JOIN shows AS w ON w.origin = e.origin AND w.id = e.show_id
LEFT JOIN media_files AS f ON f.origin = e.origin AND f.id = e.media_file_id
WHERE e.state = 'active' AND s.is_active <> 0 AND l.sync_enabled <> 0 AND l.selected <> 0;

-- Within one origin only: ids of different mirrors cannot be compared.
CREATE VIEW preferred_movies AS
SELECT m.*
FROM active_movies AS m
JOIN libraries AS l ON l.origin = m.origin AND l.id = m.library_id
LEFT JOIN media_files AS f ON f.origin = m.origin AND f.id = m.media_file_id
WHERE m.source_id IS NULL OR m.source_id LIKE 'local://%' OR NOT EXISTS (
    SELECT 1
    FROM movies AS o
    JOIN libraries AS ol ON ol.origin = o.origin AND ol.id = o.library_id
    JOIN plex_servers AS os ON os.origin = o.origin AND os.id = o.server_id
    LEFT JOIN media_files AS fo ON fo.origin = o.origin AND fo.id = o.media_file_id
    WHERE o.origin = m.origin AND o.source_id = m.source_id
      AND o.edition_title IS NOT DISTINCT FROM m.edition_title
      AND o.state = 'active' AND os.is_active <> 0 AND ol.sync_enabled <> 0 AND ol.selected <> 0
      AND o.id <> m.id
      AND (ol.state <> 'active', ol.priority, -coalesce(fo.height, 0), o.id)
        < (l.state <> 'active', l.priority, -coalesce(f.height, 0), m.id)
);

CREATE VIEW preferred_episodes AS
SELECT e.*
FROM active_episodes AS e
JOIN libraries AS l ON l.origin = e.origin AND l.id = e.library_id
LEFT JOIN media_files AS f ON f.origin = e.origin AND f.id = e.media_file_id
WHERE e.source_id IS NULL OR e.source_id LIKE 'local://%' OR NOT EXISTS (
    SELECT 1
    FROM episodes AS o
    JOIN libraries AS ol ON ol.origin = o.origin AND ol.id = o.library_id
    JOIN plex_servers AS os ON os.origin = o.origin AND os.id = o.server_id
    LEFT JOIN media_files AS fo ON fo.origin = o.origin AND fo.id = o.media_file_id
    WHERE o.origin = e.origin AND o.source_id = e.source_id
      AND o.state = 'active' AND os.is_active <> 0 AND ol.sync_enabled <> 0 AND ol.selected <> 0
      AND o.id <> e.id
      AND (ol.state <> 'active', ol.priority, -coalesce(fo.height, 0), o.id)
        < (l.state <> 'active', l.priority, -coalesce(f.height, 0), e.id)
);

CREATE VIEW movie_genres AS
SELECT mt.origin, mt.movie_id, t.name AS genre, mt.position
FROM movie_tags AS mt JOIN tags AS t ON t.origin = mt.origin AND t.id = mt.tag_id
WHERE t.kind = 'genre';

CREATE VIEW show_genres AS
SELECT st.origin, st.show_id, t.name AS genre, st.position
FROM show_tags AS st JOIN tags AS t ON t.origin = st.origin AND t.id = st.tag_id
WHERE t.kind = 'genre';

CREATE VIEW episode_genres AS
SELECT e.origin, e.id AS episode_id, t.name AS genre, st.position
FROM episodes AS e
JOIN show_tags AS st ON st.origin = e.origin AND st.show_id = e.show_id
JOIN tags AS t ON t.origin = st.origin AND t.id = st.tag_id
WHERE t.kind = 'genre';

CREATE VIEW collection_movies AS
SELECT ci.origin, ci.collection_id, ci.position, ci.movie_id
FROM collection_items AS ci
WHERE ci.movie_id IS NOT NULL;

CREATE VIEW collection_episodes AS
SELECT m.origin, m.collection_id, m.position, m.episode_id,
       row_number() OVER (
           PARTITION BY m.origin, m.collection_id
           ORDER BY m.position, m.season_number NULLS FIRST, m.episode_number NULLS FIRST,
                    m.originally_available_at NULLS FIRST, m.episode_id
       ) - 1 AS episode_position
FROM (
    SELECT ci.origin, ci.collection_id, ci.position, e.id AS episode_id, e.season_number, e.episode_number,
           e.originally_available_at
    FROM collection_items AS ci JOIN episodes AS e ON e.origin = ci.origin AND e.id = ci.episode_id
    UNION ALL
    SELECT ci.origin, ci.collection_id, ci.position, e.id, e.season_number, e.episode_number, e.originally_available_at
    FROM collection_items AS ci JOIN episodes AS e ON e.origin = ci.origin AND e.season_id = ci.season_id
    UNION ALL
    SELECT ci.origin, ci.collection_id, ci.position, e.id, e.season_number, e.episode_number, e.originally_available_at
    FROM collection_items AS ci JOIN episodes AS e ON e.origin = ci.origin AND e.show_id = ci.show_id
) AS m;
