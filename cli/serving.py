"""`up`, `worker` and `web`: what runs until it is stopped. `up` runs in the command's own process and keeps three
others; `worker` and `web` become the process that they start.
"""

import os
import sys
import time

import click

from cli.processes import module_command, module_environment
from cli.signals import noting_signals
from cli.stack import Stack
from jobs.settings import load_settings

TEND_S = 0.1


@click.command()
def up() -> None:
    """Run store, supervisor and web app here until Ctrl-C.

    The store is an embedded Valkey unless REDIS_URL names one; it keeps nothing when this command ends. What dies is
    started again.
    """
    with noting_signals() as stop, Stack(os.environ, private=False, stopping=lambda: stop.asked) as stack:
        click.echo(
            f"shap-supervisor is ready at {stack.url}, also as a page in a browser (stop it with Ctrl-C)", err=True
        )
        while not stop.asked:
            stack.tend(lambda line: click.echo(f"shap-supervisor: {line}", err=True))
            time.sleep(TEND_S)
        click.echo("shap-supervisor is stopping", err=True)


@click.command()
@click.option("--burst", is_flag=True, help="End when no work is left.")
def worker(burst: bool) -> None:
    """Run a supervisor (the same as python -m supervisor)."""
    _become("supervisor", *(["--burst"] if burst else []))


@click.command()
def web() -> None:
    """Run the web app (the same as python -m api)."""
    _become("api")


def _become(package: str, *arguments: str) -> None:
    load_settings()
    os.execve(sys.executable, module_command(package, *arguments), module_environment(os.environ))  # noqa: S606
