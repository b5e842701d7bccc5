"""A wire to a real Valkey, and what these tests borrow from the web app's."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from chaos.proxy import Proxy
from tests.api.conftest import client, make_client, submitted

__all__ = ["client", "make_client", "submitted"]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def wire(valkey_server, valkey_url, anyio_backend) -> AsyncIterator[Proxy]:
    proxy = Proxy(int(valkey_url.rsplit(":", 1)[1].split("/")[0]))
    await proxy.start()
    yield proxy
    await proxy.close()


@pytest.fixture
async def redis(wire: Proxy) -> AsyncIterator[Redis]:
    client = Redis(port=wire.port, retry=None, socket_timeout=5)
    yield client
    await client.aclose()
