"""A command that is given no address, or that of no Redis, says so in one sentence, and where to look."""

import socket

import click
import pytest
from click.testing import CliRunner

from holdfast.chaos.demo.run import Run
from holdfast.chaos.server import PrivateServer
from holdfast.console.cli import main
from holdfast.console.health import health
from holdfast.examples.shop.orders import read_orders
from holdfast.workers.at_start import knock

WRONG = [
    *("foo", "localhost:7391", "http://x", "redis://localhost:abc", "redis://localhost:99999"),
    *("redis://localhost/0?foo=1", "redis://localhost?socket_timeout=x", "rediss://localhost?ssl_cert_reqs=x"),
]
COMMANDS = ["status", "keeper", "timeline A-1", "dead list", "dead show A-1", "dead resolve A-1 charge --happened"]


@pytest.fixture
def nowhere():
    """Give the address of a port that nobody serves, and nobody else takes meanwhile."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"redis://127.0.0.1:{held.getsockname()[1]}"


def run(command, url):
    return CliRunner().invoke(main, [*command.split(), "--redis-url", url])


def is_one_sentence(done, exit_code=1):
    assert done.exit_code == exit_code, done.output
    assert isinstance(done.exception, SystemExit)
    assert len(done.output.splitlines()) == 1
    return True


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("url", WRONG)
def test_an_address_that_is_none_is_a_sentence(command, url):
    """redis-py raises one of three errors, some of them only when it connects."""
    done = run(command, url)
    assert is_one_sentence(done)
    assert done.output.startswith("Error: no Redis to work with: ")
    assert "Look at --redis-url, HOLDFAST_REDIS_URL and RQ_REDIS_URL." in done.output


@pytest.mark.parametrize("url", WRONG)
def test_the_demo_and_the_health_check_say_the_same(url):
    """The demo has an exit code of its own for what it cannot begin."""
    assert is_one_sentence(run("demo", url), exit_code=2)
    assert is_one_sentence(CliRunner().invoke(health, ["--redis-url", url]))


@pytest.mark.parametrize("command", ["status", "timeline A-1", "dead list", "dead resolve A-1 charge --happened"])
def test_a_server_that_is_not_there_is_named_with_what_to_do(nowhere, command):
    """As a worker names it."""
    done = run(command, nowhere)
    assert is_one_sentence(done)
    assert f"no Redis to work with at {nowhere}/0: " in done.output
    assert (
        "Start it, or give another address: -u of rq worker, --redis-url or HOLDFAST_REDIS_URL of holdfast, "
        in done.output
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_a_database_that_a_server_does_not_have_is_named_with_what_to_do(command):
    """It runs: nobody has to start it."""
    with PrivateServer() as server:
        url = f"{server.url}/99"
        done = run(command, url)
    assert is_one_sentence(done)
    assert f"no Redis to work with at {url}: DB index is out of range. It runs, and has fewer databases" in done.output


def test_the_demo_names_a_server_that_is_not_there(nowhere):
    """It was asked for that one, and starts none of its own in its place."""
    done = run("demo", nowhere)
    assert is_one_sentence(done, exit_code=2)
    assert "Start it, or give another address" in done.output


@pytest.mark.parametrize("variable", ["HOLDFAST_REDIS_URL", "RQ_REDIS_URL"])
def test_the_demo_does_not_go_where_a_shell_is_set_to(monkeypatch, variable):
    """That may be production, and it hurts workers there."""
    asked = []
    monkeypatch.setenv(variable, "redis://production:6379")
    monkeypatch.setattr("holdfast.chaos.demo.performance.demo", lambda **how: asked.append(how["redis_url"]) or 0)
    assert CliRunner().invoke(main, ["demo"]).exit_code == 0
    assert CliRunner().invoke(main, ["demo", "--redis-url", "redis://mine"]).exit_code == 0
    assert asked == [None, "redis://mine"]


def test_the_demos_workers_are_told_only_of_its_own_server(monkeypatch, tmp_path, redis):
    """Whatever the shell has set for workers of its own."""
    monkeypatch.setenv("HOLDFAST_REDIS_URL", "redis://production:6379")
    monkeypatch.setenv("RQ_REDIS_URL", "redis://production:6379")
    run = Run(read_orders()[:12], tmp_path, "redis://mine", redis)
    told = run._environment()
    assert [value for name, value in told.items() if name.endswith("REDIS_URL")] == ["redis://mine"]


def test_half_a_password_is_not_shown():
    """A / in it ends the part of the address where a port may stand."""
    done = run("status", "redis://:sec/ret@localhost:6379")
    assert is_one_sentence(done)
    assert "sec" not in done.output.replace("/ in a password is written %2F", "")


@pytest.mark.parametrize("url", WRONG)
def test_a_worker_with_an_address_that_is_none_ends_with_a_sentence(url, caplog):
    """Where RQ's command line would print a traceback."""
    with click.Context(click.Command("worker"), info_name="worker") as context:
        context.params = {"url": url, "config": None, "connection_class": "redis.Redis", "worker_class": "holdfast"}
        with pytest.raises(SystemExit) as ended:
            knock()
    assert ended.value.code == 1
    (said,) = caplog.messages
    assert said.startswith("no Redis to work with: ")
    assert said.endswith("Look at -u and RQ_REDIS_URL.")


@pytest.mark.parametrize("command", ["show A-1", "resolve A-1 charge --happened --value 1"])
@pytest.mark.parametrize("name", ["nosuch", "nosuch.x", "json.dumps"])
def test_a_serializer_that_cannot_be_had_is_a_sentence(holdfast, command, name):
    """Misspelled, not installed here, or something else."""
    done = holdfast("dead", *command.split(), "-S", name)
    assert is_one_sentence(done)
    assert f"the serializer {name} cannot be had here: " in done.output
    assert ".." not in done.output
