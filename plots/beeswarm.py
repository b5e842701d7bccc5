"""Every value of the sample as a point, a line a feature, as `shap.plots.beeswarm`. Pure."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from plots.explained import Asked, Cell, Explained, chosen_output
from plots.ranks import ranks
from plots.spec import (
    GREY,
    INK,
    LOW_TO_HIGH,
    Spec,
    chart,
    names,
    of_output,
    ranking,
    short,
    shown,
)

BINS = 100
"""Points whose values fall into the same of so many stand above each other."""


def beeswarm(of: Explained, asked: Asked) -> Spec:
    """Features by mean |SHAP|, coloured by their own values from low to high. Raises NotThere."""
    assert of.sample
    output = chosen_output(of, asked)
    first, rest, labels = ranking(of, of.importance(output), asked.top)
    points: list[Spec] = []
    for label, feature in zip(labels, first, strict=False):
        points += _points(of, label, of.of_feature(feature, output), of.cells(feature))
    if rest:
        sums = [sum(of.value(row, feature, output) for feature in rest) for row in range(len(of.sample.rows))]
        points += _points(of, labels[-1], sums, None)
    best = ", ".join(of.features[feature] for feature in first[:5])
    return chart(
        of,
        f"SHAP values{of_output(of, output)}",
        f"SHAP values of {len(of.sample.rows)} rows, a line of points for each feature. The most important: {best}.",
        {"height": {"step": 34}, "layer": [_rule(), _layer(points, labels, grey=True), _layer(points, labels)]},
        subtitle=f"{len(of.sample.rows):,} of {of.rows:,} rows; a point a row",
    )


def _points(of: Explained, label: str, values: Sequence[float], cells: Sequence[Cell] | None) -> list[Spec]:
    """`grey` has no place between low and high: text, missing, sums."""
    assert of.sample
    colours = ranks(cells) if cells else [None] * len(values)
    return [
        {
            "label": label,
            "value": short(value),
            "off": off,
            "row": number,
            "cell": shown(cells[row]) if cells else "",
            **({} if colours[row] is None else {"rank": colours[row]}),
        }
        for row, (number, value, off) in enumerate(zip(of.sample.rows, values, offsets(values), strict=True))
    ]


def offsets(values: Sequence[float]) -> list[float]:
    """How far each point stands from its line, from -1 to 1: points of one bin are stacked to both sides in turn."""
    low, high = min(values), max(values)
    width = (high - low) / BINS or 1.0
    bins = [int((value - low) / width) for value in values]
    seen: Counter[int] = Counter()
    layers = []
    for place in bins:
        layers.append((seen[place] + 1) // 2 * (1 if seen[place] % 2 else -1))
        seen[place] += 1
    tallest = max(1, *map(abs, layers)) if layers else 1
    return [round(layer / tallest, 3) for layer in layers]


def _rule() -> Spec:
    return {"data": {"values": [{}]}, "mark": {"type": "rule", "color": INK}, "encoding": {"x": {"datum": 0}}}


def _layer(points: list[Spec], labels: list[str], *, grey: bool = False) -> Spec:
    kept = [point for point in points if ("rank" in point) != grey]
    ticks = {"values": [0, 1], "labelExpr": "datum.value < 0.5 ? 'Low' : 'High'", "gradientLength": 160}
    rank: Any = {
        "field": "rank",
        "type": "quantitative",
        "title": "Feature value",
        "scale": {"domain": [0, 1], "range": LOW_TO_HIGH},
        "legend": ticks,
    }
    tips = [("label", "Feature"), ("cell", "Value"), ("value", "SHAP value"), ("row", "Row")]
    return {
        "data": {"values": kept},
        "mark": {"type": "circle", "size": 18, "opacity": 0.85},
        "encoding": {
            "x": {"field": "value", "type": "quantitative", "title": "SHAP value (impact on model output)"},
            "y": names(None, labels, scale={"domain": labels}, axis={"grid": True}),
            "yOffset": {"field": "off", "type": "quantitative", "scale": {"domain": [-1.3, 1.3]}},
            "color": {"value": GREY} if grey else rank,
            "tooltip": [{"field": field, "title": title} for field, title in tips],
        },
    }
