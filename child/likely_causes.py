"""Why a caller's predictions are not the model's output: the usual causes, each tried on the rows that differ.

Used in the child that opens a job, once a difference is found (see `expected`). The first that turns one into the other
is named. What fits may still be a coincidence, so it is called likely.
"""

import itertools
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import NamedTuple

import numpy as np

from child.models.model import Rows
from child.prepared import Prepared

FEWEST_ROWS = 3
"""For causes that are searched for: with fewer rows one of many may fit by chance."""
MOST_ROWS = 16
MOST_TRIED = 720
"""Orders of columns: all of six."""
CELLS = 1 << 20
"""Numbers that a search may take at once."""
MOST_DIGITS = 6
CLOSE = 1e-4
"""Of the largest number: what functions of a model's output may miss."""


class Cause(NamedTuple):
    """A code, and a sentence with the way out."""

    cause: str
    hint: str


class Seen(NamedTuple):
    """Rows that differ: what the caller says, what the model gives, (n, outputs) both, and the rows themselves."""

    expected: Rows
    output: Rows
    rows: Rows
    features: list[str]
    prepared: Prepared

    def fits(self, output: Rows) -> bool:
        """Whether this is what the caller says."""
        allowed = CLOSE * max(float(np.abs(self.expected).max()), 1e-300)
        return output.shape == self.expected.shape and bool((np.abs(output - self.expected) <= allowed).all())

    def searched(self, tried: Rows) -> int | None:
        """Of variants (H, n, F) of the first rows, the first that gives what the caller says."""
        flat = self.prepared.predict(tried.reshape(-1, tried.shape[2]))
        found = flat.reshape(len(tried), tried.shape[1], -1)
        return next((number for number, output in enumerate(found) if self.few().fits(output)), None)

    def few(self) -> "Seen":
        """The same of the first MOST_ROWS rows."""
        return self._replace(
            expected=self.expected[:MOST_ROWS], output=self.output[:MOST_ROWS], rows=self.rows[:MOST_ROWS]
        )


def find(seen: Seen) -> Cause:
    """The first cause that fits; where none does, what is left to look at."""
    with np.errstate(all="ignore"):
        for cause in _CAUSES:
            with suppress(ValueError, TypeError):  # what is tried need not be rows that the model takes
                if found := cause(seen):
                    return found
    return _unknown(seen)


def _probability(seen: Seen) -> Cause | None:
    if not any(map(seen.fits, _probabilities(seen.output))):
        return None
    hint = (
        'They are probabilities, and the margin (raw) is explained: set model_output to "probability" (with a '
        "background), or send the margin (output_margin, raw_score or decision_function)."
    )
    return Cause("probability_for_margin", hint)


def _margin(seen: Seen) -> Cause | None:
    if not any(np.allclose(seen.output, found, atol=CLOSE) for found in _probabilities(seen.expected)):
        return None
    hint = 'They are margins, and the probability is explained: set model_output to "raw", or send predict_proba.'
    return Cause("margin_for_probability", hint)


def _probabilities(margin: Rows) -> Iterator[Rows]:
    yield 1 / (1 + np.exp(-margin))
    if margin.shape[1] > 1:
        powers = np.exp(margin - margin.max(axis=1, keepdims=True))
        yield powers / powers.sum(axis=1, keepdims=True)


def _logarithm(seen: Seen) -> Cause | None:
    if not seen.fits(np.exp(seen.output)):
        return None
    hint = (
        "They are predictions, and the margin, their logarithm, is explained: send the logarithm of the predictions "
        "(or output_margin, raw_score)."
    )
    return Cause("prediction_for_margin", hint)


def _other_class(seen: Seen) -> Cause | None:
    if seen.prepared.info.explains not in ("margin", "probability"):
        return None
    if not (seen.fits(-seen.output) or seen.fits(1 - seen.output)):
        return None
    return Cause("other_class", f"They are of the other class; the explained one is {seen.prepared.info.outputs[-1]}.")


def _labels(seen: Seen) -> Cause | None:
    info = seen.prepared.info
    if info.explains not in ("margin", "probability") or not np.isin(seen.expected, (0, 1)).all():
        return None
    if seen.output.shape[1] == 1:
        likely = seen.output > (0.5 if info.explains == "probability" else 0)
    else:
        likely = seen.output == seen.output.max(axis=1, keepdims=True)
    if not (likely == (seen.expected == 1)).all():
        return None
    hint = f"They are predicted classes, and the {info.explains} is explained: send predict_proba or decision_function."
    return Cause("labels", hint)


def _rounded(seen: Seen) -> Cause | None:
    for digits in range(MOST_DIGITS + 1):
        if np.allclose(np.round(seen.output, digits), seen.expected, rtol=1e-12, atol=1e-12):
            return Cause("rounded", f"They are rounded to {digits} digits: send them as the model gave them.")
    return None


def _fewer_trees(seen: Seen) -> Cause | None:
    few, stages = seen.few(), seen.prepared.explainer.output.stages
    if not stages or len(few.rows) < FEWEST_ROWS:
        return None
    outputs = stages(few.rows)
    found = next((number for number, output in enumerate(outputs) if few.fits(output)), None)
    if found is None or found == len(outputs) - 1:
        return None
    hint = (
        f"They are those of the first {found + 1} of the model's {len(outputs)} trees (best_iteration, ntree_limit or "
        "num_iteration): save the model with these trees only, or predict with all of them."
    )
    return Cause("fewer_trees", hint)


def _column_order(seen: Seen) -> Cause | None:
    few, orders = seen.few(), _orders(seen)
    if len(few.rows) < FEWEST_ROWS or not orders:
        return None
    found = seen.searched(np.stack([few.rows[:, order] for order in orders]))
    if found is None:
        return None
    names = ", ".join(seen.features[place] for place in orders[found])
    hint = (
        f"They fit when the model is given data's columns in another order ({names[:300]}): send the columns in the "
        "order of training, or save the model with its names."
    )
    return Cause("column_order", hint)


def _orders(seen: Seen) -> list[list[int]]:
    """Other orders of the columns, the likeliest first."""
    count = seen.rows.shape[1]
    straight = list(range(count))
    by_name = sorted(straight, key=lambda place: seen.features[place])
    found = [by_name, straight[::-1], straight[1:] + straight[:1], straight[-1:] + straight[:-1]]
    every = itertools.permutations(straight) if count <= 6 else _swaps(straight)  # noqa: PLR2004 - 720 of them
    most = min(MOST_TRIED, CELLS // (MOST_ROWS * count))
    found += map(list, itertools.islice(every, most))
    return [order for order in found if order != straight]


def _swaps(straight: list[int]) -> Iterator[list[int]]:
    for one, other in itertools.combinations(straight, 2):
        order = straight.copy()
        order[one], order[other] = other, one
        yield order


def _codes(seen: Seen) -> Cause | None:
    """Categories that are counted from 1 where the model was trained on codes from 0, or the other way round."""
    few, shifts = seen.few(), list(_shifts(seen.few().rows))
    if len(few.rows) < FEWEST_ROWS or not shifts:
        return None
    found = seen.searched(np.stack([few.rows + shift for shift in shifts]))
    if found is None:
        return None
    moved = [name for name, by in zip(seen.features, shifts[found], strict=True) if by]
    by = shifts[found].max() or shifts[found].min()
    hint = (
        f"They fit when {', '.join(moved)[:300]} is larger by {by:g}: data has other codes for categories than the "
        "rows that the model was trained on; encode both alike."
    )
    return Cause("category_codes", hint)


def _shifts(rows: Rows) -> Iterator[Rows]:
    """By one, every column of whole numbers alone, and all of them."""
    whole = np.flatnonzero((rows == np.round(rows)).all(axis=0))[: CELLS // (4 * MOST_ROWS * rows.shape[1])]
    for columns in (*whole[:, None], whole) if len(whole) else ():
        for by in (1.0, -1.0):
            shift = np.zeros(rows.shape[1])
            shift[columns] = by
            yield shift


def _constant(seen: Seen) -> Cause | None:
    if len(seen.rows) < FEWEST_ROWS:
        return None
    apart, ratio = seen.expected - seen.output, seen.expected / seen.output
    if seen.fits(seen.output + apart.mean(axis=0)) and np.ptp(seen.output, axis=0).max() > 0:
        hint = f"They differ by the same {apart[0, 0]:.6g} in all rows: another base_score, init_score or intercept."
        return Cause("constant", hint)
    if np.isfinite(ratio).all() and np.ptp(ratio) <= CLOSE * np.abs(ratio).max() and np.ptp(seen.output) > 0:
        hint = f"They are {ratio[0, 0]:.6g} times the model's output in all rows: another scale, or a mean for a sum."
        return Cause("factor", hint)
    return None


def _told(seen: Seen) -> Cause | None:
    """What the model's own file gave reason to doubt, where nothing that can be tried fits."""
    prepared = seen.prepared
    told = {odd.code: odd.message for odd in prepared.info.warnings}
    if found := next((code for code in _TOLD if code in told), None):
        return Cause(found, told[found])
    if prepared.doubt or "library_version" in told:
        versions = prepared.doubt or told["library_version"].partition(":")[0]
        hint = (
            f"Another version may mean something else ({versions}): train it and save it again with the version here."
        )
        return Cause("library_version", hint)
    return None


_TOLD = ("parallel_trees_unknown", "category_codes")
"""Warnings of a model that say what makes its output another one, and what to do."""
_CAUSES: tuple[Callable[[Seen], Cause | None], ...] = (
    _probability,
    _margin,
    _logarithm,
    _other_class,
    _labels,
    _rounded,
    _fewer_trees,
    _constant,
    _column_order,
    _codes,
    _told,
)


def _unknown(seen: Seen) -> Cause:
    order = "" if seen.prepared.model.features else " columns in another order (the model has no names to match),"
    hint = (
        f"Usual causes:{order} categories coded otherwise, another number of trees (best_iteration), another version "
        "of the library, or another model: predict again with this file and these rows, where the model was made."
    )
    return Cause("unknown", hint)
