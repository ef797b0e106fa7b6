"""What went wrong can be told in another process: apps and tools pickle errors."""

import copy
import pickle

import pytest

from holdfast.jobs import errors
from holdfast.jobs.lease import Lease

#: What those are made of that are not made of a sentence.
MADE_OF = {
    "InDoubt": ("charge", "shop-1:charge"),
    "KeyTaken": ("a.txt", "default", "A-1", "s3.delete", "s3.rename"),
    "LeaseEnded": (Lease("default", "A-1", "7", 5, 9_000, "1"), "fenced"),
    "NoHorses": ("three horses ended",),
    "NotInAJob": ("effect()",),
    "TooBig": ("the call of job A-1", 600, 512),
}


@pytest.mark.parametrize("again", [lambda error: pickle.loads(pickle.dumps(error)), copy.copy], ids=["pickle", "copy"])
@pytest.mark.parametrize("name", errors.__all__)
def test_an_error_says_the_same_after_a_journey(name, again):
    """A pool of processes that cannot unpickle the error of a task waits for ever, or breaks."""
    error = getattr(errors, name)(*MADE_OF.get(name, ("what was seen",)))
    error.add_note("seen in the shop")
    told = again(error)
    assert (type(told), str(told), told.args, vars(told)) == (type(error), str(error), error.args, vars(error))
    assert told.__notes__ == ["seen in the shop"]


def test_all_errors_of_the_file_are_listed():
    """So that the journey is made by each."""
    here = [each for each in vars(errors).values() if getattr(each, "__module__", None) == errors.__name__]
    kinds = {each.__name__ for each in here if isinstance(each, type) and issubclass(each, BaseException)}
    assert kinds == set(errors.__all__)
