"""GET /jobs/{id}/report: a job in one self-contained HTML file. Used in the web process.

Does not write it (see `plots.report`) nor draw its pictures (see `drawing`).
"""

import asyncio
import time
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response

from api import charts, parameters
from api.auth import Realm
from api.drawing import can_draw
from api.parameters import Parameter
from api.resources import Resources, resources
from api.routes import Answer, Routes
from jobs.errors import DrawingFailed, InvalidParameter, NoSample, NothingToPlot, ResultExpired, TooManyDrawings
from jobs.records import Job
from jobs.version import VERSION
from plots.explained import Asked, Explained, NotThere, chosen_row
from plots.kinds import KINDS, specification
from plots.report import Facts, Picture, report
from plots.spec import Spec
from plots.words import default_output

MOST_ROWS = 5
MIB = 1024 * 1024
WITHOUT = "This service draws no pictures: its operator can install shap-supervisor[charts]."
CROWDED = frozenset({"beeswarm", "dependence"})
"""Of so many marks that a PNG is smaller."""
MEDIA_TYPES = {"png": "image/png", "svg": "image/svg+xml"}
ROWS = Parameter(
    name="rows",
    description=f"Up to {MOST_ROWS} rows of the sample that are told one by one, e.g. 3,17; by default those of the "
    "lowest and the highest f(x).",
)
routes = Routes(Realm.API)


@routes.get(
    "/jobs/{job_id}/report",
    "getReport",
    "A job in one HTML file",
    Answer("Pictures, tables and words, self-contained.", content={"text/html": str}, headers=("Content-Disposition",)),
    parameters=[ROWS],
    link="report",
)
async def get_report(request: Request) -> Response:
    """The report; of a job that runs, what is done so far."""
    house = resources(request)
    job = await house.store.job(parameters.job_id(request))
    async with house.one_sample:
        of = await _explained(house, job)
        rows = chosen_rows(of, request.query_params.get(ROWS.name))
        asked = await asyncio.to_thread(specifications, of, rows) if can_draw() else []
    pictures, note = await _drawn(house, asked)
    body = await asyncio.to_thread(report, of, facts(job), pictures, rows, note)
    headers = {**charts.ALONE, "Content-Disposition": f'inline; filename="shap-{job.job_id}.html"'}
    return Response(body, headers=headers, media_type="text/html")


async def _explained(house: Resources, job: Job) -> Explained:
    """With the sample, where there still is one. Raises NotReady, NoResult, NothingToPlot."""
    try:
        return await charts.shown(house, job, needs_sample=True)
    except (NoSample, ResultExpired):
        of = await charts.shown(house, job, needs_sample=False)
    if of.mean_abs is None:
        raise NothingToPlot(reason="this job has neither a summary nor a sample")
    return of


def chosen_rows(of: Explained, raw: str | None) -> list[int]:
    """Places in the sample. Raises InvalidParameter, NotInJob."""
    if not of.sample:
        return []
    if raw is None:
        outputs, output = len(of.outputs), default_output(of)
        results = of.sample.predictions[output::outputs]
        ranked = sorted(range(len(results)), key=results.__getitem__)
        return sorted({ranked[0], ranked[-1]})
    numbers = raw.split(",")
    if not all(number.isascii() and number.isdigit() and len(number) < 13 for number in numbers):  # noqa: PLR2004
        raise InvalidParameter(field=ROWS.name, reason="it must be row numbers of the sample, like rows=3,17")
    if len(numbers) > MOST_ROWS:
        raise InvalidParameter(field=ROWS.name, reason=f"it must be at most {MOST_ROWS} rows")
    try:
        return [chosen_row(of, Asked(row=int(number))) for number in numbers]
    except NotThere as missing:
        raise charts.not_in_job(missing) from None


def specifications(of: Explained, rows: list[int]) -> list[tuple[str, Spec]]:
    """The charts of a report by kind: those that this job has something for."""
    kinds = ["bar", *(["beeswarm", "dependence"] if of.sample else []), *(["interactions"] if of.interactions else [])]
    shown = [(kind, specification(kind, of, Asked())) for kind in kinds if kind in KINDS]
    single = [Asked(row=of.sample.rows[row]) for row in rows] if of.sample else []
    return [*shown, *(("waterfall", specification("waterfall", of, asked)) for asked in single)]


async def _drawn(house: Resources, asked: list[tuple[str, Spec]]) -> tuple[list[Picture], str]:
    """The pictures, or why there are none: a report without is better than none."""
    if not asked:
        return [], "" if can_draw() else WITHOUT
    formats = ["png" if kind in CROWDED else "svg" for kind, _ in asked]
    try:
        found = await house.drawing.draw([(how, chart) for how, (_, chart) in zip(formats, asked, strict=True)])
    except (DrawingFailed, TooManyDrawings) as problem:
        return [], problem.message
    return [
        Picture(
            title=chart["title"]["text"], description=chart["description"], media_type=MEDIA_TYPES[how], content=content
        )
        for how, (_, chart), content in zip(formats, asked, found, strict=True)
    ], ""


def facts(job: Job) -> Facts:
    """What a report says about a job beside its values."""
    assert job.model
    assert job.layout
    model = job.model
    table = [
        ("Job", job.job_id),
        ("Submitted", _moment(job.created_at)),
        ("Ended", _moment(job.ended_at) if job.ended_at else "not yet"),
        ("Model", f"{model.name} ({model.family})"),
        ("Explained output", f"{model.explains}: {', '.join(model.outputs[:20])}"),
        ("Explainer", model.explainer),
        ("Engine", model.engine),
        ("Why", model.reason),
        ("Rows", f"{job.rows_done:,} of {job.rows or 0:,}"),
        ("Features", f"{len(model.values_of(job.layout)):,}"),
        ("Data", job.layout.format),
        ("Chunks", f"{job.chunks_done:,} of {job.chunks or 0:,}"),
        ("Attempts", f"{job.attempts:,}"),
        ("Peak memory of a child", f"{job.peak_bytes / MIB:.0f} MiB"),
        ("Made by", f"shap-supervisor {VERSION}, {_moment(time.time())}"),
    ]
    return Facts(title=f"{model.name}: what moves its {model.explains}", table=table, warnings=_warnings(job))


def _warnings(job: Job) -> list[str]:
    return [warning.message for warning in job.warnings]


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
