"""What a job says, in plain words: for the whole, and for one row. Plain text, not yet escaped. Pure."""

from plots.explained import Asked, Explained, chosen_output
from plots.partner import coded, correlation
from plots.ranks import is_text
from plots.spec import order, others, shown, signed, split, total

NAMED = 3
CLEAR = 0.3
"""A correlation from which on a direction is named."""
IN_ROW = 4
"""Steps of a row that are named."""


def default_output(of: Explained) -> int:
    """The one that charts show when none is asked for."""
    return chosen_output(of, Asked())


def of_job(of: Explained) -> str:
    """Which features matter, by how much, and in which direction."""
    output = default_output(of)
    sizes = of.importance(output)
    ranked, total = order(sizes), sum(sizes)
    which = f" for {of.outputs[output]}" if len(of.outputs) > 1 else ""
    said = [
        f"Over {of.rows:,} rows the {of.explains}{which} is {of.base_values[output]:.4g} where nothing is known of "
        "a row (the base value); each feature of a row moves it up or down from there."
    ]
    if total:
        first = ranked[:NAMED]
        moves = ", ".join(f"{of.features[place]} by {sizes[place]:.3g}" for place in first)
        share = sum(sizes[place] for place in first) / total
        said.append(f"On average it is moved most by {moves}: together {share:.0%} of all movement.")
        said += [text for place in first if (text := _direction(of, place, output))]
    else:
        said.append("No feature moves it at all.")
    return " ".join(said)


def _direction(of: Explained, feature: int, output: int) -> str:
    """Empty where it is not clear, or cannot be said of text."""
    if not of.sample or is_text(of.cells(feature)) or of.features[feature] in of.derived:
        return ""
    pairs = zip(coded(of.cells(feature)), of.of_feature(feature, output), strict=True)
    known = [(cell, value) for cell, value in pairs if cell is not None]
    along = correlation([cell for cell, _ in known], [value for _, value in known]) if known else 0.0
    if abs(along) < CLEAR:
        return ""
    return f"Higher values of {of.features[feature]} {'raise' if along > 0 else 'lower'} it."


def of_row(of: Explained, row: int) -> str:
    """How a row, by its place in the sample, comes to its f(x)."""
    assert of.sample
    output = default_output(of)
    values, base = of.of_row(row, output), of.base_values[output]
    first, rest = split(order([abs(value) for value in values]), IN_ROW + 1)
    steps = [f"{_own(of, row, place)} ({signed(values[place])})" for place in first]
    if rest:
        steps.append(f"the {others(len(rest)).lower()} ({signed(sum(values[place] for place in rest))})")
    result, own = total(base, values), of.sample.predictions[row * len(of.outputs) + output]
    return (
        f"Row {of.sample.rows[row]} starts from {base:.4g} and comes to {result:.4g} by {', '.join(steps)}. The model "
        f"itself says {own:.4g}."
    )


def _own(of: Explained, row: int, feature: int) -> str:
    assert of.sample
    name = of.features[feature]
    return name if name in of.derived else f"{name} = {shown(of.sample.data[row][feature])}"
