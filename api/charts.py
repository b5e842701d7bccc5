"""GET /jobs/{id}/plots/{kind}: one chart of a job as a Vega-Lite specification. In the web process."""

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from api import negotiation, parameters, samples
from api.auth import Realm
from api.drawing import can_draw
from api.parameters import MaybeNumber, Parameter, WholeNumber
from api.resources import Resources, resources
from api.routes import BINARY, Answer, Routes
from jobs.errors import NoDrawing, NotAcceptable, NothingToPlot, NotInJob, UnknownPlot
from jobs.records import Job
from plots.explained import Asked, Explained, NotThere, Unavailable
from plots.kinds import KINDS, specification

DRAWN = {"image/svg+xml": "svg", "image/png": "png"}
SPECIFICATIONS = ("application/json", "application/vnd.vegalite.v6+json")
"""All of them are answered with Vega-Lite."""
ROW = MaybeNumber(name="row", description="A row of the sample, by its number in the data.", most=10**12)
FEATURE = Parameter(name="feature", description="A feature, by name or place; by default the most important one.")
OUTPUT = Parameter(
    name="output", description="An output, by name or place; by default the second of two, the first of more."
)
TOP = WholeNumber(name="top", description="Features at most; others are added up.", default=10, least=1, most=100)
CHART = Answer(
    "The chart: as Vega-Lite, or drawn where the service has the extra `charts`.",
    content={**dict.fromkeys(SPECIFICATIONS, dict[str, Any]), "image/svg+xml": str, "image/png": BINARY},
)
SHOWN_CHOICES, SHOWN_CHARS = 50, 80
ALONE = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"}
"""Of what a browser may show by itself: it runs nothing and loads nothing."""
routes = Routes(Realm.API)


@routes.get(
    "/jobs/{job_id}/plots/{kind}",
    "getPlot",
    f"A chart: {', '.join(KINDS)}",
    CHART,
    parameters=[ROW, FEATURE, OUTPUT, TOP],
)
async def plot(request: Request) -> Response:
    """A chart of what is done so far."""
    media_type, kind = negotiate(request), read_kind(request, KINDS)
    asked, house = read_asked(request), resources(request)
    job = await house.store.job(parameters.job_id(request))
    async with house.one_sample:
        of = await shown(house, job, needs_sample=KINDS[kind].needs_sample)
        chart = await asyncio.to_thread(drawn, kind, of, asked)
        if media_type in SPECIFICATIONS:
            return await respond(house, chart, media_type)
    return await respond(house, chart, media_type)


async def respond(house: Resources, chart: dict[str, Any], media_type: str) -> Response:
    """The specification, or its picture. Raises TooManyDrawings, DrawingFailed."""
    if media_type in SPECIFICATIONS:
        return Response(await asyncio.to_thread(msgspec.json.encode, chart), media_type=media_type)
    (picture,) = await house.drawing.draw([(DRAWN[media_type], chart)])
    return Response(picture, media_type=media_type, headers=ALONE)


def read_kind(request: Request, kinds: Mapping[str, object]) -> str:
    """From the path. Raises UnknownPlot."""
    kind: str = request.path_params["kind"]
    if kind not in kinds:
        raise UnknownPlot(kind=kind[:SHOWN_CHARS], available=", ".join(kinds))
    return kind


def negotiate(request: Request) -> str:
    """Raises NotAcceptable, and NoDrawing for pictures where nothing draws."""
    available = [*SPECIFICATIONS, *DRAWN]
    media_type = negotiation.choose(", ".join(request.headers.getlist("accept")), available)
    if media_type is None:
        raise NotAcceptable(available=", ".join(available))
    if media_type in DRAWN and not can_draw():
        raise NoDrawing
    return media_type


def read_asked(request: Request) -> Asked:
    """Raises InvalidParameter."""
    query = request.query_params
    return Asked(
        row=ROW.read(request), feature=query.get(FEATURE.name), output=query.get(OUTPUT.name), top=TOP.read(request)
    )


async def shown(house: Resources, job: Job, *, needs_sample: bool) -> Explained:
    """The job as charts know it. Raises NotReady, NoResult, ResultExpired, NoSample."""
    samples.check_opened(job)
    rows = await samples.sampled(house, job) if needs_sample or job.summary is None else []
    return samples.explained(job, rows)


def drawn(kind: str, of: Explained, asked: Asked) -> dict[str, Any]:
    """The specification. Raises NotInJob, NothingToPlot."""
    try:
        return specification(kind, of, asked)
    except NotThere as missing:
        raise not_in_job(missing) from None
    except Unavailable as reason:
        raise NothingToPlot(reason=str(reason)) from None


def not_in_job(missing: NotThere) -> NotInJob:
    """With what there is."""
    listed = ", ".join(str(one)[:SHOWN_CHARS] for one in missing.available[:SHOWN_CHOICES])
    more = len(missing.available) - SHOWN_CHOICES
    available = f"{listed} and {more} more" if more > 0 else listed
    return NotInJob(what=missing.what, asked=str(missing.asked)[:SHOWN_CHARS], available=available)
