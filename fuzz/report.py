"""What a campaign prints: inputs by kind, answers, jobs by how they ended, memory, findings."""

from collections import Counter

import click

from fuzz.campaign import Campaign
from jobs.settings import MIB


def report(campaign: Campaign, seconds: float) -> None:
    """To standard output."""
    tally, service = campaign.tally, campaign.service
    click.echo(f"\n{tally.inputs.total()} inputs in {seconds:.0f} s")
    _counted(tally.inputs)
    click.echo("\nanswers (0: none)")
    _counted(tally.statuses)
    click.echo(f"  slowest: {tally.slowest[0]:.1f} s, {tally.slowest[1]}")
    click.echo(f"\n{tally.ends.total()} jobs accepted, by how they ended")
    _counted(tally.ends)
    click.echo("\nmemory at most")
    for name, most in service.most_bytes.items():
        click.echo(f"  {name:34}{most / MIB:6.1f} MB")
    campaign.findings.show()


def _counted(counts: Counter[str] | Counter[int]) -> None:
    for name, count in counts.most_common():
        click.echo(f"  {name!s:34}{count:6}")
