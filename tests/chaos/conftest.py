"""A real server behind a proxy, and clients of both."""

import pytest
from redis import ConnectionPool, Redis

from holdfast.chaos.proxy import FaultProxy
from holdfast.chaos.server import PrivateServer


@pytest.fixture(scope="module")
def server():
    with PrivateServer() as started:
        yield started


@pytest.fixture
def direct(server):
    """Look at the server past the proxy."""
    with server.client() as client:
        client.flushall()
        yield client


@pytest.fixture
def proxy(server, direct):
    with FaultProxy(("127.0.0.1", server.port)) as started:
        yield started


@pytest.fixture
def connect(proxy):
    """Make clients of the proxy that never re-send a command."""
    made = []

    def connect(**kwargs):
        pool = ConnectionPool.from_url(proxy.url, **{"socket_timeout": 5, "retry": None} | kwargs)
        made.append(pool)
        return Redis(connection_pool=pool)

    yield connect
    for pool in made:
        pool.disconnect()


@pytest.fixture
def client(connect):
    return connect()
