"""`report` and `plot`: a job's pictures as files, made by the service. Runs in the command's own process."""

from pathlib import Path
from typing import Any

import click

from cli.client import Client
from cli.output import OutputPath
from cli.service_url import connect, url_option

FORMATS = {".svg": "image/svg+xml", ".png": "image/png", ".json": "application/json"}
REPORTS = (".html", ".htm")
report_option = click.option("--report", "report_file", type=OutputPath(REPORTS), help="File for a report in HTML.")


@click.command()
@click.argument("job_id")
@click.option("-o", "--output", type=OutputPath(REPORTS), required=True, help="File for it.")
@click.option("--rows", help="Rows of the sample that are told one by one, e.g. 3,17.")
@url_option
def report(job_id: str, output: Path, rows: str | None, url: str | None) -> None:
    """Write a job into one HTML file: pictures, tables and words."""
    with connect(url) as client:
        write_report(client, job_id, output, rows=rows)


def write_report(client: Client, job_id: str, output: Path, *, rows: str | None = None) -> None:
    """Says where it is."""
    asked = {} if rows is None else {"rows": rows}
    output.write_bytes(client.file(f"/jobs/{job_id}/report", accept="text/html", asked=asked))
    click.echo(f"{output}: the report")


@click.command()
@click.argument("job_id")
@click.argument("kind")
@click.option("-o", "--output", type=OutputPath(FORMATS), required=True, help="File for it.")
@click.option("--row", type=int, help="A row of the sample, by its number.")
@click.option("--feature", help="A feature, by name or place.")
@click.option("--outcome", "of_output", help="One of several outputs of the model, by name or place.")
@click.option("--top", type=int, help="Features at most.")
@url_option
def plot(job_id: str, kind: str, output: Path, of_output: str | None, url: str | None, **asked: Any) -> None:
    """Draw a job: KIND is bar, beeswarm, waterfall, dependence, heatmap, decision, interactions, cohorts or
    additivity. With a file's name in .json, the chart as Vega-Lite.
    """
    asked["output"] = of_output
    wanted = {name: str(value) for name, value in asked.items() if value is not None}
    with connect(url) as client:
        accept = FORMATS[output.suffix.lower()]
        output.write_bytes(client.file(f"/jobs/{job_id}/plots/{kind}", accept=accept, asked=wanted))
    click.echo(f"{output}: {kind}")
