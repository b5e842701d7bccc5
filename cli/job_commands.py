"""`submit`, `status`, `wait`, `result` and `cancel`: one job of a service that runs. In the command's own process."""

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import click

from cli.analysis import Analysis, analysis, analysis_options
from cli.client import Client, Document
from cli.output import FORMATS, fetch, json_option, output_option
from cli.polling import require_finished, wait_for_end
from cli.printable import TerminalSink
from cli.progress import ProgressBar
from cli.service_url import connect, url_option
from cli.tables import forecast_facts, job_facts, out


@click.command()
@analysis_options
@click.option("--dry-run", is_flag=True, help="Compute nothing: print what it would take.")
@click.option("--wait", "wait_too", is_flag=True, help="Then wait for its end, as `wait` does.")
@url_option
def submit(dry_run: bool, wait_too: bool, url: str | None, **asked: Any) -> None:
    """Submit a job to the service; prints its id."""
    with connect(url) as client:
        if dry_run:
            out.print(forecast_facts(_forecast(client, analysis(**asked))))
            return
        job_id = analysis(**asked).submit(client)
        click.echo(job_id)
        if wait_too:
            _wait(client, job_id, None, as_json=False)


@click.command()
@click.argument("job_id")
@json_option
@url_option
def status(job_id: str, as_json: bool, url: str | None) -> None:
    """Show how far a job is, and why it failed."""
    with connect(url) as client:
        _show(client.job(job_id), as_json)


@click.command()
@click.argument("job_id")
@click.option("--timeout", "timeout_s", type=click.FloatRange(min=0), help="Seconds; without it, as long as it takes.")
@json_option
@url_option
def wait(job_id: str, timeout_s: float | None, as_json: bool, url: str | None) -> None:
    """Wait until a job has ended; the exit code says how it did."""
    with connect(url) as client:
        _wait(client, job_id, timeout_s, as_json=as_json)


@click.command()
@click.argument("job_id")
@output_option
@click.option("--rows", help="First and last row, from 0, e.g. 0-99.")
@url_option
def result(job_id: str, output: Path | None, rows: str | None, url: str | None) -> None:
    """Fetch a job's values: into a file, or as CSV to standard output."""
    with connect(url) as client:
        if output:
            fetch(client, job_id, output, rows=rows)
        else:
            sink = TerminalSink(sys.stdout.buffer) if sys.stdout.isatty() else sys.stdout.buffer
            client.download(job_id, sink, accept=FORMATS[".csv"], rows=rows)


@click.command()
@click.argument("job_id")
@url_option
def cancel(job_id: str, url: str | None) -> None:
    """Cancel a job that has not ended."""
    with connect(url) as client:
        click.echo(client.cancel(job_id).get("status", "cancelled"))


def _forecast(client: Client, wanted: Analysis) -> Document:
    """What the service says that a job would take."""
    job_id = dataclasses.replace(wanted, options={**wanted.options, "dry_run": True}).submit(client)
    job = wait_for_end(client, job_id, timeout_s=None, show=lambda _: None)
    require_finished(job)
    return {**client.summary(job_id), "warnings": job.get("warnings")}


def _wait(client: Client, job_id: str, timeout_s: float | None, *, as_json: bool) -> None:
    with ProgressBar() as progress:
        job = wait_for_end(client, job_id, timeout_s=timeout_s, show=progress.show)
    _show(job, as_json)
    require_finished(job)


def _show(job: Document, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(job))
    else:
        out.print(job_facts(job))
