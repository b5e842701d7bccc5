"""`python -m bench [--only PART] [--rows N] ...`: makes the files, measures, prints one table."""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from bench import latency, memory, report, throughput
from cli.processes import ROOT

PARTS = ("throughput", "latency", "memory")


@click.command()
@click.option("--only", type=click.Choice(PARTS), multiple=True, help="Measure only this part; may be repeated.")
@click.option("--rows", default=20_000, show_default=True, help="Rows of the large job.")
@click.option("--big-rows", default=200_000, show_default=True, help="Rows of the largest job (memory).")
@click.option("--repeats", default=3, show_default=True, help="Pairs of large jobs for each model.")
@click.option("--small-repeats", default=30, show_default=True, help="Pairs of small jobs for each model.")
def main(only: tuple[str, ...], rows: int, big_rows: int, repeats: int, small_repeats: int) -> None:
    """Measure the service against shap in one process."""
    parts = only or PARTS
    report.header()
    with tempfile.TemporaryDirectory(prefix="shap-supervisor-bench-") as name:
        directory = Path(name)
        _say("making models and rows")
        command = [sys.executable, "-m", "bench.models", name, str(rows), str(big_rows)]
        subprocess.run(command, cwd=ROOT, check=True)
        measures: dict[str, Callable[[], list[Any]]] = {
            "throughput": lambda: throughput.measure(directory, repeats),
            "latency": lambda: latency.measure(directory, small_repeats),
            "memory": lambda: memory.measure(directory),
        }
        measured = {part: _measured(part, measures[part]) if part in parts else [] for part in PARTS}
        report.table(measured["throughput"], measured["latency"], measured["memory"])


def _measured(part: str, measure: Callable[[], list[Any]]) -> list[Any]:
    _say(f"measuring {part}")
    return measure()


def _say(line: str) -> None:
    """On standard error, as some parts take minutes."""
    click.echo(f"bench: {line}", err=True)


if __name__ == "__main__":
    main()
