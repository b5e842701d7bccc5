"""Which columns of a table each column of a transformer's output is made of: a row in `_MAKES` for each kind.

Used in templates. What is not listed there mixes all of its columns, and its outputs keep their own names. How many
columns there are is compared with what the transformers make of rows: see `apart`. Does not transform anything.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.feature_selection import SelectorMixin

from child.pipelines.columns import Column

SAME = ("passthrough", None)
MOST_COLUMNS = 1 << 17
"""That a step may make: a value for each of them would be more than anyone reads, and rows too wide for memory."""
COMPOSED = ("Pipeline", "ColumnTransformer", "FeatureUnion", "FrozenEstimator")
FROM_OTHERS = ("KNNImputer", "IterativeImputer")
_INDICATOR = "missingindicator_"
Columns = list[Column]


class NotApart(Exception):
    """Why a pipeline is not taken apart, to follow "as"."""


@dataclass
class Walk:
    """Goes through transformers from the table's columns on, and remembers what they want of those."""

    categories: dict[int, list[Any]] = field(default_factory=dict)
    """The table's columns, by their places, that encoders read: the categories that these know."""
    texts: set[int] = field(default_factory=set)
    """Those whose words are read."""
    touched: set[int] = field(default_factory=set)
    """Those that any step reads, or the last one gets."""
    fillers: set[str] = field(default_factory=set)
    """Kinds of imputers that fill a column's missing cells from others."""

    def start(self, names: Sequence[str]) -> Columns:
        """The table's own columns."""
        return [Column(name, frozenset([place]), raw=True) for place, name in enumerate(names)]

    def touch(self, columns: Columns) -> None:
        """Some step reads these."""
        self.touched.update(*(column.sources for column in columns))

    def through(self, transformer: Any, columns: Columns) -> Columns:
        """What it makes of these columns. Raises NotApart."""
        if transformer in SAME:
            return columns
        kind = _kind(transformer)
        if kind not in COMPOSED:
            self.touch(columns)
        make = _MAKES.get(kind) or (_selected if isinstance(transformer, SelectorMixin) else _mixed)
        found = make(self, transformer, columns)
        if len(found) > MOST_COLUMNS:
            raise NotApart(f"its {kind} makes {len(found)} columns, more than {MOST_COLUMNS}")
        return _renamed(transformer, columns, found)


def _kind(transformer: Any) -> str:
    """The class's name where it is scikit-learn's own; others may do what they like."""
    kind = type(transformer)
    return kind.__name__ if kind.__module__.startswith("sklearn.") else f"{kind.__module__}.{kind.__name__}"


def _names(transformer: Any, columns: Columns) -> list[str] | None:
    """Those that a transformer says; None where it says none."""
    for given in ([np.array([column.name for column in columns], dtype=object)], []):
        try:
            return [str(name) for name in transformer.get_feature_names_out(*given)]
        except (ValueError, AttributeError, TypeError, NotImplementedError):
            continue
    return None


def _renamed(transformer: Any, columns: Columns, found: Columns) -> Columns:
    names = _names(transformer, columns)
    if names is None or len(names) != len(found):
        return found
    return [column._replace(name=name) for column, name in zip(found, names, strict=True)]


# --- compositions ----------------------------------------------------------------------------------------------


def _pipeline(walk: Walk, pipeline: Any, columns: Columns) -> Columns:
    for _, step in pipeline.steps:
        columns = walk.through(step, columns)
    return columns


def _column_transformer(walk: Walk, composed: Any, columns: Columns) -> Columns:
    found: Columns = []
    for name, transformer, _ in composed.transformers_:
        chosen = [columns[place] for place in composed._transformer_to_input_indices[name]]
        if chosen and not (isinstance(transformer, str) and transformer == "drop"):
            found += walk.through(transformer, chosen)
    return found


def _union(walk: Walk, union: Any, columns: Columns) -> Columns:
    parts = [step for _, step in union.transformer_list if not (isinstance(step, str) and step == "drop")]
    return [column for part in parts for column in walk.through(part, columns)]


def _frozen(walk: Walk, frozen: Any, columns: Columns) -> Columns:
    return walk.through(frozen.estimator, columns)


# --- column by column ------------------------------------------------------------------------------------------


def _changed(walk: Walk, transformer: Any, columns: Columns) -> Columns:  # noqa: ARG001
    return [column._replace(raw=False) for column in columns]


def _selected(walk: Walk, selector: Any, columns: Columns) -> Columns:  # noqa: ARG001
    return [column for column, is_kept in zip(columns, selector.get_support(), strict=True) if is_kept]


def _function(walk: Walk, transformer: Any, columns: Columns) -> Columns:
    """NumPy's and SciPy's elementwise functions see one number after the other; others may do anything."""
    if transformer.func is None:
        return [*columns]
    if isinstance(transformer.func, np.ufunc) and transformer.func.nin == 1 and not transformer.kw_args:
        return _changed(walk, transformer, columns)
    return _mixed(walk, transformer, columns)


def _imputed(walk: Walk, imputer: Any, columns: Columns) -> Columns:
    """Columns that were empty in training go, and some get a second one that says where a cell was missing.

    A cell that is filled in from others counts for the column that it stands in.
    """
    if len(columns) > 1 and _kind(imputer) in FROM_OTHERS:
        walk.fillers.add(_kind(imputer))
    given = [
        str(name) for name in getattr(imputer, "feature_names_in_", [f"x{place}" for place in range(len(columns))])
    ]
    if len(set(given)) != len(columns) or any(name.startswith(_INDICATOR) for name in given):
        raise NotApart(f"its {_kind(imputer)} does not tell its columns apart by their names")
    place = {name: number for number, name in enumerate(given)}
    found = [str(name) for name in imputer.get_feature_names_out()]
    return [
        columns[place[name.removeprefix(_INDICATOR)]]._replace(raw=not name.startswith(_INDICATOR)) for name in found
    ]


def _one_hot(walk: Walk, encoder: Any, columns: Columns) -> Columns:
    return _encoded(walk, encoder, columns, encoder._n_features_outs)


def _ordinal(walk: Walk, encoder: Any, columns: Columns) -> Columns:
    return _encoded(walk, encoder, columns, [1] * len(columns))


def _target(walk: Walk, encoder: Any, columns: Columns) -> Columns:
    each = len(encoder.classes_) if encoder.target_type_ == "multiclass" else 1
    return _encoded(walk, encoder, columns, [each] * len(columns))


def _encoded(walk: Walk, encoder: Any, columns: Columns, widths: Sequence[int]) -> Columns:
    for column, known in zip(columns, encoder.categories_, strict=True):
        if column.raw and column.source is not None:
            walk.categories.setdefault(column.source, []).append((encoder, known))
    return list(_widened(columns, widths))


def _binned(walk: Walk, binner: Any, columns: Columns) -> Columns:  # noqa: ARG001
    widths = [1] * len(columns) if binner.encode == "ordinal" else [int(bins) for bins in binner.n_bins_]
    return list(_widened(columns, widths))


def _widened(columns: Columns, widths: Sequence[int]) -> Iterator[Column]:
    """So many columns of each. Raises NotApart."""
    if sum(widths) > MOST_COLUMNS:
        raise NotApart(f"a step makes {sum(widths)} columns, more than {MOST_COLUMNS}")
    for column, width in zip(columns, widths, strict=True):
        for number in range(width):
            yield column._replace(name=column.name if width == 1 else f"{column.name}_{number}", raw=False)


# --- what mixes ------------------------------------------------------------------------------------------------


def _polynomial(walk: Walk, transformer: Any, columns: Columns) -> Columns:  # noqa: ARG001
    """A power of one column is still that column's; a product is its factors'."""
    used = [[columns[place] for place in np.flatnonzero(powers)] for powers in transformer.powers_]
    return [_made_of(factors, "PolynomialFeatures" if len(factors) > 1 else "", "") for factors in used]


def _read(walk: Walk, vectorizer: Any, columns: Columns) -> Columns:
    """A column for each word of one column of text."""
    walk.texts |= {source for column in columns if column.raw for source in column.sources}
    return _mixed(walk, vectorizer, columns)


def _mixed(walk: Walk, transformer: Any, columns: Columns) -> Columns:  # noqa: ARG001
    names = _names(transformer, columns)
    if names is None:
        raise NotApart(f"its {_kind(transformer)} does not say which columns it makes")
    return [_made_of(columns, _kind(transformer), name) for name in names]


def _made_of(columns: Sequence[Column], by: str, name: str) -> Column:
    sources = frozenset().union(*(column.sources for column in columns))
    return Column(name, sources, by=next((column.by for column in columns if column.by), by))


_MAKES: dict[str, Callable[[Walk, Any, Columns], Columns]] = {
    "Pipeline": _pipeline,
    "ColumnTransformer": _column_transformer,
    "FeatureUnion": _union,
    "FrozenEstimator": _frozen,
    **dict.fromkeys(("StandardScaler", "MinMaxScaler", "MaxAbsScaler", "RobustScaler", "Binarizer"), _changed),
    **dict.fromkeys(("PowerTransformer", "QuantileTransformer"), _changed),
    **dict.fromkeys(("SimpleImputer", "KNNImputer", "IterativeImputer", "MissingIndicator"), _imputed),
    "FunctionTransformer": _function,
    "OneHotEncoder": _one_hot,
    "OrdinalEncoder": _ordinal,
    "TargetEncoder": _target,
    "KBinsDiscretizer": _binned,
    "PolynomialFeatures": _polynomial,
    **dict.fromkeys(("CountVectorizer", "TfidfVectorizer", "HashingVectorizer"), _read),
}
