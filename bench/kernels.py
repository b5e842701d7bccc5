"""The tree engine at every level, beside its peers: path-dependent values, interactions, values against a background.

Every row of the table is for 500 rows; those who would take long do fewer, and the table says how many.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from bench.engines import ENGINE, PEERS, takes_part
from bench.interleaved import NO_ANSWER, EngineProcess, Measured, compare
from bench.models import FEATURES, rows_file
from bench.table import Line
from bench.tasks import ROWS, SHALLOW, Kind, Task, kinds
from shaptrees import engine

GOAL_NUMPY = 2


def measure(
    directory: Path,
    models: tuple[str, ...],
    cores: int,
    *,
    who: tuple[str, ...] = (),
    rows: int = ROWS,
    rounds: int = 3,
    limit_s: float = 0.5,
) -> Iterator[Line]:
    """Every task of these models, on so many cores; `who` are the first words of engines' names, empty for all.

    What each level of the engine is worth is told on one core; on all of them the chosen one runs beside its peers.
    """
    levels = reversed(engine.available()) if cores == 1 else engine.chosen()[:1]
    names = [*(ENGINE + level for level in levels), *PEERS]
    names = [name for name in names if not who or name.split()[0] in who]
    for model in models:
        with ExitStack() as stack:
            wanted = [name for name in names if takes_part(name, Task(Kind.VALUES, model, directory))]
            engines = [EngineProcess(name, directory, cores, limit_s) for name in wanted]
            for one in engines:
                stack.callback(one.close)
            for kind in kinds(model):
                task = Task(kind, model, directory)
                here = [one for one in engines if takes_part(one.name, task)]
                measured = compare(here, task, rows_file(directory, rows, FEATURES), rounds)
                silent = {one.name for one in measured if one.refused.startswith(NO_ANSWER)}
                engines = [one for one in engines if one.name not in silent or one.name == "shap"]
                yield from _lines(task, cores, measured, rows)


def _lines(task: Task, cores: int, measured: list[Measured], rows: int) -> Iterator[Line]:
    shap = next((one for one in measured if one.name == "shap" and not one.refused), None)
    for one in measured:
        yield _line(task, cores, one, shap, rows)


def _line(task: Task, cores: int, one: Measured, shap: Measured | None, rows: int) -> Line:
    if one.refused:
        return Line(task.title, one.name, cores, "-", remarks=one.refused)
    ratio = shap.each() / one.each() if shap else None
    goal = _goal(task, one.name) if cores == 1 else 0
    return Line(
        work=task.title,
        who=one.name,
        cores=cores,
        result=_duration(one.each() * rows),
        compared=f"x {ratio:.3g}" if ratio else "",
        goal=f"x {goal}" if goal else "",
        good=ratio >= goal if goal and ratio else None,
        difference=one.difference if one.name != "shap" else None,
        remarks=_remarks(one, rows),
    )


def _goal(task: Task, name: str) -> int:
    """How many times faster than shap it shall be; 0 where nothing was promised."""
    if name == ENGINE + engine.NUMPY:
        return GOAL_NUMPY if task.kind is Kind.VALUES else 0
    if name != ENGINE + engine.chosen()[0]:
        return 0
    match task.kind:
        case Kind.VALUES:
            return 50 if task.model in SHALLOW else 100
        case Kind.INTERACTIONS:
            return 100 if task.model == "depth-16" else 0
        case _ if task.model == "extra":
            return 5
    return 30 if task.kind is Kind.BACKGROUND_100 else 300


def _duration(seconds: float) -> str:
    return f"{seconds:,.1f} s" if seconds >= 1 else f"{seconds * 1000:,.1f} ms"


def _remarks(one: Measured, rows: int) -> str:
    scaled = f"{one.rows} rows timed; " if one.rows < rows else ""
    return f"{scaled}made ready in {_duration(one.built)}"
