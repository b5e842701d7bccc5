"""The gate at a template's forks, closed. What it lets through: see `test_sandbox`."""

import os

import pytest

from supervisor.children.fork_gate import ForkGate

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_closed_it_gives_its_descriptor_back_once() -> None:
    """Twice told, it closes nobody else's, which may have the same number by then."""
    listener, other = os.pipe()
    gate = ForkGate(listener)
    gate.close()
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(listener)
    os.dup2(other, listener)
    gate.close()
    assert os.fstat(listener)
    assert os.fstat(1), "nor that of the first"
    os.close(listener)
    os.close(other)
