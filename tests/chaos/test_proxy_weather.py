"""What the proxy does to whole connections, and what it makes of the bytes in them."""

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time

import pytest
from redis import ConnectionError as LinkLost
from redis import ConnectionPool, Redis
from redis import TimeoutError as Silence

from holdfast.chaos.proxy import FaultProxy
from holdfast.chaos.server import PrivateServer
from holdfast.chaos.wire import Splitter
from tests.patience import wait_until


@pytest.mark.parametrize("protocol", [2, 3])
def test_without_a_rule_everything_passes_as_it_is(connect, protocol):
    """Numbers, maps, nothing, errors, nested and big values, in both protocols."""
    client = connect(protocol=protocol)
    big = os.urandom(3_000_000)
    client.set("big", big)
    client.hset("map", mapping={"a": "1", "b": "\r\n"})
    with client.pipeline() as pipe:
        pipe.get("big").get("none").hgetall("map").exists("map").zadd("z", {"m": 1.5}).zscore("z", "m")
        assert pipe.execute() == [big, None, {b"a": b"1", b"b": b"\r\n"}, 1, 1, 1.5]
    assert client.eval("return {1, {2, 'three'}, {}}", 0) == [1, [2, b"three"], []]
    assert client.blpop(["none"], timeout=0.05) is None


def test_the_sender_of_a_request_can_be_told_by_its_pid(proxy, client):
    """Chaos kills the one who asked, whoever of the fleet that is."""
    seen = []
    proxy.observer = lambda request: seen.append((request.words[0], request.peer_pid))
    client.incr("n")
    code = f"import redis; redis.Redis.from_url({proxy.url!r}).decr('n')"
    with subprocess.Popen([sys.executable, "-c", code]) as child:
        pass
    assert (b"INCRBY", os.getpid()) in seen
    assert (b"DECRBY", child.pid) in seen


def test_a_server_that_dies_is_passed_on_as_a_lost_link_and_back_when_it_is_back(tmp_path):
    """The proxy is no party to a crash of the server: it neither hangs nor hides it."""
    with PrivateServer() as server, FaultProxy(("127.0.0.1", server.port)) as proxy:
        client = Redis(connection_pool=ConnectionPool.from_url(proxy.url, socket_timeout=5))
        client.set("kept", "yes")
        server.kill()
        for _ in range(2):
            with pytest.raises(LinkLost):
                client.ping()
        server.restart()
        assert client.get("kept") == b"yes"
        client.close()


def test_a_refusing_proxy_lets_live_connections_live(proxy, client, connect):
    """A full accept queue, or a firewall that forgot new flows only."""
    client.ping()
    proxy.refuse = True
    assert client.ping()
    with pytest.raises(LinkLost):
        connect().ping()
    proxy.refuse = False
    assert connect().ping()


def test_in_a_black_hole_nothing_moves_and_behind_it_all_arrives(proxy, client, connect, direct):
    """A partition that heals: what was on its way gets there, late."""
    hasty = connect(socket_timeout=0.3)
    hasty.ping()
    proxy.black_hole = True
    with pytest.raises(Silence):
        hasty.incr("n")
    with pytest.raises(Silence):
        connect(socket_timeout=0.3).ping()
    assert direct.get("n") is None
    proxy.black_hole = False
    wait_until(lambda: direct.get("n") == b"1")
    assert client.ping()


def test_in_a_black_hole_the_server_does_not_see_its_client_leave(proxy, client, direct):
    """A dead worker behind a partition goes on waiting, as far as the server knows."""
    waiting = lambda: direct.info("clients")["blocked_clients"]  # noqa: E731
    connection = client.connection_pool.get_connection()
    connection.send_command("BLPOP", "bell", 0)
    wait_until(lambda: waiting() == 1)
    proxy.black_hole = True
    connection.disconnect()
    direct.rpush("bell", "rung")
    assert direct.llen("bell") == 0
    proxy.black_hole = False
    wait_until(lambda: waiting() == 0)


def test_in_a_black_hole_the_death_of_the_server_is_not_seen():
    """Silence is all that a partition says, whatever happens behind it."""
    with PrivateServer() as server, FaultProxy(("127.0.0.1", server.port)) as proxy:
        # Not through a client: the pool would replace a connection that has ended, and find silence too.
        connection = ConnectionPool.from_url(proxy.url, socket_timeout=0.3).get_connection()
        proxy.black_hole = True
        connection.send_command("PING")
        server.kill()
        with pytest.raises(Silence):
            connection.read_response()
        proxy.black_hole = False
        connection.disconnect()


def test_the_server_never_hears_of_a_connection_begun_and_cut_in_a_black_hole(proxy, connect, direct):
    """A SYN that was lost, not one that was late."""
    heard = lambda: direct.info("stats")["total_connections_received"]  # noqa: E731
    lasting = connect()
    lasting.ping()
    before = heard()
    proxy.black_hole = True
    with pytest.raises(Silence):
        connect(socket_timeout=0.3).ping()
    assert heard() == before
    proxy.cut()
    proxy.black_hole = False
    assert connect().ping()
    assert heard() == before + 1


def test_what_a_cut_finds_in_a_black_hole_is_lost(proxy, connect, direct):
    """A partition that outlasts its connections."""
    hasty = connect(socket_timeout=0.3)
    hasty.ping()
    proxy.black_hole = True
    with pytest.raises(Silence):
        hasty.incr("n")
    proxy.cut()
    proxy.black_hole = False
    assert hasty.get("n") is None


def test_a_cut_resets_every_connection_at_once(proxy, client, direct):
    """Someone who waits for the server learns of it now, not at a timeout; the server forgets them too."""
    ended = []

    def wait_for_a_job():
        with pytest.raises(LinkLost):
            client.blpop(["bell"], timeout=4)
        ended.append(time.monotonic())

    waiter = threading.Thread(target=wait_for_a_job)
    waiter.start()
    wait_until(lambda: direct.info("clients")["blocked_clients"] == 1)
    cut = time.monotonic()
    proxy.cut()
    waiter.join()
    assert ended[0] - cut < 2
    wait_until(lambda: direct.info("clients")["blocked_clients"] == 0)


def test_when_cut_returns_the_connections_are_gone(proxy):
    """The next line of a plan may count on it."""
    with socket.create_connection(("127.0.0.1", proxy.port)) as raw:
        raw.sendall(b"*1\r\n$4\r\nPING\r\n")
        assert raw.recv(10) == b"+PONG\r\n"
        proxy.cut()
        raw.settimeout(0)
        with pytest.raises(ConnectionResetError):
            raw.recv(10)


def test_latency_is_paid_once_each_way_by_a_whole_pipeline(proxy, client):
    """Round trips are what a slow link charges for, not commands."""
    client.ping()
    proxy.latency_ms = 50
    began = time.monotonic()
    with client.pipeline(transaction=False) as pipe:
        for _ in range(20):
            pipe.ping()
        pipe.execute()
    assert 0.1 <= time.monotonic() - began < 1


def test_what_is_no_command_is_told_by_check(proxy):
    """Somebody typed into a telnet session, or speaks HTTP."""
    with socket.create_connection(("127.0.0.1", proxy.port)) as typist:
        typist.sendall(b"PING\r\n")
        with pytest.raises(ConnectionResetError):
            typist.recv(10)
    with pytest.raises(ValueError, match="inline command"):
        proxy.check()


VALUES = [
    b"+OK\r\n", b"-ERR no\r\n", b":1\r\n", b"_\r\n", b"#t\r\n", b",1.5\r\n", b"(12\r\n",
    b"$-1\r\n", b"$0\r\n\r\n", b"$4\r\n\r\n\r\n\r\n", b"=5\r\ntxt:a\r\n", b"!3\r\nERR\r\n",
    b"*-1\r\n", b"*0\r\n", b"*2\r\n*1\r\n:1\r\n*2\r\n$1\r\na\r\n*0\r\n", b"~2\r\n:1\r\n:2\r\n",
    b"%1\r\n+a\r\n%1\r\n+b\r\n:1\r\n", b">2\r\n+message\r\n$1\r\nx\r\n", b"|1\r\n+ttl\r\n:3\r\n$1\r\na\r\n",
]  # fmt: skip


def test_who_comes_as_the_proxy_goes_is_reset_too(server):
    """In whatever round of its loop: one that is left open is found by the garbage collector, in another test."""
    for number in range(300):
        with FaultProxy(("127.0.0.1", server.port)) as proxy:
            late = socket.create_connection(("127.0.0.1", proxy.port), timeout=5)
            time.sleep(number % 30 * 0.000_02)
        with late, contextlib.suppress(ConnectionResetError):
            assert late.recv(1) == b""


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_values_come_whole_however_they_were_chopped(size):
    """TCP keeps the bytes, not the packets."""
    stream = b"".join(VALUES)
    splitter = Splitter()
    chunks = [stream[at : at + size] for at in range(0, len(stream), size)]
    assert [value for chunk in chunks for value in splitter.feed(chunk)] == VALUES
