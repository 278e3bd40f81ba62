"""No secret is left in what is logged, wherever it stands and however it is written; innocent text stays."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from types import MappingProxyType

import msgspec
import pytest

from retrovue_daemon.logs.redaction import LONGEST_TEXT, Redactor

SECRET = "abc-secret-123"


class Speechless:
    def __str__(self) -> str:
        raise RuntimeError


class Record(msgspec.Struct):
    note: str


@dataclass
class Row:
    note: str


@pytest.fixture
def redactor() -> Redactor:
    made = Redactor()
    made.learn(SECRET)
    return made


def cleaned(redactor: Redactor, **details: object) -> str:
    """Return the line that these keys give, as JSON."""
    return json.dumps(redactor(None, "error", details), allow_nan=False)


@pytest.mark.parametrize(
    "value",
    [
        f"GET http://h/?a={SECRET}&x=1",
        f"GET http://h/?a={SECRET.upper()}",
        {SECRET: 1},
        {"headers": {"X-Plex-Token": SECRET}},
        [{"deep": ({SECRET},)}],
        SECRET.encode(),
        bytearray(SECRET, "ascii"),
        [f'{{"a": "{SECRET}"}}'.encode()],
        ValueError(SECRET),
        ExceptionGroup("all failed", [ValueError(SECRET)]),
        ExceptionGroup(SECRET, [ValueError("x")]),
        MappingProxyType({"note": SECRET}),
        frozenset({SECRET}),
        Record(SECRET),
        [Row(SECRET)],
        {1: {2: {3: {4: {5: {6: {7: {8: {9: SECRET}}}}}}}}},
    ],
    ids=repr,
)
def test_a_known_secret_is_found_in_any_value(redactor, value) -> None:
    """Also in keys, in bytes, in exceptions, in objects, and at any depth."""
    assert SECRET not in cleaned(redactor, value=value).lower()


@pytest.mark.parametrize("before", ["", "u", "us", "user:"])
@pytest.mark.parametrize("after", ["", "!", "!!", ":more"])
def test_a_known_secret_is_found_within_what_base64_makes_of_more(redactor, before, after) -> None:
    """As in a header that names a user: where the secret begins in it, its letters come out another way."""
    encoded = base64.b64encode(f"{before}{SECRET}{after}".encode()).decode()
    told = redactor.text(f"the header said {encoded}!")
    left = told.removeprefix("the header said ").removesuffix("!").split("***")
    assert len(left) == 2
    assert sum(map(len, left)) <= len(encoded) - len(SECRET)


@pytest.mark.parametrize(
    ("secret", "spelling"),
    [
        pytest.param("a/b+c=d e", "a%2Fb%2Bc%3Dd%20e", id="address"),
        pytest.param("a/b+c=d e", "a%2fb%2bc%3dd%20e", id="address in lower case"),
        pytest.param("a/b+c=d e", "a%2Fb%2Bc%3Dd+e", id="form"),
        pytest.param('say"so', r"say\"so", id="JSON"),
        pytest.param("say'\"so", r"""say\'"so""", id="Python"),
        pytest.param("back\\slash", r"back\\slash", id="Python and JSON"),
        pytest.param("<tag>&", "&lt;tag&gt;&amp;", id="HTML"),
        pytest.param("ab?c-secret>123", base64.b64encode(b"ab?c-secret>123").decode(), id="base64"),
        pytest.param("ab?c-secret>123", base64.urlsafe_b64encode(b"ab?c-secret>123").decode(), id="base64 for URLs"),
    ],
)
def test_a_secret_is_known_in_other_spellings(secret, spelling) -> None:
    """As an address, a form, JSON, a line of Python or a page writes it."""
    redactor = Redactor()
    redactor.learn(secret)
    assert redactor.text(f"[{secret}] [{spelling}]") == "[***] [***]"


ESCAPED = {
    "address": "".join(f"%{ord(letter):02x}" for letter in SECRET),
    "address, upper case": "".join(f"%{ord(letter):02X}" for letter in SECRET),
    "address, one letter": SECRET.replace("s", "%73"),
    "address, thrice": "".join(f"%2525{ord(letter):02X}" for letter in SECRET),
    "JSON": "".join(f"\\u{ord(letter):04x}" for letter in SECRET),
    "JSON, twice": "".join(f"\\\\u{ord(letter):04X}" for letter in SECRET),
    "Python": "".join(f"\\x{ord(letter):02x}" for letter in SECRET),
    "HTML": "".join(f"&#x{ord(letter):x};" for letter in SECRET),
    "HTML, twice": "".join(f"&amp;#{ord(letter)};" for letter in SECRET),
    "address in JSON": "".join(f"\\u0025{ord(letter):02x}" for letter in SECRET),
    "hexadecimal": SECRET.encode().hex(),
}


@pytest.mark.parametrize("spelling", ESCAPED.values(), ids=ESCAPED)
def test_a_secret_is_known_if_its_letters_are_escaped(redactor, spelling) -> None:
    """Addresses, JSON and HTML need no such escapes, but a server that has the secret may write it so."""
    assert redactor.text(f"[{spelling}] 100%") == "[***] 100%"


def test_escapes_of_other_texts_stay(redactor) -> None:
    """They are part of what happened."""
    text = r"GET /a%41%2Fb &#65; D:\\x41 \u0041"
    assert redactor.text(text) == text


def test_a_secret_that_begins_like_another_leaves_no_rest() -> None:
    """Whatever the order in which they were learnt."""
    for order in (("abcd", "abcd-efgh"), ("abcd-efgh", "abcd")):
        redactor = Redactor()
        for secret in order:
            redactor.learn(secret)
        assert redactor.text("abcd-efgh and abcd") == "*** and ***"


def test_a_text_seen_before_its_secret_was_known_is_redacted_from_then_on() -> None:
    """Short texts are remembered as they were redacted."""
    redactor = Redactor()
    assert redactor.text(f"the key {SECRET}") == f"the key {SECRET}"
    redactor.learn(SECRET)
    assert redactor.text(f"the key {SECRET}") == "the key ***"


def test_too_short_a_secret_is_not_looked_for() -> None:
    """It would blank innocent text."""
    redactor = Redactor()
    redactor.learn("abc")
    assert redactor.text("abcdef") == "abcdef"


@pytest.mark.parametrize(
    "text",
    [
        "http://h/library?a=1&X-Plex-Token=zyx-987",
        "X-Plex-Token: zyx-987",
        "http://h/login?next=http%3A%2F%2Fp%2F%3FX-Plex-Token%3Dzyx-987",
        "<CIMultiDict('X-Plex-Token': 'zyx-987')>",
        "Authorization: Bearer zyx-987",
        "Authorization: Basic zyx-987",
        "{'authorization': 'zyx-987'}",
        "sent Bearer zyx-987",
        "http://h/?token=zyx-987",
        '<User authToken="zyx-987" authenticationToken="zyx-987"/>',
        '{"MediaContainer":{"accessToken":"zyx-987"}}',
        r"{\"access_token\":\"zyx-987\"}",
        "refresh_token=zyx-987",
        "PlexImporter(url, token='zyx-987')",
        'token = "zyx-987"',
        "ServerSection(name='home', token='zyx-987')",
        "password=zyx-987",
        '{"secret": "zyx-987"}',
        "api_key: zyx-987",
        "http://user:zyx-987@host:32400/identity",
        "https://user:p@ss:zyx-987@host/",
        "via socks5://zyx-987@proxy",
        "eyJhbGciOiJ.zyx-987.zyx-987",
    ],
)
def test_an_unknown_token_is_recognised_by_its_place(text) -> None:
    """The secret is unknown, but the text before it marks it as one."""
    assert "zyx-987" not in Redactor().text(text)


@pytest.mark.parametrize(
    "text",
    [
        "check the token: https://support.plex.tv/articles/204059436 says how to find a valid one",
        "server 'home' rejected the token: HTTP 401",
        "servers[0].token is a JSON Web Token, which expires after 7 days",
        'token_file = "/etc/retrovue-daemon/home.token"',
        "http://192.168.1.10:32400/library/sections?type=1",
        "mail to somebody@example.org, see https://example.org/@somebody",
        "The Secret of Kells (2009)",
        "eyJ is how they begin",
    ],
)
def test_innocent_text_stays(text) -> None:
    """A log that hides ordinary text is useless."""
    assert Redactor().text(text) == text


@pytest.mark.parametrize(
    "details",
    [
        {"token": "zyx-987"},
        {"token": ["zyx-987"]},
        {"web_password": b"zyx-987"},
        {"headers": {"X-Plex-Token": ["zyx-987"]}},
        {"headers": [("Accept", "*/*"), ("X-Plex-Token", "zyx-987")]},
        {"request": {"headers": MappingProxyType({"Cookie": "zyx-987"})}},
        {"secret": 987},
        {"secret": {"zyx-987": 1}},
    ],
    ids=repr,
)
def test_what_a_key_calls_secret_is_hidden_whatever_it_is(details) -> None:
    """Lists, bytes and numbers too; only whether there is one may be seen."""
    assert "987" not in cleaned(Redactor(), **details)
    assert cleaned(Redactor(), has_token=True, token=None) == '{"has_token": true, "token": null}'


def test_a_value_stays_what_it_is() -> None:
    """Programs that read the lines count on numbers and lists."""
    details = {"added": 3, "ok": True, "none": None, "duration_s": 0.5, "servers": ["home"], "counts": {"a": [1]}}
    assert Redactor()(None, "info", dict(details)) == details


def test_no_value_makes_a_line_fail() -> None:
    """Objects without words, numbers that JSON lacks, a structure in itself, an exception that says nothing."""
    knot: list[object] = []
    knot.append(knot)
    odd = {"a": Speechless(), "b": float("nan"), "c": float("-inf"), "d": knot, "e": TimeoutError(), "f": {None: {1}}}
    line = json.loads(cleaned(Redactor(), **odd))
    assert "RuntimeError" in line["a"]
    assert (line["b"], line["c"], line["e"], line["f"]) == ("nan", "-inf", "TimeoutError", {"None": [1]})
    assert "…" in str(line["d"])


@pytest.mark.parametrize("position", [0, 500, LONGEST_TEXT - 7, LONGEST_TEXT, LONGEST_TEXT + 3, LONGEST_TEXT + 2044])
@pytest.mark.parametrize("before", [0, 3_000])
def test_a_text_of_many_megabytes_is_cut_and_shows_no_part_of_a_secret(position: int, before: int) -> None:
    """Not even of one that the cut splits, wherever other secrets shortened the text."""
    secret = "cut-through-secret"
    redactor = Redactor()
    redactor.learn(secret)
    text = secret * before + "x" * max(0, position - len(secret) * before) + secret + "y" * 60_000_000
    shown = redactor.text(text)
    assert len(shown) <= LONGEST_TEXT + 1
    assert shown.endswith("…")
    assert not any(secret[:length] in shown for length in range(4, len(secret)))


def test_a_long_text_without_a_cut_stays_whole() -> None:
    """Tracebacks are long."""
    assert Redactor().text("x" * LONGEST_TEXT) == "x" * LONGEST_TEXT
