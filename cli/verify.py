"""`verify [URL]`: after a deploy, is everything as it should be? Runs in the command's own process.

Submits a known job through the public URL, and looks at its states, its values and the memory of every process. Does
not judge: see `checks`. Exit codes: 0 all is well, 1 a check failed, 3 the service cannot be reached, 4 the job did not
end in time.
"""

import io
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click
from rich.text import Text

from cli import checks, reference_model
from cli.checks import Check
from cli.client import Client, Document
from cli.failures import Failure, JobFailed, Refused, TimedOut
from cli.output import FORMATS
from cli.polling import wait_for_end
from cli.printable import printable
from cli.service_url import connect, url_option
from cli.tables import out
from jobs.states import JobState

ROWS_A_CHUNK = 3
REFUSAL_WAIT_S = 20
STYLES = {"ok": "green", "warn": "yellow", "skipped": "dim", "failed": "red"}
NO_ADMIN = "Give the service's ADMIN_TOKEN in the environment."


class Verification:
    """Prints every check as it is made, and remembers the worst."""

    def __init__(self) -> None:
        self.failed = 0
        self.warned = 0

    def show(self, check: Check) -> None:
        self.failed += check.status == "failed"
        self.warned += check.status == "warn"
        line = Text.assemble(
            (f"{check.status:8}", STYLES[check.status]), printable(f"{check.name}: {check.found}", keep="\n")
        )
        if check.status != "ok" and check.way_out:
            line.append(printable(f"\n        {check.way_out}", keep="\n"), STYLES[check.status])
        out.print(line)


@click.command()
@click.argument("address", metavar="[URL]", required=False)
@click.option("--timeout", "timeout_s", default=60.0, show_default=True, type=click.FloatRange(min=0), help="Seconds.")
@url_option
def verify(address: str | None, timeout_s: float, url: str | None) -> None:
    """Check a deployed service: a known job, its values, memory and health.

    Tokens come from API_TOKEN and, for the memory of its processes, from ADMIN_TOKEN.
    """
    verification = Verification()
    with connect(address or url) as client:
        for check in _checks(client, timeout_s):
            verification.show(check)
        where = client.url
    if verification.failed:
        out.print(f"\n{verification.failed} check(s) failed at {where}.")
        sys.exit(1)
    warned = f", {verification.warned} with a warning" if verification.warned else ""
    out.print(f"\nEverything works at {where}{warned}.")


def _checks(client: Client, timeout_s: float) -> Iterator[Check]:
    """From the cheapest to the most telling. Raises Unreachable, and TimedOut when the known job does not end."""
    yield checks.health(client.health())
    ready = checks.readiness(client.ready())
    yield ready
    try:
        job_id = _submit(client)
    except Refused as refusal:
        way_out = "Give the service's API_TOKEN in the environment." if "token" in refusal.message.lower() else ""
        yield Check("submit", "failed", refusal.message, way_out)
    else:
        yield Check("submit", "ok", f"job {job_id}")
        yield from _job_checks(client, job_id, timeout_s, ready)
        yield checks.refusal(_refused(client))
    yield from _memory_checks(client)


def _submit(client: Client) -> str:
    return str(_send(client, reference_model.rows_file(), {"batch_size": ROWS_A_CHUNK})["job_id"])


def _refused(client: Client) -> Document | Failure:
    """What a job that cannot succeed is answered with, where it is waited for. Raises Unreachable."""
    try:
        return _send(client, b"another column\n1\n", {}, wait_s=REFUSAL_WAIT_S)
    except (JobFailed, Refused) as failure:
        return failure


def _send(client: Client, rows: bytes, options: Document, *, wait_s: int | None = None) -> Document:
    with tempfile.TemporaryDirectory() as name:
        files = {"model": Path(name, "model.json"), "data": Path(name, "rows.csv")}
        files["model"].write_bytes(reference_model.model_file())
        files["data"].write_bytes(rows)
        return client.submit(files, options, wait_s=wait_s)


def _job_checks(client: Client, job_id: str, timeout_s: float, ready: Check) -> Iterator[Check]:
    seen: list[str] = [JobState.QUEUED]
    try:
        job = wait_for_end(client, job_id, timeout_s=timeout_s, show=lambda job: _note(seen, job["status"]))
    except TimedOut:
        _give_up(client, job_id)
        raise TimedOut(_why_it_waits(seen[-1], timeout_s, ready)) from None
    yield checks.states(seen)
    if job["status"] != JobState.FINISHED:
        error = job.get("error") or {}
        yield Check("job", "failed", str(error.get("message") or job["status"]), f"Its code is {error.get('code')}.")
        return
    yield checks.counts(job)
    yield checks.values(_result(client, job_id))
    yield checks.additivity(client.summary(job_id))
    yield checks.caps(job)


def _note(seen: list[str], state: str) -> None:
    if state != seen[-1]:
        seen.append(state)


def _why_it_waits(state: str, timeout_s: float, ready: Check) -> str:
    so_far = f"The known job was still {state} after {timeout_s:g} s and was cancelled."
    if ready.status == "failed":
        return f"{so_far} {ready.way_out}"
    return f"{so_far} Other jobs may be before it: see `GET /admin/queue`, or give more time with --timeout."


def _give_up(client: Client, job_id: str) -> None:
    """Leave nothing behind; that the job did not end is what counts, not whether it could be cancelled."""
    try:
        client.cancel(job_id)
    except Failure as failure:
        out.print(f"        the job {job_id} could not be cancelled: {failure.message}")


def _result(client: Client, job_id: str) -> Document:
    sink = io.BytesIO()
    client.download(job_id, sink, accept=FORMATS[".json"])
    document: Document = json.loads(sink.getvalue())
    return document


def _memory_checks(client: Client) -> Iterator[Check]:
    try:
        with connect(client.url, "ADMIN") as admin:
            document = admin.memory()
    except Refused as refusal:
        yield Check("memory", "skipped", refusal.message, NO_ADMIN)
    else:
        yield from checks.memory(document)
