"""What a heartbeat tells, and what it hears of another supervisor under the same name; a real Valkey, no processes."""

import time
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import Mock

import pytest
import structlog

from jobs import history, keys
from jobs.heartbeats import Heartbeats
from jobs.settings import MIB
from supervisor.children.budget import Budget
from supervisor.children.fork_protocol import Warm
from supervisor.children.limits import Limit
from supervisor.children.memory import share_out
from supervisor.children.sandbox import Policy
from supervisor.children.watch import Sample, Watch
from supervisor.chunks.predecessor import Predecessor
from supervisor.heartbeat import Heartbeat
from supervisor.snapshot import point
from tests.supervisor.chunks.test_run import run_of
from tests.supervisor.conftest import Service

pytestmark = pytest.mark.anyio
LIMIT = Limit(1024 * MIB, "a test")


def stack(name: str, pid: int | None) -> Any:
    warm = Warm(pid=pid or 0, rss_bytes=7, anon_bytes=6, vm_size_bytes=8)
    return SimpleNamespace(
        stack=name,
        forkserver=SimpleNamespace(warm=warm) if pid else None,
        policy=Policy(),
        sandbox_active=["seccomp"],
        sandbox_missing=["landlock"],
    )


def pool(service: Service) -> Any:
    """The lean forkserver is up, the full one is not."""
    plan = share_out(service.settings(), LIMIT, supervisor_bytes=0, forkserver_bytes=0, cores=2)
    budget = Budget(plan.budget_bytes)
    lean, full = stack("lean", 11), stack("full", None)
    watch = Watch(LIMIT, budget, [lean, full])
    watch.own_pss_bytes = {11: 5}
    return SimpleNamespace(plan=plan, watch=watch, budget=budget, lean=lean, full=full, templates=[])


class Beating:
    """A supervisor that only beats."""

    def __init__(self, service: Service, *runs: Any) -> None:
        self.queue = service.queue("sup")
        self.heartbeats = Heartbeats(service.redis, "sup")
        self.predecessor = Predecessor(self.queue.incarnation)
        self.stopping = False
        executor: Any = SimpleNamespace(running=dict(enumerate(runs)))
        shutdown: Any = SimpleNamespace(stopping=SimpleNamespace(is_set=lambda: self.stopping))
        self.heartbeat = Heartbeat(
            service.settings(), self.queue, service.redis, self.heartbeats, executor=executor, shutdown=shutdown
        )
        self.pool = pool(service)

    async def beat(self) -> dict[str, Any]:
        await self.heartbeat.beat(self.pool, self.predecessor)
        found = await self.heartbeats.last()
        assert found
        return found


async def test_a_snapshot_says_who_it_is_under_the_former_name_too(service: Service) -> None:
    beating = Beating(service)
    told = await beating.beat()
    assert told["name"] == "sup"
    assert told["incarnation"] == told["life"] == beating.queue.incarnation
    assert (told["draining"], told["slots"], told["cap_bytes"]) == (False, 2, 128 * MIB)
    beating.stopping = True
    assert (await beating.beat())["draining"] is True


async def test_forkservers_are_told_while_they_are_up(service: Service) -> None:
    told = await Beating(service).beat()
    assert told["forkserver"] == {"pid": 11, "stack": "lean", "rss_bytes": 7, "pss_bytes": 5, "vm_size_bytes": 8}
    assert told["full_forkserver"] is None


async def test_templates_are_told_with_how_long_they_have_been_idle(service: Service) -> None:
    beating = Beating(service)
    idle = {"child": Mock(pid=13), "stack": "lean", "model": SimpleNamespace(name="m"), "growth_bytes": 9}
    since = time.monotonic() - 5
    beating.pool.templates = [
        SimpleNamespace(**idle, users=0, idle_since=since),
        SimpleNamespace(**idle, users=2, idle_since=since),
    ]
    first, second = (await beating.beat())["templates"]
    assert 5 <= first["idle_s"] < 60
    assert (second["idle_s"], second["children"], second["growth_bytes"]) == (0.0, 2, 9)


async def test_the_sandbox_is_told(service: Service) -> None:
    told = await Beating(service).beat()
    assert told["sandbox"] == {"mode": "auto", "active": ["seccomp"], "missing": ["landlock"]}


async def test_children_are_told_with_their_share_of_the_cap(service: Service) -> None:
    run, waiting = run_of(), run_of()
    child: Any = SimpleNamespace(pid=12)
    run.spawned(child, Sample(growth_bytes=30, cap_bytes=40, rss_bytes=3, pss_bytes=2, vm_size_bytes=4))
    (told,) = (await Beating(service, run, waiting).beat())["children"]
    assert told.pop("age_s") >= 0.0
    assert told == {
        "pid": 12,
        "job_id": "j",
        "chunk": "2-4",
        "attempt": 1,
        "loading": False,
        "rss_bytes": 3,
        "pss_bytes": 2,
        "vm_size_bytes": 4,
        "growth_bytes": 30,
        "cap_bytes": 40,
        "share_of_cap": 0.75,
    }


def test_a_point_of_the_history_sums_up_the_children(service: Service) -> None:
    found = pool(service)
    assert point(found)["largest_share_percent"] == 0
    for growth in (10, 30):
        sample = found.watch.add(cast("Any", object()), Warm(pid=1, rss_bytes=0, anon_bytes=0, vm_size_bytes=0), 40)
        sample.growth_bytes, sample.pss_bytes = growth, growth
    assert point(found) == {
        "in_use_bytes": 0,
        "family_bytes": 45,
        "reserved_bytes": 0,
        "children_bytes": 40,
        "children": 2,
        "largest_share_percent": 75,
    }


async def test_the_history_has_how_many_jobs_wait(service: Service) -> None:
    beating = Beating(service)
    for ready in (0, 1):
        await beating.beat()
        assert (await history.read(service.redis, "sup"))[-1]["waiting_jobs"] == ready
        await service.redis.lpush(keys.READY, "job")


async def test_another_one_under_our_name_is_named_once(service: Service) -> None:
    beating, other = Beating(service), Beating(service)
    beating.predecessor.heard(None, 0.0)
    with structlog.testing.capture_logs() as lines:
        await beating.beat()
        for _ in range(2):
            await other.beat()
            await beating.beat()
    taken = [line for line in lines if line["event"] == "name_taken" and line["log_level"] == "error"]
    assert [line["supervisor"] for line in taken] == ["sup"] * 2, "once each"


async def test_a_supervisor_that_is_silent_for_ten_seconds_is_not_there(service: Service) -> None:
    await Beating(service).beat()
    assert 9_000 < await service.redis.pttl(keys.snapshot("sup")) <= 10_000
