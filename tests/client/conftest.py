"""One private service for the room's tests of a module, and a client for it."""

import os
from collections.abc import Iterator

import pytest

from cli.stack import Stack
from shap_supervisor import Client


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with Stack({**os.environ, "CHILD_MEMORY_MB": "512", "WORKER_SLOTS": "2"}, private=True) as stack:
        yield stack.url


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    with Client(url) as client:
        yield client
