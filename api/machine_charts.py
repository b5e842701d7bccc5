"""GET /admin/plots/{kind}: charts for operators, as Vega-Lite, SVG or PNG. Used in the web process.

Their numbers are those of /admin/memory: see `admin`.
"""

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from api import admin, charts
from api.auth import Realm
from api.resources import resources
from api.routes import Routes
from jobs import overview
from jobs.errors import NothingToPlot
from plots.explained import Unavailable
from plots.machines import KINDS, Child, Machines, Point, Took

routes = Routes(Realm.ADMIN)


@routes.get("/admin/plots/{kind}", "getMachinePlot", f"A chart for operators: {', '.join(KINDS)}", charts.CHART)
async def plot(request: Request) -> Response:
    """Of all supervisors."""
    media_type, kind, house = charts.negotiate(request), charts.read_kind(request, KINDS), resources(request)
    found = machines(await admin.now(house), await overview.outcomes(house.redis))
    try:
        chart = KINDS[kind](found)
    except Unavailable as reason:
        raise NothingToPlot(reason=str(reason)) from None
    return await charts.respond(house, chart, media_type)


def machines(memory: admin.Memory, outcomes: dict[str, int]) -> Machines:
    """The same as charts know it; what a snapshot says that is none is left out."""
    children = [child for snapshot in memory.supervisors for child in _listed(snapshot.get("children"))]
    attempts = [(str(attempt.outcome), attempt.evidence.seconds) for attempt in memory.last_failures]
    return Machines(
        budget_bytes=memory.budget_bytes,
        history=_converted(memory.history, Point),
        children=_converted(children, Child),
        outcomes=outcomes,
        attempts=[Took(outcome=outcome, seconds=seconds) for outcome, seconds in attempts],
    )


def _listed(found: Any) -> list[Any]:
    return found if isinstance(found, list) else []


def _converted(found: list[Any], kind: type[Any]) -> list[Any]:
    kept = []
    for one in found:
        try:
            kept.append(msgspec.convert(one, kind))
        except msgspec.ValidationError:
            continue
    return kept
