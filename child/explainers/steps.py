"""A pipeline that was taken apart, explained at its last step: its values are those of the columns that go into it, and
brought back to the table's.

Used in templates and children, full ones, as it transforms their rows. Does not know how a last step is explained: any
explainer does it, as it would one that came alone.
"""

from typing import NamedTuple

import numpy as np

from child.explainers.explainer import Explainer
from child.explainers.kinds import Kind
from child.explainers.subject import Subject
from child.models.model import LastStep, Model, Output, Rows
from child.names import feature_names
from child.pipelines.columns import Groups, groups
from child.rows.layout import LARGEST
from jobs import planner
from jobs.errors import RowRefused
from jobs.planner import FLOAT_BYTES

COPIES = 4.0
"""Of a block of the last step's rows, that transforming takes: measured."""


class Built(NamedTuple):
    """An explainer, and what its values are of."""

    explainer: Explainer
    columns: list[str] | None
    """See `ModelInfo.columns`."""
    width: int
    """The most columns that a row has on its way."""


def seen_by(kind: Kind, subject: Subject) -> Subject:
    """What this kind of explainer explains: the last step, where it is exact for that, else the whole."""
    return subject.core if kind.at_last_step or subject.options.features == "transformed" else subject


def obstacle(subject: Subject) -> str | None:
    """Why values of the last step are not those that the job asked for, to follow "as"."""
    found = _groups(subject)
    if isinstance(found, str):
        return f"{found} mixes columns, and features: input asks for values of the table's"
    return None


def build(kind: Kind, subject: Subject, background: Rows | None) -> Built:
    """For a subject without an obstacle. Raises as the kind's own `build`, and RowRefused for a background's row."""
    core = seen_by(kind, subject)
    if core is subject:
        return Built(kind.code.build(subject, background), None, subject.about.n_features)
    last, found = subject.model.last, _groups(subject)
    assert last
    assert isinstance(found, Groups)
    steps = Steps(subject.model, last)
    inner = kind.code.build(core, None if background is None else steps.transform(background, 0, "background"))
    explainer = AtLastStep(inner, steps, found, (*mixed_by(subject), *filled_by(subject)))
    own = None if found.names == _table(subject.model) else found.names
    return Built(explainer, own, max(len(last.columns), len(found.names)))


def reason(subject: Subject) -> str:
    """What to say of the values beside why this explainer explains the last step; begins with a blank."""
    what = "what its steps make" if subject.options.features == "transformed" else "the table's columns"
    return f" It is the last step of {subject.model.name}, whose values are of {what}."


def mixed_by(subject: Subject) -> tuple[tuple[str, str], ...]:
    """The warning that values are not of the table's columns, where nobody has asked for that."""
    last = subject.model.last
    assert last
    by = sorted({column.by for column in last.columns if column.by})
    if subject.options.features != "auto" or not by:
        return ()
    text = (
        f"{', '.join(by)} of {subject.model.name} makes columns of its own: the values are of these, under its names. "
        'For values of the table\'s columns set `features` to "input"; where columns are mixed that takes a background.'
    )
    return (("mixed_columns", text),)


def filled_by(subject: Subject) -> tuple[tuple[str, str], ...]:
    """The warning that a missing cell counts for its own column, where others have filled it."""
    last = subject.model.last
    assert last
    if not last.fillers or subject.options.features == "transformed":
        return ()
    text = (
        f"{', '.join(last.fillers)} of {subject.model.name} fills missing cells from other columns: what a filled cell "
        "does counts for the column that it stands in. Where that matters, send a background and set `explainer` to "
        '"permutation", which asks the whole pipeline.'
    )
    return (("filled_from_others", text),)


def _groups(subject: Subject) -> Groups | str:
    last = subject.model.last
    assert last
    return groups(last.columns, _table(subject.model), subject.options.features)


def _table(model: Model) -> list[str]:
    return feature_names(model.features, model.n_features)


class Steps:
    """The rows of a table, on their way to the last step."""

    def __init__(self, whole: Model, last: LastStep) -> None:
        self.whole, self.last = whole, last

    def transform(self, rows: Rows, first: int, field: str) -> Rows:
        """(rows, columns) of the last step. Raises RowRefused, and ValueError for what a step itself refuses."""
        made = self.last.transform(rows)
        if made.shape != (len(rows), len(self.last.columns)):
            raise ValueError(f"the steps of {self.whole.name} make {made.shape}, not {len(self.last.columns)} columns")
        bad = np.abs(made) > LARGEST
        if not self.last.model.takes_missing:
            bad |= np.isnan(made)
        if bad.any():
            row, place = map(int, np.argwhere(bad)[0])
            self._refuse(field, first + row, place, "missing" if np.isnan(made[row, place]) else "infinite")
        return made

    def _refuse(self, field: str, row: int, place: int, what: str) -> None:
        column = self.last.columns[place]
        named = ", ".join(_table(self.whole)[source] for source in sorted(column.sources)[:3])
        reason = f"{column.name}, which its steps make of {named}, is {what}, and {self.last.model.name} takes no such"
        raise RowRefused(field=field, row=row, model=self.whole.name, reason=reason)


class AtLastStep:
    """What explains the last step, and the way to it and back."""

    def __init__(self, inner: Explainer, steps: Steps, found: Groups, warnings: tuple[tuple[str, str], ...]) -> None:
        self._inner, self._steps, self._groups = inner, steps, found
        self.engine, self.explains = inner.engine, inner.explains
        is_scaled = inner.explains == "prediction"  # margins are the last step's own
        self._scale, shift = (steps.last.scale, steps.last.shift) if is_scaled else (1.0, 0.0)
        self.base_values = [self._scale * value + shift for value in inner.base_values]
        self.output = _whole_output(steps, inner)
        self.relative_error = max(inner.relative_error, steps.last.model.relative_error)
        self.magnitude = inner.magnitude * abs(self._scale)
        self.warnings = (*inner.warnings, *warnings)
        self.rows_per_pass, self.asked_per_row = inner.rows_per_pass, inner.asked_per_row
        self._width = max(len(steps.last.columns), len(found.names))

    def needs_bytes(self, rows: int) -> int:
        """See `Explainer.needs_bytes`: the table's rows, and of one block what its last step takes."""
        block = min(rows, planner.rows_per_block(self._width, len(self.base_values), interactions=False))
        made = int(COPIES * FLOAT_BYTES * block * self._width)
        return planner.chunk_bytes(
            rows, FLOAT_BYTES * self._steps.whole.n_features, made + self._inner.needs_bytes(block)
        )

    def explain(self, rows: Rows, first: int) -> Rows:
        """See `Explainer.explain`."""
        made = self._steps.transform(rows, first, "data")
        values = self._groups.add_up(self._inner.explain(made, first))
        return values if self._scale == 1.0 else values * self._scale


def _whole_output(steps: Steps, inner: Explainer) -> Output:
    """The pipeline's own, as much of it as the last step's explainer explains."""
    whole, names, stages = steps.whole.outputs[inner.explains], inner.output.names, inner.output.stages
    own = whole.first(len(names)) if whole.names[: len(names)] == names else whole.last(len(names))
    return Output(
        call=own.call,
        names=names,
        stages=(lambda rows: stages(steps.last.transform(rows))) if stages and steps.last.scale == 1.0 else None,
    )
