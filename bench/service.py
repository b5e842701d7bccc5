"""The service's side: one job from the first byte of the upload to the last byte of the result, over HTTP."""

import time
from pathlib import Path

from cli.client import Client, Document
from cli.follow import follow, require_finished
from cli.output import FORMATS


def explain(client: Client, model: Path, rows: Path, values: Path) -> tuple[float, Document]:
    """Seconds, and the job's document. Raises JobFailed."""
    started = time.perf_counter()
    job_id = client.submit({"model": model, "data": rows}, {})["job_id"]
    job = follow(client, job_id, timeout_s=None, show=lambda _: None)
    require_finished(job)
    with values.open("wb") as sink:
        client.download(job_id, sink, accept=FORMATS[".npy"])
    return time.perf_counter() - started, job


def explain_at_once(client: Client, model: Path, rows: Path) -> float:
    """Seconds of one request that waits for its result (`Prefer: wait`)."""
    started = time.perf_counter()
    answer = client.submit({"model": model, "data": rows}, {}, wait_s=30)
    seconds = time.perf_counter() - started
    if "values" not in answer:
        raise RuntimeError(f"no result in time: {answer}")
    return seconds
