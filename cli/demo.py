"""`demo`: train, submit, follow, compare, on a private service. Runs in the command's own process.

Imports nothing heavy: training and the comparison are processes of their own, see `demo_data`.
"""

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path

import click
from rich.text import Text

from cli.analysis import Analysis
from cli.client import Client, Document
from cli.failures import JobFailed, Unreachable
from cli.output import fetch
from cli.polling import require_finished, wait_for_end
from cli.processes import module_command, module_environment
from cli.progress import ProgressBar, errors
from cli.service_url import connect
from cli.signals import leaving_on_signals
from cli.stack import Stack
from cli.tables import facts, memory_share, out, top_features

ROWS_PER_CHUNK = 100
AGREEMENT = 1e-6
"""Differences from shap in one process above this would mean that something is wrong."""


@click.command()
def demo() -> None:
    """Explain a real data set end to end on this machine, and compare with shap."""
    with leaving_on_signals(), tempfile.TemporaryDirectory(prefix="shap-supervisor-demo-") as name:
        directory = Path(name)
        with _step("Training a random forest on scikit-learn's breast cancer data") as note:
            trained = _compute("train", directory)
            note(f"{trained['rows']} rows x {trained['features']}")
        with ExitStack() as running:
            with _step("Starting a store, a supervisor and the web app") as note:
                stack = running.enter_context(Stack(os.environ, private=True))
                note(stack.url)
            client = running.enter_context(connect(stack.url))
            job, first = _explain(stack, client, directory, "Uploading, explaining and downloading over HTTP")
            _, again = _explain(stack, client, directory, "The same once more, now that all processes are warm")
            summary = client.summary(job["job_id"])
        with _step("Computing the same values with shap in one process") as note:
            compared = _compute("compare", directory)
            note(f"shap {compared['shap']}")
    _report(job, summary, compared, (first, again))


def _explain(stack: Stack, client: Client, directory: Path, title: str) -> tuple[Document, float]:
    """Submit the files over HTTP, follow the job, fetch its values."""
    started = time.monotonic()
    files = {"model": directory / "model.skops", "data": directory / "data.csv"}
    with _step(title, spinner=False) as note, ProgressBar() as progress:
        job_id = Analysis(files, None, {"batch_size": ROWS_PER_CHUNK}).submit(client)
        job = wait_for_end(
            client, job_id, timeout_s=None, show=progress.show, meanwhile=lambda: stack.tend(progress.say)
        )
        require_finished(job)
        fetch(client, job_id, directory / "values.npy")
        note(f"{job['chunks']} chunks, a child each")
    return job, time.monotonic() - started


def _compute(what: str, directory: Path) -> Document:
    """Run one part of `demo_data` and read its answer."""
    command = module_command("cli.demo_data", what, str(directory))
    ended = subprocess.run(command, env=module_environment(os.environ), capture_output=True, text=True, check=False)  # noqa: S603
    if ended.returncode:
        raise Unreachable(f"{what} ended with exit code {ended.returncode}:\n{ended.stderr.strip()}")
    answer: Document = json.loads(ended.stdout.splitlines()[-1])
    return answer


@contextmanager
def _step(title: str, *, spinner: bool = True) -> Iterator[Callable[[str], None]]:
    """A line for each step, with its time and a note once it is done."""
    started, notes = time.monotonic(), list[str]()
    with errors.status(title) if spinner else nullcontext():
        yield notes.append
    seconds = f"{time.monotonic() - started:5.1f} s"
    out.print(Text.assemble(("✓ ", "green"), (seconds, "dim"), "  ", title, (f"  {' '.join(notes)}", "dim")))


def _report(job: Document, summary: Document, compared: Document, seconds: tuple[float, float]) -> None:
    """The table, what it cost, and whether it is right."""
    difference, (first, again) = compared["difference"], seconds
    right = difference <= AGREEMENT
    verdict = Text(f"{difference:.1e} at most" if difference else "none", style="green" if right else "red")
    out.print()
    out.print(top_features(summary))
    pairs = [
        ("difference from shap", verdict),
        ("additivity", f"off by {summary['additivity']['largest_error']:.1e} at most"),
        ("peak memory", memory_share(job)),
        ("the first run", f"{first:.2f} s from upload to the last value, with the first start of its processes"),
        ("shap's first", f"{compared['start'] + compared['seconds']:.2f} s, with the start of Python and its import"),
        ("a warm run", f"{again:.2f} s from upload to the last value"),
        ("shap's values", f"{compared['seconds']:.2f} s, in a process that has all loaded"),
        ("engine", job["engine"]),
    ]
    out.print(facts(pairs))
    out.print(
        "\nEverything is stopped again. `make up` keeps a service running; open http://127.0.0.1:8000 in a browser,"
    )
    out.print("drop a model and a table there, and watch.")
    if not right:
        raise JobFailed(f"The values differ from shap's by {difference:.2g}.")
