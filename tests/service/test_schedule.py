"""When a server is looked at next."""

from __future__ import annotations

import pytest

from retrovue_daemon.errors import ServerBusy, ServerUnreachable, Unauthorized
from retrovue_daemon.service.schedule import FIRST_BACKOFF_S, LONGEST_BACKOFF_S, ServerSchedule

MINUTE = 60.0
INTERVAL = 5 * MINUTE


@pytest.fixture
def agenda(clock) -> ServerSchedule:
    return ServerSchedule(clock)


def _look(agenda: ServerSchedule, clock, error: Exception | None = None) -> float:
    """Let the next poll be due, and do it; return the seconds until the one after it."""
    clock.advance(agenda.due_in)
    assert agenda.begin(INTERVAL)
    if error is None:
        agenda.succeeded()
    else:
        agenda.failed(error, INTERVAL)
    return agenda.due_in


def test_the_first_poll_is_due_at_once(agenda) -> None:
    """A service that starts does not wait for an interval."""
    assert agenda.due_in == 0


def test_polls_come_at_the_interval_with_jitter(agenda, clock) -> None:
    """A tenth earlier or later, never more, and not always the same."""
    waits = [_look(agenda, clock) for _ in range(200)]
    assert INTERVAL * 0.9 <= min(waits) < INTERVAL * 0.95
    assert INTERVAL * 1.05 < max(waits) <= INTERVAL * 1.1


def test_failures_double_the_wait_up_to_a_quarter_of_an_hour(agenda, clock) -> None:
    """Each wait is drawn from the upper half of what it may be, so that servers that fell together do not rise so."""
    limits = [FIRST_BACKOFF_S * 2**number for number in range(6)] + [LONGEST_BACKOFF_S] * 30
    for limit in limits:
        wait = _look(agenda, clock, ServerUnreachable("home"))
        assert limit / 2 <= wait <= limit


def test_servers_that_fell_together_do_not_rise_together(clock) -> None:
    """Not even after their first failure: the waits are spread over all that they may be."""
    waits = [_look(ServerSchedule(clock), clock, ServerUnreachable("home")) for _ in range(200)]
    assert FIRST_BACKOFF_S * 0.5 <= min(waits) < FIRST_BACKOFF_S * 0.6
    assert FIRST_BACKOFF_S * 0.9 < max(waits) <= FIRST_BACKOFF_S


def test_a_failure_waits_no_longer_than_the_interval_at_first(agenda, clock) -> None:
    """Who looks every second wants to know in a second."""
    agenda.begin(1.0)
    agenda.failed(ServerUnreachable("home"), 1.0)
    assert agenda.due_in <= 1.0


def test_a_success_ends_the_backoff(agenda, clock) -> None:
    """The next failure begins anew."""
    for _ in range(8):
        _look(agenda, clock, ServerUnreachable("home"))
    assert _look(agenda, clock) >= INTERVAL * 0.9
    assert _look(agenda, clock, ServerUnreachable("home")) <= FIRST_BACKOFF_S


def test_retry_after_is_respected(agenda, clock) -> None:
    """However often it has failed before."""
    for _ in range(8):
        _look(agenda, clock, ServerUnreachable("home"))
    assert _look(agenda, clock, ServerBusy("home", 503, retry_after=300.0)) == 300
    assert _look(agenda, clock, ServerBusy("home", 503, retry_after=20.0)) == 20


def test_a_server_that_responds_again_is_polled_at_once(agenda, clock) -> None:
    """Unless it has demanded a pause, of which the rest is waited for."""
    for _ in range(8):
        _look(agenda, clock, ServerUnreachable("home"))
    agenda.failed(ServerUnreachable("home"), INTERVAL)
    agenda.reached()
    assert agenda.due_in == 0
    agenda.failed(ServerBusy("home", 503, retry_after=300.0), INTERVAL)
    clock.time += 100
    agenda.reached()
    assert agenda.due_in == agenda.pause == 200


@pytest.mark.parametrize("retry_after", [0.0, 1.0, 10.0])
def test_a_server_that_says_to_come_back_at_once_is_not_hammered(agenda, clock, retry_after) -> None:
    """It said the same to every try of the look that failed."""
    for limit in (FIRST_BACKOFF_S, FIRST_BACKOFF_S * 2, FIRST_BACKOFF_S * 4):
        wait = _look(agenda, clock, ServerBusy("home", 503, retry_after=retry_after))
        assert max(limit / 2, retry_after) <= wait <= limit


def test_a_refused_token_is_tried_slowly_from_the_start(agenda, clock) -> None:
    """Somebody has to change it; until then every try only fills the server's log."""
    for _ in range(5):
        wait = _look(agenda, clock, Unauthorized("home", 401))
        assert LONGEST_BACKOFF_S / 2 <= wait <= LONGEST_BACKOFF_S


def test_the_wall_clock_does_not_matter(agenda, clock) -> None:
    """Set forward or back by years: the next poll stays where it was."""
    wait = _look(agenda, clock)
    for year in (-10, +10):
        clock.wall += year * 365 * 86_400
        assert agenda.due_in == wait


def test_an_early_poll_leaves_the_schedule_alone(agenda, clock) -> None:
    """A job requested something other than all that is due."""
    wait = _look(agenda, clock)
    clock.advance(10)
    assert not agenda.begin(INTERVAL)
    agenda.succeeded()
    assert agenda.due_in == wait - 10


def test_an_early_poll_that_ends_a_failure_makes_up_for_missed_polls(agenda, clock) -> None:
    """The job's poll has shown that the server is back."""
    for _ in range(8):
        _look(agenda, clock, ServerUnreachable("home"))
    assert agenda.begin(INTERVAL)
    agenda.succeeded()
    assert INTERVAL * 0.9 <= agenda.due_in <= INTERVAL * 1.1


def test_a_failed_early_poll_does_not_lengthen_the_backoff(agenda, clock) -> None:
    """An impatient person at a server that starts would otherwise keep it away for a quarter of an hour."""
    _look(agenda, clock, ServerUnreachable("home"))
    for _ in range(10):
        agenda.begin(INTERVAL)
        agenda.failed(ServerUnreachable("home"), INTERVAL)
    assert agenda.due_in <= FIRST_BACKOFF_S


def test_a_busy_pass_postpones_the_next_poll_and_a_shorter_interval_does_not_bring_it_closer(agenda, clock) -> None:
    """The server sent Retry-After; a shorter interval does not override that."""
    _look(agenda, clock)
    agenda.postpone(600)
    agenda.shorten(30)
    assert agenda.due_in == 600


def test_a_shorter_interval_holds_at_once(agenda, clock) -> None:
    """A week that was planned before does not have to pass first; a server that fails stays alone."""
    clock.advance(agenda.due_in)
    agenda.begin(7 * 86_400)
    agenda.succeeded()
    agenda.shorten(MINUTE)
    assert agenda.due_in == MINUTE
    agenda.shorten(INTERVAL)
    assert agenda.due_in == MINUTE
    for _ in range(8):
        _look(agenda, clock, ServerUnreachable("home"))
    wait = agenda.due_in
    agenda.shorten(MINUTE)
    assert agenda.due_in == wait > MINUTE
