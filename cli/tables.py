"""What is printed of a job for people to read. Runs in the command's own process; asks nobody anything."""

from typing import Any

from rich import box
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from cli.client import Document
from cli.printable import printable

MIB = 1024 * 1024
HUNDRED_MB = 100 * MIB
TOP = 10
BAR_CELLS = 24

out = Console(highlight=False, soft_wrap=True)


def in_mb(size: int | None) -> str:
    if size is None:
        return "unknown"
    return f"{size / MIB:,.0f} MB" if size > HUNDRED_MB else f"{size / MIB:.1f} MB"


def top_features(summary: Document, limit: int = TOP) -> Table:
    """Features by mean |SHAP|, each with a bar."""
    features = summary["top_features"][:limit]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("#", justify="right", style="dim")
    table.add_column("feature")
    table.add_column("mean |SHAP|", justify="right")
    table.add_column("")
    largest = max((float(feature["mean_abs_shap"]) for feature in features), default=0.0) or 1.0
    for number, feature in enumerate(features, start=1):
        value = float(feature["mean_abs_shap"])
        bar = "█" * max(1, round(BAR_CELLS * value / largest)) if value else ""
        table.add_row(str(number), Text(printable(str(feature["feature"]))), f"{value:.4g}", Text(bar, style="cyan"))
    return table


def facts(pairs: list[tuple[str, Any]]) -> Table:
    """Names and values, one pair a line; pairs without a value are left out."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name, value in pairs:
        if value is not None:
            table.add_row(name, value if isinstance(value, Text) else Text(printable(str(value), keep="\n")))
    return table


def job_facts(job: Document) -> Table:
    """What `status` shows."""
    error = job.get("error") or {}
    rows, chunks = job.get("rows"), job.get("chunks")
    return facts(
        [
            ("job", job["job_id"]),
            ("status", job["status"]),
            ("rows", None if rows is None else f"{job.get('rows_done', 0):,} of {rows:,}"),
            ("chunks", None if chunks is None else f"{job.get('chunks_done', 0):,} of {chunks:,}"),
            ("attempts", job.get("attempts")),
            ("seconds", None if job.get("seconds") is None else f"{job['seconds']:.3f}"),
            ("explainer", job.get("explainer")),
            ("engine", job.get("engine")),
            ("reason", job.get("reason")),
            ("peak memory", memory_share(job)),
            *warnings(job),
            ("cause", f"{error['message']} [{error['code']}]" if error else None),
        ]
    )


def forecast_facts(forecast: Document) -> Table:
    """What `submit --dry-run` shows."""
    return facts(
        [
            ("rows", f"{forecast['rows']:,}"),
            ("features", f"{forecast['features']:,}"),
            ("outputs", f"{forecast['outputs']:,}"),
            ("explainer", forecast["explainer"]),
            ("engine", forecast["engine"]),
            ("reason", forecast["reason"]),
            ("chunks", f"{forecast['chunks']:,} of up to {forecast['rows_per_chunk']:,} rows"),
            ("memory", f"{in_mb(forecast['bytes_per_chunk'])} in one child, of {in_mb(forecast['room_bytes'])}"),
            ("seconds", f"about {forecast['seconds']:.2f}"),
            *warnings(forecast),
        ]
    )


def warnings(job: Document) -> list[tuple[str, Any]]:
    """What is odd but no error, one a line."""
    return [("warning", f"{found['message']} [{found['code']}]") for found in job.get("warnings") or []]


def memory_share(job: Document) -> str | None:
    """What a child added at most, against its cap."""
    peak, cap = job.get("peak_child_bytes"), job.get("cap_bytes")
    if not peak:
        return None
    return f"{in_mb(peak)} in one child" + (f", of a cap of {in_mb(cap)}" if cap else "")


def job_report(job: Document, summary: Document) -> Group:
    """What `run` prints without --output and --json."""
    additivity = summary.get("additivity") or {}
    error = additivity.get("largest_error")
    missing = None if error is None else f"base value + values miss the model's output by {error:.2g} at most"
    said = [("engine", job.get("engine")), ("additivity", missing), ("peak memory", memory_share(job))]
    notes = facts([*said, *warnings(job)])
    return Group(top_features(summary), notes)
