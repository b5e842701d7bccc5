"""The service's side: one job from the first byte of the upload to the last byte of the result, over HTTP."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cli.client import Client, Document
from cli.output import FORMATS
from cli.polling import require_finished, wait_for_end
from cli.stack import Stack

BATCH_SIZE = 500


@contextmanager
def running(**settings: str) -> Iterator[tuple[Stack, Client]]:
    """A service of our own, with chunks of BATCH_SIZE rows and these settings."""
    env = {**os.environ, "SHAP_BATCH_SIZE": str(BATCH_SIZE), **settings}
    with Stack(env, private=True) as stack, Client(stack.url, os.environ.get("API_TOKEN")) as client:
        yield stack, client


def explain(client: Client, model: Path, rows: Path, values: Path) -> tuple[float, Document]:
    """Seconds, and the job's document. Raises JobFailed."""
    started = time.perf_counter()
    job_id = client.submit({"model": model, "data": rows}, {})["job_id"]
    job = wait_for_end(client, job_id, timeout_s=None, show=lambda _: None)
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
