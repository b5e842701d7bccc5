"""One input on one connection, its answer, and what became of its job. Runs in the campaign.

Does not judge: see `checks`.
"""

import asyncio
import contextlib
import json
from typing import Any

import httptools
import msgspec

from fuzz.inputs import JOBS, Input
from jobs.states import ENDED

LOCAL = "127.0.0.1"
ANSWER_S = 40.0
"""For a whole request: what is answered when a job ends is answered within this."""
PATIENCE_S = 1.0
"""For what is no request: its sender does not wait for the door to lose patience."""
END_S = 90.0
FIRST_LOOK_S, LONGEST_LOOK_S = 0.05, 1.0
"""Pauses between two looks at a job, each twice as long as the one before: looking must not be most of the load."""
STREAM_S = 2.0
"""As much of a stream as shows that it flows."""
EVENTS = "text/event-stream"
_HEAD_END = b"\r\n\r\n"


class Answer(msgspec.Struct):
    """The first on its connection; a status of 0 stands for none, or for one that broke off."""

    status: int = 0
    headers: dict[str, str] = {}
    body: bytes = b""
    complete: bool = False

    @property
    def is_stream(self) -> bool:
        """Of events, which may never end."""
        return self.headers.get("content-type", "").startswith(EVENTS)

    @property
    def document(self) -> dict[str, Any]:
        """Empty where the body is no JSON object."""
        with contextlib.suppress(ValueError):
            found = json.loads(self.body)
            if isinstance(found, dict):
                return found
        return {}


class _Parsed:
    """What httptools tells of an answer."""

    def __init__(self, *, has_body: bool) -> None:
        self.answer = Answer()
        self._has_body = has_body
        self._parser = httptools.HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        with contextlib.suppress(httptools.HttpParserError):
            if not self.answer.complete:
                self._parser.feed_data(data)

    # Only of the first answer: what damaged headers leave behind reads like a second request.

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.answer.complete:
            self.answer.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        if not self.answer.complete:
            self.answer.status = self._parser.get_status_code()
            self.answer.complete = not self._has_body

    def on_body(self, body: bytes) -> None:
        if not self.answer.complete:
            self.answer.body += body

    def on_message_complete(self) -> None:
        if self.answer.status >= 200:  # a 100 only says: go on
            self.answer.complete = True


class Client:
    """`jobs` maps the placeholders of targets to the jobs last seen there."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.jobs = dict.fromkeys(JOBS, "nobody")
        self._last_end = 0.0

    async def send(self, sent: Input) -> Answer:
        """Raises OSError where nobody listens."""
        head, end, body = sent.raw.partition(_HEAD_END)
        for placeholder, job_id in self.jobs.items():
            head = head.replace(placeholder.encode(), job_id.encode())
        return await self._exchange(head + end + body, ANSWER_S if sent.whole else PATIENCE_S)

    async def get(self, path: str) -> Answer:
        return await self._exchange(
            f"GET {path} HTTP/1.1\r\nHost: {LOCAL}\r\nConnection: close\r\n\r\n".encode(), ANSWER_S
        )

    async def followed(self, job_id: str) -> dict[str, Any]:
        """The job once it has ended; as it stands where no job at all has ended for too long."""
        self.jobs["LATEST-JOB"] = job_id
        begun, pause_s = asyncio.get_running_loop().time(), FIRST_LOOK_S
        while True:
            job = (await self.get(f"/jobs/{job_id}")).document
            if job.get("status") in ENDED:
                self.jobs[f"{job['status'].upper()}-JOB"] = job_id
                self._last_end = asyncio.get_running_loop().time()
                return job
            if asyncio.get_running_loop().time() > max(begun, self._last_end) + END_S:
                return job
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_LOOK_S)

    async def _exchange(self, raw: bytes, within_s: float) -> Answer:
        reader, writer = await asyncio.open_connection(LOCAL, self._port)
        begun = asyncio.get_running_loop().time()
        parsed = _Parsed(has_body=not raw.startswith(b"HEAD "))
        try:
            async with asyncio.timeout(within_s) as limit:
                writer.write(raw)
                while not parsed.answer.complete and (data := await reader.read(65536)):
                    parsed.feed(data)
                    if parsed.answer.is_stream:
                        limit.reschedule(begun + STREAM_S)
        except (TimeoutError, ConnectionError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(OSError, TimeoutError):
                await writer.wait_closed()
        return parsed.answer
