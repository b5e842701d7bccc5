"""Every category of a campaign's checks, raised by a played service: a check that cannot fail proves nothing."""

from pathlib import Path
from typing import Any

import httpx2
import numpy
import pytest
from redis.asyncio import Redis

from chaos.checks import CATEGORIES, check_jobs, check_keys, check_logs, wait_for_ends
from chaos.findings import Findings
from chaos.ledger import Entry, Ledger
from chaos.sample_jobs import SampleJob, _npy
from jobs import keys

pytestmark = pytest.mark.anyio
EXPECTED = numpy.array([[1.0, 2.0], [3.0, 4.0]])
HONEST = SampleJob(name="honest", weight=1, files={}, options={}, rows=2, expected=EXPECTED)
GREEDY = SampleJob(name="greedy", weight=1, files={}, options={}, rows=2, codes=frozenset({"memory_cap"}))
LOG = [{"chunk": "open", "outcome": "succeeded"}, *({"chunk": f"{n}-{n}", "outcome": "succeeded"} for n in (0, 1))]
FINISHED = {"status": "finished", "rows_done": 2, "attempt_log": LOG, "error": None}
FAILED = {"status": "failed", "error": {"code": "memory_cap"}}


def entry(sample: SampleJob = HONEST, **changes: Any) -> Entry:
    return Entry(**{"number": 1, "sample": sample, "cancel_after_s": None, "begun": 0, "job_id": "x", **changes})


def service(job: dict[str, Any] | None, values: Any = EXPECTED) -> httpx2.AsyncClient:
    """Knows one job, or none; and its values, or none."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("/result"):
            return httpx2.Response(410) if values is None else httpx2.Response(200, content=_npy(values))
        return httpx2.Response(404) if job is None else httpx2.Response(200, json=job)

    return httpx2.AsyncClient(base_url="http://played", transport=httpx2.MockTransport(answer))


async def tried(of: Entry, job: dict[str, Any] | None, values: Any = EXPECTED) -> set[str]:
    """The categories that are raised."""
    ledger, findings = Ledger(), Findings(CATEGORIES)
    ledger.entries.append(of)
    async with service(job, values) as http:
        await check_jobs(http, ledger, findings)
    return {category for category, lines in findings.lines.items() if lines}


@pytest.mark.parametrize(
    ("of", "job"),
    [
        (entry(ended_as="finished"), FINISHED),
        (entry(GREEDY), FAILED),
        (entry(cancelled_as="cancelled"), {"status": "cancelled", "error": None}),
        (entry(cancelled_as="finished"), FINISHED),
        (entry(GREEDY, cancelled_as="failed"), FAILED),
    ],
)
async def test_good_ends_raise_nothing(of: Entry, job: dict[str, Any]) -> None:
    assert await tried(of, job) == set()


@pytest.mark.parametrize(
    ("category", "of", "job", "values"),
    [
        ("lost", entry(), None, EXPECTED),
        ("lost", entry(), FINISHED, None),
        ("wrong", entry(), FINISHED, EXPECTED + 1e-5),
        ("wrong", entry(), FINISHED, EXPECTED[:1]),
        ("stuck", entry(), {"status": "started"}, EXPECTED),
        ("misnamed", entry(), FAILED, EXPECTED),
        ("misnamed", entry(GREEDY), {"status": "failed", "error": {"code": "crashed"}}, EXPECTED),
        ("misnamed", entry(cancelled_as="cancelled"), FINISHED, EXPECTED),
        ("changed after its end", entry(ended_as="failed"), FINISHED, EXPECTED),
        ("twice", entry(), FINISHED | {"attempt_log": [*LOG, LOG[-1]]}, EXPECTED),
        ("twice", entry(), FINISHED | {"rows_done": 3}, EXPECTED),
        ("twice", entry(), FINISHED | {"attempt_log": LOG[:-1]}, EXPECTED),
    ],
)
async def test_bad_ends_are_charged(category: str, of: Entry, job: dict[str, Any] | None, values: Any) -> None:
    assert category in await tried(of, job, values)


async def test_what_no_client_should_be_answered_is_charged() -> None:
    ledger, findings = Ledger(), Findings(CATEGORIES)
    ledger.bad_answers.append("POST /analyze: 500")
    async with service(None) as http:
        await check_jobs(http, ledger, findings)
    assert findings
    assert findings.lines["bad answer"] == ["POST /analyze: 500"]


async def test_waiting_is_bounded_and_notes_the_end() -> None:
    ledger = Ledger()
    ledger.entries += [entry(), entry(job_id=None)]
    async with service({"status": "started", "attempts": 1}) as http:
        await wait_for_ends(http, ledger, 0.3)
    assert ledger.entries[0].ended_as is None
    async with service(FINISHED) as http:
        await wait_for_ends(http, ledger, 5)
    assert ledger.entries[0].ended_as == "finished"


class _Deployment:
    def __init__(self, direct: Redis) -> None:
        self.direct = direct


async def test_keys_without_a_ttl_and_unknown_jobs_are_found(valkey_url: str, redis: Redis) -> None:
    await redis.set("shap:job:x", 1)
    await redis.set("shap:job:y", 1, ex=60)
    await redis.incr(keys.TOKEN)
    await redis.zadd(keys.JOBS, {"stranger": 1.0})
    await redis.hset("shap:caller:", mapping={"jobs": 0, "bytes": 8})
    await redis.zadd("shap:caller::kept", {"y:8": 9e9})
    findings = Findings(CATEGORIES)
    await check_keys(_Deployment(redis), Ledger(), findings)  # type: ignore[arg-type]
    assert findings.lines["left key"] == ["shap:job:x (string)"]
    assert findings.lines["twice"] == ["a job that no client knows: stranger"]
    await redis.hset("shap:caller:", "jobs", 2)
    await check_keys(_Deployment(redis), Ledger(), findings)  # type: ignore[arg-type]
    assert "shap:caller:: 2 jobs that have not ended are counted" in findings.lines["left key"]


def test_unexpected_exceptions_in_logs_are_found(tmp_path: Path) -> None:
    (tmp_path / "web.log").write_text('{"event": "fine", "level": "info"}\n{"event": "no_room", "level": "critical"}\n')
    (tmp_path / "south.log").write_text(
        '{"event": "broke", "exception": "Traceback (most recent call last):\\nOops"}\n'
    )
    findings = Findings(CATEGORIES)
    check_logs(tmp_path, findings)
    first, second = findings.lines["logged fault"]
    assert first.startswith("south.log: 1 x broke")
    assert second.startswith("web.log: 1 x no_room")
