"""Which features act together: the matrix of mean |interaction value|. Needs no sample. Pure."""

from plots.explained import Asked, Explained, Unavailable, chosen_output
from plots.spec import RED, Spec, chart, clipped, distinct, names, of_output, short

PALE = "#fff1f5"
WRITTEN = 0.005
"""Of the largest: what is smaller has its colour and its tooltip, so that the numbers that count can be found."""


def interactions(of: Explained, asked: Asked) -> Spec:
    """On the diagonal what each feature does alone, beside it each pair's two halves. Raises NotThere, Unavailable."""
    found = of.interactions
    if found is None or not found.features:
        raise Unavailable(
            "this job has no matrix of interactions; ask for `interactions` in its options (matrices of over 40,000 "
            "numbers a row are not summed up)"
        )
    output, shape = chosen_output(of, asked), range(min(asked.top, len(found.features)))
    labels = distinct(clipped(found.features[place]) for place in shape)
    amounts = {(one, two): found.mean_abs[one][two][output] or 0.0 for one in shape for two in shape}
    pairs = sorted(((value, one, two) for (one, two), value in amounts.items() if one < two), reverse=True)
    best = ", ".join(f"{labels[one]} with {labels[two]} {value:.3g}" for value, one, two in pairs[:3])
    return chart(
        of,
        f"Mean |interaction value|{of_output(of, output)}",
        f"Mean absolute interaction values of {len(labels)} features over {of.rows} rows. The strongest pairs: {best}.",
        _matrix(labels, amounts),
        subtitle=f"{of.rows:,} rows",
    )


def _matrix(labels: list[str], amounts: dict[tuple[int, int], float]) -> Spec:
    """A coloured cell for each pair of places, with its number where that counts."""
    least = WRITTEN * max(amounts.values())
    cells = [
        {"label": labels[one], "other": labels[two], "value": short(value), "text": f"{value:.2g}" * (value > least)}
        for (one, two), value in amounts.items()
    ]
    amount = {"field": "value", "type": "quantitative", "title": "mean(|interaction|)"}
    tips = [{"field": "label", "title": "feature"}, {"field": "other", "title": "with"}, amount]
    colour = {**amount, "scale": {"range": [PALE, RED]}}
    return {
        "data": {"values": cells},
        "height": {"step": 34},
        "encoding": {
            "y": names(None, labels),
            "x": {"field": "other", "type": "nominal", "sort": labels, "title": None, "axis": {"labelAngle": -40}},
        },
        "layer": [
            {"mark": "rect", "encoding": {"color": colour, "tooltip": tips}},
            {
                "mark": {"type": "text", "color": "#222222", "fontSize": 10},
                "encoding": {"text": {"field": "text", "type": "nominal"}},
            },
        ],
    }
