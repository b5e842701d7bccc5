"""Which kind of explainer suits a model, and why, in a sentence for the user. Used in templates, lean ones too.

Exact before sampled: trees, then linear models, then permutation, which takes any model but needs a background.
"""

from collections.abc import Callable
from typing import NoReturn

from child.explainers import trees
from child.stack import NeedsFullStack
from jobs.errors import BackgroundRequired, UnsupportedCombination
from jobs.options import Options
from shaptrees.ensemble import Ensemble


def choose(
    name: str,
    options: Options,
    *,
    tree_obstacle: str | None,
    linear_obstacle: Callable[[], str | None],
    has_background: bool,
    tree_reason: Callable[[str], str] = trees.reason,
) -> tuple[str, str]:
    """The kind and the reason; obstacles say why a kind does not suit, to follow "as".

    Raises UnsupportedCombination and BackgroundRequired.
    """
    if options.interactions and (tree_obstacle or not wants_trees(options)):
        reason = tree_obstacle or "only the tree explainer gives interactions"
        raise UnsupportedCombination(asked="interactions", model=name, reason=reason)
    if options.explainer != "auto":
        obstacle = {"tree": lambda: tree_obstacle, "linear": linear_obstacle}.get(options.explainer, _none)()
        if obstacle:
            raise UnsupportedCombination(asked=f"explainer={options.explainer}", model=name, reason=obstacle)
        return options.explainer, "The job asked for it."
    if tree_obstacle is None:
        return "tree", tree_reason(name)
    if linear_obstacle() is None:
        return "linear", f"{name} is linear, which is explained exactly and fast."
    if not has_background:
        raise BackgroundRequired(explainer="permutation", model=name)
    return "permutation", f"Any model can be explained by permutation; not by its trees, as {tree_obstacle}."


def choose_lean(ensemble: Ensemble, options: Options, *, has_background: bool) -> str:
    """The reason to explain it by its trees. Raises as `choose`, and NeedsFullStack where it takes another kind."""
    if not wants_trees(options):
        raise NeedsFullStack(f"the job asked for explainer={options.explainer}")

    def elsewhere() -> NoReturn:
        raise NeedsFullStack(str(obstacle))

    obstacle = trees.obstacle(ensemble, options)
    _, reason = choose(
        ensemble.about.name,
        options,
        tree_obstacle=obstacle,
        linear_obstacle=elsewhere,
        has_background=has_background,
    )
    return reason


def wants_trees(options: Options) -> bool:
    """Whether the job leaves it open that trees are explained as trees."""
    return options.explainer in ("auto", "tree")


def _none() -> None:
    return None
