"""What all charts share: colours, how numbers are written, labels, and what stands around the marks. Pure."""

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from plots.explained import Cell, Explained

Spec = dict[str, Any]
SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
RED, BLUE, PURPLE, GREY, INK = "#ff0051", "#008bfb", "#9a3fd0", "#999999", "#777777"
"""Positive or high, negative or low, between, neither, and lines and texts that show on light and dark alike."""
LOW_TO_HIGH = [BLUE, PURPLE, RED]
DIVERGING = [BLUE, "#ffffff", RED]
CLASSES = [RED, BLUE, "#13b755", "#ffc300", "#7c52ff", "#f57700", "#00c8c8", "#8f5b3c", "#5d5d5d", "#c2c2c2"]
"""For outputs and cohorts, one after the other."""
LABEL_PIXELS, WIDTH = 260, 460
SHOWN_CHARS = 80
"""Of a name or a text in a label."""


def chart(of: Explained, title: str, description: str, body: Spec, *, subtitle: str = "") -> Spec:
    """A whole specification: `body` with a title, the text alternative, and the same surroundings for all."""
    lines = [line for line in (subtitle, of.note) if line]
    return themed(title, " ".join([description, of.note]).strip(), body, lines)


def themed(title: str, description: str, body: Spec, subtitle: Sequence[str] = ()) -> Spec:
    """The same of what is no job."""
    return {
        "$schema": SCHEMA,
        "title": {"text": title, "subtitle": list(subtitle), "anchor": "start", "subtitleColor": INK},
        "description": description,
        "config": {
            "view": {"stroke": None, "continuousWidth": WIDTH, "discreteWidth": WIDTH},
            "axis": {"labelLimit": LABEL_PIXELS, "domainColor": INK, "tickColor": INK, "gridOpacity": 0.3},
            "legend": {"labelLimit": LABEL_PIXELS, "titleLimit": LABEL_PIXELS},
        },
        **body,
    }


def names(title: str | None, labels: Sequence[str], **more: Any) -> Spec:
    """A channel of names in this order, the first on top."""
    return {"field": "label", "type": "nominal", "sort": list(labels), "title": title, **more}


def short(value: float) -> float | None:
    """As many digits as a picture can show; None for what JSON cannot say."""
    return float(f"{value:.7g}") if math.isfinite(value) else None


def shown(cell: Cell) -> str:
    """A feature's value as a label has it."""
    if cell is None:
        return "missing"
    if isinstance(cell, str):
        return clipped(cell)
    if not math.isfinite(cell):
        return str(cell)
    if cell == int(cell) and abs(cell) < 1e12:  # noqa: PLR2004
        return str(int(cell))
    return f"{cell:.4g}"


def total(base: float, values: Sequence[float]) -> float:
    """The base value and what is added to it; zero where only rounding is left."""
    found, size = base + sum(values), abs(base) + sum(map(abs, values))
    return found if abs(found) > size * 1e-12 else 0.0


def signed(value: float) -> str:
    """A SHAP value as a label has it, with a true minus."""
    return f"{value:+.3g}".replace("-", "\N{MINUS SIGN}", 1)


def clipped(name: str) -> str:
    return name if len(name) <= SHOWN_CHARS else f"{name[: SHOWN_CHARS - 1]}…"


def distinct(labels: Iterable[str]) -> list[str]:
    """The same labels; those that read alike are told apart by blanks that nobody sees."""
    found: list[str] = []
    for label in labels:
        found.append(label + "\N{ZERO WIDTH SPACE}" * sum(label == other.rstrip("\u200b") for other in found))
    return found


def order(sizes: Sequence[float]) -> list[int]:
    """Places by size, the largest first; equal ones as they come."""
    return sorted(range(len(sizes)), key=lambda place: -sizes[place])


def split(ranked: Sequence[int], top: int) -> tuple[list[int], list[int]]:
    """The first ones, and the others that are added up to one: `top` bars in all."""
    if len(ranked) <= top:
        return list(ranked), []
    return list(ranked[: top - 1]), list(ranked[top - 1 :])


def others(count: int) -> str:
    return f"Sum of {count} other features"


class Ranking(NamedTuple):
    """Features by size: the first ones, the others that are added up, and a label for each of both that is shown."""

    first: list[int]
    rest: list[int]
    labels: list[str]

    @property
    def groups(self) -> list[list[int]]:
        """The features of each label."""
        return [*([feature] for feature in self.first), *([self.rest] if self.rest else [])]


def ranking(of: Explained, sizes: Sequence[float], top: int) -> Ranking:
    """By the size of each feature, with `top` labels at most."""
    first, rest = split(order(sizes), top)
    shown = [clipped(of.features[feature]) for feature in first]
    return Ranking(first, rest, distinct([*shown, *([others(len(rest))] if rest else [])]))


def of_output(of: Explained, output: int) -> str:
    """What a title adds where there are several outputs."""
    return f" for {clipped(of.outputs[output])}" if len(of.outputs) > 1 else ""
