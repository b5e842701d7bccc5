"""`submit`: hand a job to the service and leave. Runs in the command's own process."""

from typing import Any

import click

from cli.analysis import analysis, analysis_options
from cli.target import connect, url_option


@click.command()
@analysis_options
@url_option
def submit(url: str | None, **asked: Any) -> None:
    """Submit a job to the service; prints its id."""
    with connect(url) as client:
        click.echo(analysis(**asked).submit(client))
