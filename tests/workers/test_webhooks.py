"""Another system is told over HTTP that a job has ended, by RQ's own webhooks."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import rq
from rq import Webhook

pytestmark = pytest.mark.processes


class Desk:
    """An HTTP server that writes down what it is told, and may keep the caller waiting."""

    def __init__(self):
        self.told = []
        desk = self

        class Clerk(BaseHTTPRequestHandler):
            def do_POST(self):
                said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                desk.told.append((self.path, said))
                if self.path == "/slow":
                    time.sleep(3)
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Clerk)
        self.server.handle_error = lambda *_: None  # a caller that hung up is not its trouble
        self._thread = threading.Thread(target=self.server.serve_forever)
        self._thread.start()

    def hook(self, status, path="/", timeout=10):
        port = self.server.server_port
        return Webhook(f"http://127.0.0.1:{port}{path}", status, method="POST", timeout=timeout)

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()


@pytest.fixture
def desk():
    desk = Desk()
    yield desk
    desk.close()


def test_it_is_told_of_a_job_that_closed_the_files_of_its_horse(start_worker, redis, desk, tmp_path):
    """Its horse settles it by itself then, and knows that it may be told of."""
    queue = rq.Queue(connection=redis)
    job = queue.enqueue("neighbours.close_files", str(tmp_path / "file"), webhooks=[desk.hook("finished")])
    assert start_worker(options=["--burst"]).wait() == 0
    assert [told["job_id"] for _, told in desk.told] == [job.id]


def test_a_system_outside_is_told_how_a_job_ended(start_worker, redis, desk):
    """Once, with the job's id, its status, when it ended and, of a failure, why."""
    queue, hooks = rq.Queue(connection=redis), [desk.hook("finished"), desk.hook("failed")]
    good = queue.enqueue("work.say", 1, webhooks=hooks)
    bad = queue.enqueue("work.boom", webhooks=hooks)
    assert start_worker(options=["--burst"]).wait() == 0
    assert [(said["job_id"], said["status"]) for _, said in desk.told] == [(good.id, "finished"), (bad.id, "failed")]
    assert "ValueError: boom" in desk.told[1][1]["exc_info"]
    assert all(said["ended_at"] for _, said in desk.told)


def test_a_failure_that_is_tried_again_is_nobodys_business(start_worker, redis, notes, desk):
    """Only the end of a job is told, not each attempt."""
    queue = rq.Queue(connection=redis)
    queue.enqueue(
        "work.fail_at_first",
        notes.path,
        1,
        retry=rq.Retry(max=1),
        webhooks=[desk.hook("finished"), desk.hook("failed")],
    )
    assert start_worker(options=["--burst"]).wait() == 0
    assert [said["status"] for _, said in desk.told] == ["finished"]


def test_a_slow_listener_does_not_cost_the_next_one_its_news(start_worker, redis, desk, wait_until, ledger):
    """The job is settled, so there is no lease to run out; nor does its worker burn a processor while it waits."""
    worker = start_worker(lease_ms=1_000, renew_ms=200, margin_ms=200)
    queue = rq.Queue(connection=redis)
    job = queue.enqueue("work.say", 1, webhooks=[desk.hook("finished", "/slow"), desk.hook("finished", "/next")])
    wait_until(lambda: ledger.status(job) == "finished")
    used_s = worker.cpu_s
    behind = queue.enqueue("work.say", 2)
    wait_until(lambda: ledger.status(behind) == "finished")
    assert [path for path, _ in desk.told] == ["/slow", "/next"]
    print(f"{1000 * (worker.cpu_s - used_s):.0f} ms of processor time while a listener took 3 s")
    assert worker.cpu_s - used_s < 1


def test_a_listener_that_is_gone_does_not_cost_the_job(start_worker, redis, desk, ledger):
    """INV-06: the end of a job stands, whoever could not be told."""
    hook = desk.hook("finished")
    desk.server.server_close()
    job = rq.Queue(connection=redis).enqueue("work.say", 1, webhooks=[hook])
    assert start_worker(options=["--burst"]).wait() == 0
    assert ledger.status(job) == "finished"


def test_news_go_out_between_jobs_that_are_in_the_same_hands(start_worker, redis, desk, ledger):
    """Each once, when its job is settled and not before; who waits behind is neither lost nor run twice."""
    queue, jobs = rq.Queue(connection=redis), []
    for number in range(30):
        hooks = [desk.hook("finished", path=f"/{number}")] if number % 3 == 2 else None
        jobs.append(queue.enqueue("work.say", number, webhooks=hooks))
    assert start_worker(options=["--burst"], jobs_per_horse=1_000, prefetch=16).wait(20) == 0
    assert sorted(path for path, _ in desk.told) == sorted(f"/{number}" for number in range(2, 30, 3))
    assert [ledger.status(job) for job in jobs] == ["finished"] * 30
    assert {ledger.number(job, "hf_crashes") for job in jobs} == {0}
    assert {len(ledger.moves(job, "complete")) for job in jobs} == {1}
