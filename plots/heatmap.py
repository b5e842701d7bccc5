"""The SHAP values of all rows of the sample side by side, f(x) above them, as `shap.plots.heatmap`. Pure."""

from typing import Any

from plots.explained import Asked, Explained, chosen_output
from plots.ranks import quantile
from plots.spec import (
    DIVERGING,
    INK,
    LABEL_PIXELS,
    Spec,
    chart,
    names,
    of_output,
    ranking,
    short,
)

FULL_SHARE = 0.99
"""Of |SHAP values|, that the colours tell apart; what is larger has the last colour."""


def heatmap(of: Explained, asked: Asked) -> Spec:
    """A column a row, ordered by f(x); features by mean |SHAP|. Raises NotThere."""
    assert of.sample
    output = chosen_output(of, asked)
    features = ranking(of, of.importance(output), asked.top)
    groups, labels = features.groups, features.labels
    values = [of.of_row(row, output) for row in range(len(of.sample.rows))]
    results = [of.base_values[output] + sum(row) for row in values]
    ranked = sorted(range(len(results)), key=results.__getitem__)
    cells = [
        {
            "at": at,
            "to": at + 1,
            "row": of.sample.rows[row],
            "label": label,
            "value": short(sum(values[row][one] for one in group)),
        }
        for at, row in enumerate(ranked)
        for label, group in zip(labels, groups, strict=True)
    ]
    lines = [{"at": at + 0.5, "value": short(results[row])} for at, row in enumerate(ranked)]
    best = ", ".join(of.features[feature] for feature in features.first[:5])
    body = {"spacing": 6, "vconcat": [_results(lines, of.base_values[output]), _rects(cells, labels, _end(cells))]}
    return chart(
        of,
        f"SHAP values, row by row{of_output(of, output)}",
        f"SHAP values of {len(ranked)} rows, ordered by f(x), a line for each feature. The most important: {best}.",
        body,
        subtitle=f"{len(ranked):,} of {of.rows:,} rows, ordered by f(x)",
    )


def _end(cells: list[Spec]) -> float:
    """Where the colours end, on both sides."""
    return quantile(sorted(abs(cell["value"] or 0.0) for cell in cells), FULL_SHARE) or 1.0


def _results(lines: list[Spec], base: float) -> Spec:
    axis: Any = {"field": "value", "type": "quantitative", "title": "f(x)", "scale": {"zero": False}}
    rule = {"type": "rule", "color": INK, "strokeDash": [3, 3]}
    return {
        "height": 50,
        "layer": [
            {
                "data": {"values": lines},
                "mark": {"type": "line", "color": INK, "strokeWidth": 1.5},
                "encoding": {"x": _across(len(lines), axis=None), "y": axis},
            },
            {"data": {"values": [{}]}, "mark": rule, "encoding": {"y": {"datum": short(base), "type": "quantitative"}}},
        ],
    }


def _across(count: int, **more: Any) -> Spec:
    return {"field": "at", "type": "quantitative", "scale": {"domain": [0, count], "nice": False}, **more}


def _rects(cells: list[Spec], labels: list[str], end: float) -> Spec:
    tips = [
        {"field": field, "title": title} for field, title in (("row", "Row"), ("label", "Feature"), ("value", "SHAP"))
    ]
    rows = len(cells) // len(labels)
    return {
        "height": {"step": 24},
        "data": {"values": cells},
        "mark": "rect",
        "encoding": {
            "x": _across(rows, title="Rows, by f(x)", axis={"labels": False, "ticks": False, "grid": False}),
            "x2": {"field": "to"},
            "y": names(None, labels, axis={"labelLimit": LABEL_PIXELS}),
            "color": {
                "field": "value",
                "type": "quantitative",
                "title": "SHAP value",
                "scale": {"domain": [-end, 0, end], "range": DIVERGING, "clamp": True},
            },
            "tooltip": tips,
        },
    }
