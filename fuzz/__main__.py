"""`python -m fuzz [--seconds N | --inputs N] [--seed N]`: one campaign. Exit code 1 on any finding."""

import asyncio
import shutil
import sys
import tempfile
import time
from pathlib import Path

import click

from fuzz import contract
from fuzz.campaign import Campaign, Plan
from fuzz.report import report


@click.command()
@click.option("--seconds", type=float, help="How long inputs are sent.")
@click.option(
    "--inputs", type=int, help="Send so many inputs; each seed gives its own, and each of them by its number."
)
@click.option("--seed", default=1, show_default=True, help="The same seed gives the same inputs.")
@click.option(
    "--contract/--no-contract", default=contract.is_installed(), help="Whether schemathesis has its turn, too."
)
def main(seconds: float | None, inputs: int | None, seed: int, contract: bool) -> None:
    """Send everything hostile that can be drawn, and look whether the service keeps its word."""
    directory = Path(tempfile.mkdtemp(prefix="shap-supervisor-fuzz-"))
    click.echo(f"campaign of seed {seed}; logs are in {directory}")
    if seconds is None and inputs is None:
        seconds = 60.0
    begun = time.monotonic()
    campaign = Campaign(Plan(seed=seed, seconds=seconds, inputs=inputs, with_contract=contract), directory)
    try:
        asyncio.run(campaign.run())
    finally:
        report(campaign, time.monotonic() - begun)
    if campaign.findings:
        click.echo(f"\nfailed; logs and the inputs that were found stay in {directory}")
        sys.exit(1)
    click.echo("\nevery job ended by a name; no server error, no traceback, nothing left behind")
    shutil.rmtree(directory)


if __name__ == "__main__":
    main()
