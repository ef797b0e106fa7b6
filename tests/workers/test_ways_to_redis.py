"""However an app reaches its Redis, a worker does: through a socket file, over TLS, and by asking Sentinels."""

import os
import select
import shutil
import socket
import socketserver
import ssl
import subprocess
import sys
import threading
from contextlib import suppress
from textwrap import dedent

import pytest
import rq
from redis.exceptions import RedisError
from redis.sentinel import Sentinel

from holdfast.chaos.programs import DIE_WITH_STARTER, find_program
from holdfast.chaos.server import PrivateServer, free_port

pytestmark = pytest.mark.processes


@pytest.mark.parametrize("command", ["worker", "worker-pool"])
def test_a_socket_file_is_as_good_as_a_port(start_worker, command):
    """`unix://`, for Redis on the same machine."""
    with PrivateServer(unix_socket=True) as near, near.client() as client:
        job = rq.Queue(connection=client).enqueue("work.say", 1)
        assert start_worker(url=near.url, command=command, options=["--burst"]).wait(20) == 0
        assert job.get_status() == "finished"


@pytest.fixture
def certificates(tmp_path):
    """Make an authority and a server's certificate that it signed."""
    if not shutil.which("openssl"):
        (pytest.fail if os.environ.get("CI") else pytest.skip)("openssl is not installed")

    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=tmp_path, check=True, capture_output=True)

    new = ("req", "-newkey", "rsa:2048", "-nodes", "-days", "1")
    openssl(*new, "-x509", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=an authority")
    openssl(*new, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost")
    (tmp_path / "names").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n", "ascii")
    openssl(
        *("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"),
        *("-days", "1", "-extfile", "names", "-out", "server.pem"),
    )
    return tmp_path


def _some(line):
    """Give what has come; raise once the other side has hung up."""
    data = line.recv(65536)
    if not data:
        raise ConnectionAbortedError
    return data


@pytest.fixture
def encrypted(server, certificates):
    """Stand before the server with TLS, as the servers of the tests may be built without it: give the URL."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "server.pem", certificates / "server.key")

    class Pipe(socketserver.BaseRequestHandler):
        def handle(self):
            with (
                suppress(OSError),
                context.wrap_socket(self.request, server_side=True) as near,
                socket.create_connection(("127.0.0.1", server.port)) as far,
            ):
                near.settimeout(0.01)
                while True:
                    if select.select([far], [], [], 0.01)[0]:
                        near.sendall(_some(far))
                    with suppress(TimeoutError):
                        far.sendall(_some(near))

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Pipe) as front:
        front.daemon_threads = True
        threading.Thread(target=front.serve_forever, daemon=True).start()
        yield f"rediss://127.0.0.1:{front.server_address[1]}/0?ssl_ca_certs={certificates / 'ca.pem'}"
        front.shutdown()


@pytest.mark.parametrize("command", ["worker", "worker-pool"])
def test_a_line_that_is_encrypted_is_encrypted_for_all_its_connections(start_worker, redis, encrypted, command):
    """`rediss://` with an authority of the app's own: nobody listens there without TLS."""
    job = rq.Queue(connection=redis).enqueue("work.say", 1)
    worker = start_worker(url=encrypted, command=command, options=["--burst"])
    assert worker.wait(20) == 0
    assert job.get_status() == "finished"
    # A server's session tickets come unasked after the handshake, and redis-py takes them for a broken line.
    assert "Connection not ready" not in worker.log


class Watch:
    """A Sentinel of our own, over a primary and its replica."""

    def __init__(self, primary, folder):
        self.port = free_port()
        config = folder / "sentinel.conf"
        config.write_text(
            dedent(f"""
                port {self.port}
                bind 127.0.0.1
                dir {folder}
                sentinel monitor orders 127.0.0.1 {primary.port} 1
                sentinel down-after-milliseconds orders 500
                sentinel failover-timeout orders 2000
            """),
            "ascii",
        )
        program = [find_program().path, str(config), "--sentinel"]
        line = [sys.executable, "-c", DIE_WITH_STARTER, str(os.getpid()), *program]
        self._process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.sentinel = Sentinel([("127.0.0.1", self.port)], socket_timeout=1)

    def knows_a_replica(self):
        """Tell whether it could hand over."""
        try:
            return bool(self.sentinel.discover_slaves("orders"))
        except RedisError:
            return False

    def primary(self):
        """Give the port of the one it takes for the primary; None when there is none."""
        try:
            return self.sentinel.discover_master("orders")[1]
        except RedisError:
            return None

    def end(self):
        self._process.kill()
        self._process.wait()


@pytest.fixture
def replica(server):
    with PrivateServer(arguments=("--replicaof", "127.0.0.1", str(server.port))) as second:
        yield second


@pytest.fixture
def watch(server, replica, tmp_path, wait_until):
    found = Watch(server, tmp_path)
    try:
        wait_until(found.knows_a_replica, within=20)
        yield found
    finally:
        found.end()


@pytest.fixture
def by_sentinels(watch, tmp_path):
    """Give the options of a line that asks them."""
    settings = {"INSTANCES": [("127.0.0.1", watch.port)], "MASTER_NAME": "orders"}
    (tmp_path / "sentinels.py").write_text(f"SENTINEL = {settings!r}\n", "ascii")
    return ["-c", "sentinels", "--path", str(tmp_path)]


def test_a_pool_asks_sentinels_too(start_worker, redis, by_sentinels):
    """RQ's pool makes clients of its own from the connections of a Sentinel's."""
    job = rq.Queue(connection=redis).enqueue("work.say", 1)
    assert start_worker(command="worker-pool", options=["--burst", *by_sentinels]).wait(20) == 0
    assert job.get_status() == "finished"


def test_a_worker_follows_its_sentinels_to_the_new_primary(
    start_worker, server, replica, watch, by_sentinels, wait_until
):
    """SENTINEL in the settings module: a job before, the primary's death, and a job on the one that was promoted."""
    with server.client() as client, replica.client() as other:
        before = rq.Queue(connection=client).enqueue("work.say", 1)
        worker = start_worker(options=by_sentinels)
        wait_until(lambda: before.get_status() == "finished")
        server.kill()
        wait_until(lambda: watch.primary() == replica.port, within=30)
        wait_until(lambda: other.info("replication")["role"] == "master", within=30)
        after = rq.Queue(connection=other).enqueue("work.say", 2)
        wait_until(lambda: after.get_status() == "finished", within=30)
    assert not worker.has_ended
