"""Real workers while their Redis is replaced, split or full, and under a wrong clock of their own."""

import io
import json
import os
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
from redis.exceptions import RedisError
from rich.console import Console

from holdfast.chaos.processes.nemesis import FAULTS, Nemesis, NotHere, Strike
from holdfast.chaos.processes.plan import Plan
from holdfast.chaos.processes.run import run_plan
from holdfast.chaos.processes.seat import Sitter
from holdfast.chaos.processes.small_disk import SmallDisk
from holdfast.chaos.processes.workload import Order
from holdfast.chaos.processes.wrong_clock import wrong_by
from tests.patience import wait_until

JOBS = 80
STRIKES_AT_MS, STORM_MS = 2_500, 7_000

storms = [pytest.mark.processes, pytest.mark.timeout(120)]


class Storm:
    """One fault of a kind in a run of small jobs, half of them with an effect."""

    def __init__(self, folder, name, *, work_s=0.02, until_ms=STORM_MS, **fault):
        orders = [
            Order(f"J{number:02}", "high", number * until_ms // JOBS, {"work_s": work_s, **self._effect(number)})
            for number in range(JOBS)
        ]
        plan = Plan(1, 2, STORM_MS, tuple(orders), (Strike(1, STRIKES_AT_MS, FAULTS[name](**fault)),))
        out = io.StringIO()
        self.folder = folder / "run"
        self.verdict = run_plan(plan, folder=self.folder, console=Console(file=out, width=150, color_system=None))
        self.said = out.getvalue()

    @staticmethod
    def _effect(number):
        return {"effect": "probe", "lingers_s": 0.0} if number % 2 else {}

    def did(self, *what):
        lines = (json.loads(line).get("line") for line in (self.folder / "history.jsonl").read_text().splitlines())
        return [line["did"] for line in lines if line and line["did"] in what]

    def logs(self, pattern="w*.log"):
        return "".join(log.read_text() for log in self.folder.glob(pattern))


class TestAReplicaTakesOver:
    """FM-020, FM-021, FM-022: the server at the address of all clients is another one now."""

    pytestmark = storms

    def test_a_replica_that_has_heard_everything_loses_nothing(self, tmp_path):
        """FM-022: the old one pauses, then answers READONLY; workers wait, and every job is run once."""
        storm = Storm(tmp_path, "hand-over", for_ms=1_000)
        assert storm.did("fault", "healed", "missed") == ["fault", "healed"], storm.said
        assert storm.verdict.word == "valid", storm.said
        assert storm.verdict.counts["finished"] + storm.verdict.counts["enqueues unknown"] == JOBS, storm.said
        assert storm.verdict.counts["workers ended unasked"] == 0, storm.said
        # Each says only how an outage began: the pause before the new part, or the old server's READONLY.
        said = storm.logs("*.log")
        assert "Redis is away" in said
        assert "Redis is back" in said
        assert "Ready to accept connections" in (storm.folder / "server-2" / "server.log").read_text()

    def test_a_replica_behind_a_cut_link_forgets_only_what_it_had_not_heard(self, tmp_path):
        """FM-020: what was acknowledged meanwhile is listed as forgotten; all else holds, and the rest is run."""
        storm = Storm(tmp_path, "lose-primary", for_ms=1_000)
        assert storm.did("fault", "healed", "missed") == ["fault", "healed"], storm.said
        assert storm.verdict.word == "valid", storm.said
        assert storm.verdict.counts["accepted and forgotten"] > 0, storm.said
        assert storm.verdict.counts["finished"] > JOBS / 2, storm.said

    def test_of_two_primaries_the_older_ones_work_is_forgotten(self, tmp_path):
        """FM-021: each is well by itself; of what the older acknowledged, the verdict lists what is gone."""
        storm = Storm(tmp_path, "two-primaries", for_ms=1_500, work_s=0.15, until_ms=3_500)
        assert storm.did("fault", "healed", "missed") == ["fault", "healed"], storm.said
        assert storm.verdict.word == "valid", storm.said
        assert storm.verdict.counts["moves forgotten"] > 0, storm.said
        assert storm.verdict.counts["finished"] > JOBS / 2, storm.said


@pytest.fixture
def small_disks(tmp_path):
    """Skip where no tmpfs can be mounted: CI as root must be able to, a desk may not."""
    folder = tmp_path / "try"
    disk = SmallDisk(folder)
    folder.mkdir()
    (folder / "something").touch()
    disk.mount()
    try:
        disk.fill()
    except NotHere as lack:
        pytest.skip(str(lack))
    finally:
        disk.unmount()


def did(what):
    """Do it; tell whether Redis did not mind."""
    try:
        what()
    except RedisError:
        return False
    return True


class TestADiskThatIsFull:
    """FM-025."""

    @pytest.mark.processes
    @pytest.mark.timeout(120)
    @pytest.mark.usefixtures("small_disks")
    def test_workers_wait_until_there_is_room_and_lose_nothing(self, tmp_path):
        """The server cannot write its file and refuses every write; every job is run, and each effect once."""
        storm = Storm(tmp_path, "fill-disk", for_ms=2_000)
        assert storm.verdict.word == "valid", storm.said
        assert storm.verdict.counts["finished"] + storm.verdict.counts["enqueues unknown"] == JOBS, storm.said
        assert storm.verdict.counts["workers ended unasked"] == 0, storm.said
        assert "MISCONF" in storm.logs()
        assert "AOF write error looks solved" in (storm.folder / "server" / "server.log").read_text()
        assert not os.path.ismount(storm.folder / "server" / "data")

    @pytest.mark.usefixtures("small_disks")
    def test_a_server_that_has_rewritten_its_log_before_comes_back_after_it(self, tmp_path):
        """Redis and Valkey leave a hole in such a log where a write fell short, and cannot read past it."""
        server = Sitter(tmp_path / "server", on_small_disk=True)
        with server, server.client() as client:
            wait_until(lambda: did(server.rewrite_log))
            client.mset({f"before {number}": "x" * 50 for number in range(100)})
            heal = FAULTS["fill-disk"]().harm(SimpleNamespace(server=server))
            wait_until(lambda: not did(lambda: client.set("while", "x" * 5_000)))
            wait_until(lambda: did(heal))
            wait_until(lambda: did(lambda: client.set("after", "x")))
            server.restart()
            assert client.exists("before 99", "after") == 2

    def test_who_may_not_mount_is_told_so(self, tmp_path, monkeypatch):
        """A desk without root has no disk to fill: the run goes on, and says why."""
        monkeypatch.setattr(os, "geteuid", lambda: 1_000)
        disk = SmallDisk(tmp_path)
        disk.mount()
        with pytest.raises(NotHere, match="root"):
            disk.fill()
        disk.unmount()


class Impossible:
    """A fault that this machine cannot inject."""

    for_ms = 100

    def harm(self, pool):
        raise NotHere("no such thing as a moon here")


def test_a_fault_that_cannot_be_injected_here_is_said_to_be_skipped():
    """At once, with the reason, and not as one that struck."""
    told = []
    nemesis = Nemesis(None, [Strike(1, 1_000, Impossible())], lambda _, did, why: told.append((did, why)))
    nemesis.step(1_000)
    assert told == [("skipped", "no such thing as a moon here")]
    assert nemesis.is_over


ASK = """
import time
time.sleep(0.05)
print(time.time(), time.monotonic(), time.clock_gettime(time.CLOCK_BOOTTIME))
"""


@pytest.fixture
def wrong(tmp_path):
    """Give environments in which the wall clock is wrong."""

    def wrong(ms):
        try:
            return wrong_by(ms, tmp_path)
        except NotHere as lack:
            pytest.skip(str(lack))

    return wrong


class TestAClockThatIsWrong:
    """FM-016."""

    @pytest.mark.parametrize("ms", [420_250, -420_250])
    def test_only_the_wall_clock_is(self, wrong, ms):
        """A machine with a wrong date counts its seconds since boot as ever."""
        done = subprocess.run(
            [sys.executable, "-c", ASK], env=os.environ | wrong(ms), capture_output=True, text=True, check=True
        )
        wall, monotonic, boot = map(float, done.stdout.split())
        assert wall - time.time() == pytest.approx(ms / 1_000, abs=5)
        assert monotonic == pytest.approx(time.monotonic(), abs=5)
        assert boot == pytest.approx(time.clock_gettime(time.CLOCK_BOOTTIME), abs=5)

    @pytest.mark.processes
    @pytest.mark.timeout(120)
    @pytest.mark.parametrize("ms", [420_000, -420_000])
    def test_a_worker_with_a_wrong_clock_works_like_any_other(self, tmp_path, wrong, ms):
        """It takes nobody's lease, runs nothing early, and none of its jobs is taken for abandoned."""
        wrong(ms)
        storm = Storm(tmp_path, "wrong-clock", worker="w1", for_ms=4_000, wrong_by_ms=ms)
        assert storm.verdict.word == "valid", storm.said
        assert storm.verdict.counts["finished"] == JOBS, storm.said
        assert storm.verdict.counts["reclaimed"] == 0, storm.said
        right, amiss = (first_minute(storm.logs(f"w1-{life}.log")) for life in (1, 2))
        assert (amiss - right) % 1_440 in range(ms // 60_000 % 1_440 - 1, ms // 60_000 % 1_440 + 2)
        assert "Job OK" in storm.logs("w1-2.log")


def first_minute(log):
    """Give the minute of the day that a log begins with."""
    hours, minutes, _ = log.split(" ", 1)[0].split(":")
    return int(hours) * 60 + int(minutes)
