"""How much each feature matters in parts of the sample, as `shap.plots.bar` of cohorts. Pure."""

from collections import Counter
from collections.abc import Callable

from plots.explained import Asked, Cell, Explained, chosen_column, chosen_output
from plots.partner import coded, sorted_by
from plots.ranks import is_text, number, quantile
from plots.spec import CLASSES, Spec, chart, clipped, names, of_output, ranking, short, shown

MOST_COHORTS = 5
"""Of a feature with more values the rarest are one cohort, numbers are cut into thirds."""
OTHER, MISSING = "other values", "missing"


def cohorts(of: Explained, asked: Asked) -> Spec:
    """The rows parted by one feature's values. Raises NotThere, Unavailable."""
    assert of.sample
    output = chosen_output(of, asked)
    feature = chosen_column(of, asked, output)
    name = clipped(of.features[feature])
    named = _naming(of.cells(feature))
    members: dict[str, list[int]] = {}
    for row in sorted_by(coded(of.cells(feature))):  # so that cohorts come from low to high
        members.setdefault(named(of.sample.data[row][feature]), []).append(row)
    ranked = ranking(of, of.importance(output), asked.top)
    titles = {cohort: f"{cohort} ({len(rows):,} rows)" for cohort, rows in members.items()}
    bars = [
        {"label": label, "cohort": titles[cohort], "value": short(sum(_mean(of, rows, one, output) for one in group))}
        for label, group in zip(ranked.labels, ranked.groups, strict=True)
        for cohort, rows in members.items()
    ]
    return chart(
        of,
        f"Mean |SHAP value| by {name}{of_output(of, output)}",
        f"Mean absolute SHAP value of {len(of.features)} features in cohorts of {name}: {', '.join(titles.values())}.",
        {
            "data": {"values": bars},
            "height": {"step": 12},
            **_bars(ranked.labels, list(titles.values()), name),
        },
        subtitle=f"{len(of.sample.rows):,} of {of.rows:,} rows",
    )


def _mean(of: Explained, rows: list[int], feature: int, output: int) -> float:
    return sum(abs(of.value(row, feature, output)) for row in rows) / len(rows)


def _naming(cells: list[Cell]) -> Callable[[Cell], str]:
    """Which cohort a cell belongs to."""
    counts = Counter(shown(cell) for cell in cells if cell is not None)
    if is_text(cells) or len(counts) <= MOST_COHORTS:
        kept = MOST_COHORTS if len(counts) <= MOST_COHORTS else MOST_COHORTS - 1
        common = {text for text, _ in counts.most_common(kept)}
        return lambda cell: MISSING if cell is None else shown(cell) if shown(cell) in common else OTHER
    known = sorted(found for found in map(number, cells) if found is not None)
    low, high = quantile(known, 1 / 3), quantile(known, 2 / 3)
    below, between, above = f"up to {shown(low)}", f"{shown(low)} to {shown(high)}", f"over {shown(high)}"

    def third(cell: Cell) -> str:
        found = number(cell)
        if found is None:
            return MISSING
        return below if found <= low else between if found <= high else above

    return third


def _bars(labels: list[str], titles: list[str], name: str) -> Spec:
    cohort = {"field": "cohort", "type": "nominal", "sort": titles}
    return {
        "mark": {"type": "bar", "tooltip": {"content": "data"}},
        "encoding": {
            "y": names(None, labels),
            "yOffset": cohort,
            "x": {"field": "value", "type": "quantitative", "title": "mean(|SHAP value|)"},
            "color": {**cohort, "title": name, "scale": {"domain": titles, "range": CLASSES}},
        },
    }
