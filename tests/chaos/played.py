"""Cases of the crash sweep as they might have gone, to be judged."""

from holdfast.chaos.history import Move, Place
from holdfast.chaos.sweep.stage import Played

_TO = {"claim": "started", "renew": "started", "complete": "finished", "bury": "failed"}


def told(*moves):
    """Write a history: `claim 1` by the execution of that fence, or `claim 1 the-child`; `again 1` ends a repeat."""
    found = []
    for ms, move in enumerate(moves):
        word, fence, *job = move.split()
        found.append(
            Move(
                ms,
                "complete" if word == "again" else word,
                job[0] if job else "the-job",
                "q",
                f"e{fence}",
                int(fence),
                _TO.get(word, "queued"),
                "w",
            )
        )
    return tuple(found)


def place(**what):
    """Say where a job stands: finished after one execution, but for what is said."""
    status = what.get("status", "finished")
    return Place(**{"status": status, "places": (status,), "executions": 1} | what)


def played(**what):
    """Give a case that went well, but for what is said. `place` is the job's own, `others` are the other jobs'."""
    own = what.pop("place", {})
    well = {
        "places": {"the-job": None if own is None else place(**own), **what.pop("others", {})},
        "moves": told("claim 1", "renew 1", "complete 1"),
        "told": ("body the-job",),
        "leftovers": (),
        "charges": 0,
        "boundaries": (),
        "has_struck": True,
        "has_missed": False,
        "is_stuck": False,
        "exit_code": -9,
        "seconds": 1.0,
        "logs": "",
    }
    return Played(**(well | what))
