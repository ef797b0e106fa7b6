"""Do this to the world once: what a job's own code sees, in each attempt."""

from threading import Thread

import pytest
from rq.serializers import JSONSerializer

from holdfast.jobs import EffectMisused, LeaseEnded, NotDone, NotInAJob, effect, fence


def test_the_first_attempt_acts_and_the_next_is_told_what_came_of_it(attempts, bank):
    """INV-07: the job ran twice, the customer was charged once, and both attempts have the receipt."""
    with attempts.next():
        assert bank.fulfil() == "receipt 1"
    with attempts.next():
        assert bank.fulfil() == "receipt 1"
    assert len(bank.charges) == 1


@pytest.mark.parametrize("value", [None, 0, "", {"id": "R-7"}, b"\x00\n", [1, (2,)]], ids=repr)
def test_a_value_comes_back_as_it_was(attempts, value):
    """Anything the job's serializer takes."""
    with attempts.next(), effect("charge") as charge:
        charge.value = value
    with attempts.next(), effect("charge") as charge:
        assert (charge.first, charge.value) == (False, value)


def test_two_effects_of_one_job_are_two(attempts):
    """Each has its name, and its own key for the outside."""
    with attempts.next(), effect("charge") as charge, effect("mail") as mail:
        assert charge.first
        assert mail.first
        assert charge.key != mail.key


def test_a_key_is_the_same_in_each_attempt_and_another_in_each_generation(attempts):
    """The outside can refuse a second charge for tonight, and must not refuse tomorrow's."""
    keys = []
    for _ in range(2):
        for _ in range(2):
            with attempts.next(), effect("charge") as charge:
                keys.append(charge.key)
        attempts.begin_a_new_generation()
    assert keys[0] == keys[1] != keys[2] == keys[3]
    assert all(key.startswith("A-1:") and key.endswith(":charge") for key in keys)


def test_a_new_generation_acts_again(attempts, bank):
    """A nightly job with a fixed id charges every night."""
    for night in range(2):
        with attempts.next():
            assert bank.fulfil() == f"receipt {night + 1}"
        attempts.begin_a_new_generation()


@pytest.mark.parametrize(
    ("error", "policy"),
    [
        pytest.param(NotDone("declined"), {}, id="the body says so"),
        pytest.param(ConnectionRefusedError(), {"not_done": (ConnectionRefusedError,)}, id="the error says so"),
        pytest.param(ConnectionRefusedError(), {"not_done": (OSError,)}, id="errors of its kind say so"),
        pytest.param(ConnectionRefusedError(), {"not_done": OSError}, id="one class needs no tuple"),
    ],
)
def test_what_is_known_not_to_have_happened_leaves_no_doubt(attempts, bank, error, policy):
    """An ordinary retry works: the next attempt is first again."""
    with attempts.next(), pytest.raises(type(error)), effect("charge", **policy):
        raise error
    with attempts.next():
        assert bank.fulfil() == "receipt 1"


def test_an_error_after_the_effect_took_place_changes_nothing(attempts, bank):
    """A later attempt, which runs the body only to read, may fail as it likes."""
    with attempts.next():
        bank.fulfil()
    with attempts.next(), pytest.raises(NotDone), effect("charge"):
        raise NotDone
    with attempts.next():
        assert bank.fulfil() == "receipt 1"


def test_a_value_that_cannot_be_kept_is_said_but_the_effect_is_kept(attempts, bank):
    """The world has changed: that is on record, so nobody is charged again."""

    def charge_and_keep_a_function():
        with effect("charge") as charge:
            bank.charge(charge.key)
            charge.value = lambda: None

    with attempts.next(), pytest.raises(EffectMisused, match=r"took place and is recorded.*Keep an id or a number"):
        charge_and_keep_a_function()
    with attempts.next():
        assert bank.fulfil() is None
    assert len(bank.charges) == 1


def test_a_value_that_another_serializer_kept_is_a_sentence(attempts, bank):
    """A fleet that has changed its serializer: of which effect, and what can be done."""
    with attempts.next():
        bank.fulfil()
    with attempts.next() as execution:
        execution.serializer = JSONSerializer
        with pytest.raises(EffectMisused, match=r"'charge' is recorded .* cannot be read with JSONSerializer: "):
            bank.fulfil()
    assert len(bank.charges) == 1


@pytest.mark.parametrize("name", ["first", "key"])
def test_an_effect_without_its_block_is_refused(attempts, name):
    """INV-07: `first` would be false, and the job finished without having acted."""
    with (
        attempts.next(),
        pytest.raises(EffectMisused, match=rf"'charge'\)\.{name} was read before its block.*Write: with"),
    ):
        getattr(effect("charge"), name)


def test_one_name_twice_in_one_execution_is_refused(attempts, bank):
    """In a loop, the second order would be taken for the first and never be charged."""
    with attempts.next():
        bank.fulfil()
        with pytest.raises(EffectMisused, match=r"'charge' is used twice.*A-1.*'charge-\{n\}'"):
            bank.fulfil()


@pytest.mark.parametrize(
    ("name", "policy"),
    [
        *((name, {}) for name in ("", "x" * 201, 5, None, b"charge", ["charge"])),
        *(("charge", {"on_doubt": doubt}) for doubt in ("ask", None)),
        *(("charge", {"not_done": errors}) for errors in ("ValueError", ("ValueError",), int, None, ValueError(), 5)),
    ],
)
def test_an_effect_that_could_not_keep_its_promise_is_refused_before_it_begins(name, policy):
    """Where it is written, not in the outage."""
    with pytest.raises(EffectMisused):
        effect(name, **policy)


def test_outside_of_a_job_there_are_neither_effects_nor_a_fence(attempts):
    """A direct call in a shell must not look as if it were protected."""
    with pytest.raises(NotInAJob, match=r"effect\('charge'\).*rq worker -w holdfast"), effect("charge"):
        pass
    with attempts.next():
        fence()
    with pytest.raises(NotInAJob, match=r"fence\(\)"):
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


def test_a_lost_lease_ends_the_body_before_it_acts(attempts, bank):
    """INV-04, FM-012: it woke up late; someone else may be charging already."""
    with attempts.next():
        attempts.lose_the_lease()
        with pytest.raises(LeaseEnded, match=r"job A-1 .*HOLDFAST_LEASE_MS"):
            bank.fulfil()
    assert bank.charges == []


def test_a_lost_lease_is_not_swallowed_by_a_jobs_own_except(attempts, bank):
    """`except Exception: log and go on` is everywhere, and must not let a stale body go on."""

    def careless_job():
        try:
            bank.fulfil()
        except Exception:  # noqa: BLE001 - the careless one
            bank.charge("swallowed")

    with attempts.next():
        attempts.lose_the_lease()
        with pytest.raises(LeaseEnded):
            careless_job()
    assert bank.charges == []


def test_a_server_that_is_away_until_the_stop_by_moment_ends_the_lease(attempts, bank, fake):
    """FM-042: by then someone else may hold the job, so the body must not act."""
    server = fake.connection_pool.connection_kwargs["server"]
    with attempts.next(out_of_time=True):
        server.connected = False
        with pytest.raises(LeaseEnded, match="did not answer in time"):
            bank.fulfil()
    assert bank.charges == []
    server.connected = True


def test_an_effect_that_began_after_the_stop_by_moment_is_not_made(attempts, bank):
    """FM-013: the answer waited for a process that slept; someone else may have asked about the doubt meanwhile."""
    with attempts.next(out_of_time=True), pytest.raises(LeaseEnded, match="ran out while the effect was being begun"):
        bank.fulfil()
    assert bank.charges == []
