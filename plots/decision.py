"""How rows come from the base value to their f(x), a line a row, as `shap.plots.decision`. Pure."""

from typing import Any

from plots.explained import Asked, Explained, chosen_output, chosen_row
from plots.spec import INK, LOW_TO_HIGH, Spec, chart, distinct, of_output, ranking, short

MOST_LINES = 200
"""More cannot be told apart: of a larger sample every so many rows are drawn."""
START = "E[f(X)]"


def decision(of: Explained, asked: Asked) -> Spec:
    """From the least important feature at the bottom to the most important on top; a row that is asked for stands out.

    Raises NotThere.
    """
    assert of.sample
    output = chosen_output(of, asked)
    chosen = None if asked.row is None else chosen_row(of, asked)
    ranked = ranking(of, of.importance(output), asked.top)
    groups, labels = ranked.groups, distinct([*ranked.labels, START])
    rows = range(0, len(of.sample.rows), -(-len(of.sample.rows) // MOST_LINES))
    points = [point for row in rows if row != chosen for point in _line(of, row, output, groups, labels)]
    marked = [] if chosen is None else _line(of, chosen, output, groups, labels)
    best = ", ".join(of.features[feature] for feature in ranked.first[:5])
    return chart(
        of,
        f"From E[f(X)] to f(x){of_output(of, output)}",
        f"{len(rows)} rows from E[f(X)] = {of.base_values[output]:.4g} to their f(x). The largest steps: {best}.",
        {
            "height": {"step": 30},
            "layer": [_base(of.base_values[output]), *_layers(points, marked, labels)],
        },
        subtitle=f"{len(rows):,} of {of.rows:,} rows" + ("" if asked.row is None else f"; row {asked.row} stands out"),
    )


def _line(of: Explained, row: int, output: int, groups: list[list[int]], labels: list[str]) -> list[Spec]:
    """Its points from the bottom up: at each feature, what it has come to with that feature."""
    assert of.sample
    values, at = of.of_row(row, output), of.base_values[output]
    result = short(at + sum(values))
    points = [{"row": of.sample.rows[row], "step": 0, "label": labels[-1], "value": short(at), "result": result}]
    for step, (group, label) in enumerate(zip(groups[::-1], labels[-2::-1], strict=True), 1):
        at += sum(values[feature] for feature in group)
        points.append({"row": of.sample.rows[row], "step": step, "label": label, "value": short(at), "result": result})
    return points


def _base(base: float) -> Spec:
    mark = {"type": "rule", "color": INK, "strokeDash": [3, 3]}
    at = {"x": {"datum": short(base), "type": "quantitative"}}
    return {"data": {"values": [{}]}, "mark": mark, "encoding": at}


def _layers(points: list[Spec], marked: list[Spec], labels: list[str]) -> list[Spec]:
    encoding: Any = {
        "x": {"field": "value", "type": "quantitative", "title": "f(x)", "scale": {"zero": False}},
        "y": {"field": "label", "type": "nominal", "sort": labels, "title": None, "axis": {"grid": True}},
        "detail": {"field": "row", "type": "nominal"},
        "order": {"field": "step", "type": "quantitative"},
        "color": {"field": "result", "type": "quantitative", "title": "f(x)", "scale": {"range": LOW_TO_HIGH}},
        "tooltip": [{"field": "row", "title": "Row"}, {"field": "result", "title": "f(x)"}],
    }
    faint = {"type": "line", "strokeWidth": 1.2, "opacity": 0.25 if marked else 0.6}
    lines = [{"data": {"values": points}, "mark": faint, "encoding": encoding}]
    if marked:
        lines.append({"data": {"values": marked}, "mark": {"type": "line", "strokeWidth": 3}, "encoding": encoding})
    return lines
