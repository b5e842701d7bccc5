"""A steady load: a few clients, each with one job at a time, as patient as a good client is. Runs in the campaign.

A submission carries an Idempotency-Key and is sent again until it is accepted; the same holds for a cancellation. What
a client must never be answered (500, or a refusal of a good job) goes into the ledger.
"""

import asyncio
import random
from collections.abc import Iterator
from typing import Any

import httpx2

from chaos.ledger import Entry, Ledger
from chaos.sample_jobs import SampleJob
from jobs.states import ENDED

CLIENTS = 8
LONGEST_REST_S = 1.5
"""Between two jobs of a client: the load shall leave slots free, or recovery times would measure the queue."""
PAUSE_S = 0.1
CANCELLED_SHARE = 0.08
LONGEST_BEFORE_CANCEL_S = 1.0
AWAY = frozenset({429, 502, 503, 504})


class Load:
    """`run` until `stop` is set, then until the jobs at hand have been accepted."""

    def __init__(self, url: str, samples: list[SampleJob], seed: int, ledger: Ledger) -> None:
        self._http = httpx2.AsyncClient(base_url=url, timeout=30, trust_env=False)
        self._drawn = _jobs(samples, seed)
        self._seed = seed
        self._ledger = ledger
        self.stop = asyncio.Event()

    async def run(self) -> None:
        async with self._http, asyncio.TaskGroup() as clients:
            for _ in range(CLIENTS):
                clients.create_task(self._client())

    async def _client(self) -> None:
        while not self.stop.is_set():
            sample, cancel_after_s, rest_s = next(self._drawn)
            await asyncio.sleep(rest_s)
            entry = self._ledger.open(sample, cancel_after_s)
            await self._submit(entry)
            if entry.cancel_after_s is not None:
                await asyncio.sleep(entry.cancel_after_s)
                await self._cancel(entry)
            await self._follow(entry)

    async def _submit(self, entry: Entry) -> None:
        key = {"Idempotency-Key": f"campaign-{self._seed}-{entry.number}"}
        sample = entry.sample
        while entry.job_id is None:
            files: Any = {name: (name, content) for name, content in sample.files.items()}
            data = {"options": sample.options_json}
            answer = await self._ask("POST", "/analyze", files=files, data=data, headers=key)
            entry.job_id = answer["job_id"] if answer else None

    async def _cancel(self, entry: Entry) -> None:
        while entry.cancelled_as is None:
            answer = await self._ask("DELETE", f"/jobs/{entry.job_id}")
            entry.cancelled_as = answer["status"] if answer else None

    async def _follow(self, entry: Entry) -> None:
        while entry.ended_as is None and not self.stop.is_set():
            job = await self._ask("GET", f"/jobs/{entry.job_id}")
            if job and job["status"] in ENDED:
                self._ledger.ended(entry, job)

    async def _ask(self, method: str, path: str, **request: Any) -> dict[str, Any] | None:
        """The document, or None when the service was away and may be asked again."""
        try:
            answer = await self._http.request(method, path, **request)
        except httpx2.TransportError:
            await asyncio.sleep(PAUSE_S)
            return None
        if answer.is_success:
            await asyncio.sleep(PAUSE_S if method == "GET" else 0)
            found: dict[str, Any] = answer.json()
            return found
        if answer.status_code not in AWAY:
            self._ledger.bad_answers.append(f"{method} {path}: {answer.status_code} {answer.text[:300]}")
        await asyncio.sleep(3 * PAUSE_S)
        return None


def _jobs(samples: list[SampleJob], seed: int) -> Iterator[tuple[SampleJob, float | None, float]]:
    """Without end: a sample, after how many seconds its client cancels it, if it does, and the rest before it."""
    draw = random.Random(f"jobs {seed}")
    weights = [sample.weight for sample in samples]
    while True:
        (sample,) = draw.choices(samples, weights)
        cancels, after_s = draw.random() < CANCELLED_SHARE, draw.uniform(0, LONGEST_BEFORE_CANCEL_S)
        yield sample, after_s if cancels else None, draw.uniform(0, LONGEST_REST_S)
