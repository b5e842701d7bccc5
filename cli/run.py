"""`run`: a private service for one job, and its values. Runs in the command's own process; see `stack` for the rest."""

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import click

from cli.analysis import Analysis, analysis, analysis_options
from cli.client import Client, Document
from cli.failures import Failure
from cli.output import fetch, output_option, written
from cli.pictures import report_option, write_report
from cli.polling import require_finished, wait_for_end
from cli.progress import ProgressBar
from cli.service_url import connect, url_option
from cli.signals import leaving_on_signals
from cli.stack import Stack
from cli.tables import job_report, out

COPIED = ("rows", "features", "outputs", "peak_child_bytes", "chunks", "attempts", "engine", "error")
"""Fields of the job's document that --json repeats."""

Tend = Callable[[], None]


@click.command()
@analysis_options
@output_option
@report_option
@click.option("--timeout", "timeout_s", type=click.FloatRange(min=0), help="Seconds; without it, as long as it takes.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object as the last line.")
@url_option
def run(
    output: Path | None,
    timeout_s: float | None,
    url: str | None,
    *,
    as_json: bool,
    report_file: Path | None,
    **asked: Any,
) -> None:
    """Explain your own files: start a private service, submit, wait, fetch, stop.

    With --url (or SHAP_SUPERVISOR_URL) that service is used instead of a private one.
    """
    wanted = analysis(**asked)
    if output and wanted.options.get("reduce"):
        raise click.UsageError("--reduce keeps no rows for --output to hold: leave one of them out.")
    report: Document = {"job_id": None, "status": None, "seconds": None, **dict.fromkeys(COPIED)}
    try:
        with leaving_on_signals(), ProgressBar() as progress, _service(url, progress) as (client, tend):
            waiting = partial(wait_for_end, client, timeout_s=timeout_s, show=progress.show, meanwhile=tend)
            job = _explain(client, wanted, waiting, output, report)
            summary = None if as_json else client.summary(job["job_id"])
            if report_file:
                write_report(client, job["job_id"], report_file)
    except Failure as failure:
        report["error"] = report["error"] or {"code": failure.code, "message": failure.message}
        raise
    finally:
        if as_json:
            click.echo(json.dumps(report))
    if summary:
        out.print(job_report(job, summary))
        if output:
            click.echo(written(output, job))


def _explain(
    client: Client, wanted: Analysis, waiting: Callable[[str], Document], output: Path | None, report: Document
) -> Document:
    """Submit, follow and fetch; whatever is known by then is in `report`, however this ends."""
    started = time.monotonic()
    report["job_id"] = job_id = wanted.submit(client)
    job = waiting(job_id)
    report.update({"status": job["status"], **{name: job.get(name) for name in COPIED}})
    if job.get("warnings"):
        report["warnings"] = job["warnings"]
    require_finished(job)
    if not wanted.options.get("reduce"):
        fetch(client, job_id, output)
    report["seconds"] = round(time.monotonic() - started, 4)
    return job


@contextlib.contextmanager
def _service(url: str | None, progress: ProgressBar) -> Iterator[tuple[Client, Tend]]:
    """The service at `url`, or a private one for as long as this lasts."""
    if url:
        with connect(url) as client:
            yield client, lambda: None
        return
    with Stack(os.environ, private=True) as stack, connect(stack.url) as client:
        yield client, lambda: stack.tend(progress.say)
