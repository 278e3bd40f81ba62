"""The built-in libraries of films and clips. Each function's docstring lists the special cases in its library."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from retrovue_daemon.demo.builtin_film_data import FILMS, UNMATCHED, Film
from retrovue_daemon.demo.items import Tags
from retrovue_daemon.demo.shelf import HD, MOBILE, NO_AGENT, SD, UHD, File, Shelf, file_name, new_library, plex_guid

if TYPE_CHECKING:
    from retrovue_daemon.demo.items import Media, Movie
    from retrovue_daemon.demo.streams import Format
    from retrovue_daemon.demo.world import World

MINUTE = 60_000  # ms
THIRD_OF_A_DAY = 28_800  # s
FIRST_TALKIE = 1927
LEGACY_IMDB = "com.plexapp.agents.imdb"


def add_films(world: World) -> None:
    """Add the main film library, in two folders.

    It has a film in two versions, one in two files, one with a version optimized by Plex, one in two editions, one
    not analysed yet, one without a file, one in the trash, and four that no agent could match.
    """
    library = new_library(world, "movie", "Movies", "/srv/media/movies", "/srv/archive/films")
    shelf, archive = Shelf(world, library), Shelf(world, library, root=1)
    films = {film.title: film for film in FILMS}
    two_versions = films.pop("Charade")
    two_files = films.pop("Metropolis")
    optimized = films.pop("His Girl Friday")
    editions = films.pop("The Phantom of the Opera")
    not_analysed = films.pop("D.O.A.")
    without_file = films.pop("Detour")
    in_trash = films.pop("Plan 9 from Outer Space")
    for number, film in enumerate(films.values()):
        _film(archive if number % 4 == 3 else shelf, film, _version(shelf, film, HD))  # noqa: PLR2004
    _film(shelf, two_versions, _version(shelf, two_versions, HD), _version(shelf, two_versions, SD, " - 480p"))
    half = two_files.minutes * MINUTE // 2
    name = file_name(two_files.title, two_files.year)
    parts = (File(path=f"{name}/{name} - part{n}.mkv", duration=half + n * 1_711) for n in (1, 2))
    _film(shelf, two_files, shelf.media(*parts))
    _film(shelf, optimized, *_optimized(shelf, optimized))
    _film(shelf, editions, _version(shelf, editions, HD))
    cut = _version(shelf, editions, HD, " {edition-1929 Sound Reissue}")
    _film(shelf, editions, cut, edition_title="1929 Sound Reissue")
    _film(shelf, not_analysed, _not_analysed(shelf, not_analysed))
    _film(shelf, without_file)
    gone = _film(shelf, in_trash, msgspec.structs.replace(_version(shelf, in_trash, SD), deleted_at=world.now))
    world.put(msgspec.structs.replace(gone, deleted_at=world.now))
    for title, path in UNMATCHED:
        _unmatched(archive, title, path)


def add_films_in_4k(world: World) -> None:
    """Add a library of restorations of films from the main library: other files, the same guids."""
    library = new_library(world, "movie", "Movies 4K", "/srv/media/movies-4k")
    shelf = Shelf(world, library)
    for film in FILMS:
        if film.title in {"Night of the Living Dead", "Charade"}:
            _film(shelf, film, _version(shelf, film, UHD, " - 2160p"))


def add_silent_archive(world: World) -> None:
    """Add films matched by legacy agents, and one matched by a custom agent."""
    library = new_library(world, "movie", "Silent Archive", "/srv/archive/silent", agent=LEGACY_IMDB)
    shelf = Shelf(world, library)
    for title, year, minutes, guid in (
        ("Battling Butler", 1926, 77, f"{LEGACY_IMDB}://tt0016630?lang=en"),
        ("The Navigator", 1924, 59, f"{LEGACY_IMDB}://tt0015163?lang=en"),
        ("Die Abenteuer des Prinzen Achmed", 1926, 65, "com.plexapp.agents.themoviedb://28627?lang=de"),
        ("Ballet mécanique", 1924, 19, "tv.plex.agents.custom.cinematheque.home://movie/ballet-mecanique-1924"),
    ):
        name = file_name(title, year)
        media = shelf.media(File(path=f"{name}/{name}.avi", duration=minutes * MINUTE, format=SD))
        shelf.movie(title, year, media=(media,), guid=guid, tags=Tags(genres=("Silent",)), rating=7.4)


def add_clips(world: World) -> None:
    """Add "Other Videos": unmatched clips. The trailing space in the title was typed by its owner."""
    library = new_library(world, "movie", "Trailers & Bumpers ", "/srv/media/bumpers", agent=NO_AGENT)
    shelf = Shelf(world, library)
    for title, seconds in (("Please Stand By", 30), ("Let's All Go to the Lobby", 62), ("Sign-Off (1976)", 95)):
        media = shelf.media(File(path=f"{title}.mkv", duration=seconds * 1_000, format=SD))
        digest = plex_guid("clip", title).rpartition("/")[2]
        guid = f"{NO_AGENT}://{digest}?lang=xn"
        shelf.movie(
            title, 2025, media=(media,), guid=guid, subtype="clip", content_rating=None, released="2025-11-02"
        )


def _film(shelf: Shelf, film: Film, *media: Media, edition_title: str | None = None) -> Movie:
    shelf.world.pass_time(THIRD_OF_A_DAY)
    external = [f"imdb://{film.imdb}"] if film.imdb else []
    if film.tmdb is not None:
        external.append(f"tmdb://{film.tmdb}")
    return shelf.movie(
        film.title,
        film.year,
        media=media,
        external_guids=tuple(external),
        original_title=film.original_title,
        edition_title=edition_title,
        released=film.released,
        summary=film.summary,
        tagline=film.tagline,
        studio=film.studio,
        rating=7.5,
        tags=Tags(
            genres=film.genres,
            countries=(film.country,),
            directors=(film.director,),
            writers=film.writers,
            roles=film.actors,
            collections=("The Silent Era",) if film.year < FIRST_TALKIE else (),
        ),
    )


def _unmatched(shelf: Shelf, title: str, path: str) -> None:
    movie = shelf.movie(title, None, media=(shelf.media(File(path=path, duration=41 * MINUTE, format=SD)),))
    shelf.world.put(msgspec.structs.replace(movie, guid=f"local://{movie.id}", content_rating=None, updated_at=None))


def _version(shelf: Shelf, film: Film, form: Format, suffix: str = "") -> Media:
    name = file_name(film.title, film.year)
    return shelf.media(
        File(path=f"{name}/{name}{suffix}.{form.container}", duration=film.minutes * MINUTE, format=form)
    )


def _optimized(shelf: Shelf, film: Film) -> tuple[Media, Media]:
    """Return the original and the smaller version that Plex made of it, in a separate folder."""
    original = msgspec.structs.replace(_version(shelf, film, HD), title="Original")
    name = file_name(film.title, film.year)
    file = File(path=f"Plex Versions/Optimized for Mobile/{name}.mp4", duration=film.minutes * MINUTE, format=MOBILE)
    smaller = msgspec.structs.replace(
        shelf.media(file), proxy_type=42, target="Optimized for Mobile", title="Optimized for Mobile"
    )
    return original, smaller


def _not_analysed(shelf: Shelf, film: Film) -> Media:
    """Return a file that was scanned but not analysed yet."""
    media = _version(shelf, film, HD)
    part = msgspec.structs.replace(media.parts[0], duration=None, container=None)
    return msgspec.structs.replace(media, format=None, parts=(part,))
