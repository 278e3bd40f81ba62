"""The films of the built-in library: public domain, with their real titles, years and ids.

Running times are in minutes and approximate, because prints of old films differ.
"""

from __future__ import annotations

import msgspec


class Film(msgspec.Struct, frozen=True):
    """What is known about a film. `imdb` and `tmdb` are None where they would be a guess."""

    title: str
    year: int
    minutes: int
    imdb: str | None
    tmdb: int | None
    released: str | None
    director: str
    genres: tuple[str, ...]
    country: str
    summary: str
    original_title: str | None = None
    actors: tuple[str, ...] = ()
    writers: tuple[str, ...] = ()
    studio: str | None = None
    tagline: str | None = None


FILMS = (
    Film(
        "A Trip to the Moon", 1902, 13, "tt0000417", 775, "1902-09-01", "Georges Méliès",
        ("Adventure", "Science Fiction", "Fantasy"), "France",
        "Six professors in pointed hats are fired at the Moon. The Moon takes it in the eye.",
        "Le Voyage dans la Lune", ("Georges Méliès", "Bleuette Bernon", "François Lallement", "Henri Delannoy"),
    ),
    Film(
        "The Cabinet of Dr. Caligari", 1920, 77, "tt0010323", 234, "1920-02-27", "Robert Wiene",
        ("Horror", "Thriller", "Crime"), "Germany",
        "A fairground hypnotist, his sleepwalker, and a town in which no wall stands straight.",
        "Das Cabinet des Dr. Caligari", ("Werner Krauß", "Conrad Veidt", "Lil Dagover", "Friedrich Fehér"),
    ),
    Film(
        "The Kid", 1921, 68, "tt0012349", 10098, "1921-01-21", "Charlie Chaplin",
        ("Comedy", "Drama"), "United States of America",
        "A tramp finds a baby in an alley and brings it up on his trade, which is other people's windows.",
        None, ("Charlie Chaplin", "Jackie Coogan", "Edna Purviance"),
    ),
    Film(
        "Nosferatu", 1922, 94, "tt0013442", 653, "1922-03-04", "F. W. Murnau",
        ("Horror", "Fantasy"), "Germany",
        "A clerk sells a house in Wisborg to a count who keeps odd hours.",
        "Nosferatu, eine Symphonie des Grauens", ("Max Schreck", "Greta Schröder", "Gustav von Wangenheim"),
        ("Henrik Galeen",), "Prana-Film", "The count will see you now.",
    ),
    Film(
        "Häxan", 1922, 105, "tt0013257", 57283, "1922-09-18", "Benjamin Christensen",
        ("Documentary", "Horror"), "Sweden",
        "A learned lecture on witches that keeps being interrupted by them.",
    ),
    Film(
        "Safety Last!", 1923, 74, "tt0014429", 22596, "1923-04-01", "Fred C. Newmeyer",
        ("Comedy", "Romance", "Thriller"), "United States of America",
        "A shop assistant must climb a department store, and the clock is against him.",
        None, ("Harold Lloyd", "Mildred Davis", "Bill Strother", "Noah Young"),
        ("Hal Roach", "Sam Taylor", "Tim Whelan"), "Hal Roach Studios", "Twelve floors, no lift.",
    ),
    Film(
        "Sherlock Jr.", 1924, 45, "tt0015324", 992, "1924-04-21", "Buster Keaton",
        ("Comedy", "Mystery"), "United States of America",
        "A projectionist falls asleep at work and walks into the film.",
        None, ("Buster Keaton", "Kathryn McGuire", "Joe Keaton"),
    ),
    Film(
        "Броненосец «Потёмкин»", 1925, 75, "tt0015648", 643, "1925-12-24", "Sergei Eisenstein",
        ("Drama", "History", "War"), "Soviet Union",
        "There are maggots in the meat, and then there is a mutiny.",
    ),
    Film(
        "The Phantom of the Opera", 1925, 93, "tt0016220", 964, "1925-09-06", "Rupert Julian",
        ("Horror", "Romance"), "United States of America",
        "Somebody lives under the opera house and has firm views on casting.",
        None, ("Lon Chaney", "Mary Philbin", "Norman Kerry"),
    ),
    Film(
        "The General", 1926, 79, "tt0017925", 961, "1926-12-31", "Buster Keaton",
        ("Action", "Comedy", "War"), "United States of America",
        "An engine driver loves two things, and one of them is stolen with the other aboard.",
        None, ("Buster Keaton", "Marion Mack", "Glen Cavender"),
    ),
    Film(
        "Metropolis", 1927, 153, "tt0017136", 19, "1927-01-10", "Fritz Lang",
        ("Drama", "Science Fiction"), "Germany",
        "Below, the workers; above, the gardens; in between, a robot who dances.",
        None, ("Brigitte Helm", "Alfred Abel", "Gustav Fröhlich", "Rudolf Klein-Rogge"),
        ("Thea von Harbou",), "UFA", "Mind the machine.",
    ),
    Film(
        "Man with a Movie Camera", 1929, 68, "tt0019760", 26317, "1929-01-08", "Dziga Vertov",
        ("Documentary",), "Soviet Union",
        "A city wakes, works and goes to the pictures, where it sees itself.",
        "Человек с киноаппаратом",  # noqa: RUF001  # it is Russian
    ),
    Film(
        "生れてはみたけれど", 1932, 90, "tt0023634", None, "1932-06-03", "Yasujirō Ozu",
        ("Comedy", "Drama"), "Japan",
        "Two brothers go on a hunger strike because their father laughs at his boss's jokes.",
    ),
    Film(
        "神女", 1934, 85, "tt0025748", None, None, "Wu Yonggang",
        ("Drama",), "China",
        "By night she walks the streets of Shanghai so that by day her son can go to school.",
    ),
    Film(
        "His Girl Friday", 1940, 92, "tt0032599", 3085, "1940-01-18", "Howard Hawks",
        ("Comedy", "Romance", "Drama"), "United States of America",
        "An editor has one night to keep his best reporter, who is also his former wife, from marrying insurance.",
        None, ("Cary Grant", "Rosalind Russell", "Ralph Bellamy", "Gene Lockhart"),
    ),
    Film(
        "Detour", 1945, 68, "tt0037638", 20367, "1945-11-30", "Edgar G. Ulmer",
        ("Crime", "Drama", "Thriller"), "United States of America",
        "Never pick up a hitch-hiker, and never be one.",
        None, ("Tom Neal", "Ann Savage", "Claudia Drake"),
    ),
    Film(
        "D.O.A.", 1950, 83, "tt0042369", 18995, "1950-04-21", "Rudolph Maté",
        ("Crime", "Mystery"), "United States of America",
        "A man walks into a police station to report a murder. His own.",
        None, ("Edmond O'Brien", "Pamela Britton", "Luther Adler"),
    ),
    Film(
        "Plan 9 from Outer Space", 1957, 79, "tt0052077", 10513, "1957-03-15", "Ed Wood",
        ("Horror", "Science Fiction"), "United States of America",
        "The first eight plans are not spoken of.",
        None, ("Gregory Walcott", "Mona McKinnon", "Vampira"),
    ),
    Film(
        "House on Haunted Hill", 1959, 75, "tt0051744", 22744, "1959-02-17", "William Castle",
        ("Horror", "Mystery"), "United States of America",
        "Ten thousand dollars for whoever stays the night. Breakfast is not included.",
        None, ("Vincent Price", "Carol Ohmart", "Elisha Cook Jr."),
    ),
    Film(
        "Carnival of Souls", 1962, 78, "tt0055830", 16093, "1962-09-26", "Herk Harvey",
        ("Horror", "Mystery"), "United States of America",
        "A church organist survives an accident, or so she believes.",
        None, ("Candace Hilligoss", "Frances Feist", "Sidney Berger"),
    ),
    Film(
        "Charade", 1963, 113, "tt0056923", 4808, "1963-12-05", "Stanley Donen",
        ("Comedy", "Mystery", "Romance"), "United States of America",
        "A widow in Paris is chased for a quarter of a million dollars that she cannot find either.",
        None, ("Cary Grant", "Audrey Hepburn", "Walter Matthau", "James Coburn"),
        ("Peter Stone",), "Universal Pictures", "Check the stamps.",
    ),
    Film(
        "Night of the Living Dead", 1968, 96, "tt0063350", 10331, "1968-10-01", "George A. Romero",
        ("Horror", "Thriller"), "United States of America",
        "Seven people, one farmhouse, and neighbours who won't stay buried.",
        None, ("Duane Jones", "Judith O'Dea", "Karl Hardman", "Marilyn Eastman"),
        ("John A. Russo", "George A. Romero"), "Image Ten", "Do not go down to the cellar.",
    ),
)  # fmt: skip


UNMATCHED = (
    # The title that a scanner reads from the file, and the file itself; no agent ever identified these.
    ("청춘의 십자로", "청춘의 십자로.mkv"),
    ("دختر لر", "دختر لر 1933.mkv"),
    ("राजा हरिश्चन्द्र", "राजा हरिश्चन्द्र.mkv"),
    ("VTS_01_1", "untitled transfers/VTS_01_1.mkv"),
)
