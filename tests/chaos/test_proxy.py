"""What the proxy does to one request, and what the client and the server then know of it."""

import itertools
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from redis import ConnectionError as LinkLost
from redis import ConnectionPool, Redis
from redis import TimeoutError as Silence

from holdfast.chaos.proxy import (
    After,
    Before,
    DelayReply,
    DelayRequest,
    DropRequest,
    EatReply,
    FaultProxy,
    Pass,
    SignalThenPass,
)
from holdfast.chaos.server import PrivateServer
from tests.patience import wait_until


def on(word, act, key=b""):
    """Make a rule: this act for a command, on this key if one is given, and none for all else."""

    def rule(request):
        hit = request.words[0] == word and key in request.words[1:2] if key else request.words[0] == word
        return act if hit else Pass()

    return rule


def test_each_request_is_seen_once_in_order_with_its_words(proxy, connect):
    """A sweep counts requests: the same run must give the same numbers."""
    seen = []
    proxy.observer = seen.append
    one, two = connect(), connect()
    one.set("k", b"\x00\r\n")
    with two.pipeline() as pipe:
        pipe.get("k").execute()
    said = [r for r in seen if r.words[0] not in {b"HELLO", b"CLIENT"}]
    assert [r.words for r in said] == [(b"SET", b"k", b"\x00\r\n"), (b"MULTI",), (b"GET", b"k"), (b"EXEC",)]
    assert [r.number for r in seen] == list(range(1, len(seen) + 1))
    assert [r.connection for r in said] == [1, 2, 2, 2]


def test_before_acts_while_the_request_is_not_applied_and_never_will_be(proxy, client, direct):
    """The state the next one finds when someone died just before a call."""
    found = []
    proxy.rule = on(b"INCRBY", Before(lambda: found.append(direct.get("n"))))
    with pytest.raises(LinkLost):
        client.incr("n")
    assert found == [None]
    assert direct.get("n") is None


def test_after_acts_when_the_request_is_applied_and_its_reply_unread(proxy, client, direct):
    """The state the next one finds when someone died just after a call."""
    found = []
    proxy.rule = on(b"INCRBY", After(lambda: found.append(direct.get("n"))))
    with pytest.raises(LinkLost):
        client.incr("n")
    assert found == [b"1"]
    assert direct.get("n") == b"1"


@pytest.mark.parametrize(
    ("act", "applied"),
    [(Before(lambda: None), 1), (DropRequest(), 1), (After(lambda: None), 2), (EatReply(), 2)],
)
def test_a_cut_in_a_pipeline_divides_it_there(proxy, client, direct, act, applied):
    """What was sent behind the cut in the same packet is not applied, what was sent before is."""
    proxy.rule = on(b"SET", act, key=b"k2")
    with client.pipeline(transaction=False) as pipe, pytest.raises(LinkLost):
        pipe.set("k1", 1).set("k2", 2).set("k3", 3).execute()
    assert sorted(direct.keys("k?")) == [b"k1", b"k2", b"k3"][:applied]


def test_before_waits_for_the_replies_to_what_was_sent_earlier(proxy, client, direct):
    """Death before the second call is death after the first: a sweep must find the same state each time."""
    blocked = []
    proxy.rule = on(b"SET", Before(lambda: blocked.append(direct.info("clients")["blocked_clients"])))
    with client.pipeline(transaction=False) as pipe, pytest.raises(LinkLost):
        pipe.blpop(["none"], timeout=0.2).set("k", 1).execute()
    assert blocked == [0]


def test_before_acts_even_if_the_server_dies_owing_replies():
    """Two failures at a time are the interesting ones."""
    done = threading.Event()
    with PrivateServer() as server, FaultProxy(("127.0.0.1", server.port)) as proxy:
        seen = threading.Event()
        proxy.observer = lambda request: seen.set() if request.words[0] == b"SET" else None
        proxy.rule = on(b"SET", Before(done.set))
        connection = ConnectionPool.from_url(proxy.url, socket_timeout=5).get_connection()
        connection.send_packed_command(connection.pack_command("BLPOP", "none", 0))
        connection.send_packed_command(connection.pack_command("SET", "k", 1))
        assert seen.wait(5)
        assert not done.is_set()
        server.kill()
        assert done.wait(5)
        connection.disconnect()


def test_a_transaction_cut_before_its_exec_leaves_nothing(proxy, client, direct):
    """MULTI without EXEC is nothing; the server must be seen to think so too."""
    proxy.rule = on(b"EXEC", DropRequest())
    with client.pipeline() as pipe, pytest.raises(LinkLost):
        pipe.set("k1", 1).execute()
    assert not direct.exists("k1")


def test_an_eaten_reply_leaves_the_request_applied_once(proxy, client, direct):
    """The client's error means unknown, not failed; and a client without retry asks once."""
    sent = []
    proxy.observer = lambda request: sent.append(request.words[0])
    proxy.rule = on(b"INCRBY", EatReply())
    with pytest.raises(LinkLost):
        client.incr("n")
    assert direct.get("n") == b"1"
    assert sent.count(b"INCRBY") == 1


def test_a_dropped_request_is_never_applied(proxy, client, direct):
    """To the client it looks exactly like an eaten reply."""
    proxy.rule = on(b"INCRBY", DropRequest())
    with pytest.raises(LinkLost):
        client.incr("n")
    proxy.rule = on(b"NONE", Pass())
    assert client.incr("n") == 1


def test_a_delayed_reply_comes_late_and_its_request_is_applied_at_once(proxy, client, direct):
    """The slow way back: the holder's clock has run on when it hears that it holds."""
    proxy.rule = on(b"INCRBY", DelayReply(800))
    began = time.monotonic()
    caller = threading.Thread(target=client.incr, args=("n",))
    caller.start()
    wait_until(lambda: direct.get("n") == b"1")
    assert caller.is_alive()
    caller.join()
    assert time.monotonic() - began >= 0.8


def test_a_delayed_reply_finds_no_one_when_the_client_gave_up(proxy, connect, direct):
    """The client that comes back is not given the answer to its old question."""
    hasty = connect(socket_timeout=0.3)
    hasty.ping()
    proxy.rule = on(b"INCRBY", DelayReply(600))
    with pytest.raises(Silence):
        hasty.incr("n")
    assert hasty.get("n") == b"1"


def test_a_delayed_request_is_applied_although_its_sender_has_gone(proxy, connect, direct):
    """Late delivery: what a client gave up on happens after what it did next."""
    hasty = connect(socket_timeout=0.3)
    hasty.ping()
    proxy.rule = on(b"APPEND", DelayRequest(1000))
    with pytest.raises(Silence):
        hasty.append("story", "old")
    hasty.set("story", "new ")
    hasty.connection_pool.disconnect()
    wait_until(lambda: direct.get("story") == b"new old")


def test_signal_then_pass_acts_first_and_loses_nothing(proxy, client, direct):
    """A signal that arrives with the request under way."""
    found = []
    proxy.rule = on(b"INCRBY", SignalThenPass(lambda: found.append(direct.get("n"))))
    assert client.incr("n") == 1
    assert found == [None]


def test_pushes_pass_between_the_replies_of_a_subscriber(proxy, client, connect):
    """RQ's workers hear commands by pub/sub; a rule for replies must not lose count there."""
    for protocol in (2, 3):
        with connect(protocol=protocol).pubsub(ignore_subscribe_messages=True) as ear:
            ear.subscribe("a", "b")
            ear.get_message(timeout=1)
            wait_until(lambda: client.publish("b", "stop") == 1)
            wait_until(lambda: (ear.get_message(timeout=0.1) or {}).get("data") == b"stop")
            ear.ping()
            wait_until(lambda: (ear.get_message(timeout=0.1) or {}).get("type") == "pong")


@pytest.mark.parametrize("protocol", [2, 3])
def test_the_confirmation_of_a_subscription_is_its_reply(proxy, connect, protocol):
    """In RESP 3 it comes as a push; the act on it takes place all the same."""
    done = threading.Event()
    proxy.rule = on(b"SUBSCRIBE", After(done.set))
    with connect(protocol=protocol).pubsub() as ear:
        ear.subscribe("a")
        assert done.wait(5)


def test_a_push_out_of_turn_is_not_taken_for_a_reply(proxy, connect, direct):
    """RESP 3 sends invalidations on any connection, also while it waits for a reply."""
    steps, found = [], []
    proxy.rule = on(b"BLPOP", After(lambda: found.extend(steps)))
    pool = connect(protocol=3).connection_pool
    connection = pool.get_connection()
    for command, answer in ((("CLIENT", "TRACKING", "ON"), b"OK"), (("GET", "n"), None)):
        connection.send_command(*command)
        assert connection.read_response() == answer
    connection.send_command("BLPOP", "q", 5)
    wait_until(lambda: direct.info("clients")["blocked_clients"] == 1)
    direct.set("n", 5)
    assert connection.can_read(timeout=5)
    steps.append("pushed")
    direct.rpush("q", "job")
    with pytest.raises(LinkLost):
        connection.read_response()
    assert found == ["pushed"]
    pool.release(connection)


def test_a_process_can_be_killed_at_its_own_kth_request(proxy, direct):
    """What every sweep of crashes does: die on this side of a call, then look at what is there."""

    def killing_at(k, act):
        calls = itertools.count(1)

        def rule(request):
            if request.words[0] == b"INCRBY" and next(calls) == k:
                return act(lambda: os.kill(request.peer_pid, signal.SIGKILL))
            return Pass()

        return rule

    code = f"import redis\nr = redis.Redis.from_url({proxy.url!r})\nwhile True: r.incr('n')"
    for act, applied in ((Before, b"4"), (After, b"5")):
        direct.delete("n")
        proxy.rule = killing_at(5, act)
        with subprocess.Popen([sys.executable, "-c", code]) as victim:
            try:
                assert victim.wait(10) == -signal.SIGKILL
            finally:
                victim.kill()
        assert direct.get("n") == applied


def test_an_error_in_a_rule_resets_the_connection_and_is_kept(proxy, client):
    """A mistake in the test must not look like a fault that was survived."""

    def rule(request):
        if request.words[0] == b"INCRBY":
            raise ZeroDivisionError
        return Pass()

    proxy.rule = rule
    with pytest.raises(LinkLost):
        client.incr("n")
    with pytest.raises(ZeroDivisionError):
        proxy.check()
    proxy.check()


@pytest.mark.parametrize("act", [Before, After, SignalThenPass])
def test_an_error_in_an_act_comes_out_at_the_end(server, act):
    """The kill that found nobody to kill is a run that proves nothing."""

    def miss():
        raise ProcessLookupError

    proxy = FaultProxy(("127.0.0.1", server.port))
    proxy.rule = on(b"INCRBY", act(miss))
    with pytest.raises(ProcessLookupError), proxy:  # noqa: PT012
        client = Redis(connection_pool=ConnectionPool.from_url(proxy.url))
        with pytest.raises(LinkLost):
            client.incr("n")
        client.close()


def test_an_act_may_change_the_weather(proxy, client, direct):
    """A partition that begins with the reply to one request: set from the proxy's own thread."""

    def part():
        proxy.black_hole = True
        proxy.cut()

    proxy.rule = on(b"INCRBY", After(part))
    with pytest.raises(LinkLost):
        client.incr("n")
    assert proxy.black_hole
    assert direct.get("n") == b"1"
