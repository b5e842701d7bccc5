"""One private service for the room's tests of a module, started as a notebook starts it, and a client for it."""

from collections.abc import Iterator

import pytest

from shap_supervisor import Client


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with Client.local({"CHILD_MEMORY_MB": "512", "WORKER_SLOTS": "2"}) as client:
        yield client


@pytest.fixture
def url(client: Client) -> str:
    return client.url
