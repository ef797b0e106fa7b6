"""Every failure mode we know of: what it is called, what it threatens, and what injects it here.

A number is for life: a mode that is no longer possible keeps its line and its page, and says so there.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FailureMode:
    """Something that can go wrong."""

    number: str
    #: A sentence that someone in trouble would recognise; also the title of its page.
    title: str
    #: Numbers of the invariants that would break if nothing were done.
    threatens: tuple[str, ...]
    #: Names of faults in `chaos/faults` that inject it in the simulation.
    simulated: tuple[str, ...]
    #: Names of faults in `chaos/processes` that inject it into real processes.
    staged: tuple[str, ...]
    #: Why no fault of ours injects it under its own number; empty where one does.
    not_here: str


def _mode(
    number: str, title: str, threatens: str, *, simulated: str = "", staged: str = "", not_here: str = ""
) -> FailureMode:
    return FailureMode(
        number, title, tuple(threatens.split()), tuple(simulated.split()), tuple(staged.split()), not_here
    )


MODES: tuple[FailureMode, ...] = (
    # Somebody dies.
    _mode(
        "FM-001",
        "A worker dies before its request reaches Redis",
        "INV-01 INV-04 LIV-02",
        simulated="death-before",
        staged="kill-tree kill-before",
    ),
    _mode(
        "FM-002",
        "A worker dies after Redis did what it asked, before it hears so",
        "INV-01 INV-02 LIV-02",
        simulated="death-after",
        staged="kill-after",
    ),
    _mode("FM-003", "A horse dies under a worker that lives", "INV-01 INV-09", staged="kill-horse"),
    _mode("FM-004", "A worker dies and its horse works on", "INV-04 INV-07", staged="kill-parent"),
    _mode(
        "FM-005",
        "A producer dies in the middle of an enqueue",
        "INV-10 INV-11",
        not_here="the deaths of FM-001 and FM-002 strike simulated producers too",
    ),
    _mode("FM-006", "A keeper dies in the middle of a chore", "INV-01 INV-02 LIV-02", staged="kill-keeper"),
    # A message is lost, doubled, late or mixed up.
    _mode(
        "FM-007",
        "A request never reaches Redis",
        "LIV-01",
        simulated="lost-request",
        staged="refuse drop-requests hang-up",
    ),
    _mode(
        "FM-008",
        "Redis did it, and the reply is lost",
        "INV-02 INV-06 INV-10 INV-11",
        simulated="lost-reply",
        staged="eat-replies eat-reply-of",
    ),
    _mode(
        "FM-009",
        "The client library sends a command again by itself",
        "INV-02 INV-03 INV-09 INV-11",
        simulated="resent-command",
    ),
    _mode(
        "FM-010",
        "A request arrives after its sender has given up",
        "INV-04 INV-06",
        simulated="late-delivery",
        staged="deliver-late reply-late",
    ),
    _mode(
        "FM-011",
        "An answer is taken for the answer to another question",
        "INV-10",
        not_here="simulated processes have no signals inside a read; a test sends fifty to a real worker",
    ),
    # Somebody stands still, or runs on.
    _mode(
        "FM-012",
        "A worker freezes past its deadline, then wakes",
        "INV-04 INV-07",
        simulated="pause",
        staged="doze sleep",
    ),
    _mode(
        "FM-013",
        "A worker freezes between its last check and its effect",
        "INV-07",
        not_here="the pauses of FM-012 strike there too: each simulated effect is begun by a call they may follow",
    ),
    _mode(
        "FM-014",
        "A job hangs while its worker's heart beats",
        "LIV-01",
        simulated="command",
    ),
    _mode("FM-015", "A job's code starves the heartbeat", "INV-04 LIV-01", staged="pause-parent"),
    _mode("FM-016", "A machine's wall clock is wrong", "INV-05 INV-11 INV-12", simulated="skew"),
    _mode("FM-017", "Redis' clock jumps forward", "INV-05 INV-12 LIV-01", simulated="clock-forward"),
    _mode("FM-018", "Redis' clock jumps back", "INV-03 INV-05 INV-12", simulated="clock-back"),
    # Redis is not what it was.
    _mode(
        "FM-019", "Redis dies and forgets its last second", "INV-01 INV-03 INV-06 INV-07", staged="kill-server cut-tail"
    ),
    _mode(
        "FM-020",
        "A failover to a replica that had not heard everything",
        "INV-01 INV-03 INV-06 INV-07",
        not_here="it takes two servers and a link cut between them; nothing of ours waits for a replica yet",
    ),
    _mode(
        "FM-021",
        "Two primaries take writes at the same time",
        "INV-03 INV-04 INV-06",
        not_here="it takes two servers, and there is no epoch yet by which the older one could be told",
    ),
    _mode("FM-022", "Redis answers READONLY after a failover", "INV-10 LIV-03", simulated="read-only"),
    _mode(
        "FM-023",
        "Redis answers LOADING or BUSY",
        "LIV-03",
        simulated="not-ready",
        staged="restart server-dozes server-sleeps",
    ),
    _mode("FM-024", "Redis has no memory left", "INV-01 LIV-01", simulated="out-of-memory", staged="fill-memory"),
    _mode("FM-025", "Redis cannot write its disk", "INV-01", simulated="misconfigured"),
    _mode(
        "FM-026",
        "Redis evicts keys that are in use",
        "INV-01 INV-02 INV-07",
        not_here="nothing guards against it yet, so a run would only show that jobs are lost",
    ),
    _mode(
        "FM-027",
        "A job's record expires before it runs",
        "INV-01 INV-02",
        not_here="an entry without a record is FM-033's dirt in line; expiry itself is a matter of tables of moves",
    ),
    _mode(
        "FM-028",
        "The mark of an effect expires before the last retry",
        "INV-07",
        not_here="marks are part of the job's record and have no expiry of their own, so there is nothing to inject",
    ),
    _mode(
        "FM-029",
        "Somebody flushes Redis, or deletes a key",
        "INV-01",
        not_here="nothing notices yet that everything is gone; a deleted job is tested",
    ),
    _mode("FM-030", "Redis forgets its scripts", "INV-10", simulated="scripts-forgotten", staged="flush-scripts"),
    _mode(
        "FM-031",
        "A script runs for too long, or is killed",
        "INV-02",
        not_here="ours are over in a millisecond; that they stay bounded is tested, and FM-023 injects the BUSY",
    ),
    # Versions, payloads and floods.
    _mode(
        "FM-032",
        "Two versions of Holdfast work on one Redis",
        "INV-02 INV-12",
        not_here="there is only one version so far",
    ),
    _mode("FM-033", "A worker cannot read a job", "INV-09 INV-12", simulated="dirt-in-line"),
    _mode(
        "FM-034",
        "A job kills every worker that takes it",
        "INV-09 LIV-04",
        not_here="poison is a kind of job, not a fault: one simulated job in twenty is poison",
    ),
    _mode(
        "FM-035",
        "A whole fleet dies at once, and its jobs come back at once",
        "LIV-01 LIV-03",
        not_here="a test kills a real fleet; no fault strikes all workers in one moment yet",
    ),
    _mode(
        "FM-036",
        "A dependency is down and everything is tried again",
        "LIV-01",
        not_here="failing is a kind of job, not a fault: one simulated job in seven fails up to three times",
    ),
    _mode(
        "FM-037",
        "A job is too big",
        "INV-12 LIV-03",
        not_here="there is no limit yet that could be tested",
    ),
    _mode(
        "FM-038",
        "Two promoters put the same job in line",
        "INV-02 INV-11",
        not_here="every simulated worker promotes beside the others in every run",
    ),
    _mode(
        "FM-039",
        "Two schedulers each think they lead",
        "INV-11",
        not_here="no chore of ours has a leader, so there is none to confuse",
    ),
    _mode(
        "FM-040", "A schedule meets a change of the clocks", "INV-11 INV-12", not_here="cron entries are not ours yet"
    ),
    _mode(
        "FM-041",
        "A scheduler wakes after hours and catches up",
        "INV-11",
        not_here="cron entries are not ours yet; that due jobs outlive a night without workers is tested",
    ),
    # Links, deploys and processes.
    _mode(
        "FM-042",
        "A worker is cut off from Redis while its job runs on",
        "INV-04 INV-07",
        simulated="partition",
        staged="black-hole",
    ),
    _mode("FM-043", "A link is so slow that renewals hardly make it", "INV-04 LIV-01", staged="slow"),
    _mode(
        "FM-044",
        "A deploy sends SIGTERM, again, and then SIGKILL",
        "INV-01 LIV-04",
        simulated="terminate",
        staged="deploy deploy-storm rolling-deploy",
    ),
    _mode(
        "FM-045",
        "A fork beside a thread deadlocks the child",
        "LIV-01",
        not_here="it takes a thread that holds a lock in the instant of a fork, and the parent starts no thread",
    ),
    _mode(
        "FM-046",
        "Parent and child read from one socket",
        "INV-10",
        not_here="the horse makes its own connections, so there is no shared socket to disturb",
    ),
    _mode(
        "FM-047",
        "A new worker has the name or the pid of a dead one",
        "INV-04 INV-05",
        not_here="tests start real workers under the names of dead, frozen and living ones",
    ),
    _mode(
        "FM-048",
        "A blocking pop loses the job it took",
        "INV-01",
        not_here="no job of ours ever travels in the reply of a blocking pop",
    ),
    _mode(
        "FM-049",
        "A socket timeout is shorter than the wait it covers",
        "LIV-03",
        not_here="our blocking wait is no client call, so no client timeout covers it",
    ),
    _mode(
        "FM-050",
        "A person cancels, deletes or requeues a job in motion",
        "INV-02 INV-06",
        simulated="cancel",
    ),
    _mode(
        "FM-051",
        "A parent ends and its dependents are left waiting",
        "INV-01 LIV-01",
        not_here="simulated jobs have no dependents yet; the moves' tests cover the script that releases them",
    ),
    _mode("FM-052", "A stale attempt writes a checkpoint", "INV-08", not_here="there are no checkpoints yet"),
    _mode(
        "FM-053",
        "Stock RQ works on the same keys",
        "INV-02 INV-04",
        not_here="no stock worker takes part in a simulation; tests run RQ's own tools beside ours",
    ),
    _mode(
        "FM-054",
        "The keys of one job lie in different slots",
        "INV-02",
        not_here="a Redis in cluster mode is refused before anything is done with it",
    ),
    _mode(
        "FM-055",
        "A host is suspended and its clock stands still",
        "INV-04 INV-07",
        not_here="a machine that suspends itself cannot watch the test; FM-012's whole-family pause is the same to us",
    ),
)
