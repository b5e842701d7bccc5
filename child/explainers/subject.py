"""What is to be explained: a model, as far as it was read, and how the job asked for it. Used in templates."""

from dataclasses import dataclass, replace
from functools import cached_property

from child.models.model import Model
from child.rows.features import Features
from child.rows.layout import Wanted
from jobs.options import Options
from shaptrees.ensemble import About, Ensemble
from shaptrees.errors import ModelError


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A model that its library has loaded, or its trees alone."""

    found: Model | Ensemble
    options: Options
    has_background: bool

    @property
    def about(self) -> Model | About:
        return self.found.about if isinstance(self.found, Ensemble) else self.found

    @property
    def wanted(self) -> Wanted:
        """What its data must suit."""
        return (
            Features.of(self.found.about, self.found.trees.categories)
            if isinstance(self.found, Ensemble)
            else self.found
        )

    @property
    def is_loaded(self) -> bool:
        """Whether `model` is there."""
        return isinstance(self.found, Model)

    @property
    def model(self) -> Model:
        assert isinstance(self.found, Model)
        return self.found

    @property
    def core(self) -> "Subject":
        """What predicts: the last step of a pipeline that was taken apart, else all of it."""
        return self._last_step or self

    @cached_property
    def _last_step(self) -> "Subject | None":
        last = self.model.last if self.is_loaded else None
        return replace(self, found=last.model) if last else None

    @cached_property
    def trees(self) -> Ensemble | str:
        """The model's arrays; or why it has none, to follow "as"."""
        if isinstance(self.found, Ensemble):
            return self.found
        from child.models import conversion

        try:
            return conversion.convert(self.found)
        except ModelError as error:
            return error.reason

    def without_trees(self) -> "Subject":
        """The same, to be explained by other means: arrays that nobody asks for take memory."""
        return replace(self)
