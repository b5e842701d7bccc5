"""docs/models.md, written by the campaign: how many of which family and version, and what is explained how. Pure."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence

from crosscheck.examination import Verdict

PAGE = """\
# Models

Written by `{command}`; do not edit. {count:,} random models, made by old and new versions of their libraries, each
explained by the service over HTTP and compared with what the library that made it says itself: its contributions, or
values by their definition (every coalition of the features asked, of the library's trees or, with a background, of its
predictions).

- *same*: every value and base value within 1e-6 of the largest. XGBoost says its own in 32-bit floats: by what its
  contributions miss its own output it may be off, too.
- *adds up*: the library has no values to compare with, or the values are sampled; base value plus values are the
  library's own output.
- *refused*: by name, see below. *warned*: wrong, as the job says that it may be: XGBoost before 1.4
  does not write how many trees it grew in parallel. *wrong* and *raised* are faults of this service.

## Figures

{figures}

## What is explained how

What is explained, and by which explainer (permutation and kernel sample; all others are exact).

{kinds}

## How many trees, and on which scale

- XGBoost, stopped early (`best_iteration` in the file): the trees up to the best round, as the wrappers of
  scikit-learn's kind and, since 1.4, `iteration_range=(0, best_iteration + 1)` predict; a plain `Booster.predict` takes
  all of them. To explain these, delete the attribute: `booster.set_attr(best_iteration=None)`.
- LightGBM, stopped early: all trees in the file. `save_model` and `model_to_string` write those up to
  `best_iteration` unless they are told otherwise (`num_iteration=-1`); a skops file holds all, and the wrapper's own
  `best_iteration_` counts.
- CatBoost: all trees in the file; with `use_best_model` training has left the others out.
- LightGBM `boosting=rf`: the mean over the trees, as `predict` gives it before its link. LightGBM's own `raw_score` and
  `pred_contrib` are sums over the trees: divide them by the number of rounds to compare.
- XGBoost's random forests (`num_parallel_tree`) and `dart`: as their booster adds them up; dropped trees have weights.

Predictions that were made with another number of trees, sent along as `expected`, end the job as `expected_differs`:
the cause `fewer_trees` says how many it were.

## Refusals

{refusals}
"""
OUTCOMES = ("same", "adds up", "refused", "warned", "wrong", "raised")


def written(command: str, verdicts: Sequence[Verdict]) -> str:
    """The page."""
    return PAGE.format(
        command=command,
        count=len(verdicts),
        figures=_figures(verdicts),
        kinds=_kinds(verdicts),
        refusals=_refusals(verdicts),
    )


def tally(verdicts: Iterable[Verdict]) -> str:
    """One line."""
    found = Counter(verdict.outcome for verdict in verdicts)
    return ", ".join(f"{found[outcome]} {outcome}" for outcome in OUTCOMES)


def _figures(verdicts: Sequence[Verdict]) -> str:
    def key(verdict: Verdict) -> tuple[str, ...]:
        return verdict.family, verdict.library

    lines = [
        [*key_, str(len(found)), *(str(sum(one.outcome == outcome for one in found)) for outcome in OUTCOMES)]
        for key_, found in _grouped(verdicts, key)
    ]
    total = [str(sum(one.outcome == outcome for one in verdicts)) for outcome in OUTCOMES]
    return _table(["family", "library", "models", *OUTCOMES], [*lines, ["all", "", str(len(verdicts)), *total]])


def _kinds(verdicts: Sequence[Verdict]) -> str:
    def key(verdict: Verdict) -> tuple[str, ...]:
        return verdict.family, verdict.kind

    lines = []
    for key_, found in _grouped(verdicts, key):
        plain, against = (_ways(one for one in found if one.with_background is side) for side in (False, True))
        refused = ", ".join(sorted({one.code for one in found if one.outcome == "refused"}))
        lines.append([*key_, plain, against, refused])
    return _table(["family", "model", "without a background", "with one", "refused as"], lines)


def _ways(verdicts: Iterable[Verdict]) -> str:
    found = {f"{one.explains} by {one.explainer}" for one in verdicts if one.explainer}
    return "; ".join(sorted(found))


def _refusals(verdicts: Sequence[Verdict]) -> str:
    def key(verdict: Verdict) -> tuple[str, ...]:
        return verdict.code, verdict.family

    refused = [verdict for verdict in verdicts if verdict.outcome == "refused"]
    lines = [[*key_, str(len(found)), found[0].detail] for key_, found in _grouped(refused, key)]
    return _table(["code", "family", "models", "for example"], lines)


def _grouped(
    verdicts: Sequence[Verdict], key: Callable[[Verdict], tuple[str, ...]]
) -> list[tuple[tuple[str, ...], list[Verdict]]]:
    groups: dict[tuple[str, ...], list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        groups[key(verdict)].append(verdict)
    return sorted(groups.items())


def _table(head: list[str], lines: list[list[str]]) -> str:
    cells = [
        head,
        ["---"] * len(head),
        *([" ".join(cell.split()).replace("|", "\\|") for cell in line] for line in lines),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)
