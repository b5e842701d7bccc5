"""`python -m chaos [--seconds N] [--faults N] [--seed N]`: one campaign. Exit code 1 on any finding."""

import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

import click

from chaos.campaign import Plan, campaign
from chaos.faults import Kind
from jobs.settings import Settings


@click.command()
@click.option("--seconds", default=60.0, show_default=True, help="How long faults are injected, at most.")
@click.option("--faults", type=int, help="Stop after so many faults.")
@click.option("--seed", default=1, show_default=True, help="The same seed gives the same faults and jobs.")
@click.option("--lease", "lease_s", default=Settings().lease_s, show_default=True, help="LEASE_S of the supervisors.")
@click.option(
    "--only", multiple=True, type=click.Choice([kind.name for kind in Kind]), help="Only faults of this kind."
)
def main(seconds: float, faults: int | None, seed: int, lease_s: float, only: tuple[str, ...]) -> None:
    """Break everything that can break under load, and look whether a job was lost, wrong, twice or stuck."""
    directory = Path(tempfile.mkdtemp(prefix="shap-supervisor-chaos-"))
    click.echo(f"campaign of {seconds:g} s, seed {seed}, lease {lease_s:g} s; logs are in {directory}")
    kinds = tuple(kind for kind in Kind if not only or kind.name in only)
    plan = Plan(seconds=seconds, faults=faults, seed=seed, lease_s=lease_s, kinds=kinds)
    if asyncio.run(campaign(plan, directory)):
        click.echo(f"\nfailed; the logs stay in {directory}")
        sys.exit(1)
    click.echo("\nnothing lost, wrong, twice or stuck; no process and no key left behind")
    shutil.rmtree(directory)


if __name__ == "__main__":
    main()
