"""What is wrong at the end: jobs, values, keys, processes, logs. Runs in the campaign, when everything is healed.

Every finding is a line for people, sorted under a category; without findings the campaign has passed.
"""

import asyncio
import json
import re
from collections import Counter
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx2

from chaos.deployment import Deployment
from chaos.findings import Findings, add_faults
from chaos.ledger import Entry, Ledger
from chaos.sample_jobs import what_is_wrong
from jobs import keys
from jobs.states import ENDED, JobState

CATEGORIES = (
    "lost",
    "wrong",
    "twice",
    "stuck",
    "misnamed",
    "changed after its end",
    "bad answer",
    "left key",
    "left process",
    "ended by itself",
    "not in order",
    "logged fault",
)
ACCOUNT = keys.CALLER_PREFIX
"""Of the unnamed caller, who has sent everything."""
PERMANENT = {
    keys.TOKEN,
    keys.JOBS,
    keys.OUTCOMES,
    keys.HISTOGRAMS,
    keys.FAILURES,
    keys.SUPERVISORS,
    ACCOUNT,
    f"{ACCOUNT}:kept",
}
"""Keys of the service as a whole, which stay without a TTL."""
PROCESS_GRACE_S = 5.0
ANSWER_S = 30.0
_UNEXPECTED = re.compile(r'Traceback \(most recent call last\)|"level": "critical"')


async def wait_for_ends(http: httpx2.AsyncClient, ledger: Ledger, within_s: float) -> None:
    """Look at every accepted job until all have ended, or nothing at all has moved for `within_s`."""
    clock = asyncio.get_running_loop().time
    waiting = {entry.number: entry for entry in ledger.accepted if entry.ended_as is None}
    moved_at, before = clock(), Counter[int]()
    while waiting and clock() < moved_at + within_s:
        attempts: Counter[int] = Counter()
        for entry in list(waiting.values()):
            job = await _job(http, entry)
            if job and job["status"] in ENDED:
                ledger.ended(entry, job)
                del waiting[entry.number]
            elif job:
                attempts[entry.number] = job["attempts"]
        if attempts != before:
            moved_at, before = clock(), attempts
        await asyncio.sleep(0.2)


async def check_jobs(http: httpx2.AsyncClient, ledger: Ledger, findings: Findings) -> None:
    """Every job that was accepted: there, ended, by the right name, with the right values, each row once."""
    for line in ledger.bad_answers:
        findings.add("bad answer", line)
    for entry in ledger.accepted:
        job = await _job(http, entry)
        if job is None:
            findings.add("lost", f"{entry.label}: the service does not know it")
        elif job["status"] not in ENDED:
            findings.add("stuck", f"{entry.label}: {json.dumps(job)[:1500]}")
        else:
            await _check_job(http, entry, job, findings)


async def _job(http: httpx2.AsyncClient, entry: Entry) -> dict[str, Any] | None:
    answer = await _ask(http, f"/jobs/{entry.job_id}")
    return answer.json() if answer.is_success else None


async def _ask(http: httpx2.AsyncClient, path: str, **headers: str) -> httpx2.Response:
    """The web process may still be on its way up, and the store with it; raises when that takes too long."""
    deadline = asyncio.get_running_loop().time() + ANSWER_S
    while True:
        try:
            answer = await http.get(path, headers=headers)
            if answer.status_code != HTTPStatus.SERVICE_UNAVAILABLE:
                return answer
        except httpx2.TransportError:
            pass
        if asyncio.get_running_loop().time() > deadline:
            raise TimeoutError(f"the web process has not answered {path} for {ANSWER_S:g} s, with everything healed")
        await asyncio.sleep(0.1)


async def _check_job(http: httpx2.AsyncClient, entry: Entry, job: dict[str, Any], findings: Findings) -> None:
    if entry.ended_as and entry.ended_as != job["status"]:
        findings.add("changed after its end", f"{entry.label}: {entry.ended_as}, later {job['status']}")
    expected = _expected_state(entry)
    if job["status"] != expected:
        findings.add("misnamed", f"{entry.label}: {job['status']} instead of {expected}: {job['error']}")
    elif expected is JobState.FAILED and job["error"]["code"] not in entry.sample.codes:
        findings.add("misnamed", f"{entry.label}: failed by {job['error']}")
    elif expected is JobState.FINISHED:
        await _check_values(http, entry, job, findings)


def _expected_state(entry: Entry) -> JobState:
    if entry.cancelled_as == JobState.CANCELLED:
        return JobState.CANCELLED
    return JobState.FAILED if entry.sample.codes else JobState.FINISHED


async def _check_values(http: httpx2.AsyncClient, entry: Entry, job: dict[str, Any], findings: Findings) -> None:
    answer = await _ask(http, f"/jobs/{entry.job_id}/result", Accept="application/x-npy")
    if not answer.is_success:
        findings.add("lost", f"{entry.label}: its result is answered {answer.status_code} {answer.text[:200]}")
    elif difference := what_is_wrong(entry.sample, answer.content):
        findings.add("wrong", f"{entry.label}: {difference}")
    committed = Counter(
        attempt["chunk"]
        for attempt in job["attempt_log"]
        if attempt["outcome"] == "succeeded" and "-" in attempt["chunk"]
    )
    rows = sum(last - first + 1 for first, last in (map(int, chunk.split("-")) for chunk in committed))
    if max(committed.values(), default=0) > 1 or not rows == job["rows_done"] == entry.sample.rows:
        findings.add("twice", f"{entry.label}: rows_done {job['rows_done']}, committed {dict(committed)}")


async def check_keys(deployment: Deployment, ledger: Ledger, findings: Findings) -> None:
    """With all jobs ended and all supervisors gone, nothing stays without a TTL, and nobody's job is there twice."""
    async for raw in deployment.direct.scan_iter(count=1000):
        key = raw.decode()
        if key not in PERMANENT and await deployment.direct.ttl(key) < 0:
            findings.add("left key", f"{key} ({(await deployment.direct.type(key)).decode()})")
    counted = await deployment.direct.hget(ACCOUNT, "jobs")
    if int(counted or 0):
        findings.add("left key", f"{ACCOUNT}: {int(counted)} jobs that have not ended are counted")
    known = {entry.job_id for entry in ledger.accepted}
    for raw in await deployment.direct.zrange(keys.JOBS, 0, -1):
        if raw.decode() not in known:
            findings.add("twice", f"a job that no client knows: {raw.decode()}")


async def check_processes(deployment: Deployment, findings: Findings) -> None:
    """After everybody was told to go, only the store may be there."""
    deadline = asyncio.get_running_loop().time() + PROCESS_GRACE_S
    while left := [process for process in deployment.marked() if process.pid != deployment.store.pid]:
        if asyncio.get_running_loop().time() > deadline:
            for process in left:
                findings.add("left process", f"{process.pid} {process.cmdline()} {process.status()}")
                process.kill()
            return
        await asyncio.sleep(0.1)


def check_logs(directory: Path, findings: Findings) -> None:
    """Exceptions that nobody expected: faults of ours, not of the campaign."""
    add_faults(directory, _UNEXPECTED, findings)
