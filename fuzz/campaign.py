"""One campaign: start the service, send inputs from several clients, follow every job, stop, judge.

Runs in the campaign's only process. An input that something is found about is written to the campaign's directory: a
copy of it in tests/fuzz/inputs is sent first by every campaign from then on.
"""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec

from chaos.findings import Findings
from fuzz import checks, contract
from fuzz.client import Answer
from fuzz.hosts import Hosts
from fuzz.inputs import Input, inputs
from fuzz.samples import Samples, samples
from fuzz.service import GROWTH_BYTES, MOST_BYTES, Service
from jobs.settings import MIB

CLIENTS = 12
SETTLING = 150
"""Inputs until everything has happened once."""
MOST_WAITING = 60
"""Jobs that are followed while other inputs are sent."""
KEPT = Path(__file__).parents[1] / "tests" / "fuzz" / "inputs"


class Plan(msgspec.Struct, kw_only=True, frozen=True):
    """What is asked of a campaign: it ends after `seconds`, or after `inputs`."""

    seed: int
    seconds: float | None
    inputs: int | None
    with_contract: bool


class Tally:
    """What was seen."""

    def __init__(self) -> None:
        self.inputs: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()
        self.ends: Counter[str] = Counter()
        self.slowest = (0.0, "")


class Campaign:
    """One service, and all that is sent to it."""

    def __init__(self, plan: Plan, directory: Path) -> None:
        self.plan = plan
        self.findings = Findings(checks.CATEGORIES)
        self.tally = Tally()
        self.service = Service(directory, self.findings)
        self._directory = directory
        self._followed: set[asyncio.Task[None]] = set()
        self._room = asyncio.Semaphore(MOST_WAITING)
        self._log = (directory / "campaign.txt").open("w")

    async def run(self) -> None:
        """Until the inputs or the time are over and every job has ended."""
        files = await asyncio.to_thread(samples, self.plan.seed)
        async with Hosts(files.files, self.findings), self.service:
            drawn = await self._drawn(files)
            async with asyncio.TaskGroup() as clients:
                for _ in range(CLIENTS):
                    clients.create_task(self._client(drawn))
            await asyncio.gather(*self._followed)
            if self.plan.with_contract:
                job_id = self.service.client.jobs["FINISHED-JOB"]
                await contract.check(self.service.url, job_id, self.plan.seed, self._directory, self.findings)
            self._check_memory()
        self._log.close()
        checks.check_logs(self._directory, self.findings)

    async def _drawn(self, files: Samples) -> Iterator[Input]:
        """What has failed before, then what the seed gives."""
        document = (await self.service.client.get("/openapi.json")).document
        new = inputs(self.plan.seed, files, document)
        deadline = None if self.plan.seconds is None else time.monotonic() + self.plan.seconds
        bounded = itertools.islice(new, self.plan.inputs)
        return itertools.chain(
            kept(), itertools.takewhile(lambda _: deadline is None or time.monotonic() < deadline, bounded)
        )

    async def _client(self, drawn: Iterator[Input]) -> None:
        for sent in drawn:
            await self._room.acquire()
            answer = await self._send(sent)
            self.tally.inputs[sent.name.partition(" ")[2]] += 1
            self.tally.statuses[answer.status] += 1
            if self.tally.inputs.total() == SETTLING:
                self.service.settled()
            if answer.status == 202 and (job_id := answer.document.get("job_id")):
                task = asyncio.create_task(self._follow(sent, job_id))
                self._followed.add(task)
                task.add_done_callback(self._followed.discard)
            else:
                self._room.release()

    async def _send(self, sent: Input) -> Answer:
        begun = time.monotonic()
        try:
            answer = await self.service.client.send(sent)
        except OSError as error:
            answer = Answer(body=str(error).encode())
        self._log.write(f"{sent.name}: {answer.status} {answer.document.get('code') or ''}\n")
        self.tally.slowest = max(self.tally.slowest, (time.monotonic() - begun, sent.name))
        with self._keeping(sent):
            checks.check_answer(sent, answer, self.findings)
        return answer

    async def _follow(self, sent: Input, job_id: str) -> None:
        try:
            job = await self.service.client.followed(job_id)
        except OSError as error:
            job = {"job_id": job_id, "error": {"message": str(error)}}
        finally:
            self._room.release()
        cause = job.get("error") or {}
        self._log.write(f"{sent.name}: {job_id} {job.get('status')} {cause.get('code')} {cause.get('message')}\n")
        self.tally.ends[cause.get("code") or str(job.get("status"))] += 1
        with self._keeping(sent):
            checks.check_job(sent, job, self.findings)

    def _keeping(self, sent: Input) -> "_Keeping":
        return _Keeping(self.findings, self._directory / f"{sent.name.replace(' ', '-')}.http", sent.raw)

    def _check_memory(self) -> None:
        for name, most in self.service.most_bytes.items():
            if most > MOST_BYTES:
                self.findings.add("too large", f"{name}: {most / MIB:.0f} MB")
        if self.service.settled_bytes and self.service.grown_bytes() > GROWTH_BYTES:
            self.findings.add("too large", f"supervisor: grown by {self.service.grown_bytes() / MIB:.0f} MB")


class _Keeping:
    """Writes an input down where something is found about it."""

    def __init__(self, findings: Findings, path: Path, raw: bytes) -> None:
        self._findings, self._path, self._raw = findings, path, raw

    def _count(self) -> int:
        return sum(map(len, self._findings.lines.values()))

    def __enter__(self) -> None:
        self._before = self._count()

    def __exit__(self, *_: object) -> None:
        if self._count() > self._before:
            self._path.write_bytes(self._raw)


def kept() -> Iterator[Input]:
    """Every input that ever failed."""
    for path in sorted(KEPT.glob("*.http")):
        yield Input(name=f"0 {path.stem}", raw=path.read_bytes())
