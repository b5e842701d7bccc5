"""What a campaign has found against the service: lines for people, by category. Used by every campaign, `fuzz` too.

Does not know what is looked for: see the `checks` of each.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import click

SHOWN = 10
"""Lines of a category that are printed."""


class Findings:
    """Lines by category; without any the campaign has passed."""

    def __init__(self, categories: Iterable[str]) -> None:
        self.lines: dict[str, list[str]] = {category: [] for category in categories}

    def add(self, category: str, line: str) -> None:
        self.lines[category].append(line)

    def __bool__(self) -> bool:
        return any(self.lines.values())

    def show(self) -> None:
        click.echo("\nfindings")
        for category, lines in self.lines.items():
            click.echo(f"  {category:34}{len(lines):6}")
            for line in lines[:SHOWN]:
                click.echo(f"    {line}")
            if len(lines) > SHOWN:
                click.echo(f"    and {len(lines) - SHOWN} more")


def add_faults(directory: Path, fault: re.Pattern[str], findings: Findings) -> None:
    """A line for each event that any log in the directory has a fault of, with how often, as "logged fault"."""
    for path in sorted(directory.glob("*.log")):
        lines = path.read_text(errors="replace").splitlines()
        for event, count in Counter(_event(line) for line in lines if fault.search(line)).items():
            findings.add("logged fault", f"{path.name}: {count} x {event}")


def _event(line: str) -> str:
    try:
        entry = json.loads(line)
        said = entry.get("exception") or entry.get("error") or entry.get("reason") or ""
        return f"{entry['event']}: {str(said)[-300:]}"
    except (ValueError, KeyError, TypeError, AttributeError):
        return line[:300]
