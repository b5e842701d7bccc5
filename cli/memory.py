"""`memory`: a live view of the limit, the processes and each child against its cap. Runs in the command's own process.

Shows what /admin/memory says, which the supervisors report every second; measures nothing itself.
"""

import json
import time

import click
from rich import box
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from cli.client import Document
from cli.printable import printable
from cli.service_url import connect, url_option
from cli.tables import in_mb, out

REFRESH_S = 1.0
WIDEST_BAR, NARROWEST_BAR = 30, 8
BESIDE_THE_BAR = 68
"""Cells for a row's name, its sizes and its note, which breaks where it must."""
CHART = " ▁▂▃▄▅▆▇█"
CHART_POINTS = 60
LAST_FAILURES = 5
FULL = 0.9


@click.command()
@click.option("--once", is_flag=True, help="Print the state now and leave.")
@click.option("--json", "as_json", is_flag=True, help="Print the service's own document, once.")
@url_option
def memory(once: bool, as_json: bool, url: str | None) -> None:
    """Watch the memory: limit, forkservers, every child against its cap, kills and reasons.

    Where the service wants a token, it is taken from ADMIN_TOKEN.
    """
    with connect(url, "ADMIN") as client:
        if as_json:
            click.echo(json.dumps(client.memory()))
        elif once or not out.is_terminal:
            out.print(picture(client.memory()))
        else:
            with Live(picture(client.memory()), console=out, auto_refresh=False) as live:
                while True:
                    time.sleep(REFRESH_S)
                    live.update(picture(client.memory()), refresh=True)


def picture(state: Document) -> RenderableType:
    """All of it: a part for each supervisor, then what is common."""
    parts: list[RenderableType] = [_supervisor(snapshot, state) for snapshot in state["supervisors"]]
    if not parts:
        parts.append(Text("No supervisor has sent a heartbeat: is a worker running?", style="yellow"))
    return Group(*parts, _kills(state["kills"]), *_failures(state["last_failures"]))


def _supervisor(snapshot: Document, state: Document) -> RenderableType:
    table = Table(box=None, show_header=False, pad_edge=False)
    for style in ("dim", "", ""):
        table.add_column(style=style, no_wrap=True)
    table.add_column(style="dim", overflow="fold")
    limit, in_use = snapshot["limit_bytes"], snapshot.get("in_use_bytes") or snapshot["rss_bytes"]
    note = "nearly full: nothing new starts" if snapshot.get("nearly_full") else snapshot["limit_source"]
    table.add_row("machine", _bar(in_use, limit), _of(in_use, limit), note)
    budget, reserved = snapshot["budget_bytes"], snapshot.get("reserved_bytes", 0)
    table.add_row("budget", _bar(reserved, budget), _of(reserved, budget), f"{snapshot['slots']} slot(s)")
    table.add_row("supervisor", "", in_mb(snapshot["rss_bytes"]), f"pid {snapshot['pid']}")
    for forkserver in filter(None, (snapshot.get("forkserver"), snapshot.get("full_forkserver"))):
        size = forkserver.get("pss_bytes") or forkserver["rss_bytes"]
        table.add_row("forkserver", "", in_mb(size), f"pid {forkserver['pid']}, {forkserver.get('stack', '')}")
    for template in snapshot["templates"]:
        table.add_row("template", "", in_mb(template.get("growth_bytes")), Text(printable(_template_note(template))))
    for child in snapshot["children"]:
        grown, cap = child["growth_bytes"], child["cap_bytes"]
        note = f"pid {child['pid']}, {child['age_s']:.1f} s, {child['chunk']} of {child['job_id']}"
        table.add_row("child", _bar(grown, cap), _of(grown, cap), Text(printable(note)))
    title = Text(printable(f"{snapshot['name']}{' (draining)' if snapshot['draining'] else ''}"), style="bold")
    return Group(title, table, _chart(snapshot, state["history"]))


def _template_note(template: Document) -> str:
    busy = f"{template['children']} child(ren)" if template["children"] else f"idle for {template['idle_s']:.0f} s"
    return f"pid {template['pid']}, {template['model']}, {busy}"


def _chart(snapshot: Document, history: list[Document]) -> Text:
    """The last minutes of memory in use, a character a point, scaled to the limit."""
    points = [point["in_use_bytes"] for point in history if point["supervisor"] == snapshot["name"]][-CHART_POINTS:]
    limit = snapshot["limit_bytes"] or 1
    steps = [min(len(CHART) - 1, round((len(CHART) - 1) * point / limit)) for point in points]
    return Text("".join(CHART[step] for step in steps), style="cyan")


def _bar(size: int, whole: int) -> Text:
    share = min(1.0, size / whole) if whole else 0.0
    cells = max(NARROWEST_BAR, min(WIDEST_BAR, out.width - BESIDE_THE_BAR))
    filled = round(cells * share)
    return Text("█" * filled, style="red" if share > FULL else "green").append("░" * (cells - filled), style="dim")


def _of(size: int, whole: int) -> str:
    return f"{in_mb(size)} of {in_mb(whole)}"


def _kills(kills: dict[str, int]) -> Text:
    counted = [f"{name} {count}" for name, count in kills.items() if count]
    return Text("kills  ", style="dim").append(", ".join(counted) or "none", style="default")


def _failures(failures: list[Document]) -> list[RenderableType]:
    if not failures:
        return []
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("last failed attempts", "chunk", "outcome", "cause"):
        table.add_column(name, overflow="fold")
    for failure in failures[:LAST_FAILURES]:
        said = (failure.get(name) or "" for name in ("job_id", "chunk", "outcome", "message"))
        table.add_row(*(Text(printable(str(text))) for text in said))
    return [table]
