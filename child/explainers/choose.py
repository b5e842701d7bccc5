"""Which explainer suits a model, and why, in a sentence for the user. Used in templates, lean ones too.

The first one against which nothing stands, in the order of `kinds`. Does not build it.
"""

from child.explainers import kinds, steps
from child.explainers.kinds import Kind
from child.explainers.subject import Subject
from child.stack import NeedsFullStack
from jobs.errors import BackgroundRequired, UnsupportedCombination
from jobs.options import Options


def choose(subject: Subject) -> tuple[Kind, str]:
    """The explainer and the reason.

    Raises UnsupportedCombination, BackgroundRequired, and NeedsFullStack where the model itself would have to be asked.
    """
    options, obstacles = subject.options, list[str]()
    for kind in _candidates(options, subject.core.about.family):
        if kind.stack == "full" and not subject.is_loaded:
            raise NeedsFullStack(obstacles[0] if obstacles else f"the job asked for explainer={options.explainer}")
        obstacle = _obstacle(kind, subject)
        if obstacle is None:
            return _chosen(kind, subject, obstacles)
        obstacles.append(obstacle)
    asked = "interactions" if options.interactions else f"explainer={options.explainer}"
    reason = obstacles[0] if obstacles else "only the tree explainer gives interactions"
    raise UnsupportedCombination(asked=asked, model=subject.about.name, reason=reason)


def may_be_lean(options: Options) -> bool:
    """Whether the job leaves it open that a lean process explains it."""
    return any(kind.stack == "lean" for kind in _candidates(options))


def _candidates(options: Options, family: str | None = None) -> list[Kind]:
    """What the job leaves open."""
    return [
        kind
        for kind in kinds.of_family(family)
        if (kind.name == options.explainer or (options.explainer == "auto" and kind.reason))
        and (kind.gives_interactions or not options.interactions)
    ]


def _obstacle(kind: Kind, subject: Subject) -> str | None:
    """What stands against this kind: for what it would explain, or for the way back to the table's columns."""
    seen = steps.seen_by(kind, subject)
    return kind.code.obstacle(seen) or (steps.obstacle(subject) if seen is not subject else None)


def _chosen(kind: Kind, subject: Subject, obstacles: list[str]) -> tuple[Kind, str]:
    seen = steps.seen_by(kind, subject)
    model = seen.about.name
    if kind.needs_background and not subject.has_background:
        raise BackgroundRequired(explainer=kind.name, model=model)
    if subject.options.explainer != "auto" or not kind.reason:
        return kind, "The job asked for it."
    return kind, kind.reason(model, "".join(obstacles[:1])) + (steps.reason(subject) if seen is not subject else "")
