"""Do this to the world once: what a job's own code sees, in each attempt and in each doubt."""

import random
from threading import Thread

import pytest

from holdfast.jobs import (
    DeadLetter,
    DidNotHappen,
    EffectMisused,
    Happened,
    InDoubt,
    LeaseEnded,
    NotDone,
    NotInAJob,
    Queue,
    effect,
    fence,
)
from holdfast.jobs.running import Running, running
from holdfast.jobs.settings import Settings
from holdfast.jobs.store.connections import Courier
from holdfast.jobs.store.moves import Caller, Moves, Spell
from holdfast.jobs.store.scripts import Scripts


class Bank:
    """The outside world: it does what it is asked, each time it is asked."""

    def __init__(self):
        self.charges = []

    def charge(self, key):
        self.charges.append(key)
        return f"receipt {len(self.charges)}"


class Attempts:
    """A job on a fake server, and one attempt at it after the other, each a running execution."""

    def __init__(self, redis, clock):
        self.redis, self.clock = redis, clock
        self.queue = Queue(connection=redis, clock=clock, rng=random.Random(7))
        self.scripts = Scripts(redis)
        self.lives = 0
        self.queue.enqueue("shop.fulfil", job_id="A-1")

    def next(self, *, out_of_time=False):
        """Let whoever had the job die, and give the next attempt at it."""
        self.lives += 1
        moves = Moves(self.scripts, self.clock, Settings(), Caller("w", f"{self.lives:016x}"))
        if self.lives > 1:
            self.moves.crash(self.execution.lease, 2, cause="signal 9")
        claimed = moves.claim(1, ["default"], seen_fence=0)
        self.moves = moves
        self.execution = Running(
            claimed.lease,
            moves,
            Courier(self.redis, self.clock, random.Random(7)),
            self.queue.serializer,
            claimed.record[b"hf_born"].decode(),
            lambda: out_of_time,
        )
        return running(self.execution)

    def finish(self):
        self.moves.complete(self.execution.lease, 2, Spell(1, 2), value="", result_ttl=500)


@pytest.fixture
def attempts(fake, clock):
    return Attempts(fake, clock)


@pytest.fixture
def bank():
    return Bank()


def fulfil(bank, **policy):
    """Charge once: the body of the job in these tests."""
    with effect("charge", **policy) as charge:
        if charge.first:
            charge.value = bank.charge(charge.key)
    return charge.value


def die_half_way(bank, attempts):
    """Charge, and die before it could be said."""
    with attempts.next(), pytest.raises(ZeroDivisionError), effect("charge") as charge:
        bank.charge(charge.key)
        raise ZeroDivisionError


def test_the_first_attempt_acts_and_the_next_is_told_what_came_of_it(attempts, bank):
    """INV-07: the job ran twice, the customer was charged once, and both attempts have the receipt."""
    with attempts.next():
        assert fulfil(bank) == "receipt 1"
    with attempts.next():
        assert fulfil(bank) == "receipt 1"
    assert len(bank.charges) == 1


@pytest.mark.parametrize("value", [None, 0, "", {"id": "R-7"}, b"\x00\n", [1, (2,)]], ids=repr)
def test_a_value_comes_back_as_it_was(attempts, value):
    """Anything the job's serializer takes."""
    with attempts.next(), effect("charge") as charge:
        charge.value = value
    with attempts.next(), effect("charge") as charge:
        assert (charge.first, charge.value) == (False, value)


def test_two_effects_of_one_job_are_two(attempts, bank):
    """Each has its name, and its own key for the outside."""
    with attempts.next(), effect("charge") as charge, effect("mail") as mail:
        assert charge.first
        assert mail.first
        assert charge.key != mail.key


def test_a_key_is_the_same_in_each_attempt_and_another_in_each_generation(attempts):
    """The outside can refuse a second charge of this order, and must not refuse tomorrow's."""
    keys = []
    for generation in range(2):
        for _ in range(2):
            with attempts.next(), effect("charge", on_doubt="retry") as charge:
                keys.append(charge.key)
        attempts.finish()
        attempts.queue.enqueue("shop.fulfil", job_id="A-1")
        attempts.lives = 0 if generation == 0 else attempts.lives
    assert keys[0] == keys[1] != keys[2] == keys[3]
    assert all(key.startswith("A-1:") and key.endswith(":charge") for key in keys)


def test_a_new_generation_acts_again(attempts, bank):
    """A nightly job with a fixed id charges every night."""
    for _ in range(2):
        attempts.lives = 0
        with attempts.next():
            fulfil(bank)
        attempts.finish()
        attempts.queue.enqueue("shop.fulfil", job_id="A-1")
    assert len(set(bank.charges)) == 2


def test_a_death_half_way_stops_the_job_and_says_in_doubt(attempts, bank):
    """INV-07: the default. Nobody is charged twice in silence; a person finds out."""
    die_half_way(bank, attempts)
    with attempts.next(), pytest.raises(InDoubt, match=r"'charge' \(key A-1:.*may or may not") as told:
        fulfil(bank)
    assert isinstance(told.value, DeadLetter)
    assert len(bank.charges) == 1


def test_an_effect_that_does_no_harm_twice_is_done_again(attempts, bank):
    """on_doubt='retry': the choice of whoever wrote it."""
    die_half_way(bank, attempts)
    with attempts.next():
        assert fulfil(bank, on_doubt="retry") == "receipt 2"
    with attempts.next():
        assert fulfil(bank) == "receipt 2"


def test_an_outside_that_says_it_happened_is_believed(attempts, bank):
    """It is asked with the key, and its answer is kept for later attempts."""
    die_half_way(bank, attempts)
    asked = []

    def ask(charge):
        asked.append(charge.key)
        return Happened("receipt from the bank")

    with attempts.next():
        assert fulfil(bank, on_doubt=ask) == "receipt from the bank"
    with attempts.next():
        assert fulfil(bank) == "receipt from the bank"
    assert asked == bank.charges


def test_an_outside_that_says_it_did_not_happen_lets_it_happen(attempts, bank):
    """From here on it is this attempt's: if it dies too, there is doubt again."""
    die_half_way(bank, attempts)
    with attempts.next():
        assert fulfil(bank, on_doubt=lambda charge: DidNotHappen()) == "receipt 2"
    with attempts.next():
        assert fulfil(bank) == "receipt 2"


def test_a_probe_that_fails_leaves_the_doubt(attempts, bank):
    """The bank does not answer now: this attempt fails, and the next one asks again."""
    die_half_way(bank, attempts)

    def ask(charge):
        raise ConnectionRefusedError

    with attempts.next(), pytest.raises(ConnectionRefusedError):
        fulfil(bank, on_doubt=ask)
    with attempts.next(), pytest.raises(InDoubt):
        fulfil(bank)


@pytest.mark.parametrize("finding", [True, None, Happened, "happened"], ids=repr)
def test_a_probe_that_answers_something_else_is_refused(attempts, bank, finding):
    """True could mean either; the doubt stays."""
    die_half_way(bank, attempts)
    with attempts.next(), pytest.raises(EffectMisused, match=r"Happened\(value\) or DidNotHappen\(\)"):
        fulfil(bank, on_doubt=lambda charge: finding)
    with attempts.next(), pytest.raises(InDoubt):
        fulfil(bank)


@pytest.mark.parametrize(
    ("error", "policy"),
    [
        pytest.param(NotDone("declined"), {}, id="the body says so"),
        pytest.param(ConnectionRefusedError(), {"not_done": (ConnectionRefusedError,)}, id="such an error says so"),
        pytest.param(ConnectionRefusedError(), {"not_done": (OSError,)}, id="a kind of error says so"),
    ],
)
def test_what_is_known_not_to_have_happened_leaves_no_doubt(attempts, bank, error, policy):
    """An ordinary retry works: the next attempt is first again."""
    with attempts.next(), pytest.raises(type(error)), effect("charge", **policy):
        raise error
    with attempts.next():
        assert fulfil(bank) == "receipt 1"


@pytest.mark.parametrize("error", [TimeoutError(), KeyboardInterrupt(), SystemExit(1)], ids=repr)
def test_any_other_way_out_of_the_body_leaves_doubt(attempts, bank, error):
    """A timeout says nothing of whether the bank has charged."""
    with attempts.next(), pytest.raises(type(error)), effect("charge", not_done=(ConnectionRefusedError,)):
        raise error
    with attempts.next(), pytest.raises(InDoubt):
        fulfil(bank)


def test_an_error_after_the_effect_took_place_changes_nothing(attempts, bank):
    """A later attempt, which runs the body only to read, may fail as it likes."""
    with attempts.next():
        fulfil(bank)
    with attempts.next(), pytest.raises(NotDone), effect("charge"):
        raise NotDone
    with attempts.next():
        assert fulfil(bank) == "receipt 1"


def test_a_value_that_cannot_be_kept_is_said_but_the_effect_is_kept(attempts, bank):
    """The world has changed: that is on record, so nobody is charged again."""
    with (
        attempts.next(),
        pytest.raises(EffectMisused, match="took place and is recorded.*Keep an id or a number"),
        effect("charge") as charge,
    ):
        bank.charge(charge.key)
        charge.value = lambda: None
    with attempts.next():
        assert fulfil(bank) is None
    assert len(bank.charges) == 1


def test_one_name_twice_in_one_execution_is_refused(attempts, bank):
    """In a loop, the second order would be taken for the first and never be charged."""
    with attempts.next():
        fulfil(bank)
        with pytest.raises(EffectMisused, match=r"'charge' is used twice.*A-1.*'charge-\{n\}'"):
            fulfil(bank)


@pytest.mark.parametrize(
    ("name", "policy"), [("", {}), ("x" * 201, {}), ("charge", {"on_doubt": "ask"}), ("charge", {"on_doubt": None})]
)
def test_an_effect_that_could_not_keep_its_promise_is_refused_before_it_begins(name, policy):
    """Where it is written, not in the outage."""
    with pytest.raises(EffectMisused):
        effect(name, **policy)


def test_outside_of_a_job_there_are_neither_effects_nor_a_fence(attempts):
    """A direct call in a shell must not look as if it were protected."""
    with pytest.raises(NotInAJob, match=r"effect\('charge'\).*rq worker -w holdfast"), effect("charge"):
        pass
    with pytest.raises(NotInAJob, match=r"fence\(\)"):
        fence()
    with attempts.next():
        fence()
    with pytest.raises(NotInAJob):
        fence()


def test_the_fence_that_a_job_sees_grows_with_each_attempt(attempts):
    """INV-03: for stores that can refuse the older holder."""
    seen = []
    for _ in range(3):
        with attempts.next():
            seen.append(fence())
    assert seen == sorted(set(seen))


def test_the_threads_of_a_job_are_in_the_job(attempts):
    """A pool of threads inside a body may use effects too."""
    seen = []
    with attempts.next():
        thread = Thread(target=lambda: seen.append(fence()))
        thread.start()
        thread.join()
    assert seen == [attempts.execution.lease.fence]


def lose_the_lease(attempts):
    Caller("other", "f" * 16)
    attempts.moves.give_back(attempts.execution.lease, 2, begun=True)


def test_a_lost_lease_ends_the_body_before_it_acts(attempts, bank):
    """INV-04, FM-012: it woke up late; someone else may be charging already."""
    with attempts.next():
        lose_the_lease(attempts)
        with pytest.raises(LeaseEnded, match=r"job A-1 .*HOLDFAST_LEASE_MS"):
            fulfil(bank)
    assert bank.charges == []


def test_a_lost_lease_is_not_swallowed_by_a_jobs_own_except(attempts, bank):
    """`except Exception: log and go on` is everywhere, and must not let a stale body go on."""

    def careless_job():
        try:
            fulfil(bank)
        except Exception:  # noqa: BLE001 - the careless one
            bank.charge("swallowed")

    with attempts.next():
        lose_the_lease(attempts)
        with pytest.raises(LeaseEnded):
            careless_job()
    assert bank.charges == []


def test_a_lease_lost_in_the_body_leaves_doubt_for_the_next(attempts, bank):
    """FM-013: it acted, and could not say so any more."""
    with attempts.next(), pytest.raises(LeaseEnded), effect("charge") as charge:
        bank.charge(charge.key)
        lose_the_lease(attempts)
    with attempts.next(), pytest.raises(InDoubt):
        fulfil(bank)


def test_a_server_that_is_away_until_the_stop_by_moment_ends_the_lease(attempts, bank):
    """FM-042: by then someone else may hold the job; the body must not act."""
    with attempts.next(out_of_time=True):
        attempts.redis.connection_pool.connection_kwargs["server"].connected = False
        try:
            with pytest.raises(LeaseEnded, match="did not answer in time"):
                fulfil(bank)
        finally:
            attempts.redis.connection_pool.connection_kwargs["server"].connected = True
    assert bank.charges == []
