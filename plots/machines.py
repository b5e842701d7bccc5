"""Charts for operators: memory against caps, the queue, how attempts ended and how long they took. Pure."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec

from plots.explained import Unavailable
from plots.spec import BLUE, CLASSES, INK, RED, Spec, names, themed

MIB = 1024 * 1024


class Point(msgspec.Struct, kw_only=True, frozen=True):
    """One second of a supervisor; sizes in bytes."""

    at_ms: int
    """Since the epoch."""
    supervisor: str
    in_use_bytes: int = 0
    reserved_bytes: int = 0
    waiting_jobs: int | None = None


class Child(msgspec.Struct, kw_only=True, frozen=True):
    """A process that works on a chunk."""

    pid: int
    growth_bytes: int = 0
    """What counts against its cap."""
    cap_bytes: int = 0


class Took(msgspec.Struct, kw_only=True, frozen=True):
    """An attempt."""

    outcome: str
    seconds: float


class Machines(msgspec.Struct, kw_only=True, frozen=True):
    """What there is to show of all supervisors."""

    budget_bytes: int | None = None
    history: list[Point] = []
    children: list[Child] = []
    outcomes: dict[str, int] = {}
    """Attempts by outcome."""
    attempts: list[Took] = []


def memory(of: Machines) -> Spec:
    """What children use and what is reserved for them, over the hour, against the budget. Raises Unavailable."""
    points = [
        {"at": _moment(point.at_ms), "of": f"{point.supervisor}: {what}", "value": size / MIB}
        for point in of.history
        for what, size in (("in use", point.in_use_bytes), ("reserved", point.reserved_bytes))
    ]
    layers = [_lines(points, "MiB")]
    if of.budget_bytes:
        rule = {"type": "rule", "color": INK, "strokeDash": [4, 3]}
        at = {"y": {"datum": of.budget_bytes / MIB, "type": "quantitative"}}
        layers.append({"data": {"values": [{}]}, "mark": rule, "encoding": at})
    most = max((point.in_use_bytes for point in of.history), default=0) / MIB
    budget = f", of a budget of {of.budget_bytes / MIB:.0f} MiB" if of.budget_bytes else ""
    said = f"Memory of children over the last hour: at most {most:.0f} MiB in use{budget}."
    _needs(points, "memory")
    return themed("Memory against the budget", said, {"height": 220, "layer": layers})


def children(of: Machines) -> Spec:
    """What each child has taken of its cap. Raises Unavailable."""
    bars: list[Spec] = [
        {"label": f"process {one.pid}", "value": one.growth_bytes / MIB, "cap": one.cap_bytes / MIB}
        for one in sorted(of.children, key=lambda one: -one.growth_bytes)
    ]
    place = {"y": names(None, [bar["label"] for bar in bars])}
    size: Any = {"type": "quantitative", "title": "MiB"}
    tick = {"type": "tick", "color": RED, "thickness": 3, "height": {"band": 0.9}}
    body = {
        "data": {"values": bars},
        "height": {"step": 24},
        "encoding": place,
        "layer": [
            {
                "mark": {"type": "bar", "color": BLUE, "height": {"band": 0.7}},
                "encoding": {"x": {**size, "field": "value"}},
            },
            {"mark": tick, "encoding": {"x": {**size, "field": "cap"}}},
        ],
    }
    said = "; ".join(f"{bar['label']} {bar['value']:.0f} of {bar['cap']:.0f} MiB" for bar in bars)
    _needs(bars, "child")
    return themed("Children against their caps", f"What children have taken: {said}.", body)


def queue(of: Machines) -> Spec:
    """Jobs that wait, over the hour. Raises Unavailable."""
    known = [point for point in of.history if point.waiting_jobs is not None]
    points = [{"at": _moment(point.at_ms), "of": "waiting jobs", "value": point.waiting_jobs} for point in known]
    last = points[-1]["value"] if points else 0
    said = f"Jobs that waited over the last hour; {last} at its end."
    _needs(points, "queue")
    return themed("Waiting jobs", said, {"height": 160, **_lines(points, "jobs")})


def outcomes(of: Machines) -> Spec:
    """How many attempts ended in which way. Raises Unavailable."""
    ranked = sorted(of.outcomes.items(), key=lambda item: -item[1])
    bars: list[Spec] = [{"label": name, "value": count} for name, count in ranked if count]
    colour = {"condition": {"test": {"field": "label", "equal": "succeeded"}, "value": BLUE}, "value": RED}
    body = {
        "data": {"values": bars},
        "height": {"step": 24},
        "mark": {"type": "bar", "tooltip": True},
        "encoding": {
            "y": names(None, [bar["label"] for bar in bars]),
            "x": {"field": "value", "type": "quantitative", "title": "attempts", "scale": {"type": "symlog"}},
            "color": colour,
        },
    }
    said = ", ".join(f"{bar['label']} {bar['value']:,}" for bar in bars)
    _needs(bars, "attempt")
    return themed("Attempts by outcome", f"How attempts have ended: {said}.", body)


def durations(of: Machines) -> Spec:
    """Seconds of attempts by outcome, a tick each. Raises Unavailable."""
    ticks = [{"label": took.outcome, "value": took.seconds} for took in of.attempts]
    known = sorted({took.outcome for took in of.attempts})
    body = {
        "data": {"values": ticks},
        "height": {"step": 26},
        "mark": {"type": "tick", "color": RED, "thickness": 2, "opacity": 0.6},
        "encoding": {
            "y": names(None, known),
            "x": {"field": "value", "type": "quantitative", "title": "seconds"},
        },
    }
    longest = max((took.seconds for took in of.attempts), default=0.0)
    said = (
        f"Seconds of the last {len(ticks)} attempts that did not succeed, by outcome; the longest took {longest:.3g}."
    )
    _needs(ticks, "failed attempt")
    return themed("Durations by outcome", said, body)


KINDS: dict[str, Callable[[Machines], Spec]] = {
    "memory": memory,
    "children": children,
    "queue": queue,
    "outcomes": outcomes,
    "durations": durations,
}


def _needs(found: list[Any], what: str) -> None:
    if not found:
        raise Unavailable(f"nothing is known of any {what} yet")


def _moment(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat()


def _lines(points: list[Spec], unit: str) -> Spec:
    return {
        "data": {"values": points},
        "mark": {"type": "line", "interpolate": "step-after"},
        "encoding": {
            "x": {"field": "at", "type": "temporal", "title": None},
            "y": {"field": "value", "type": "quantitative", "title": unit},
            "color": {"field": "of", "type": "nominal", "title": None, "scale": {"range": CLASSES}},
        },
    }
