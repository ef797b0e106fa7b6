"""docker-compose.yml: healthy from a fresh clone, and the shop's orders outlive a killed and a restarted worker."""

import re

import pytest

from holdfast.jobs.store import keys
from tests.compose.stack import Stack, until, why_there_is_no_compose, why_there_is_no_engine

ORDERS = 200
LAST_WORD_MS = 5_000


@pytest.fixture
def config():
    if missing := why_there_is_no_compose():
        pytest.skip(missing)
    return Stack().config()


@pytest.fixture
def stack():
    if missing := why_there_is_no_engine():
        pytest.skip(missing)
    # Packing long enough to be caught at it.
    stack = Stack(ORDERS=str(ORDERS), SHOP_PACK_MS="200")
    try:
        stack.up(workers=3)
        yield stack
    finally:
        stack.down()


def seconds(duration):
    """Read a duration as compose writes it: 35s, 1m5s."""
    minutes, rest = re.fullmatch(r"(?:(\d+)m)?(?:(\d+)s)?", duration).groups()
    return int(minutes or 0) * 60 + int(rest or 0)


def freeze_at_work(stack, worker):
    """Freeze the container between two looks at what it holds, until one finds it with a job; give the job."""
    entry = keys.worker(worker[:12])

    def caught():
        stack.docker("pause", worker)
        if job := stack.redis_cli("hget", entry, "current_job"):
            return job
        stack.docker("unpause", worker)
        return None

    return until(caught, f"{entry} at work")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_hundred_orders_outlive_a_killed_and_a_restarted_worker(stack):
    """Each is finished and charged once, and the dead one's order is done by another."""
    killed, restarted, _ = stack.workers()
    assert stack.compose("run", "--rm", "-T", "producer") == f"enqueued {ORDERS} orders"

    job = freeze_at_work(stack, killed)
    stack.docker("kill", "--signal", "KILL", killed)
    stack.docker("stop", restarted)
    left = stack.inspect(restarted, "{{.State.ExitCode}}")
    stack.docker("start", restarted)
    report = stack.compose("run", "--rm", "-T", "report", "--within", "90")

    assert stack.inspect(killed, "{{.State.ExitCode}}") == "137"
    assert left == "0"
    assert report == f"{ORDERS} orders: {ORDERS} finished; {ORDERS} charged once, 0 more than once"
    assert re.search(rf"reclaimed job {job} of \w+ from dead worker {killed[:12]}\b", stack.logs())
    until(lambda: stack.inspect(restarted, "{{.State.Health.Status}}") == "healthy", "the restarted worker healthy")


def test_a_worker_is_given_longer_to_stop_than_it_takes(config):
    """Else each deploy ends in SIGKILL, and its jobs wait for their lease to run out."""
    worker = config["services"]["worker"]
    grace_ms = int(worker["environment"]["HOLDFAST_GRACE_MS"])
    assert seconds(worker["stop_grace_period"]) * 1_000 > grace_ms + LAST_WORD_MS


def test_workers_can_be_many(config):
    """A name or a port of the host's would be had by the first alone."""
    assert not {"container_name", "ports"} & set(config["services"]["worker"])


def test_redis_keeps_what_it_accepted(config):
    """On disk, and when memory is short too."""
    command = " ".join(config["services"]["redis"]["command"])
    assert "--appendonly yes" in command
    assert "--maxmemory-policy noeviction" in command


def test_all_that_stay_up_are_asked_for_their_health(config):
    """`up --wait` waits for health; what ends when it is done stands in a profile, and is not waited for."""
    services = config["services"].items()
    assert {name for name, service in services if "healthcheck" not in service} == {"producer", "report"}
    assert {name for name, service in services if service.get("profiles")} == {"producer", "report"}
    assert all(service.get("restart") == "unless-stopped" for _, service in services if "healthcheck" in service)
