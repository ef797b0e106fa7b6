"""What the machine's workers, producers and people may do, for Hypothesis to draw from."""

from hypothesis import strategies as st

from holdfast.jobs.store.outcomes import Closed, Fenced, Lost

JOBS = st.sampled_from(["job-1", "job-2", "job-3"])
QUEUES = ("high", "default")
WORKERS = st.sampled_from([0, 1, 2])
#: How many jobs are asked for.
WANTS = st.sampled_from([1, 2, 3])
#: Who acts: the one that claimed last, the one before, or the one before that.
LATEST = st.sampled_from([0, 1, 2])
#: How many crashes a job may cause, if it says so: one that may cause none is never beside another.
CRASHES = st.sampled_from([None, 0])
#: Kept for longer than any run takes.
LONG_S = 10**7
#: A worker's last answer is kept this long; one that was silent for longer is a new one.
REPLAY_MS = 600_000
REFUSALS = (Fenced, Lost, Closed)
COMPLETES = [
    {"result_ttl": LONG_S},
    {"result_ttl": 0},
    {"result_ttl": 0, "repeat_ms": 1_500},
]
SETTLES = [
    *(("complete", how) for how in COMPLETES),
    ("postpone", {"delay_ms": 0, "used": ["retries_left", 1]}),
    ("postpone", {"delay_ms": 1_500, "used": ["retries_left", 0], "at_front": True}),
    ("bury", {}),
    ("bury", {"status": "stopped"}),
    ("give_back", {"begun": False}),
    ("give_back", {"begun": True}),
    ("crash", {}),
]
DEEDS = st.sampled_from(["nothing", "intent", "intent", "done", "withdrawn"])
#: What becomes of an attempt; None: nothing yet.
ENDS = st.sampled_from([None, None, None, None, None, *SETTLES])
STATUS = {
    "queue": {"queued"},
    "leases": {"started"},
    "scheduled": {"scheduled"},
    "finished": {"finished"},
    "failed": {"failed", "stopped"},
}
