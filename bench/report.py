"""The header and the table, with each goal beside what was measured."""

import os
import platform
from importlib import metadata
from pathlib import Path

import psutil
from rich import box
from rich.console import Console
from rich.table import Table

from bench.latency import Latency
from bench.memory import Memory
from bench.throughput import BATCH_SIZE, Throughput
from cli.tables import in_mb

WIDTH = 140
MIB = 1024 * 1024
GOAL_RATIO = 1.4
GOAL_OVERHEAD_S = 0.060
GOAL_BYTES = 80 * MIB
GOAL_GROWTH = 0.10
PACKAGES = ("shap", "numpy", "xgboost-cpu", "xgboost", "lightgbm", "scikit-learn", "skops")
EXPLANATION = f"""\
'alone' is shap.TreeExplainer(model).shap_values(X) in one process, threads as the libraries come; imports, model
and rows are loaded beforehand. The service's side is all of it over HTTP, from upload to last byte, in chunks of
{BATCH_SIZE} rows; small jobs are on a model that it has seen before."""

console = Console(highlight=False, width=WIDTH)


def header() -> None:
    memory = psutil.virtual_memory().total / MIB / 1024
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    versions = ", ".join(f"{name} {version}" for name in PACKAGES if (version := _version(name)))
    console.print(f"{_processor()}, {cores} cores, {memory:.0f} GB; {platform.system()} {platform.release()}")
    console.print(f"Python {platform.python_version()}; {versions}")
    console.print(EXPLANATION)


def table(throughput: list[Throughput], latency: list[Latency], memory: list[Memory]) -> None:
    result = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("what", "on", "service", "alone", "compared", "goal", "more"):
        result.add_column(column, justify="right" if column in {"service", "alone", "compared"} else "left")
    for line in throughput:
        _add_throughput(result, line)
    for small in latency:
        _add_latency(result, small)
    for one in memory:
        _add_memory(result, one, memory[0])
    console.print(result)


def _add_throughput(result: Table, line: Throughput) -> None:
    result.add_row(
        f"{line.rows:,} rows",
        line.model,
        f"{line.service:,.0f} rows/s",
        f"{line.alone:,.0f} rows/s",
        _judged(f"x {line.ratio:.2f}", line.ratio >= GOAL_RATIO),
        f"x {GOAL_RATIO}",
        f"first pair x {line.first_ratio:.2f}; differs by {line.difference:.0e}; child {in_mb(line.peak_child_bytes)}",
    )


def _add_latency(result: Table, line: Latency) -> None:
    overhead = line.service - line.alone
    result.add_row(
        "100 rows, p50",
        line.model,
        f"{line.service * 1000:.0f} ms",
        f"{line.alone * 1000:.0f} ms",
        _judged(f"{overhead * 1000:+.0f} ms", overhead <= GOAL_OVERHEAD_S),
        f"+{GOAL_OVERHEAD_S * 1000:.0f} ms",
        f"p95 {line.service_p95 * 1000:.0f} ms; alone, explainer kept: {line.alone_kept * 1000:.0f} ms",
    )


def _add_memory(result: Table, one: Memory, first: Memory) -> None:
    for name in ("web", "supervisor"):
        size, base = getattr(one, name), getattr(first, name)
        growth = size / base - 1
        good = size <= GOAL_BYTES and abs(growth) <= GOAL_GROWTH
        result.add_row(
            f"{one.rows:,} rows, RSS",
            name,
            f"{size / MIB:.1f} MB",
            "",
            _judged(f"{growth:+.1%}", good),
            f"{GOAL_BYTES // MIB} MB, ±{GOAL_GROWTH:.0%}",
            f"{one.rows / one.seconds:,.0f} rows/s on a small model",
        )


def _judged(text: str, good: bool) -> str:
    return f"[green]{text}[/green]" if good else f"[red]{text} ✗[/red]"


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
