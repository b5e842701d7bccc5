"""Histograms: their bounds. What is observed: see `test_outcomes` and the state machine."""

import time

import pytest

from jobs import keys
from jobs.histograms import BOUNDS
from tests.jobs.conftest import Bench
from tests.jobs.steps import lease


@pytest.mark.parametrize("name", BOUNDS)
def test_bounds_go_up_and_are_positive(name: str) -> None:
    """A share of the cap of 1 is told from more, as more is what nobody may have."""
    bounds = BOUNDS[name]
    assert list(bounds) == sorted(set(bounds))
    assert min(bounds) > 0
    assert name != "peak_cap_ratio" or 1 in bounds


@pytest.mark.anyio
async def test_what_a_job_has_waited_is_observed(bench: Bench) -> None:
    job_id = await bench.submit()
    await bench.redis.hset(keys.job(job_id), "created_at", time.time() - 20)
    await lease(bench, job_id)
    assert await bench.redis.hget(keys.HISTOGRAMS, "queue_wait_seconds:30.0") == b"1"
    assert 19 < float(await bench.redis.hget(keys.HISTOGRAMS, "queue_wait_seconds:sum")) < 30


def test_bounds_of_waiting_are_those_that_people_name() -> None:
    """A dashboard asks for them by number: seconds, minutes, a quarter of an hour, an hour."""
    assert {1, 10, 60, 300, 900, 3600} <= set(BOUNDS["queue_wait_seconds"])
