"""Every failure mode we know of: what it is called, what it threatens, and what injects it here.

A number is for life: a mode that is no longer possible keeps its line and its page, and says so there.
"""

from __future__ import annotations

from holdfast.chaos.failure_mode import FailureMode, mode
from holdfast.chaos.failure_modes_in_use import IN_USE

_BELOW: tuple[FailureMode, ...] = (
    # Somebody dies.
    mode(
        "FM-001",
        "A worker dies before its request reaches Redis",
        "INV-01 INV-04 LIV-02",
        simulated="death-before",
        staged="kill-tree kill-before",
    ),
    mode(
        "FM-002",
        "A worker dies after Redis did what it asked, before it hears so",
        "INV-01 INV-02 LIV-02",
        simulated="death-after",
        staged="kill-after",
    ),
    mode(
        "FM-003",
        "A horse dies under a worker that lives",
        "INV-01 INV-09",
        simulated="horse-death",
        staged="kill-horse",
    ),
    mode(
        "FM-004",
        "A worker dies and its horse works on",
        "INV-04 INV-07",
        simulated="parent-death",
        staged="kill-parent",
    ),
    mode(
        "FM-005",
        "A producer dies in the middle of an enqueue",
        "INV-10 INV-11",
        not_here="the deaths of FM-001 and FM-002 strike simulated producers too",
    ),
    mode("FM-006", "A keeper dies in the middle of a chore", "INV-01 INV-02 LIV-02", staged="kill-keeper"),
    # A message is lost, doubled, late or mixed up.
    mode(
        "FM-007",
        "A request never reaches Redis",
        "LIV-01",
        simulated="lost-request",
        staged="refuse drop-requests hang-up",
    ),
    mode(
        "FM-008",
        "Redis did it, and the reply is lost",
        "INV-02 INV-06 INV-10 INV-11",
        simulated="lost-reply",
        staged="eat-replies eat-reply-of",
    ),
    mode(
        "FM-009",
        "The client library sends a command again by itself",
        "INV-02 INV-03 INV-09 INV-11",
        simulated="resent-command",
    ),
    mode(
        "FM-010",
        "A request arrives after its sender has given up",
        "INV-04 INV-06",
        simulated="late-delivery",
        staged="deliver-late reply-late",
    ),
    mode(
        "FM-011",
        "An answer is taken for the answer to another question",
        "INV-10",
        not_here="simulated processes have no signals inside a read; a test sends fifty to a real worker",
    ),
    # Somebody stands still, or runs on.
    mode(
        "FM-012",
        "A worker freezes past its deadline, then wakes",
        "INV-04 INV-07",
        simulated="pause",
        staged="doze sleep",
    ),
    mode(
        "FM-013",
        "A worker freezes between its last check and its effect",
        "INV-07",
        not_here="the pauses of FM-012 strike there too: each simulated effect is begun by a call they may follow",
    ),
    mode(
        "FM-014",
        "A job hangs while its worker's heart beats",
        "LIV-01",
        not_here="hanging is a kind of job, not a fault: one simulated job in thirty hangs past its timeout",
    ),
    mode("FM-015", "A job's code starves the heartbeat", "INV-04 LIV-01", staged="pause-parent"),
    mode("FM-016", "A machine's wall clock is wrong", "INV-05 INV-11 INV-12", simulated="skew", staged="wrong-clock"),
    mode("FM-017", "Redis' clock jumps forward", "INV-05 INV-12 LIV-01", simulated="clock-forward"),
    mode("FM-018", "Redis' clock jumps back", "INV-03 INV-05 INV-12", simulated="clock-back"),
    # Redis is not what it was.
    mode(
        "FM-019",
        "Redis dies and forgets its last second",
        "INV-01 INV-03 INV-06 INV-07",
        simulated="rollback",
        staged="kill-server cut-tail",
    ),
    mode(
        "FM-020",
        "A failover to a replica that had not heard everything",
        "INV-01 INV-03 INV-06 INV-07",
        staged="lose-primary",
    ),
    mode(
        "FM-021",
        "Two primaries take writes at the same time",
        "INV-03 INV-04 INV-06",
        staged="two-primaries",
    ),
    mode(
        "FM-022", "Redis answers READONLY after a failover", "INV-10 LIV-03", simulated="read-only", staged="hand-over"
    ),
    mode(
        "FM-023",
        "Redis answers LOADING or BUSY",
        "LIV-03",
        simulated="not-ready",
        staged="restart server-dozes server-sleeps",
    ),
    mode("FM-024", "Redis has no memory left", "INV-01 LIV-01", simulated="out-of-memory", staged="fill-memory"),
    mode("FM-025", "Redis cannot write its disk", "INV-01", simulated="misconfigured", staged="fill-disk"),
    mode(
        "FM-026",
        "Redis evicts keys that are in use",
        "INV-01 INV-02 INV-07",
        not_here="a worker would not start on such a server; tests delete the keys",
    ),
    mode(
        "FM-027",
        "A job's record expires before it runs",
        "INV-01 INV-02",
        not_here="an entry without a record is FM-033's dirt in line; expiry itself is a matter of tables of moves",
    ),
    mode(
        "FM-028",
        "The mark of an effect expires before the last retry",
        "INV-07",
        not_here="marks are part of the job's record and have no expiry of their own, so there is nothing to inject",
    ),
    mode(
        "FM-029",
        "Somebody flushes Redis, or deletes a key",
        "INV-01",
        simulated="key-deleted",
    ),
    mode("FM-030", "Redis forgets its scripts", "INV-10", simulated="scripts-forgotten", staged="flush-scripts"),
    mode(
        "FM-031",
        "A script runs for too long, or is killed",
        "INV-02",
        not_here="ours are over in a millisecond; that they stay bounded is tested, and FM-023 injects the BUSY",
    ),
)

MODES: tuple[FailureMode, ...] = (*_BELOW, *IN_USE)
