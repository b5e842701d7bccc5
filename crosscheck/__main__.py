"""`python -m crosscheck`: make the environments and the models, put all through a service, write docs/models.md. Exit
code 1 where a value was wrong or a job raised.
"""

import sys
from pathlib import Path

import click
import msgspec

from cli.processes import ROOT
from crosscheck import campaign, report, version_sets
from crosscheck.examination import Verdict


@click.command()
@click.option("--models", "count", default=2000, show_default=True)
@click.option("--seed", default=1, show_default=True, help="The same seed draws the same models.")
@click.option("--old/--no-old", default=True, show_default=True, help="Old versions, in environments of their own.")
@click.option("--only", help="Only families whose name holds this.")
@click.option("--files", type=click.Path(path_type=Path), default=ROOT / ".models", help="Environments and models.")
@click.option(
    "--write", "page", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures to this page."
)
def main(*, count: int, seed: int, old: bool, only: str | None, files: Path, page: Path | None) -> None:
    """Random models of every family, by the libraries that made them and by this service."""
    pythons = version_sets.interpreters(files, old=old)
    into = files / f"seed-{seed}" / f"{len(pythons)}-sets"
    for line in campaign.write_specimens(pythons, into, seed=seed, count=count):
        click.echo(f"not made: {line}")
    directories = campaign.specimens(into, count)
    if only:
        directories = [
            path for path in directories if only in (path / "about.json").read_text().partition('"family"')[2]
        ]
    click.echo(f"{len(directories)} models")
    verdicts = list(campaign.examined(directories, _tell))
    (into / "verdicts.json").write_bytes(msgspec.json.format(msgspec.json.encode(verdicts)))
    click.echo(report.tally(verdicts))
    if page:
        page.write_text(report.written(f"make models MODELS={count} SEED={seed}", verdicts))
    sys.exit(not all(verdict.ok for verdict in verdicts))


def _tell(verdict: Verdict) -> None:
    if verdict.outcome not in ("same", "adds up"):
        said = f"{verdict.code} {verdict.detail} {verdict.error if verdict.outcome == 'wrong' else ''}"
        click.echo(f"{verdict.number:>5}  {verdict.outcome:8} {verdict.library}  {verdict.kind}: {said}"[:400])


if __name__ == "__main__":
    main()
