"""The explainers, a row each, from the first choice to the last. Used in templates.

Exact before sampled: trees, then linear models, then any model of few features, then permutation, which takes any. The
last two need a background. The names are those of `jobs.options`. Importing this is light; an explainer's file, which
brings its library, is imported when it is asked.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, cast

from child.explainers import trees
from child.explainers.explainer import Explainer
from child.explainers.subject import Subject
from child.models.model import Rows
from child.stack import Stack
from jobs.options import ExplainerName

Reason = Callable[[str, str], str]
"""The model's name, and what stood against those before → a sentence for the user."""


class Code(Protocol):
    """What an explainer's file offers."""

    def obstacle(self, subject: Subject) -> str | None:
        """Why it does not explain this in this way, to follow "as"; None when it does."""
        ...

    def build(self, subject: Subject, background: Rows | None) -> Explainer:
        """For a subject without an obstacle. Raises BackgroundRequired, UnsupportedCombination, InvalidOptions."""
        ...


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One explainer, and when it is taken."""

    name: ExplainerName
    module: str
    """Its file: see `Code`."""
    way: str
    """How it explains a model, to follow "not"."""
    reason: Reason | None
    """Why `auto` takes it; None where it is taken only when a job asks for it."""
    family: str | None = None
    """Of the models that it is for, in place of the row of the same name that is for any."""
    stack: Stack = "full"
    """What it needs: `lean` explains arrays of trees, `full` a loaded model."""
    needs_background: bool = False
    gives_interactions: bool = False
    at_last_step: bool = False
    """Whether it explains the last step of a pipeline, and its values are brought back: see `steps`."""

    @property
    def code(self) -> Code:
        return cast(Code, importlib.import_module(self.module))


KINDS = (
    Kind(
        name="tree",
        module="child.explainers.trees",
        way="by its trees",
        reason=trees.reason,
        stack="lean",
        gives_interactions=True,
        at_last_step=True,
    ),
    Kind(
        name="tree",
        module="child.explainers.catboost_native",
        way="by its trees",
        reason=lambda model, _: f"{model} is made of trees, which CatBoost itself explains exactly.",
        family="catboost",
        gives_interactions=True,
        at_last_step=True,
    ),
    Kind(
        name="linear",
        module="child.explainers.linear",
        way="as a linear model",
        reason=lambda model, _: f"{model} is linear, which is explained exactly and fast.",
        needs_background=True,
        at_last_step=True,
    ),
    Kind(
        name="exact",
        module="child.explainers.exact",
        way="by every coalition of its features",
        reason=lambda model, why: (
            f"{model} has few features, so it is asked for every coalition of them, which is exact; it is {why}."
        ),
        needs_background=True,
    ),
    Kind(
        name="permutation",
        module="child.explainers.permutation",
        way="by permutation",
        reason=lambda _, why: f"Any model can be explained by permutation, which samples; it is {why}.",
        needs_background=True,
    ),
    Kind(
        name="kernel",
        module="child.explainers.kernel",
        way="by coalitions",
        reason=None,
        needs_background=True,
    ),
)


def of_family(family: str | None) -> list[Kind]:
    """One row a name, in order: that of the family where it has one."""
    return list({kind.name: kind for kind in KINDS if kind.family in (None, family)}.values())
