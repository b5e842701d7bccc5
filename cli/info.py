"""`info`: the service's address and health, as they are now. Runs in the command's own process."""

import json
from typing import Any

import click
from rich.text import Text

from cli.client import Document
from cli.output import json_option
from cli.printable import printable
from cli.service_url import connect, url_option
from cli.tables import facts, out

STYLES = {"pass": "green", "warn": "yellow", "fail": "red"}


@click.command()
@json_option
@url_option
def info(as_json: bool, url: str | None) -> None:
    """Show the service's address and health."""
    with connect(url) as client:
        health = client.health()
    if as_json:
        click.echo(json.dumps(health))
        return
    pairs = [(name, value) for name, value in health.items() if not isinstance(value, dict | list)]
    checks = [(name, _said(check)) for name, check in (health.get("checks") or {}).items()]
    out.print(facts([("address", client.url), *pairs, *checks]))


def _said(check: Document) -> Text:
    """How it stands, and what is known of it, in the order of the document."""
    known = [f"{name.replace('_', ' ')} {_value(value)}" for name, value in check.items() if name != "status"]
    status = str(check.get("status"))
    return Text.assemble(
        (printable(status), STYLES.get(status, "")), printable(f"  {', '.join(known)}" if known else "")
    )


def _value(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value)) or "none"
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
