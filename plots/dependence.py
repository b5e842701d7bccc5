"""A feature's SHAP value by its own value, as `shap.plots.scatter`, coloured by its strongest partner. Pure."""

from typing import Any

from plots.explained import Asked, Explained, chosen_column, chosen_output
from plots.partner import coded, correlation, partner
from plots.ranks import is_text, ranks
from plots.spec import CLASSES, GREY, INK, LOW_TO_HIGH, Spec, chart, clipped, of_output, short, shown

MOST_CLASSES = len(CLASSES)


def dependence(of: Explained, asked: Asked) -> Spec:
    """Rows that have no value stand as ticks on the left edge. Raises NotThere, Unavailable."""
    assert of.sample
    output = chosen_output(of, asked)
    feature = chosen_column(of, asked, output)
    other = partner(of, feature, output)
    name = clipped(of.features[feature])
    points = _points(of, feature, other, output)
    text = is_text(of.cells(feature))
    coloured = "" if other is None else f", coloured by {clipped(of.features[other])}"
    return chart(
        of,
        f"SHAP value by {name}{of_output(of, output)}",
        f"SHAP values of {name} by its own value in {len(points)} rows{coloured}. {_trend(of, feature, output)}",
        {
            "height": 320,
            "encoding": {"y": {"field": "value", "type": "quantitative", "title": f"SHAP value for {name}"}},
            "layer": [_rule(), *_layers(of, points, name, other, text=text)],
        },
        subtitle=f"{len(points):,} of {of.rows:,} rows{coloured}",
    )


def _points(of: Explained, feature: int, other: int | None, output: int) -> list[Spec]:
    assert of.sample
    cells, values = of.cells(feature), of.of_feature(feature, output)
    partners = of.cells(other) if other is not None else [None] * len(cells)
    colours = ranks(partners)
    found = []
    for place, (row, cell, value) in enumerate(zip(of.sample.rows, cells, values, strict=True)):
        point: Spec = {"x": cell, "value": short(value), "row": row, "partner": shown(partners[place])}
        if colours[place] is not None:
            point["rank"] = colours[place]
        found.append(point)
    return found


def _trend(of: Explained, feature: int, output: int) -> str:
    pairs = zip(coded(of.cells(feature)), of.of_feature(feature, output), strict=True)
    known = [(cell, value) for cell, value in pairs if cell is not None]
    if is_text(of.cells(feature)) or not known:
        return ""
    along = correlation([cell for cell, _ in known], [value for _, value in known])
    return f"Correlation of value and SHAP value: {along:.2f}."


def _rule() -> Spec:
    return {"data": {"values": [{}]}, "mark": {"type": "rule", "color": INK}, "encoding": {"y": {"datum": 0}}}


def _layers(of: Explained, points: list[Spec], name: str, other: int | None, *, text: bool) -> list[Spec]:
    place: Any = {"field": "x", "type": "nominal" if text else "quantitative", "title": name}
    if not text:
        place["scale"] = {"zero": False}
    there = [point for point in points if text or point["x"] is not None]
    missing = [point for point in points if not text and point["x"] is None]
    colour = {"value": GREY} if other is None else _colour(of, other)
    return [
        _layer([{**point, "x": shown(point["x"]) if text else point["x"]} for point in there], place, colour),
        _layer(missing, {"value": 0}, colour, mark={"type": "tick", "orient": "horizontal", "thickness": 2}),
    ]


def _layer(points: list[Spec], place: Spec, colour: Spec, mark: Spec | None = None) -> Spec:
    tips = [
        {"field": field, "title": title} for field, title in (("row", "Row"), ("x", "Value"), ("value", "SHAP value"))
    ]
    return {
        "data": {"values": points},
        "mark": mark or {"type": "circle", "size": 24, "opacity": 0.85},
        "encoding": {"x": place, "color": colour, "tooltip": [*tips, {"field": "partner", "title": "Partner"}]},
    }


def _colour(of: Explained, other: int) -> Spec:
    title = clipped(of.features[other])
    cells = of.cells(other)
    if is_text(cells) and len({shown(cell) for cell in cells}) <= MOST_CLASSES:
        return {"field": "partner", "type": "nominal", "title": title, "scale": {"range": CLASSES}}
    ticks = {"values": [0, 1], "labelExpr": "datum.value < 0.5 ? 'Low' : 'High'", "gradientLength": 160}
    scale = {"domain": [0, 1], "range": LOW_TO_HIGH}
    known = {"field": "rank", "type": "quantitative", "title": title, "scale": scale, "legend": ticks}
    return {"condition": {"test": {"field": "rank", "valid": False}, "value": GREY}, **known}
