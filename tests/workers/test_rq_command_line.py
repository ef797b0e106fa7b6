"""RQ's command line, its settings module and its environment do for a worker of ours what they do for RQ's."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
import rq
from rq.job import Job

from holdfast.jobs import Queue
from holdfast.jobs.store import keys

pytestmark = pytest.mark.processes

OURS = ("-w", "holdfast.workers.Worker")


@pytest.fixture
def environment(tmp_path):
    """Give the environment of a shell in which no word of RQ's or ours is set."""
    ours = ("HOLDFAST_", "RQ_", "REDIS_")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return clean | {"PYTHONPATH": f"{Path(__file__).parent}{os.pathsep}{tmp_path}", "PYTHONUNBUFFERED": "1"}


@pytest.fixture
def rq_line(environment, tmp_path):
    """Give a function that runs a line of RQ's command until it ends by itself, and gives what it said."""

    def run(command, *words, **variables):
        line = [sys.executable, "-m", "rq.cli", command, *words]
        done = subprocess.run(
            line,
            env=environment | variables,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    return run


@pytest.fixture
def settings_module(tmp_path):
    """Give a function that writes the module that `-c` names."""

    def write(text):
        (tmp_path / "rq_settings.py").write_text(dedent(text), "utf-8")

    return write


def test_a_settings_module_says_where_and_what(rq_line, settings_module, server, redis):
    """`-c`: REDIS_URL, QUEUES and NAME, and no word of them on the command line."""
    job = rq.Queue("mail", connection=redis).enqueue("work.tell_who")
    settings_module(f"REDIS_URL = {server.url!r}\nQUEUES = ['mail', 'low']\nNAME = 'postman'\n")
    rq_line("worker", "--burst", "-c", "rq_settings", *OURS)
    assert job.return_value(refresh=True)["worker"] == "postman"


def test_a_settings_module_may_name_host_and_port_and_how_to_log(rq_line, settings_module, server, redis):
    """REDIS_HOST, REDIS_PORT, REDIS_DB, and DICT_CONFIG, which is Python's own way to set up logs."""
    with server.client(db=3) as third:
        job = rq.Queue(connection=third).enqueue("work.say", 1)
        settings_module(f"""
            REDIS_HOST, REDIS_PORT, REDIS_DB = "127.0.0.1", {server.port}, 3
            DICT_CONFIG = {{
                "version": 1,
                "disable_existing_loggers": False,
                "formatters": {{"own": {{"format": "<<%(message)s>>"}}}},
                "handlers": {{"own": {{"class": "logging.StreamHandler", "formatter": "own"}}}},
                "root": {{"handlers": ["own"], "level": "INFO"}},
            }}
        """)
        said = rq_line("worker", "--burst", "-c", "rq_settings", *OURS)
        assert job.get_status() == "finished"
        assert re.search(r"^<<Worker \w+: default: Job OK", re.sub(r"\x1b\[[\d;]+m", "", said), re.MULTILINE)


def test_the_environment_alone_makes_a_line_ours(rq_line, server, redis):
    """RQ_REDIS_URL, RQ_WORKER_CLASS, RQ_JOB_CLASS and RQ_QUEUE_CLASS: a deployment need not touch its commands."""
    job = Queue(connection=redis).enqueue("work.shout", job_id="quiet")
    said = rq_line(
        "worker",
        "--burst",
        RQ_REDIS_URL=server.url,
        RQ_WORKER_CLASS="holdfast.workers.Worker",
        RQ_JOB_CLASS="work.LoudJob",
        RQ_QUEUE_CLASS="holdfast.jobs.Queue",
    )
    assert ": holdfast " in said
    assert job.return_value(refresh=True) == "QUIET"


@pytest.mark.parametrize("name", ["REDIS_URL", "RQ_CONFIG"])
def test_other_ways_to_say_where_redis_is(rq_line, settings_module, server, redis, name):
    """REDIS_URL in the environment, and RQ_CONFIG for `-c`."""
    job = rq.Queue(connection=redis).enqueue("work.say", 1)
    settings_module(f"REDIS_URL = {server.url!r}\n")
    rq_line("worker", "--burst", *OURS, **{name: server.url if name == "REDIS_URL" else "rq_settings"})
    assert job.get_status() == "finished"


@pytest.mark.parametrize("queue_class", ["holdfast.jobs.Queue", "apps.OwnQueue"])
def test_an_apps_own_queue_class_is_the_workers(rq_line, server, redis, queue_class):
    """`--queue-class`, ours or one of the app's."""
    job = rq.Queue(connection=redis).enqueue("work.say", 1)
    rq_line("worker", "--burst", "-u", server.url, *OURS, "--queue-class", queue_class)
    assert job.get_status() == "finished"


def test_a_client_class_of_the_apps_own_is_what_jobs_get(rq_line, server, redis):
    """`--connection-class`: for the code of jobs; the worker's own requests go over connections of ours."""
    job = rq.Queue(connection=redis).enqueue("apps.tell_client")
    rq_line("worker", "--burst", "-u", server.url, *OURS, "--connection-class", "apps.OwnRedis")
    assert job.return_value(refresh=True) == "OwnRedis"


def test_code_beside_the_app_is_found(rq_line, server, redis, tmp_path):
    """`--path`: where RQ looks for the functions of jobs."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "far_away.py").write_text("def answer():\n    return 42\n", "utf-8")
    job = rq.Queue(connection=redis).enqueue("far_away.answer")
    rq_line("worker", "--burst", "-u", server.url, *OURS, "--path", "elsewhere")
    assert job.return_value(refresh=True) == 42


def test_every_option_of_rqs_worker_is_taken(rq_line, server, redis, tmp_path):
    """One line with all of them, as somebody's unit file has it. Those without effect do no harm."""
    job = rq.Queue(connection=redis).enqueue("work.say", "a secret")
    options = """
        --burst --name unit --results-ttl 60 --worker-ttl 90 --maintenance-interval 5 --job-monitoring-interval 5
        --disable-job-desc-logging --exception-handler work.handle_error --disable-default-exception-handler
        --max-jobs 5 --max-idle-time 5 --with-scheduler --dequeue-strategy round_robin --serializer pickle
        --logging_level INFO --pid worker.pid
    """
    formats = ("--log-format", "[%(levelname)s %(asctime)s] %(message)s", "--date-format", "at %H")
    said = rq_line("worker", "-u", server.url, *OURS, *options.split(), *formats)
    assert job.get_status() == "finished"
    assert "[INFO at " in said
    assert "a secret" not in said
    assert int((tmp_path / "worker.pid").read_text("ascii")) > 0


@pytest.mark.parametrize(("option", "lines"), [("--quiet", "none"), ("--verbose", "many")])
def test_a_worker_says_as_much_as_it_is_asked_to(rq_line, server, redis, option, lines):
    """`--quiet` says warnings only."""
    rq.Queue(connection=redis).enqueue("work.say", 1)
    said = rq_line("worker", "--burst", "-u", server.url, *OURS, option)
    assert ("Job OK" in said) == (lines == "many")


def test_a_pool_takes_rqs_options_too(rq_line, server, redis):
    """`rq worker-pool --burst -n 2` with queues, a serializer and a job class."""
    queue = rq.Queue("mail", connection=redis, serializer="json")
    job = queue.enqueue("work.shout", job_id="quiet")
    options = ("--burst", "-n", "2", "--serializer", "json", "--job-class", "work.LoudJob")
    said = rq_line("worker-pool", "-u", server.url, *OURS, *options, "mail")
    assert said.count(": holdfast ") == 2
    assert Job.fetch(job.id, redis, serializer=queue.serializer).return_value() == "QUIET"


def test_rqs_own_enqueue_puts_work_in_line(rq_line, server, redis):
    """`rq enqueue`, with what it can say of a job."""
    rq_line("enqueue", "-u", server.url, "--job-id", "typed", "--result-ttl", "900", "builtins.max", ":1", ":2")
    rq_line("worker", "--burst", "-u", server.url, *OURS)
    assert Job.fetch("typed", redis).return_value() == 2
    assert 880 <= redis.ttl(keys.job("typed")) <= 900


def test_rqs_cron_is_a_producer_like_any_other(start_worker, environment, server, redis, tmp_path, notes, wait_until):
    """`rq cron` goes on as it is; our workers run what it puts in line."""
    rules = tmp_path / "rules.py"
    rules.write_text(
        "from rq import cron\nfrom work import note\n"
        f"cron.register(note, 'default', ({notes.path!r}, 'tick'), interval=1)\n",
        "utf-8",
    )
    start_worker()
    line = [sys.executable, "-m", "rq.cli", "cron", "-u", server.url, str(rules)]
    clock = subprocess.Popen(line, env=environment, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
    try:
        wait_until(lambda: len(notes("tick")) >= 2)
    finally:
        clock.send_signal(signal.SIGTERM)
        clock.wait(10)
