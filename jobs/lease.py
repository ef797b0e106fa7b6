"""The right of one execution to work on one job until a deadline."""

from __future__ import annotations

from typing import NamedTuple


class Lease(NamedTuple):
    """What a worker holds while it works on a job."""

    queue: str
    job_id: str
    #: The id of this attempt, also RQ's.
    execution: str
    #: The fencing token: larger than any given for this job before. For stores that can compare it.
    fence: int
    #: When it ends unless renewed, in ms by the server's clock.
    deadline_ms: int
    #: Which life of the job this is, from an enqueue to an end.
    generation: str

    def __str__(self) -> str:
        return f"job {self.job_id} (execution {self.execution}, fence {self.fence})"
