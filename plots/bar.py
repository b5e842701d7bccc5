"""How much each feature matters: mean |SHAP| over all rows, as `shap.plots.bar`. Needs no sample. Pure."""

from plots.explained import Asked, Explained, Unavailable, chosen_output
from plots.spec import CLASSES, RED, Spec, chart, names, of_output, ranking, short

SAID = 5
"""Features that the text alternative names."""


def bar(of: Explained, asked: Asked) -> Spec:
    """A bar a feature, the largest on top; of several outputs stacked, unless one is asked for. Raises
    NotThere and Unavailable.
    """
    if not (of.mean_abs or of.sample):
        raise Unavailable("this job has neither a summary nor a sample")
    stacked = len(of.outputs) > 1 and asked.output is None
    outputs = range(len(of.outputs)) if stacked else [chosen_output(of, asked)]
    sizes = {output: of.importance(output) for output in outputs}
    totals = [sum(sizes[output][feature] for output in outputs) for feature in range(len(of.features))]
    ranked = ranking(of, totals, asked.top)
    bars = [
        {"label": label, "value": short(sum(sizes[output][feature] for feature in group)), "output": of.outputs[output]}
        for label, group in zip(ranked.labels, ranked.groups, strict=True)
        for output in outputs
    ]
    best = ", ".join(f"{of.features[place]} {totals[place]:.3g}" for place in ranked.first[:SAID])
    return chart(
        of,
        f"Mean |SHAP value|{'' if stacked else of_output(of, outputs[0])}",
        f"Mean absolute SHAP value of {len(of.features)} features over {of.rows} rows. The largest: {best}.",
        {
            "data": {"values": bars},
            "height": {"step": 26},
            **(_stacked(of, ranked.labels) if stacked else _plain(ranked.labels)),
        },
        subtitle=f"{of.rows:,} rows; average impact on the {of.explains}",
    )


def _plain(labels: list[str]) -> Spec:
    axis = {"field": "value", "type": "quantitative"}
    bars = {"mark": {"type": "bar", "color": RED, "height": {"band": 0.7}}}
    text = {"mark": {"type": "text", "align": "left", "dx": 4, "color": RED}}
    return {
        "encoding": {"y": names(None, labels), "x": {**axis, "title": "mean(|SHAP value|)"}},
        "layer": [bars, {**text, "encoding": {"text": {**axis, "format": "+.3~g"}}}],
    }


def _stacked(of: Explained, labels: list[str]) -> Spec:
    field = {"field": "output", "type": "nominal", "title": "Output", "sort": of.outputs}
    return {
        "mark": {"type": "bar", "height": {"band": 0.7}, "tooltip": True},
        "encoding": {
            "y": names(None, labels),
            "x": {"field": "value", "type": "quantitative", "title": "mean(|SHAP value|)", "stack": "zero"},
            "color": {**field, "scale": {"range": CLASSES, "domain": of.outputs}},
        },
    }
