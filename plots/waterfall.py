"""How one row comes from E[f(X)] to its f(x), feature by feature, as `shap.plots.waterfall`. Pure."""

from plots.explained import Asked, Explained, chosen_output, chosen_row
from plots.spec import (
    BLUE,
    INK,
    RED,
    Spec,
    chart,
    clipped,
    distinct,
    names,
    of_output,
    order,
    short,
    shown,
    signed,
    split,
    total,
)

NUMBER_SHARE = 0.14
"""Of the width, for the number beside a bar."""


def waterfall(of: Explained, asked: Asked) -> Spec:
    """The largest |SHAP| on top, each bar where the one below ends. Raises NotThere."""
    assert of.sample
    output, row = chosen_output(of, asked), chosen_row(of, asked)
    values, base, number = of.of_row(row, output), of.base_values[output], of.sample.rows[row]
    bars = steps(of, row, values, base, asked.top)
    result = total(base, values)
    said = ", ".join(f"{bar['label']} {bar['text']}" for bar in bars[:5])
    return chart(
        of,
        f"Row {number}{of_output(of, output)}",
        f"From E[f(X)] = {base:.4g} to f(x) = {result:.4g} in row {number}. The largest steps: {said}.",
        {"height": {"step": 28}, "layer": [*_lines(base, result, _domain(bars)), *_bars(bars, _domain(bars))]},
        subtitle=f"f(x) = {result:.4g}, E[f(X)] = {base:.4g} ({of.explains})",
    )


def steps(of: Explained, row: int, values: list[float], base: float, top: int) -> list[Spec]:
    """A bar each, the topmost first: label, value, and where it begins and ends."""
    assert of.sample
    first, rest = split(order([abs(value) for value in values]), top)
    texts = [_label(of, row, feature) for feature in first]
    found = [(label, values[feature]) for label, feature in zip(distinct(texts), first, strict=True)]
    if rest:
        found.append((f"{len(rest)} other features", sum(values[feature] for feature in rest)))
    bars, at = [], base
    for label, value in reversed(found):
        bars.append(
            {"label": label, "value": value, "start": at, "end": at + value, "text": signed(value), "up": value >= 0}
        )
        at += value
    return bars[::-1]


def _label(of: Explained, row: int, feature: int) -> str:
    """The feature's own value beside its name, where it has one."""
    assert of.sample
    name = clipped(of.features[feature])
    return name if of.features[feature] in of.derived else f"{shown(of.sample.data[row][feature])} = {name}"


def _domain(bars: list[Spec]) -> list[float | None]:
    """With room for the numbers beside the bars."""
    ends = [bar[name] for bar in bars for name in ("start", "end")]
    room = (max(ends) - min(ends) or 1.0) * NUMBER_SHARE
    return [short(min(ends) - room), short(max(ends) + room)]


def _bars(bars: list[Spec], domain: list[float | None]) -> list[Spec]:
    labels = [bar["label"] for bar in bars]
    place = {"y": names(None, labels)}
    colour = {"condition": {"test": {"field": "value", "lt": 0}, "value": BLUE}, "value": RED}
    start = {"field": "start", "type": "quantitative", "title": None, "scale": {"domain": domain}}
    text = {"text": {"field": "text", "type": "nominal"}, "color": colour}
    ends = {"x": {"field": "end", "type": "quantitative", "scale": {"domain": domain}}}
    data = {"values": [{**bar, "start": short(bar["start"]), "end": short(bar["end"])} for bar in bars]}
    return [
        {
            "data": data,
            "mark": {"type": "bar", "height": {"band": 0.72}, "tooltip": {"content": "data"}},
            "encoding": {**place, "x": start, "x2": {"field": "end"}, "color": colour},
        },
        *(
            {
                "data": {"values": [bar for bar in data["values"] if bar["up"] is up]},
                "mark": {"type": "text", "align": "left" if up else "right", "dx": 4 if up else -4},
                "encoding": {**place, **ends, **text},
            }
            for up in (True, False)
        ),
    ]


def _lines(base: float, result: float, domain: list[float | None]) -> list[Spec]:
    """E[f(X)] along the bottom, f(x) along the top."""
    rule = {"type": "rule", "color": INK, "strokeDash": [3, 3]}
    found = []
    bottom, top = ({"expr": "height"}, 30), (0, -8)
    for value, name, (y, dy) in ((base, "E[f(X)]", bottom), (result, "f(x)", top)):
        at = {"x": {"datum": short(value), "type": "quantitative", "scale": {"domain": domain}}}
        mark = {"type": "text", "text": f"{name} = {value:.4g}", "color": INK, "dy": dy}
        found += [
            {"data": {"values": [{}]}, "mark": rule, "encoding": at},
            {"data": {"values": [{}]}, "mark": mark, "encoding": {**at, "y": {"value": y}}},
        ]
    return found
