"""Submit-to-result of a job of 100 rows on a model that the service has seen before, beside the same call of shap."""

from collections.abc import Iterator
from pathlib import Path
from statistics import median

from bench.interleaved import EngineProcess, compare
from bench.models import MODELS, rows_file, uploaded
from bench.service import explain_at_once, running
from bench.table import Line
from bench.tasks import Kind, Task
from cli.client import Client

NAMES = ("xgboost", "lightgbm", "boosting")
ROWS = 100
WARM_UPS = 3
LIMIT_S = 10.0
GOAL_S = 0.060
"""That the service may take longer than shap alone."""


def measure(directory: Path, models: tuple[str, ...], *, repeats: int) -> Iterator[Line]:
    with running() as (_, client):
        for model in (name for name in NAMES if name in models):
            yield from _measure(client, directory, model, repeats)


def _measure(client: Client, directory: Path, model: str, repeats: int) -> Iterator[Line]:
    path, rows = uploaded(directory, model), rows_file(directory, ROWS)
    shap = EngineProcess("shap", directory, 1, LIMIT_S)
    try:
        theirs = compare([shap], Task(Kind.VALUES, model, directory), rows, 3)[0]
    finally:
        shap.close()
    for _ in range(WARM_UPS):
        explain_at_once(client, path, rows)
    taken = [explain_at_once(client, path, rows) for _ in range(repeats)]
    work, overhead = f"{ROWS} rows at once, {MODELS[model].title}", median(taken) - theirs.each() * ROWS
    p95 = sorted(taken)[int(0.95 * (len(taken) - 1))]
    yield Line(
        work,
        "service, p50",
        1,
        _ms(median(taken)),
        f"{overhead * 1000:+.0f} ms",
        f"+{GOAL_S * 1000:.0f} ms",
        overhead <= GOAL_S,
        remarks=f"p95 {_ms(p95)}",
    )
    yield Line(work, "shap, explainer kept", 1, _ms(theirs.each() * ROWS), remarks=f"made ready in {_ms(theirs.built)}")


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"
