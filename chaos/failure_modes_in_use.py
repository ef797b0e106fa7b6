"""What can go wrong in use: versions, payloads and floods, links, deploys and processes, people and other tools."""

from __future__ import annotations

from holdfast.chaos.failure_mode import FailureMode, mode

IN_USE: tuple[FailureMode, ...] = (
    # Versions, payloads and floods.
    mode(
        "FM-032",
        "Two versions of Holdfast work on one Redis",
        "INV-02 INV-12",
        simulated="other-version",
    ),
    mode("FM-033", "A worker cannot read a job", "INV-09 INV-12", simulated="dirt-in-line"),
    mode(
        "FM-034",
        "A job kills every worker that takes it",
        "INV-09 LIV-04",
        not_here="poison is a kind of job, not a fault: one simulated job in twenty is poison",
    ),
    mode(
        "FM-035",
        "A whole fleet dies at once, and its jobs come back at once",
        "LIV-01 LIV-03",
        simulated="fleet-death",
    ),
    mode(
        "FM-036",
        "A dependency is down and everything is tried again",
        "LIV-01",
        not_here="failing is a kind of job, not a fault: one simulated job in seven fails up to three times",
    ),
    mode(
        "FM-037",
        "A job is too big",
        "INV-12 LIV-03",
        not_here="tests bring arguments and results of 2 to 100 MB, and a server that takes 1 MB",
    ),
    mode(
        "FM-038",
        "Two promoters put the same job in line",
        "INV-02 INV-11",
        not_here="every simulated worker promotes beside the others in every run",
    ),
    mode(
        "FM-039",
        "Two schedulers each think they lead",
        "INV-11",
        not_here="no chore of ours has a leader, so there is none to confuse",
    ),
    mode(
        "FM-040",
        "A schedule meets a change of the clocks",
        "INV-11 INV-12",
        not_here="cron entries are not ours yet; that moments in a zone keep their instant is tested",
    ),
    mode(
        "FM-041",
        "A scheduler wakes after hours and catches up",
        "INV-11",
        not_here="cron entries are not ours yet; that due jobs outlive a night without workers is tested",
    ),
    # Links, deploys and processes.
    mode(
        "FM-042",
        "A worker is cut off from Redis while its job runs on",
        "INV-04 INV-07",
        simulated="partition",
        staged="black-hole",
    ),
    mode(
        "FM-043",
        "A link is so slow that renewals hardly make it",
        "INV-04 LIV-01",
        simulated="slow-link",
        staged="slow",
    ),
    mode(
        "FM-044",
        "A deploy sends SIGTERM, again, and then SIGKILL",
        "INV-01 LIV-04",
        simulated="terminate",
        staged="deploy deploy-storm rolling-deploy",
    ),
    mode(
        "FM-045",
        "A fork beside a thread deadlocks the child",
        "LIV-01",
        not_here="it takes a thread that holds a lock in the instant of a fork, and the parent starts no thread",
    ),
    mode(
        "FM-046",
        "Parent and child read from one socket",
        "INV-10",
        not_here="the horse makes its own connections, so there is no shared socket to disturb",
    ),
    mode(
        "FM-047",
        "A new worker has the name or the pid of a dead one",
        "INV-04 INV-05",
        not_here="tests start real workers under the names of dead, frozen and living ones",
    ),
    mode(
        "FM-048",
        "A blocking pop loses the job it took",
        "INV-01",
        not_here="no job of ours ever travels in the reply of a blocking pop",
    ),
    mode(
        "FM-049",
        "A socket timeout is shorter than the wait it covers",
        "LIV-03",
        not_here="our blocking wait is no client call, so no client timeout covers it",
    ),
    mode(
        "FM-050",
        "A person cancels, deletes or requeues a job in motion",
        "INV-02 INV-06",
        simulated="cancel command stale-save",
    ),
    mode(
        "FM-051",
        "A parent ends and its dependents are left waiting",
        "INV-01 LIV-01",
        not_here="simulated jobs have no dependents yet; the moves' tests cover the script that releases them",
    ),
    mode("FM-052", "A stale attempt writes a checkpoint", "INV-08", not_here="there are no checkpoints yet"),
    mode(
        "FM-053",
        "Stock RQ works on the same keys",
        "INV-02 INV-04",
        not_here="no stock worker takes part in a simulation; tests run RQ's own tools beside ours",
    ),
    mode(
        "FM-054",
        "The keys of one job lie in different slots",
        "INV-02",
        not_here="a Redis in cluster mode is refused before anything is done with it",
    ),
    mode(
        "FM-055",
        "A host is suspended and its clock stands still",
        "INV-04 INV-07",
        not_here="a machine that suspends itself cannot watch the test; FM-012's whole-family pause is the same to us",
    ),
    mode(
        "FM-056",
        "The log's disk is full, or its reader is gone",
        "INV-09 LIV-01",
        not_here="a simulated worker prints nothing; tests start real ones on full disks, closed files, broken pipes",
    ),
)
