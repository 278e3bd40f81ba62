"""Failures of a simulated server: as a test sets them, or at random from a seed.

| module | responsibility |
|---|---|
| `scripted` | failures on the paths that a test names, once or a given number of times |
| `spec` | the text that describes random faults: which kinds, how often, where |
| `random_faults` | which response is spoiled, and by which kind |
| `kinds` | the list of kinds |
| `responses` | kinds that replace a response: statuses, pages of HTML, redirects |
| `connections` | kinds that break or slow the connection, or frame the body badly |
| `listings` | kinds that change what a server says: totals, pages, keys, libraries |
| `bodies` | kinds that are hard to read: bombs, nesting, numbers, encodings, entities |
| `disturbance` | what each kind gets: the request, the response and the random numbers |
"""

from retrovue_daemon.demo.faults.kinds import KINDS
from retrovue_daemon.demo.faults.random_faults import RandomFaults
from retrovue_daemon.demo.faults.scripted import (
    BadBytes,
    Drop,
    Empty,
    Fail,
    Fault,
    Faults,
    Garble,
    Hang,
    Miscount,
    Redirect,
    Replace,
    Rewrite,
    Truncate,
)
from retrovue_daemon.demo.faults.spec import FaultSpec, parse_spec

__all__ = [
    "KINDS",
    "BadBytes",
    "Drop",
    "Empty",
    "Fail",
    "Fault",
    "FaultSpec",
    "Faults",
    "Garble",
    "Hang",
    "Miscount",
    "RandomFaults",
    "Redirect",
    "Replace",
    "Rewrite",
    "Truncate",
    "parse_spec",
]
