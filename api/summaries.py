"""What a job's closing child has stored of it, as documents: its summary, or the forecast of a dry run. Pure.

They are answered as they were stored: these types say what is in them, and nothing is converted on the way.
"""

import msgspec

from api.result_writers import Values
from jobs.states import JobState
from jobs.warnings import JobWarning

Shaped = list[float | list[float | None] | None]
"""A number for each feature; a list for each, one number an output, where there are several outputs."""


class TopFeature(msgspec.Struct, kw_only=True):
    """Summed over the outputs."""

    feature: str
    mean_abs_shap: float | None
    mean_shap: float | None


class Interactions(msgspec.Struct, kw_only=True):
    """Mean |interaction value|: (features, features, outputs) of those that matter most, or of all with `reduce`."""

    features: list[str]
    mean_abs: list[list[list[float | None]]]


class CohortOfJob(msgspec.Struct, kw_only=True):
    """The rows that have the same in the column that `by` names: null where their cell is empty."""

    value: str | int | float | None
    rows: int
    mean_abs_shap: Shaped
    mean_shap: Shaped


class Cohorts(msgspec.Struct, kw_only=True):
    """The job by cohorts, the largest first."""

    column: str
    cohorts: list[CohortOfJob]


class Quantiles(msgspec.Struct, kw_only=True):
    """Of the SHAP values, by feature: exact where `rows` are all rows of the job, else those of rows drawn evenly."""

    rows: int
    at: list[float]
    values: list[Shaped]
    """One for each of `at`."""


class Additivity(msgspec.Struct, kw_only=True):
    """How far base value plus values miss the model's own output in the worst row, and how far they may."""

    largest_error: float | None
    tolerance: float
    ok: bool


class Summary(msgspec.Struct, kw_only=True):
    """A finished job at a glance."""

    rows: int
    features: list[str]
    outputs: list[str]
    base_values: list[float | None]
    explains: str
    explainer: str
    engine: str
    reason: str
    mean_abs_shap: Shaped
    mean_shap: Shaped | msgspec.UnsetType = msgspec.UNSET
    """Older summaries do not say."""
    top_features: list[TopFeature]
    cohorts: Cohorts | msgspec.UnsetType = msgspec.UNSET
    """Where the options say `by`."""
    quantiles: Quantiles | msgspec.UnsetType = msgspec.UNSET
    """Where no rows are kept: `reduce`."""
    additivity: Additivity | None
    interactions: Interactions | msgspec.UnsetType | None = msgspec.UNSET
    """None without interactions, or where there are too many pairs; older summaries do not say."""
    warnings: list[JobWarning] | msgspec.UnsetType = msgspec.UNSET
    """What is odd but no error; older summaries do not say."""


class Forecast(msgspec.Struct, kw_only=True):
    """What a dry run found out: what the job would take."""

    dry_run: bool
    rows: int
    features: int
    outputs: int
    explainer: str
    engine: str
    reason: str
    rows_per_chunk: int
    chunks: int
    bytes_per_chunk: int
    """The expected peak of a child, with its model."""
    room_bytes: int
    """Its cap, with its model."""
    rows_per_s: float
    seconds: float


class JobSummary(Summary, kw_only=True):
    """The summary of a job."""

    job_id: str
    status: JobState


class JobForecast(Forecast, kw_only=True):
    """The forecast of a dry run."""

    job_id: str
    status: JobState


class PolledLinks(msgspec.Struct, kw_only=True):
    """Where the values are; empty when they have expired."""

    values: str | msgspec.UnsetType = msgspec.UNSET


class PolledSummary(Summary, kw_only=True):
    """The summary, where the values are, and the values themselves when they are few and still there."""

    links: PolledLinks
    shape: list[int] | msgspec.UnsetType = msgspec.UNSET
    values: Values | msgspec.UnsetType = msgspec.UNSET


class PolledForecast(Forecast, kw_only=True):
    """A dry run has no values."""

    links: PolledLinks
