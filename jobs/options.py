"""What a caller may ask of one job: validated at the door, carried to the child unchanged."""

from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Literal, get_args

import msgspec

ExplainerName = Literal["auto", "tree", "linear", "exact", "permutation", "kernel"]
EXPLAINERS: tuple[ExplainerName, ...] = get_args(ExplainerName)
"""What `explainer` may be. All but `auto` have a row in `child.explainers.kinds`, and docs/options.md names all."""
ModelOutput = Literal["auto", "raw", "probability"]
UnknownColumns = Literal["ignore", "refuse"]
FeaturesOf = Literal["auto", "input", "transformed"]
Positive = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=10_000)]
Names = Annotated[list[Name], msgspec.Meta(min_length=1)]


class Options(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The `options` object of `POST /analyze`; every field may be left out."""

    explainer: ExplainerName = "auto"
    """`auto` picks by the model and says in the job which it picked and why."""
    interactions: bool = False
    """SHAP interaction values (trees only): a matrix a row instead of a vector."""
    model_output: ModelOutput = "auto"
    """What is explained. `auto`: the margin of boosted trees and linear models, the probability of forests and of
    any other classifier that gives one. `probability`: class probabilities. `raw`: the margin where there is one."""
    features: FeaturesOf = "auto"
    """Of a pipeline that ends with trees or a linear model: values of the table's columns (`input`), or of those that
    its steps make (`transformed`). `auto`: of the table's, and of the mixed ones where steps mix columns."""
    batch_size: Positive | Literal["auto"] | None = None
    """The most rows in a chunk; without it, the service's SHAP_BATCH_SIZE."""
    unknown_columns: UnknownColumns = "ignore"
    """Columns of the data that are no features of a model with names: left out with a warning, or refused."""
    id_column: Name | None = None
    """A column of the data that goes through to results in JSON and CSV; no feature, unless the model has it too."""
    check_additivity: bool = True
    """Fail the job when base value plus SHAP values miss the model's own output. Without it the miss is reported."""
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)] = 0
    """For the sampling explainers (permutation, kernel), and for the rows that are kept to be shown."""
    max_evals: Positive | None = None
    """Permutation: model evaluations a row; default 500, or one whole permutation where that needs more. `auto` samples
    where all coalitions of the features would take more than these."""
    may_shrink: bool = False
    """Exact, permutation and kernel: take fewer background rows where the memory does not suffice for all of them."""
    dry_run: bool = False
    """Compute nothing: answer how many chunks it would take, of how many rows and bytes, and how long."""
    nsamples: Positive | None = None
    """Kernel: coalitions a row; default 2 x features + 2048."""
    groups: dict[Name, Names] | None = None
    """Features whose values are added up under one name, `{"address": ["street", "city"]}`; others stay as they are."""
    columns: Names | None = None
    """Only these features or groups in the result; summary, sample and charts still tell of all."""
    top_k: Positive | None = None
    """Of each row only so many values, the largest by |value| first, and what the others add up to."""
    by: Name | None = None
    """A column of the data with few different values: the summary also tells of the rows of each (`cohorts`)."""
    reduce: Literal["summary"] | None = None
    """Keep no rows at all: only the summary, with `quantiles` and the whole matrix of mean |interaction value|."""

    def __post_init__(self) -> None:
        """Raises ValueError for what contradicts itself, with the path of the field as msgspec has it."""
        for field, reason in _contradictions(self):
            raise ValueError(f"{reason} - at `$.{field}`")

    def evaluations(self, least: int) -> int:
        """Of the model for a row, where one permutation takes `least`."""
        return self.max_evals or max(500, least)

    def coalitions(self, features: int) -> int:
        """For a row of so many features: shap's own default."""
        return self.nsamples or 2 * features + 2048


def _contradictions(of: Options) -> Iterator[tuple[str, str]]:
    """The field that must change, and why."""
    if of.top_k and of.interactions:
        yield "top_k", "It takes the largest values of a row, which with `interactions` has a matrix: leave one out"
    if of.top_k and of.columns:
        yield "top_k", "It chooses the columns of each row, and so does `columns`: leave one out"
    if of.reduce and (of.top_k or of.id_column):
        field = "top_k" if of.top_k else "id_column"
        yield field, "It says something of rows, of which `reduce` keeps none: leave one out"
    if repeated := _repeated(of.columns or []):
        yield "columns", f"{repeated!r} is named twice: name each once"
    if repeated := _repeated([member for members in (of.groups or {}).values() for member in members]):
        yield "groups", f"{repeated!r} is named twice: a feature belongs to one group at most"


def _repeated(names: list[str]) -> str | None:
    return next((name for name, count in Counter(names).items() if count > 1), None)
