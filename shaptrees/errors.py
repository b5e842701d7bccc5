"""What can be wrong with a model, or with rows for it: values of their own, so that callers can say it in theirs.

All are ValueErrors, whose text is a sentence for the user.
"""


class ModelError(ValueError):
    """A model that cannot be explained here, or not with these rows; `reason` says why."""

    reason: str


class UnreadableModel(ModelError):
    """The file, or the fitted model, does not hold what it should: `format` says what was read, `reason` the fault."""

    def __init__(self, format: str, reason: str) -> None:
        super().__init__(format, reason)
        self.format, self.reason = format, reason

    def __str__(self) -> str:
        return f"The model ({self.format}) cannot be read: {self.reason}"


class UnsupportedModel(ModelError):
    """A sound model, but of a kind that has no exact values here: `model` is its name."""

    def __init__(self, model: str, reason: str) -> None:
        super().__init__(model, reason)
        self.model, self.reason = model, reason

    def __str__(self) -> str:
        return f"{self.model} cannot be explained: {self.reason}"


class FeatureCount(ModelError):
    """Rows with another number of columns than the model has features."""

    def __init__(self, found: int, expected: int) -> None:
        super().__init__(found, expected)
        self.found, self.expected = found, expected
        self.reason = f"the data has {found} columns, the model has {expected} features"

    def __str__(self) -> str:
        return self.reason
