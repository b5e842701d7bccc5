"""Which kind of explainer suits a model, and why, in a sentence for the user. Used in templates.

Exact before sampled: trees, then linear models, then permutation, which takes any model but needs a background.
"""

from jobs.errors import BackgroundRequired, UnsupportedCombination
from jobs.options import Options
from jobs.work.explainers import linear, tree
from jobs.work.models.model import Model


def choose(model: Model, options: Options, *, has_background: bool) -> tuple[str, str]:
    """The kind and the reason. Raises UnsupportedCombination and BackgroundRequired."""
    tree_obstacle = tree.obstacle(model, options.model_output, has_background=has_background)
    linear_obstacle = linear.obstacle(model, options.model_output)
    if options.interactions and (tree_obstacle or options.explainer not in ("auto", "tree")):
        reason = tree_obstacle or "only the tree explainer gives interactions"
        raise UnsupportedCombination(asked="interactions", model=model.name, reason=reason)
    if options.explainer != "auto":
        obstacle = {"tree": tree_obstacle, "linear": linear_obstacle}.get(options.explainer)
        if obstacle:
            raise UnsupportedCombination(asked=f"explainer={options.explainer}", model=model.name, reason=obstacle)
        return options.explainer, "The job asked for it."
    if tree_obstacle is None:
        return "tree", f"{model.name} is made of trees, which are explained exactly and fast."
    if linear_obstacle is None:
        return "linear", f"{model.name} is linear, which is explained exactly and fast."
    if not has_background:
        raise BackgroundRequired(explainer="permutation", model=model.name)
    return "permutation", f"Any model can be explained by permutation; not by its trees, as {tree_obstacle}."
