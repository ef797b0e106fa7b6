"""A policy decides from what is left, the error and chance; it asks nobody."""

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rq.job import Job

from holdfast.jobs import DeadLetter, Exponential, Fixed, InDoubt, Retry
from holdfast.jobs.retry import Budget, Bury, Postpone

RNG = random.Random(7)


class NoChance(random.Random):
    """Chance that must not be asked."""

    def random(self):
        raise AssertionError("this policy has no jitter")

    def uniform(self, a, b):
        raise AssertionError("this policy has no jitter")


def record(retries_left, intervals, **more):
    """Write what RQ, and we beside it, keep on a job's record."""
    fields = {"retries_left": retries_left, "retry_intervals": json.dumps(intervals), **more}
    return {name.encode(): str(value).encode() for name, value in fields.items()}


def record_of(policy):
    """Write the record of a job that was enqueued with this policy."""
    own = policy.to_fields()
    at_front = {"enqueue_at_front_on_retry": 1} if policy.enqueue_at_front else {}
    return record(policy.max, policy.intervals, **at_front, **own)


def waits_of(policy, rng=RNG):
    """Let a job fail until its policy gives up, and tell for how long it waited each time."""
    kept, waits = record_of(policy), []
    while isinstance(decision := Budget.of(kept).decide(ValueError(), rng), Postpone):
        waits.append(decision.delay_ms / 1_000)
        kept[b"retries_left"] = str(decision.retries_left).encode()
    assert decision == Bury("failures")
    return waits


@pytest.mark.parametrize(
    ("kept", "error", "decision"),
    [
        pytest.param({}, ValueError(), Bury("failures"), id="a job without a policy fails at once"),
        pytest.param(record(0, [5]), ValueError(), Bury("failures"), id="nothing is left"),
        pytest.param(record(1, [5]), ValueError(), Postpone(5_000, at_front=False, retries_left=0), id="the last one"),
        pytest.param(record(3, [0]), ValueError(), Postpone(0, at_front=False, retries_left=2), id="at once"),
        pytest.param(
            record(3, 4),
            ValueError(),
            Postpone(4_000, at_front=False, retries_left=2),
            id="one number, as older RQ wrote it",
        ),
        pytest.param(
            record(3, []), ValueError(), Postpone(0, at_front=False, retries_left=2), id="no interval is no wait"
        ),
        pytest.param(
            record(3, [5], enqueue_at_front_on_retry=1),
            ValueError(),
            Postpone(5_000, at_front=True, retries_left=2),
            id="to the front",
        ),
        pytest.param(record(3, [float("nan")]), ValueError(), Bury("failures"), id="a wait that is no time"),
        pytest.param(record(3, [5]), DeadLetter(), Bury("rejected"), id="the job says that none can help"),
        pytest.param(record(3, [5]), InDoubt("charge", "k"), Bury("in_doubt"), id="an effect may have happened"),
        pytest.param(
            record(3, [5]),
            SystemExit(1),
            Postpone(5_000, at_front=False, retries_left=2),
            id="sys.exit() is a failure too",
        ),
    ],
)
def test_what_becomes_of_a_failure(kept, error, decision):
    """Another attempt in so many ms, or none, and why."""
    assert Budget.of(kept).decide(error, NoChance()) == decision


@given(st.lists(st.integers(0, 9_000), min_size=1, max_size=6), st.integers(1, 8))
def test_waits_are_the_ones_that_stock_rq_would_take(intervals, left):
    """A job may be retried by their worker today and by ours tomorrow."""
    theirs = Job(id="job-1", connection=object())
    theirs.retry_intervals, theirs.retries_left = intervals, left
    ours = Budget.of(record(left, intervals)).decide(ValueError(), NoChance())
    assert ours.delay_ms == theirs.get_retry_interval() * 1_000


def test_a_fixed_policy_waits_the_same_each_time():
    """Up to its number of retries."""
    assert waits_of(Fixed(3, 20), NoChance()) == [20, 20, 20]


def test_an_exponential_policy_doubles_up_to_its_cap():
    """1, 2, 4 ... seconds."""
    assert waits_of(Exponential(6, base=2, cap=20, jitter=False), NoChance()) == [2, 4, 8, 16, 20, 20]


def test_a_policy_with_many_attempts_stays_at_its_cap():
    """FM-036: two to the thousandth is not a wait."""
    assert waits_of(Exponential(1_000, cap=60, jitter=False))[-1] == 60


@given(st.integers())
def test_jitter_draws_each_wait_between_nothing_and_the_whole(seed):
    """FM-036: jobs that failed together do not come back together."""
    drawn = waits_of(Exponential(5, base=10, cap=60), random.Random(seed))
    assert all(0 <= wait <= whole for wait, whole in zip(drawn, [10, 20, 40, 60, 60], strict=True))


def test_jitter_spreads():
    """Of many, half wait less than half."""
    first = [waits_of(Exponential(1, base=100, cap=100), random.Random(seed))[0] for seed in range(400)]
    assert 0.4 < sum(wait < 50 for wait in first) / len(first) < 0.6


@pytest.mark.parametrize("policy", [Fixed(3, 20), Exponential(3, base=5), Retry(max=3, interval=[1, 2])])
def test_a_policy_is_an_rq_retry(policy):
    """Stock workers read it as intervals, without jitter."""
    assert (policy.max, bool(policy.intervals), policy.enqueue_at_front) == (3, True, False)


def test_a_policy_may_ask_for_the_front():
    """RQ's enqueue_at_front, by a shorter name."""
    assert Fixed(1, 0, at_front=True).enqueue_at_front
    assert Exponential(1, at_front=True).enqueue_at_front


@pytest.mark.parametrize("limits", [{"base": 0}, {"base": -1}, {"base": 9, "cap": 8}, {"cap": 10**9}])
def test_limits_that_cannot_be_meant_are_refused_with_the_right_ones(limits):
    """The message says what may be given."""
    with pytest.raises(ValueError, match=r"1 <= base <= cap <= 2592000 \(30 days\)"):
        Exponential(3, **limits)


def test_a_policy_without_attempts_is_refused():
    """RQ's own check: no policy at all says the same."""
    with pytest.raises(ValueError, match="max"):
        Fixed(0, 5)
