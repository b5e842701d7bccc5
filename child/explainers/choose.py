"""Which explainer suits a model, and why, in a sentence for the user. Used in templates, lean ones too.

The first one against which nothing stands, in the order of `kinds`. Does not build it.
"""

from dataclasses import replace

import msgspec

from child.explainers import kinds, steps
from child.explainers.kinds import Kind
from child.explainers.subject import Subject
from child.stack import NeedsFullStack
from jobs.errors import BackgroundRequired, UnsupportedCombination
from jobs.options import Options

FREE = ("explainer", "model_output", "features")
"""Options that have a say in who explains, unless they are `auto`."""
Obstacles = list[tuple[str, str]]
"""How a model is not explained, and why."""


def choose(subject: Subject) -> tuple[Kind, str]:
    """The explainer and the reason.

    Raises UnsupportedCombination, BackgroundRequired, and NeedsFullStack where the model itself would have to be asked.
    """
    options, obstacles = subject.options, Obstacles()
    for kind in _candidates(options, subject.core.about.family):
        if kind.stack == "full" and not subject.is_loaded:
            raise NeedsFullStack(_first(obstacles, f"the job asked for explainer={options.explainer}"))
        obstacle = _obstacle(kind, subject)
        if obstacle is None:
            return _chosen(kind, subject, obstacles)
        obstacles.append((kind.way, obstacle))
    asked = "interactions" if options.interactions else f"explainer={options.explainer}"
    reason = _first(obstacles, "only the tree explainer gives interactions")
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


def _first(obstacles: Obstacles, otherwise: str) -> str:
    return obstacles[0][1] if obstacles else otherwise


def _chosen(kind: Kind, subject: Subject, obstacles: Obstacles) -> tuple[Kind, str]:
    seen = steps.seen_by(kind, subject)
    model = seen.about.name
    if kind.needs_background and not subject.has_background:
        why, otherwise = _why(obstacles), _otherwise(subject)
        raise BackgroundRequired(
            explainer=kind.name, model=model, otherwise=otherwise, why=f" It is {why}." * bool(why)
        )
    if subject.options.explainer != "auto" or not kind.reason:
        return kind, "The job asked for it."
    return kind, kind.reason(model, _why(obstacles)) + (steps.reason(subject) if seen is not subject else "")


def _why(obstacles: Obstacles) -> str:
    return "not explained " * bool(obstacles) + "; nor ".join(f"{way}, as {obstacle}" for way, obstacle in obstacles)


def _otherwise(subject: Subject) -> str:
    """What of the job's options stands in the way of values without a background, or that nothing does."""
    plain = replace(subject, options=msgspec.structs.replace(subject.options, **dict.fromkeys(FREE, "auto")))
    kinds_without = [
        kind for kind in _candidates(plain.options, subject.core.about.family) if not kind.needs_background
    ]
    if all(_obstacle(kind, plain) for kind in kinds_without):
        return "; nothing explains it without one"
    asked = " and ".join(f"`{name}`" for name in FREE if getattr(subject.options, name) != "auto")
    return f", or leave {asked} out to have it explained without one"
