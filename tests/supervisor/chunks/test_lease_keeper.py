"""Whose lease is renewed, who is stopped for losing it, and how long a rescue waits after an outage."""

import asyncio
import time
from types import SimpleNamespace
from typing import Any, cast

import pytest

from jobs.outcomes import Outcome
from jobs.queue import Lease
from jobs.records import Chunk
from jobs.settings import Settings
from supervisor.chunks import lease_keeper
from supervisor.chunks.lease_keeper import LONG_OUTAGE, RENEWALS_PER_LEASE, LeaseKeeper
from supervisor.redis_link import LONGEST_PAUSE_S, RedisLink
from tests.supervisor.chunks.test_run import run_of

pytestmark = pytest.mark.anyio
LEASE_S = 20.0


class Queue:
    """Renews what it is told to."""

    def __init__(self, *, held: bool) -> None:
        self.held = held
        self.renewed: list[str] = []

    async def renew(self, lease: Lease) -> bool:
        self.renewed.append(lease.chunk.id)
        return self.held


def keeper(queue: Any, *runs: Any) -> LeaseKeeper:
    executor = SimpleNamespace(running=dict(enumerate(runs)))
    link = RedisLink("redis://there")
    held: Any = SimpleNamespace(tokens={7})
    return LeaseKeeper(queue, Settings(lease_s=LEASE_S), link, held, cast("Any", executor))


async def test_every_lease_that_is_worked_on_is_renewed() -> None:
    queue = Queue(held=True)
    runs = [run_of(Chunk(id=name, kind="rows")) for name in ("0-1", "2-3")]
    await keeper(queue, *runs).renew()
    assert queue.renewed == ["0-1", "2-3"]
    assert [run.stopped_as for run in runs] == [None, None]


async def test_who_has_lost_its_lease_is_stopped() -> None:
    run = run_of()
    await keeper(Queue(held=False), run).renew()
    assert run.stopped_as is Outcome.CANCELLED


async def test_a_lease_that_passes_to_another_chunk_meanwhile_is_not_lost() -> None:
    changing, changed = run_of(), run_of()
    changing.changing_chunk = True
    queue = Queue(held=False)
    renew = queue.renew

    async def change(lease: Lease) -> bool:
        changed.lease.chunk = Chunk(id="0-1", kind="rows")
        return await renew(lease)

    queue.renew = change  # type: ignore[method-assign]
    await keeper(queue, changing, changed).renew()
    assert (changing.stopped_as, changed.stopped_as) == (None, None)


@pytest.mark.parametrize(
    ("outage_s", "ago_s", "waits"),
    [
        (LEASE_S * LONG_OUTAGE + 0.1, 0.0, True),
        (LEASE_S * LONG_OUTAGE, 0.0, False),  # others had time to renew before it began
        (LEASE_S, LONGEST_PAUSE_S + LEASE_S / RENEWALS_PER_LEASE + 0.1, False),  # and now they have had it
        (LEASE_S, LONGEST_PAUSE_S + LEASE_S / RENEWALS_PER_LEASE - 1.0, True),
    ],
)
async def test_after_an_outage_others_get_the_time_to_renew(
    monkeypatch: pytest.MonkeyPatch, outage_s: float, ago_s: float, waits: bool
) -> None:
    rescued: list[Any] = []

    async def rescue(queue: Any, *, max_attempts: int, held: Any) -> float:
        rescued.append(held)
        return 1.5

    monkeypatch.setattr(lease_keeper, "rescue", rescue)
    keeping = keeper(Queue(held=True))
    keeping._link.last_outage_s, keeping._link.back_at = outage_s, time.monotonic() - ago_s
    pause = await keeping._rescue()
    assert rescued == ([] if waits else [{7}])
    left = LONGEST_PAUSE_S + LEASE_S / RENEWALS_PER_LEASE - ago_s
    assert pause == (pytest.approx(left, abs=0.5) if waits else 1.5)


async def test_rescues_go_on_at_the_pace_that_they_give(monkeypatch: pytest.MonkeyPatch) -> None:
    looks, paused = [], []
    keeping = keeper(Queue(held=True))

    async def rescue(*_: Any, **__: Any) -> float:
        looks.append(len(looks))
        return 0.5

    async def sleep(seconds: float) -> None:
        paused.append(seconds)
        if len(paused) == 3:
            raise asyncio.CancelledError

    monkeypatch.setattr(lease_keeper, "rescue", rescue)
    monkeypatch.setattr(asyncio, "sleep", sleep)
    with pytest.raises(asyncio.CancelledError):
        await keeping.keep_rescuing()
    assert (looks, paused) == ([0, 1, 2], [0.5] * 3)
    assert keeping.renewal_s == LEASE_S / RENEWALS_PER_LEASE
