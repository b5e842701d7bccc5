"""`info`: the service's address and health, as they are now. Runs in the command's own process."""

import json

import click

from cli.output import json_option
from cli.service_url import connect, url_option
from cli.tables import facts, out


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
    out.print(facts([("address", client.url), *pairs]))
    for name, check in (health.get("checks") or {}).items():
        out.print(facts([(name, json.dumps(check))]))
