"""`repair`: contradictions in the store, listed, and mended with --apply. Speaks with Redis itself, as a worker does.

Runs in the command's own process. What is found, and how it is mended, is `jobs.audit`'s.
"""

import json
import os
import sys
from typing import Any

import click
import redis
from rich import box
from rich.table import Table
from rich.text import Text

from cli.failures import Unreachable
from cli.printable import printable
from cli.tables import out
from jobs.audit import Audit, Finding
from jobs.settings import load_settings

TIMEOUT_S = 10.0


@click.command()
@click.option("--apply/--dry-run", default=False, help="Mend what is found; without it, only list it.")
@click.option("--json", "as_json", is_flag=True, help="Print one object a line.")
def repair(apply: bool, as_json: bool) -> None:
    """Look for contradictions in the store: jobs and lists that disagree, orphans, leases of the dead.

    Needs REDIS_URL, as a worker does. Exit code 1 when something was found and not mended.
    """
    settings = load_settings(os.environ, listens=False)
    client: Any = redis.Redis.from_url(settings.redis_url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)
    try:
        found = Audit(client, job_ttl_s=settings.job_ttl_s, apply=apply).run()
    except redis.RedisError as error:
        raise Unreachable(f"The store at {settings.redis_address} cannot be asked: {error}") from None
    finally:
        client.close()
    if as_json:
        for finding in found:
            click.echo(json.dumps(finding._asdict()))
    else:
        _show(found, apply)
    sys.exit(1 if found and not apply else 0)


def _show(found: list[Finding], apply: bool) -> None:
    if not found:
        out.print("Nothing is wrong.")
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("job", "finding", "where", "meaning"):
        table.add_column(heading, overflow="fold")
    for finding in found:
        table.add_row(*(Text(printable(said)) for said in (finding.job_id or "-", *finding[:2], finding.meaning)))
    out.print(table)
    out.print(f"{len(found)} mended." if apply else f"{len(found)} found. `repair --apply` mends them.")
