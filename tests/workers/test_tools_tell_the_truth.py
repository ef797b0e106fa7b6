"""One fleet of ours in the midst of its work, looked at with every tool that RQ users have: each says what is."""

import itertools
import os
import re
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
import rq
import rq.registry
from flask import Flask
from rq.executions import Execution
from rq.group import Group
from rq.job import Job
from rq.registry import ScheduledJobRegistry, StartedJobRegistry
from rq.results import Result
from rq_dashboard import blueprint, default_settings
from rq_dashboard.web import setup_rq_connection

from holdfast.chaos.server import NoServer, PrivateServer
from holdfast.jobs import Queue

pytestmark = pytest.mark.processes

HERE = Path(__file__).parent
WAY, BACK, OFF = Result.Type.SUCCESSFUL, Result.Type.RETRIED, Result.Type.FAILED
#: What is: job -> status, what its attempts came to, the last first; what it returned, how many are under way.
JOBS = {
    "first": ("queued", [], None, 0),
    "second": ("queued", [], None, 0),
    "third": ("queued", [], None, 0),
    "running": ("started", [], None, 1),
    "later": ("scheduled", [], None, 0),
    "retried-later": ("scheduled", [], None, 0),
    "waits": ("deferred", [], None, 0),
    "failed": ("failed", [OFF], None, 0),
    "failed-twice": ("failed", [OFF], None, 0),
    "died": ("failed", [OFF], None, 0),
    "done": ("finished", [WAY], 42, 0),
    "done-again": ("finished", [WAY, BACK], "at last", 0),
    "unwanted": ("canceled", [], None, 0),
}
STATES = ("started", "scheduled", "deferred", "failed", "finished", "canceled")
REGISTRIES = {state: getattr(rq.registry, f"{state.title()}JobRegistry") for state in STATES}


def those(status):
    """Name the jobs of a status, those in line in their order."""
    return [job for job, (is_so, *_) in JOBS.items() if is_so == status]


class Scene:
    """A server, a worker of ours, and a job in every state. Nothing moves any more."""

    def __init__(self, redis, url, folder):
        self.redis, self.url, self.worker = redis, url, None
        self.queue = Queue(connection=redis)
        self._notes, self._log = str(folder / "notes"), folder / "ada.log"

    def begin(self):
        put, notes = self.queue.enqueue, self._notes
        put("work.say", 42, job_id="done")
        put("work.ask_again", f"{notes}-2", 1, job_id="done-again")
        put("work.boom", job_id="failed")
        put("work.boom", job_id="failed-twice", retry=rq.Retry(max=1))
        put("work.die", "kill", job_id="died", crashes=0)
        put("work.boom", job_id="retried-later", retry=rq.Retry(max=2, interval=3_600))
        put("work.say", job_id="unwanted").cancel()
        later = self.queue.enqueue_in(timedelta(hours=1), "work.say", job_id="later")
        put("work.say", job_id="waits", depends_on=later)
        self._start()
        still = {"running", *those("queued")}
        self._wait(lambda: all(self.job(job).get_status() == JOBS[job][0] for job in {*JOBS} - still))
        put("work.held", notes, job_id="running")
        self._wait(lambda: Path(notes).exists())
        group = Group.create(self.redis, name="shop")
        group.enqueue_many(self.queue, [Queue.prepare_data("work.say", job_id=job) for job in those("queued")])

    def _start(self):
        own = {key: value for key, value in os.environ.items() if not key.startswith(("HOLDFAST_", "RQ_"))}
        own |= {"PYTHONPATH": os.pathsep.join([str(HERE), own.get("PYTHONPATH", "")])}
        line = [sys.executable, "-m", "rq.cli", "worker", "-u", self.url, "-w", "holdfast.workers.Worker"]
        with self._log.open("wb") as log:
            self.worker = subprocess.Popen(
                [*line, "--name", "ada", "high", "default"], env=own, stdout=log, stderr=log, start_new_session=True
            )

    def _wait(self, condition):
        until = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < until, self._log.read_text("utf-8", errors="replace")
            time.sleep(0.01)

    def end(self):
        if self.worker:
            self.worker.kill()
            self.worker.wait()

    def job(self, name):
        return Job.fetch(name, connection=self.redis)


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """Set the scene once: the tools only look."""
    try:
        with PrivateServer() as server, server.client() as redis:
            scene = Scene(redis, server.url, tmp_path_factory.mktemp("scene"))
            try:
                scene.begin()
                yield scene
            finally:
                scene.end()
    except NoServer as missing:
        if os.environ.get("CI"):
            pytest.fail(str(missing))
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def dashboard(scene):
    """Give a client of rq-dashboard, as an app that has it among its own pages."""
    app = Flask("dashboard")
    app.config.from_object(default_settings)
    app.config.update(RQ_DASHBOARD_REDIS_URL=scene.url)
    setup_rq_connection(app)
    app.register_blueprint(blueprint, url_prefix="/rq")
    return app.test_client()


@pytest.fixture
def rq_info(scene):
    """Give a function that runs `rq info` and gives what it said, without colours."""

    def run(*words):
        line = [sys.executable, "-m", "rq.cli", "info", "-u", scene.url, *words]
        done = subprocess.run(line, capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0, done.stderr
        return re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)

    return run


@pytest.mark.parametrize("name", JOBS)
def test_a_job_tells_what_it_is(scene, name):
    """Its status, each of its attempts, what it returned, who has it, and how far down the line it is."""
    status, attempts, returned, under_way = JOBS[name]
    job = scene.job(name)
    assert (job.get_status(), job.get_status(refresh=False)) == (status, status)
    assert [result.type for result in job.results()] == attempts
    latest = job.latest_result()
    assert (latest and latest.type) == (attempts[0] if attempts else None)
    assert job.return_value() == returned
    assert len(job.get_executions()) == under_way
    assert job.get_position() == (those("queued").index(name) if status == "queued" else None)
    assert (job.worker_name or None) == ("ada" if under_way else job.worker_name or None)


@pytest.mark.parametrize("status", REGISTRIES)
def test_a_registry_has_those_that_are_in_its_state_and_no_others(scene, status):
    """By its own class, and as the queue gives it; counted and named; and a job knows that it is in it."""
    registry = REGISTRIES[status](connection=scene.redis)
    same = getattr(scene.queue, f"{status}_job_registry")
    assert sorted(registry.get_job_ids()) == sorted(same.get_job_ids()) == sorted(those(status))
    assert registry.count == same.count == registry.get_job_count() == len(those(status))
    assert [job for job in JOBS if job in registry] == those(status)


def test_a_queue_has_those_in_line_in_their_order(scene):
    """A plain rq.Queue looks; its other constructors find it as well."""
    queue = rq.Queue(connection=scene.redis)
    assert (queue.count, len(queue), queue.is_empty()) == (3, 3, False)
    assert queue.job_ids == queue.get_job_ids() == [job.id for job in queue.get_jobs()] == those("queued")
    assert [each.name for each in rq.Queue.all(connection=scene.redis)] == ["default"]
    assert queue.fetch_job("second").get_position() == queue.get_job_position("second") == 1


def test_an_attempt_under_way_says_who_makes_it_and_that_it_lives(scene):
    """What the started registry has is the very attempt the job tells of."""
    [execution] = scene.job("running").get_executions()
    [(job, number)] = StartedJobRegistry(connection=scene.redis).get_job_and_execution_ids()
    assert (job, number) == ("running", execution.id)
    fetched = Execution.fetch(execution.id, "running", scene.redis)
    assert fetched.last_heartbeat >= fetched.created_at
    assert scene.job("running").worker_name == "ada"


@pytest.mark.parametrize(
    ("name", "word"),
    [("failed", "ValueError: boom"), ("failed-twice", "ValueError: boom"), ("died", "no crashes left")],
)
def test_a_dead_job_says_what_it_died_of(scene, name, word):
    """The traceback or the obituary, and whose attempt it was."""
    last = scene.job(name).latest_result()
    assert word in last.exc_string
    assert last.worker_name == "ada"


def test_a_retry_in_its_backoff_says_when(scene):
    """As RQ: in the scheduled registry, due in an hour, and one attempt less is left."""
    registry = ScheduledJobRegistry(connection=scene.redis)
    now = time.time()
    for job in ("later", "retried-later"):
        assert 3_500 < registry.get_scheduled_time(job).timestamp() - now <= 3_600
    assert scene.job("retried-later").retries_left == 1


def test_the_workers_are_those_there_are(scene):
    """By all, by count, by key and by queue."""
    [worker] = rq.Worker.all(scene.redis)
    found = rq.Worker.find_by_key("rq:worker:ada", scene.redis)
    for each in (worker, found):
        assert (each.name, each.get_state(), each.pid) == ("ada", "busy", scene.worker.pid)
        assert each.queue_names() == ["high", "default"]
        assert each.get_current_job_id() == each.get_current_job().id == "running"
        assert each.successful_job_count == 2
        assert each.last_heartbeat >= each.birth_date
    assert rq.Worker.count(scene.redis) == 1
    assert rq.Worker.count(queue=scene.queue) == len(rq.Worker.all(queue=rq.Queue("high", scene.redis))) == 1
    assert rq.Worker.count(queue=rq.Queue("nobody's", scene.redis)) == 0
    # Each attempt that failed, as RQ counts, not each job.
    assert worker.failed_job_count == found.failed_job_count == 5


def test_a_group_has_all_of_its_jobs(scene):
    """Enqueued by it on a queue of ours."""
    group = Group.fetch("shop", scene.redis)
    assert sorted(job.id for job in group.get_jobs()) == sorted(those("queued"))
    assert {job.group_id for job in group.get_jobs()} == {"shop"}
    assert [each.name for each in Group.all(scene.redis)] == ["shop"]


def test_a_look_at_everything_cleans_nothing_away(scene):
    """RQ cleans registries and executions as it looks."""
    for registry in REGISTRIES.values():
        registry(connection=scene.redis).cleanup()
    Group.clean_registries(scene.redis)
    for name, (status, *_) in JOBS.items():
        assert scene.job(name).get_status() == status


QUEUES = "3, 1 executing, 2 finished, 3 failed"


BUSY = "busy high, default. jobs: 2 finished, 5 failed"
RQ_INFO = {
    "": [QUEUES, "1 queues, 3 jobs total", "1 workers, 1 queues", BUSY],
    "--raw": [f"queue default {QUEUES}", BUSY],
    "-Q": [QUEUES, "1 queues, 3 jobs total"],
    "-Q --raw default high": [f"queue default {QUEUES}", "queue high 0, 0 executing, 0 finished, 0 failed"],
    "-W": ["ada (", BUSY, "1 workers, 1 queues"],
    "-W --raw high": ["worker ada (", BUSY],
    "-W --by-queue": ["default: ada (busy)", "1 workers, 1 queues"],
    "--by-queue": [QUEUES, "default: ada (busy)"],
}


@pytest.mark.parametrize("words", RQ_INFO)
def test_rq_info_says_what_is(rq_info, words):
    """In each of its ways."""
    told = rq_info(*words.split())
    for each in RQ_INFO[words]:
        assert each in told, told


def test_rq_info_goes_on_saying_it(scene):
    """With an interval, until it is interrupted: a window that somebody leaves open all day."""
    line = [sys.executable, "-u", "-m", "rq.cli", "info", "-u", scene.url, "--raw", "-Q", "-i", "0.1"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as watching:
        told = [each for each in itertools.islice(watching.stdout, 6) if "default" in each]
        watching.send_signal(signal.SIGINT)
        watching.communicate(timeout=10)
    assert len(told) >= 3
    assert all(QUEUES in each for each in told)


@pytest.mark.parametrize("status", ["queued", *REGISTRIES])
def test_rq_dashboard_lists_the_jobs_of_a_state(dashboard, status):
    """Its JSON, from which its page is filled, and the page."""
    told = dashboard.get(f"/rq/0/data/jobs/default/{status}/20/asc/1.json").get_json()
    assert sorted(job["id"] for job in told["jobs"]) == sorted(those(status))
    assert dashboard.get(f"/rq/0/view/jobs/default/{status}/20/asc/1").status_code == 200


def test_rq_dashboard_counts_the_jobs_of_each_state(dashboard):
    """Its first page."""
    [queue] = dashboard.get("/rq/0/data/queues.json").get_json()["queues"]
    counts = {status: queue[f"{status}_job_registry_count"] for status in REGISTRIES} | {"queued": queue["count"]}
    assert counts == {status: len(those(status)) for status in counts}
    for page in ("", "0/view/queues", "0/view/workers", "0/view/jobs"):
        assert dashboard.get(f"/rq/{page}", follow_redirects=True).status_code == 200


@pytest.mark.parametrize("name", JOBS)
def test_rq_dashboard_shows_a_job_as_it_is(dashboard, name):
    """Its status, its result and its traceback."""
    answer = dashboard.get(f"/rq/0/data/job/{name}.json")
    status, attempts, returned, _ = JOBS[name]
    if name == "waits":
        # rq-dashboard 0.9.0 decodes what rq 2.12 has decoded; the same with stock workers.
        assert answer.status_code == 500
        return
    told = answer.get_json()
    assert (told["id"], told["status"], told["result"], told["origin"]) == (name, status, returned, "default")
    assert bool(told["exc_info"]) == (attempts == [OFF])
    assert dashboard.get(f"/rq/0/view/job/{name}").status_code == 200


def test_rq_dashboard_shows_the_workers(dashboard, scene):
    """Who there is, and what each does."""
    [worker] = dashboard.get("/rq/0/data/workers.json").get_json()["workers"]
    assert (worker["name"], worker["state"], worker["pid"]) == ("ada", "busy", scene.worker.pid)
    assert (worker["queues"], worker["current_job"]["job_id"]) == (["high", "default"], "running")
    assert (worker["successful_job_count"], worker["version"]) == (2, rq.VERSION)
