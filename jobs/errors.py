"""Every problem a user can meet: one class each, its docstring is the message, its detail the data.

Raised by the web process at the door and by children while they work; either way the user reads the same code.
`status` is the HTTP status at the door. Does not cover how an attempt died: see `outcomes`.
"""

from typing import Any, ClassVar


class Problem(Exception):
    """Something went wrong on our side; the logs of the service name the cause."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500

    def __init__(self, **detail: Any) -> None:
        self.detail = detail
        self.message = (type(self).__doc__ or "").format(**detail)
        super().__init__(self.message)


# --- the request -----------------------------------------------------------------------------------------------


class MalformedRequest(Problem):
    """The request could not be read: {reason}"""

    code, status = "malformed_request", 400


class MalformedJson(Problem):
    """{field} is not valid JSON: {reason}"""

    code, status = "malformed_json", 400


class EmptyPart(Problem):
    """{field} is empty. Send the file's content."""

    code, status = "empty_body", 400


class MissingPart(Problem):
    """{field} is missing. {way_out}"""

    code, status = "missing_part", 400


class UnexpectedPart(Problem):
    """The part {field} {reason}."""

    code, status = "unexpected_part", 400


class ModelChoice(Problem):
    """Send either `model` (a file) or `model_id` (a model that the service knows), and only one of them: got {got}."""

    code, status = "model_choice", 400


class InvalidOptions(Problem):
    """The options are not valid: {reason}"""

    code, status = "invalid_options", 422


class InvalidParameter(Problem):
    """The parameter {field} is not valid: {reason}"""

    code, status = "invalid_parameter", 400


class Unauthorized(Problem):
    """This route needs the header `Authorization: Bearer <token>` with {token}."""

    code, status = "unauthorized", 401


class Forbidden(Problem):
    """The token that was sent is not {token}."""

    code, status = "forbidden", 403


class NotFound(Problem):
    """There is nothing at {path}."""

    code, status = "not_found", 404


class MethodNotAllowed(Problem):
    """{method} is not allowed here; allowed: {allowed}."""

    code, status = "method_not_allowed", 405


class UnknownJob(Problem):
    """There is no job {job_id}: it never was, or it ended more than JOB_TTL_S ago."""

    code, status = "unknown_job", 404


class UnknownModel(Problem):
    """There is no model named {model_id}. Known models: {known}."""

    code, status = "unknown_model", 404


class ModelNameTaken(Problem):
    """{name} is the name of an operator's model file; choose another one."""

    code, status = "model_name_taken", 409


class NotReady(Problem):
    """The job is {state}; its result is not ready yet. Ask again, ask with `?stream=true` for values as they \
come, or use `Prefer: wait=N` on submission."""

    code, status = "not_ready", 409


class NoResult(Problem):
    """The job is {state} and has no result. {reason}"""

    code, status = "no_result", 409


class ResultExpired(Problem):
    """The result of job {job_id} has expired; results are kept for {ttl_s} seconds after the end of a job."""

    code, status = "result_expired", 410


class NotAcceptable(Problem):
    """No format in Accept can be given; available: {available}."""

    code, status = "not_acceptable", 406


class TooLarge(Problem):
    """{field} is larger than the {limit_bytes} bytes allowed. {way_out}"""

    code, status = "too_large", 413


class TooSlow(Problem):
    """Nothing, or next to nothing, of the request's body has come for {silence_s} seconds."""

    code, status = "too_slow", 408


class Busy(Problem):
    """Too many uploads are coming in at once; nothing was accepted, try again."""

    code, status = "busy", 503


class UnsupportedMediaType(Problem):
    """{field}: {found} is not supported. Supported: {supported}."""

    code, status = "unsupported_media_type", 415


class PickleRefused(Problem):
    """{field} is a pickle (or joblib) file. Loading it runs code, so it is not accepted as an upload: save the model \
with skops (`skops.io.dump`), as XGBoost JSON or LightGBM text, or let the operator place it in TRUSTED_MODEL_DIR."""

    code, status = "pickle_refused", 415


class IdempotencyMismatch(Problem):
    """The Idempotency-Key was used before with another request; its job is {job_id}."""

    code, status = "idempotency_mismatch", 422


class StorageUnavailable(Problem):
    """The job store cannot be reached right now; nothing was lost, try again."""

    code, status = "storage_unavailable", 503


class StorageFull(Problem):
    """The job store is full right now; nothing was accepted, try again."""

    code, status = "storage_full", 503


# --- the data --------------------------------------------------------------------------------------------------


class NotUtf8(Problem):
    """{field} is not UTF-8 text (byte {position}). Save it as UTF-8."""

    code, status = "not_utf8", 422


class NoTable(Problem):
    """{field}: the JSON holds no table: {reason}. Send {{"columns": [...], "data": [[...], ...]}}, a list of records \
or a list of lists."""

    code, status = "no_table", 422


class NoHeader(Problem):
    """{field} is CSV without a header: its first line holds only numbers ({line}). Put the column names there."""

    code, status = "no_header", 422


class BadHeader(Problem):
    """{field}: the header is not usable: {reason}"""

    code, status = "bad_header", 422


class BadNpy(Problem):
    """{field}: the NPY header is not usable: {reason}"""

    code, status = "bad_npy", 422


class NoRows(Problem):
    """{field} has no rows."""

    code, status = "no_rows", 422


class RaggedRow(Problem):
    """{field}: row {row} has {found} cells, the header has {expected}."""

    code, status = "ragged_row", 422


class NotNumeric(Problem):
    """{field}: row {row}, column {column}: {value} is not a number. Encode text columns before submitting."""

    code, status = "not_numeric", 422


class InfiniteValue(Problem):
    """{field}: row {row}, column {column} is infinite, or too large for 32-bit floats, in which most models compute. \
Only finite numbers and missing values can be explained."""

    code, status = "infinite_value", 422


class MissingValue(Problem):
    """{field}: row {row}, column {column} is missing, and {model} does not take missing values. Fill it in first."""

    code, status = "missing_value", 422


class BadRecord(Problem):
    """{field}: row {row} does not have the columns of the first row: {reason}"""

    code, status = "bad_record", 422


class TooManyChunks(Problem):
    """{rows} rows in chunks of {batch_size} make {chunks} chunks, more than the {limit} allowed: raise batch_size."""

    code, status = "too_many_chunks", 422


class FeatureCount(Problem):
    """{field} has {found} columns, the model has {expected} features."""

    code, status = "feature_count", 422


class FeatureNames(Problem):
    """{field}: the columns do not match the model's features. Missing: {missing}. Not known to the model: {unknown}."""

    code, status = "feature_names", 422


# --- the model -------------------------------------------------------------------------------------------------


class UnreadableModel(Problem):
    """The model ({format}) cannot be read: {reason}"""

    code, status = "unreadable_model", 422


class UntrustedTypes(Problem):
    """The skops file holds types that this service does not load: {types}. Only scikit-learn's own estimators are \
loaded; for others, let the operator place the model in TRUSTED_MODEL_DIR."""

    code, status = "untrusted_types", 422


class UnsupportedModel(Problem):
    """{model} cannot be explained: {reason}"""

    code, status = "unsupported_model", 422


class MissingExtra(Problem):
    """{model} needs a library that this service was installed without: the operator installs it with \
`pip install shap-supervisor[{extra}]`."""

    code, status = "missing_extra", 422


class UnsupportedCombination(Problem):
    """{asked} does not go with {model}: {reason}"""

    code, status = "unsupported_combination", 422


class ConversionFailed(Problem):
    """The trees of {model}, read into arrays, miss its own output by up to {largest_error:.3g} (allowed: \
{tolerance:.3g}), so they are not explained. With a background, `explainer: permutation` explains any model."""

    code, status = "conversion", 422


class BackgroundRequired(Problem):
    """The {explainer} explainer for {model} needs a background: send some typical rows (about 100) as `background`."""

    code, status = "background_required", 422


class AdditivityFailed(Problem):
    """Base value plus SHAP values miss the model's own output by up to {largest_error:.3g} (allowed: \
{tolerance:.3g}), so these values cannot be right. To have them anyway, submit with `check_additivity: false`."""

    code, status = "additivity", 422


# --- the machine -----------------------------------------------------------------------------------------------


class RowExceedsMemory(Problem):
    """The {explainer} explainer needs about {needed_bytes:,} bytes for a single row, and its child may take \
{room_bytes:,}. Fewer rows do not help: send a smaller background, ask for fewer samples (nsamples, max_evals; or let \
the service do both with `may_shrink: true`), or raise CHILD_MEMORY_MB."""

    code, status = "memory_cap", 507


class NoRoomForLibraries(Problem):
    """This job needs scikit-learn and shap, which leave {left} for its child on this machine: {arithmetic}. Trees in \
XGBoost's or LightGBM's own files need neither; for the rest more memory is the way out."""

    code, status = "no_room", 507


class InputLost(Problem):
    """An upload of this job is no longer in the job store, so it cannot go on. Submit it again."""

    code, status = "input_lost", 410


def all_problems() -> list[type[Problem]]:
    """Every problem, in the order of this file."""
    return Problem.__subclasses__()
