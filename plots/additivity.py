"""How far base value plus SHAP values miss the model's own output, and how far they may. Needs no sample. Pure."""

from plots.explained import Asked, Explained, Unavailable
from plots.spec import BLUE, GREY, RED, Spec, chart, names

FLOOR = 1e-18
"""What is smaller, or zero, stands here: the axis is logarithmic."""
ERROR, TOLERANCE = "largest error", "tolerance"


def additivity(of: Explained, asked: Asked) -> Spec:  # noqa: ARG001 - a job has one
    """The worst row beside its tolerance. Raises Unavailable."""
    found = of.additivity
    if found is None or found.largest_error is None:
        raise Unavailable("how far values miss the model's output is known when a job has finished; ask again then")
    verdict = "within" if found.ok else "BEYOND"
    sizes = {ERROR: found.largest_error, TOLERANCE: found.tolerance}
    scale, title = {"type": "log", "domainMin": FLOOR}, "|base value + SHAP values - model's output|"
    amount = {"field": "value", "type": "quantitative", "title": title, "scale": scale, "axis": {"format": ".0e"}}
    colour = {
        "condition": {"test": {"field": "label", "equal": TOLERANCE}, "value": GREY},
        "value": BLUE if found.ok else RED,
    }
    return chart(
        of,
        "Additivity",
        f"In the worst row base value plus SHAP values miss the model's output by {found.largest_error:.2g}, {verdict} "
        f"the tolerance of {found.tolerance:.2g}.",
        {
            "data": {"values": [_mark(name, size) for name, size in sizes.items()]},
            "height": {"step": 34},
            "encoding": {"y": names(None, list(sizes)), "x": amount},
            "layer": [
                {"mark": {"type": "point", "filled": True, "size": 80}, "encoding": {"color": colour}},
                {"mark": {"type": "text", "align": "left", "dx": 8}, "encoding": {"text": {"field": "text"}}},
            ],
        },
        subtitle=f"The worst of {of.rows:,} rows is {verdict} its tolerance",
    )


def _mark(name: str, size: float) -> Spec:
    return {"label": name, "value": max(size, FLOOR), "text": f"{size:.2g}"}
