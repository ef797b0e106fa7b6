"""What our enqueue takes beyond RQ's options is heeded, or refused; never kept from a function that wants it."""

from datetime import UTC, datetime, timedelta

import pytest
from rq.job import Dependency

from holdfast.jobs import HoldfastError, KeyTaken
from tests.jobs.stock_eyes import fetch, line

SOON = timedelta(seconds=5)
WAYS = {
    "enqueue": lambda queue, *args, **options: queue.enqueue(*args, **options),
    "enqueue_in": lambda queue, *args, **options: queue.enqueue_in(SOON, *args, **options),
    "enqueue_at": lambda queue, *args, **options: queue.enqueue_at(datetime.now(UTC) + SOON, *args, **options),
}


@pytest.fixture(params=WAYS)
def way(request, queue):
    """Give each way in that takes them."""
    return lambda *args, **options: WAYS[request.param](queue, *args, **options)


@pytest.mark.parametrize("crashes", [-1, 1.5, "3", True, False])
def test_a_budget_that_cannot_be_meant_is_refused(queue, crashes):
    """A whole number, and the message says so."""
    with pytest.raises(ValueError, match="a whole number, 0 to run at most once"):
        queue.enqueue("shop.fulfil", crashes=crashes)


@pytest.mark.parametrize("key", ["", 7, b"invoice"])
def test_a_key_that_cannot_be_meant_is_refused(queue, key):
    """An empty key would make all jobs one."""
    with pytest.raises(ValueError, match="a text that is not empty"):
        queue.enqueue("shop.fulfil", key=key)


def test_a_key_cannot_be_kept_where_rqs_own_code_writes(queue):
    """Refused, since it would be ignored."""
    parent = queue.enqueue("shop.fulfil")
    with pytest.raises(ValueError, match=r"pipeline= or depends_on="):
        queue.enqueue("shop.pack", key="invoice-7", depends_on=parent)


def test_a_key_gives_the_first_job_each_time(queue):
    """INV-11: a customer clicks twice."""
    first = queue.enqueue("shop.fulfil", "A-1", key="invoice-7")
    second = queue.enqueue("shop.fulfil", "A-1", key="invoice-7")
    scheduled = queue.enqueue_in(timedelta(seconds=5), "shop.fulfil", "A-1", key="invoice-7")
    assert first.id == second.id == scheduled.id
    assert second.args == ("A-1",)
    assert line(queue) == [first.id]


def test_a_key_answers_with_the_id_of_a_job_that_is_gone(queue):
    """It has run and is not kept; it is still not run again."""
    first = queue.enqueue("shop.fulfil", key="invoice-7")
    first.delete()
    assert queue.enqueue("shop.fulfil", key="invoice-7").id == first.id
    assert line(queue) == []


def test_a_function_that_has_a_parameter_called_key_can_be_given_one(queue):
    """As with RQ's own words."""
    job = queue.enqueue("shop.fulfil", kwargs={"key": "k", "crashes": 5})
    assert fetch(queue, job).kwargs == {"key": "k", "crashes": 5}


class Bucket:
    """Something that has keys, as object stores have."""

    def delete(self, key):
        """Delete a file."""

    def __call__(self, *, key):
        """Delete a file."""


def delete(bucket, key):
    """Delete a file."""


def delete_all(*names, key=None):
    """Delete files."""


def end(crashes=0):
    """End something."""


def pass_on(bucket, **options):
    """Take whatever there is."""


def by_position(bucket, key, /):
    """Delete a file."""


@pytest.mark.parametrize(
    ("f", "args", "option"),
    [
        pytest.param(delete, ("photos",), "key", id="a function"),
        pytest.param(delete_all, ("a.txt", "b.txt"), "key", id="behind any number of others"),
        pytest.param(Bucket().delete, (), "key", id="a method"),
        pytest.param(Bucket(), (), "key", id="an object"),
        pytest.param(end, (), "crashes", id="crashes"),
    ],
)
def test_an_argument_that_the_function_has_a_parameter_for_is_not_kept_from_it(queue, way, f, args, option):
    """With RQ's queue it gets there. Lost without a word, the second file of that name would not even be enqueued."""
    value = {"key": "a.txt", "crashes": 3}[option]
    with pytest.raises(ValueError, match=f"{option}={value!r}: .* has a parameter '{option}'.*kwargs={{'{option}': "):
        way(f, *args, **{option: value})
    assert queue.connection.keys() == []


@pytest.mark.parametrize(
    ("f", "args", "options", "call"),
    [
        pytest.param(pass_on, ("photos",), {}, (["photos"], {}), id="it takes any word"),
        pytest.param(by_position, ("photos", "a.txt"), {}, (["photos", "a.txt"], {}), id="it takes no word"),
        pytest.param(delete, ("photos", "a.txt"), {}, (["photos", "a.txt"], {}), id="it has its argument"),
        pytest.param(
            delete, (), {"args": ("photos",), "kwargs": {"key": "a.txt"}}, (["photos"], {"key": "a.txt"}), id="said so"
        ),
        pytest.param("shop.delete", ("photos",), {}, (["photos"], {}), id="known by its name alone"),
        pytest.param(max, (1, 2), {}, ([1, 2], {}), id="a builtin that shows none"),
    ],
)
def test_a_key_that_can_only_be_meant_for_the_queue_is_taken(queue, way, f, args, options, call):
    """Nobody is refused what is clear."""
    first, second = (way(f, *args, key="invoice-7", **options) for _ in range(2))
    assert first.id == second.id
    found = fetch(queue, first)
    assert (list(found.args), found.kwargs) == call


def test_a_key_that_another_function_took_is_refused(queue, way):
    """The app would go on with a job that does something else, and its own never done."""
    first = queue.enqueue("s3.delete", "photos", key="a.txt")
    with pytest.raises(KeyTaken, match=rf"'a.txt' was used .* for s3.delete \(job {first.id}\), and now for s3.rename"):
        way("s3.rename", "photos", key="a.txt")
    assert issubclass(KeyTaken, (HoldfastError, ValueError))
    assert line(queue) == [first.id]


def test_a_key_whose_job_cannot_be_read_here_gives_it_all_the_same(queue):
    """This app may lack a class of its arguments: what that job calls is then unknown."""
    first = queue.enqueue("shop.fulfil", key="invoice-7")
    queue.connection.hset(first.key, "data", b"no pickle")
    assert queue.enqueue("shop.fulfil", key="invoice-7").id == first.id


@pytest.mark.parametrize("way", ["enqueue", "enqueue_in"])
def test_a_key_is_not_ignored_in_a_pipeline_of_the_apps(queue, way):
    """RQ's own code writes there, and knows no keys."""
    with queue.connection.pipeline() as pipe, pytest.raises(ValueError, match=r"pipeline= or depends_on="):
        WAYS[way](queue, "shop.fulfil", key="invoice-7", pipeline=pipe)


def test_a_key_and_a_unique_id_are_not_both_asked_for(queue, way):
    """The one returns the first job, the other refuses the second: of an id that nobody named, if the key was taken."""
    with pytest.raises(ValueError, match="key='invoice-7' cannot be used together with unique=True"):
        way("shop.fulfil", key="invoice-7", job_id="A-1", unique=True)


@pytest.mark.parametrize("in_a_pipeline", [False, True])
@pytest.mark.parametrize(
    "hurry", [{"at_front": True}, {"depends_on": Dependency(["A-1"], enqueue_at_front=True)}], ids=["job", "dependency"]
)
def test_a_scheduled_job_in_a_hurry_stays_so(queue, hurry, in_a_pipeline):
    """Its record says it to whoever puts it in line when it is due, as with RQ."""
    with queue.connection.pipeline() as pipe:
        job = queue.enqueue_in(SOON, "shop.fulfil", **hurry, **({"pipeline": pipe} if in_a_pipeline else {}))
        pipe.execute()
    assert fetch(queue, job).enqueue_at_front is True
