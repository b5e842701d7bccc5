"""`python -m bench [--only PART] [--quick] [--write FILE]`: makes the files, measures, prints one table."""

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import click

from bench import kernels, latency, memory, notebook, pipelines, sandbox, table, throughput, tiny_jobs
from bench.document import written
from bench.machine import described
from bench.table import Line
from bench.tables import FORMATS
from bench.tasks import MEASURED, Kind
from cli.processes import ROOT

PARTS = ("one-core", "all-cores", "throughput", "latency", "memory", "tiny", "sandbox", "client", "pipelines")
OF_MODELS = ("one-core", "all-cores", "throughput", "latency")
"""Parts that want every model; the others make do with the smallest two."""
TREES = MEASURED[Kind.VALUES]


class Sizes(NamedTuple):
    """How much is measured, and of whom."""

    training_rows: int = 10_000
    rows: int = 20_000
    big_rows: int = 2_000_000
    client_rows: int = notebook.ROWS
    few_rows: int = 500
    rounds: int = 3
    repeats: int = 30
    limit_s: float = 0.5
    jobs: int = 10_000
    pairs: int = 1_000
    who: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()


QUICK = Sizes(
    training_rows=1_000,
    rows=2_000,
    big_rows=5_000,
    client_rows=2_000,
    few_rows=64,
    rounds=1,
    repeats=3,
    limit_s=0.1,
    jobs=100,
    pairs=20,
)


@click.command()
@click.option("--only", type=click.Choice(PARTS), multiple=True, help="Measure only this part; may be repeated.")
@click.option("--model", "models", type=click.Choice((*TREES, "small")), multiple=True, help="Measure only this model.")
@click.option("--who", multiple=True, help="Only these engines: engine, shap, shapiq ...")
@click.option("--quick", is_flag=True, help="A short look: few rows, models trained on little. Not for figures.")
@click.option("--format", "formats", type=click.Choice(FORMATS), multiple=True, help="Memory only of these tables.")
@click.option("--big-rows", type=int, help="The larger one's rows; the smaller one has 20,000.")
@click.option("--jobs", type=int, help="Tiny jobs.")
@click.option("--files", type=click.Path(file_okay=False, path_type=Path), help="Keep models here, and use them again.")
@click.option(
    "--write", "page", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures to this page."
)
def main(
    *,
    only: tuple[str, ...],
    models: tuple[str, ...],
    who: tuple[str, ...],
    quick: bool,
    formats: tuple[str, ...],
    big_rows: int | None,
    jobs: int | None,
    files: Path | None,
    page: Path | None,
) -> None:
    """Measure the tree engine against its peers, and the service against shap."""
    sizes = QUICK if quick else Sizes()
    sizes = sizes._replace(jobs=jobs or sizes.jobs, big_rows=big_rows or sizes.big_rows, who=who, formats=formats)
    for line in described():
        table.console.print(line)
    with tempfile.TemporaryDirectory(prefix="shap-supervisor-bench-") as name:
        directory = files or Path(name)
        wanted = (models or TREES) if {*(only or PARTS)} & {*OF_MODELS} else ()
        wanted += (notebook.MODEL,) if "client" in (only or PARTS) else ()
        _make(directory, wanted, sizes.training_rows)
        lines = list(chain.from_iterable(_part(part, directory, models or TREES, sizes) for part in only or PARTS))
    table.shown(lines)
    if page:
        page.write_text(written(shlex.join(["python", "-m", "bench", *sys.argv[1:]]), lines))


def _make(directory: Path, models: tuple[str, ...], training_rows: int) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    wanted = dict.fromkeys((*models, "small", "tiny"))
    missing = [name for name in wanted if not (directory / f"{name}.joblib").exists()]
    _say(f"making {', '.join(missing) or 'nothing'}")
    command = [sys.executable, "-m", "bench.models", str(directory), str(training_rows), *missing]
    subprocess.run(command, cwd=ROOT, check=True)


def _part(part: str, directory: Path, models: tuple[str, ...], sizes: Sizes) -> Iterator[Line]:
    for line in _measured(part, directory, models, sizes):
        _say(f"{part}: {line.work}: {line.who}: {line.result} {line.compared}")
        yield line


def _measured(part: str, directory: Path, models: tuple[str, ...], sizes: Sizes) -> Iterator[Line]:
    how = {"who": sizes.who, "rows": sizes.few_rows, "rounds": sizes.rounds, "limit_s": sizes.limit_s}
    match part:
        case "one-core":
            return kernels.measure(directory, models, 1, **how)  # type: ignore[arg-type]
        case "all-cores":
            return kernels.measure(directory, models, os.cpu_count() or 1, **how)  # type: ignore[arg-type]
        case "throughput":
            return throughput.measure(directory, models, rows=sizes.rows, rounds=sizes.rounds)
        case "latency":
            return latency.measure(directory, models, repeats=sizes.repeats)
        case "tiny":
            return tiny_jobs.measure(directory, sizes.jobs)
        case "client":
            return notebook.measure(directory, rows=sizes.client_rows, rounds=sizes.rounds)
        case "pipelines":
            return pipelines.measure(directory, rows=sizes.rows, rounds=sizes.rounds)
        case "sandbox":
            return sandbox.measure(directory, pairs=sizes.pairs)
    return memory.measure(directory, rows=sizes.rows, big_rows=sizes.big_rows, formats=sizes.formats)


def _say(line: str) -> None:
    """On standard error, as some parts take minutes."""
    click.echo(f"bench: {line}", err=True)


if __name__ == "__main__":
    main()
