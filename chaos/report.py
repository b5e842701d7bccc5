"""What a campaign prints: faults by kind, jobs by how they ended, recovery times, findings."""

import statistics
from collections import Counter
from collections.abc import Sequence

import click

from chaos.faults import Kind
from chaos.findings import Findings
from chaos.ledger import Ledger
from chaos.recovery import Recoveries, Recovery

GROUPS = (("restarted under the same name", True), ("not restarted, or under another name", False))


def report(
    injected: Counter[Kind], missed: Counter[Kind], ledger: Ledger, recoveries: Recoveries, findings: Findings
) -> None:
    """To standard output."""
    _faults(injected, missed)
    _jobs(ledger)
    _recoveries(recoveries)
    findings.show()


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least so large a share does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))]


def _faults(injected: Counter[Kind], missed: Counter[Kind]) -> None:
    click.echo(f"\n{injected.total()} faults")
    for kind in Kind:
        also = f"  ({missed[kind]} more without a target)" if missed[kind] else ""
        click.echo(f"  {kind.value:34}{injected[kind]:6}{also}")


def _jobs(ledger: Ledger) -> None:
    click.echo(f"\n{len(ledger.accepted)} jobs")
    endings = Counter((entry.sample.name, entry.ended_as or "not ended") for entry in ledger.accepted)
    for (name, ending), count in sorted(endings.items()):
        click.echo(f"  {name + ', ' + ending:34}{count:6}")
    seconds = [entry.seconds for entry in ledger.accepted if entry.seconds is not None]
    if seconds:
        click.echo(f"  submit to end: {_distribution(seconds)}")


def _recoveries(recoveries: Recoveries) -> None:
    click.echo("\nfrom the death of a supervisor to each of its chunks back in the queue, and leased again")
    for title, same_name in GROUPS:
        found = [recovery for recovery in recoveries.found if recovery.same_name is same_name]
        click.echo(f"  {title}")
        click.echo(f"    {'back in the queue':34}{_distribution([recovery.back_s for recovery in found])}")
        click.echo(f"    {'leased again':34}{_distribution([recovery.seconds for recovery in found])}")
        unhindered = [recovery.seconds for recovery in found if not recovery.hindered]
        click.echo(f"    {'  where the store was at hand':34}{_distribution(unhindered)}")
        click.echo(f"    the slowest: {_slowest(found)}")
    click.echo(
        f"  {recoveries.ended} chunks' jobs ended meanwhile, {len(recoveries.waiting)} still wait, "
        f"{recoveries.unknown} deaths while the store was away"
    )


def _distribution(seconds: Sequence[float]) -> str:
    if not seconds:
        return "none"
    p50, p99 = statistics.median(seconds), quantile(seconds, 0.99)
    return f"p50 {p50:6.2f} s   p99 {p99:6.2f} s   max {max(seconds):6.2f} s   of {len(seconds)}"


def _slowest(found: list[Recovery]) -> str:
    slowest = sorted(found, key=lambda recovery: -recovery.seconds)[:3]
    return ", ".join(f"{recovery.chunk} {recovery.seconds:.2f} s" for recovery in slowest) or "none"
