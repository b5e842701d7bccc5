"""The parts of a fault campaign, each alone: a seed's sequence, the wire, the clock, verdicts, recovery times."""

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from itertools import islice
from pathlib import Path

import numpy
import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from chaos import clock
from chaos.faults import DRAWS, Kind, sequence
from chaos.ledger import Ledger
from chaos.proxy import Proxy
from chaos.recovery import Recoveries
from chaos.report import quantile
from chaos.specimens import Specimen, _npy, what_is_wrong
from chaos.trial import Findings, try_keys, try_logs
from jobs import keys
from tests.api.player import Player

pytestmark = pytest.mark.anyio
SPECIMEN = Specimen(name="x", weight=1, files={}, options={}, rows=2, expected=numpy.array([[1.0, 2.0], [3.0, 4.0]]))


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def test_a_seed_gives_the_same_faults_and_every_kind():
    first, again, other = (list(islice(sequence(seed), 1000)) for seed in (5, 5, 6))
    assert first == again != other
    assert {fault.kind for fault in first} == set(Kind) == set(DRAWS)
    assert all(DRAWS[fault.kind].shortest_s <= fault.seconds <= DRAWS[fault.kind].longest_s + 1e-9 for fault in first)


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


async def test_a_wire_carries_and_is_cut(wire: Proxy, redis: Redis) -> None:
    assert await redis.set("a", b"x" * 500_000)
    assert await redis.get("a") == b"x" * 500_000
    waiting = asyncio.create_task(redis.blpop(["nothing"], timeout=4))
    await asyncio.sleep(0.1)
    wire.cut()
    with pytest.raises(RedisConnectionError):
        await waiting
    assert await redis.strlen("a") == 500_000


async def test_a_lost_reply_is_one_of_a_command_that_was_carried_out(wire: Proxy, redis: Redis) -> None:
    await redis.ping()
    wire.losing_replies = True
    with pytest.raises(RedisConnectionError):
        await redis.incr("count")
    wire.losing_replies = False
    assert await redis.get("count") == b"1"


async def test_a_wire_delays_and_refuses(wire: Proxy, redis: Redis) -> None:
    await redis.ping()
    wire.delay_s = 0.2
    start = time.monotonic()
    await redis.ping()
    assert time.monotonic() - start >= 0.2
    wire.delay_s, wire.refusing = 0, True
    wire.cut()
    with pytest.raises(RedisConnectionError):
        await redis.ping()


def test_a_clock_jumps_while_its_process_runs(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(Path(clock.__file__).read_text())
    code = (
        "import time, sys; sys.path.append(''); before = time.monotonic(), time.time()\n"
        f"open({str(tmp_path / 'offset')!r}, 'w').write('-7200')\n"
        "print(time.monotonic() - before[0], time.time() - before[1], time.time_ns() / 1e9 - before[1])"
    )
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    printed = subprocess.run([sys.executable, "-c", code], env=env, check=True, capture_output=True, text=True).stdout
    monotonic, wall, wall_ns = map(float, printed.split())
    assert 0 <= monotonic < 5
    assert -7200 <= wall < -7190
    assert -7200 <= wall_ns < -7190


def test_values_are_judged():
    assert what_is_wrong(SPECIMEN, _npy(SPECIMEN.expected)) is None
    assert "shape" in (what_is_wrong(SPECIMEN, _npy(SPECIMEN.expected[:1])) or "")
    assert "differ" in (what_is_wrong(SPECIMEN, _npy(SPECIMEN.expected[::-1].copy())) or "")


def test_quantiles_are_values_that_occurred():
    assert quantile([3.0, 1.0, 2.0], 0.99) == 3.0
    assert quantile([float(value) for value in range(1, 201)], 0.99) == 198.0
    assert quantile([5.0], 0.5) == 5.0


class _House:
    def __init__(self, direct: Redis) -> None:
        self.direct = direct


async def test_keys_without_a_ttl_and_unknown_jobs_are_found(valkey_url: str, redis: Redis) -> None:
    await redis.set("shap:job:x", 1)
    await redis.set("shap:job:y", 1, ex=60)
    await redis.incr(keys.TOKEN)
    await redis.zadd(keys.JOBS, {"stranger": 1.0})
    findings = Findings()
    await try_keys(_House(redis), Ledger(), findings)  # type: ignore[arg-type]
    assert findings.lines["left key"] == ["shap:job:x (string)"]
    assert findings.lines["twice"] == ["a job that no client knows: stranger"]


def test_unexpected_exceptions_in_logs_are_found(tmp_path: Path) -> None:
    (tmp_path / "web.log").write_text('{"event": "fine", "level": "info"}\n{"event": "no_room", "level": "critical"}\n')
    (tmp_path / "south.log").write_text(
        '{"event": "broke", "exception": "Traceback (most recent call last):\\nOops"}\n'
    )
    findings = Findings()
    try_logs(tmp_path, findings)
    first, second = findings.lines["logged fault"]
    assert first.startswith("south.log: 1 x broke")
    assert second.startswith("web.log: 1 x no_room")


async def test_a_recovery_is_a_new_token(client, submitted: str, valkey_url: str, redis: Redis) -> None:
    player = Player(valkey_url)
    await asyncio.to_thread(player.lease, submitted)
    recoveries = Recoveries(redis)
    await recoveries.note(recoveries.death(same_name=False), "played")
    assert [waiting.chunk_id for waiting in recoveries.waiting] == ["open"]
    watch = asyncio.create_task(recoveries.watch())
    await asyncio.sleep(0.1)
    assert not recoveries.found
    await asyncio.to_thread(player.rescue_all)
    await asyncio.to_thread(player.lease, submitted)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(watch, 0.5)
    assert recoveries.found[0].chunk == f"{submitted}/open"
    assert not recoveries.found[0].hindered
    assert not recoveries.waiting


@pytest.mark.parametrize("hindered", [True, False])
async def test_a_recovery_tells_whether_the_store_was_at_hand(
    client, submitted: str, valkey_url: str, redis: Redis, hindered: bool
) -> None:
    player, recoveries = Player(valkey_url), Recoveries(redis)
    await asyncio.to_thread(player.lease, submitted)
    with recoveries.hindrance():
        death = recoveries.death(same_name=True)
    if not hindered:
        death = recoveries.death(same_name=True)
    await recoveries.note(death, "played")
    await asyncio.to_thread(player.rescue_all)
    await asyncio.to_thread(player.lease, submitted)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(recoveries.watch(), 0.2)
    assert recoveries.found[0].hindered is hindered
