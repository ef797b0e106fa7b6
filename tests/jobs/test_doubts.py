"""An attempt died between acting and saying so: nobody is charged twice in silence."""

import pytest

from holdfast.jobs import DeadLetter, DidNotHappen, EffectMisused, Happened, InDoubt, LeaseEnded, effect
from holdfast.jobs.rq_surface import JobTimeoutException


def test_a_death_half_way_stops_the_job_and_says_in_doubt(attempts, bank, doubt):
    """INV-07: the default. A person finds out, and is told by which key to ask."""
    with attempts.next(), pytest.raises(InDoubt, match=r"'charge' \(key A-1:.*may or may not") as told:
        bank.fulfil()
    assert isinstance(told.value, DeadLetter)
    assert len(bank.charges) == 1


@pytest.mark.parametrize("error", [TimeoutError(), KeyboardInterrupt(), SystemExit(1)], ids=repr)
def test_any_way_out_of_the_body_leaves_doubt(attempts, bank, error):
    """A timeout says nothing of whether the bank has charged, unless it is listed."""
    with attempts.next(), pytest.raises(type(error)), effect("charge", not_done=(ConnectionRefusedError,)):
        raise error
    with attempts.next(), pytest.raises(InDoubt):
        bank.fulfil()


@pytest.mark.parametrize("errors", [Exception, JobTimeoutException, (OSError, Exception)], ids=repr)
def test_a_jobs_timeout_leaves_doubt_whatever_else_does_not(attempts, bank, errors):
    """It strikes anywhere in the body: the bank may have charged. RQ's is an Exception, as so many lists have."""

    def charge_for_too_long():
        with effect("charge", not_done=errors) as charge:
            bank.charge(charge.key)
            raise JobTimeoutException("Task exceeded maximum timeout value (180 seconds)")

    with attempts.next(), pytest.raises(JobTimeoutException):
        charge_for_too_long()
    with attempts.next(), pytest.raises(InDoubt):
        bank.fulfil(not_done=errors)
    assert len(bank.charges) == 1


def test_a_lease_lost_in_the_body_leaves_doubt_for_the_next(attempts, bank):
    """FM-013: it acted, and could not say so any more."""

    def charge_and_lose_the_lease():
        with effect("charge") as charge:
            bank.charge(charge.key)
            attempts.lose_the_lease()

    with attempts.next(), pytest.raises(LeaseEnded):
        charge_and_lose_the_lease()
    with attempts.next(), pytest.raises(InDoubt):
        bank.fulfil()


def test_an_effect_that_does_no_harm_twice_is_done_again(attempts, bank, doubt):
    """on_doubt='retry': the choice of whoever wrote it."""
    with attempts.next():
        assert bank.fulfil(on_doubt="retry") == "receipt 2"
    with attempts.next():
        assert bank.fulfil() == "receipt 2"


def test_an_outside_that_says_it_happened_is_believed(attempts, bank, doubt):
    """It is asked with the key, and its answer is kept for later attempts."""
    asked = []

    def ask(charge):
        asked.append(charge.key)
        return Happened("receipt from the bank")

    with attempts.next():
        assert bank.fulfil(on_doubt=ask) == "receipt from the bank"
    with attempts.next():
        assert bank.fulfil(on_doubt=ask) == "receipt from the bank"
    assert asked == bank.charges


def test_an_outside_that_says_it_did_not_happen_lets_it_happen(attempts, bank, doubt):
    """From here on the effect is this attempt's."""
    with attempts.next():
        assert bank.fulfil(on_doubt=lambda charge: DidNotHappen()) == "receipt 2"
    with attempts.next():
        assert bank.fulfil() == "receipt 2"


def test_an_attempt_that_took_a_doubt_over_can_leave_one_itself(attempts, bank, doubt):
    """The outside was asked about the first, and knows nothing of the second."""
    asked = []

    def ask(charge):
        asked.append(charge.key)
        return DidNotHappen()

    for _ in range(2):
        with attempts.next(), pytest.raises(TimeoutError), effect("charge", on_doubt=ask):
            raise TimeoutError
    assert len(asked) == 2


def test_a_probe_that_fails_leaves_the_doubt(attempts, bank, doubt):
    """The bank does not answer now: this attempt fails, and the next one asks again."""

    def ask(charge):
        raise ConnectionRefusedError

    with attempts.next(), pytest.raises(ConnectionRefusedError):
        bank.fulfil(on_doubt=ask)
    with attempts.next(), pytest.raises(InDoubt):
        bank.fulfil()


@pytest.mark.parametrize("finding", [True, None, Happened, "happened"], ids=repr)
def test_a_probe_that_answers_something_else_is_refused(attempts, bank, doubt, finding):
    """True could mean either; the doubt stays."""
    with attempts.next(), pytest.raises(EffectMisused, match=r"Happened\(value\) or DidNotHappen\(\)"):
        bank.fulfil(on_doubt=lambda charge: finding)
    with attempts.next(), pytest.raises(InDoubt):
        bank.fulfil()


def test_a_lease_lost_while_the_outside_was_asked_ends_the_body(attempts, bank, doubt):
    """FM-012: the answer was long in coming, and someone else holds the job."""

    def ask(charge):
        attempts.lose_the_lease()
        return DidNotHappen()

    with attempts.next(), pytest.raises(LeaseEnded):
        bank.fulfil(on_doubt=ask)
    assert len(bank.charges) == 1
