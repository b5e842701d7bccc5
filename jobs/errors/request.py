"""Problems of a request. Raised by the web process at the door."""

from jobs.errors.problem import Problem


class MalformedRequest(Problem):
    """The request could not be read: {reason}. Send it as /openapi.json says, for example with curl -F."""

    code, status = "malformed_request", 400


class MalformedJson(Problem):
    """{field} is not valid JSON: {reason}. Save it with a library for JSON (json.dumps), and send the whole of it."""

    code, status = "malformed_json", 400


class BadCompression(Problem):
    """{field} cannot be unpacked, {name}: {reason}. Compress it again, or send it as it is."""

    code, status = "bad_compression", 400


class EmptyPart(Problem):
    """{field} is empty. Send the file's content."""

    code, status = "empty_body", 400


class MissingPart(Problem):
    """{field} is missing. {way_out}"""

    code, status = "missing_part", 400


class UnexpectedPart(Problem):
    """The part {field} {reason}. Send each part once, under the names in /openapi.json."""

    code, status = "unexpected_part", 400


class ModelChoice(Problem):
    """Send either `model` (a file) or `model_id` (a model that the service knows), and only one of them: got {got}. \
`model_url` (where a file lies) is the third way."""

    code, status = "model_choice", 400


class ForbiddenUrl(Problem):
    """{field} is not asked: {reason}. Send the file itself, or let the operator name the host."""

    code, status = "forbidden_url", 403


class NotFetched(Problem):
    """{field} could not be fetched: {reason}. Sign it anew if it has expired, or send the file itself."""

    code, status = "not_fetched", 422


class InvalidOptions(Problem):
    """The options are not valid: {reason}. Use those that `Options` in /openapi.json lists."""

    code, status = "invalid_options", 422


class InvalidParameter(Problem):
    """The parameter {field} is not valid: {reason}. Set it so, or leave it out."""

    code, status = "invalid_parameter", 400


class Unauthorized(Problem):
    """This route needs the header `Authorization: Bearer <token>` with {token}. Ask its operator for it; the \
command line takes it from API_TOKEN or ADMIN_TOKEN in its environment."""

    code, status = "unauthorized", 401


class Forbidden(Problem):
    """The token that was sent is not {token}. Ask the operator for it; the command line takes it from API_TOKEN or \
ADMIN_TOKEN in its environment."""

    code, status = "forbidden", 403


class ForeignHost(Problem):
    """This service does not answer to the host {host}. Its operator can name it in ALLOWED_HOSTS, or set API_TOKEN \
and ADMIN_TOKEN."""

    code, status = "foreign_host", 403


class ForeignOrigin(Problem):
    """Pages of {origin} may not ask for this. The service's operator can name that origin in CORS_ORIGINS."""

    code, status = "foreign_origin", 403


class NotFound(Problem):
    """There is nothing at {path}. Ask / or /openapi.json for what there is."""

    code, status = "not_found", 404


class MethodNotAllowed(Problem):
    """{method} is not allowed here. Use {allowed}."""

    code, status = "method_not_allowed", 405


class UnknownJob(Problem):
    """There is no job {job_id}: it never was, it ended more than JOB_TTL_S ago, or the job store has lost it. \
Submit it again, or ask /jobs for those that there are."""

    code, status = "unknown_job", 404


class UnknownModel(Problem):
    """There is no model named {model_id}. Known models: {known}. Choose one of them, send the file as `model`, or \
upload it with PUT /models/<name>."""

    code, status = "unknown_model", 404


class ModelNameTaken(Problem):
    """{name} is the name of an operator's model file; choose another one."""

    code, status = "model_name_taken", 409


class NotReady(Problem):
    """The job is {state}; its result is not ready yet. Ask again, ask with `?stream=true` for values as they \
come, or use `Prefer: wait=N` on submission."""

    code, status = "not_ready", 409


class StillRunning(Problem):
    """Job {job_id} has not ended within {wait_s:g} s and goes on: ask for its values at /jobs/{job_id}/result."""

    code, status = "still_running", 504


class NoResult(Problem):
    """The job is {state} and has no result. {reason}"""

    code, status = "no_result", 409


class NoIds(Problem):
    """This job has no ids, as its options name no `id_column`. Submit it again with the name of that column."""

    code, status = "no_ids", 404


class ResultExpired(Problem):
    """The result of job {job_id} has expired; results are kept for {ttl_s} seconds after the end of a job. \
Submit it again, or let the operator raise JOB_TTL_S."""

    code, status = "result_expired", 410


class NoSample(Problem):
    """No rows of this job were kept to be shown: {reason}. {way_out}"""

    code, status = "no_sample", 404


class UnknownPlot(Problem):
    """There is no chart {kind}. Ask for one of these: {available}."""

    code, status = "unknown_plot", 404


class NotInJob(Problem):
    """This job has no {what} {asked} to show. Ask for one of these: {available}."""

    code, status = "not_in_job", 404


class NothingToPlot(Problem):
    """There is nothing to draw: {reason}. Ask for another chart, or the summary."""

    code, status = "nothing_to_plot", 422


class NoDrawing(Problem):
    """Pictures as SVG and PNG are drawn by a package that is not installed here: let the operator install \
"shap-supervisor[charts]", or ask for application/json, which is the chart as Vega-Lite."""

    code, status = "no_drawing", 501


class DrawingFailed(Problem):
    """The picture could not be drawn: {reason}. Ask for fewer features (`top=`), or for application/json."""

    code, status = "drawing_failed", 507


class TooManyDrawings(Problem):
    """{limit} pictures wait to be drawn already, one is drawn at a time. Try again, or ask for application/json."""

    code, status = "too_many_drawings", 503


class NoColumnar(Problem):
    """Parquet and Arrow are written by a package that is not installed here: let the operator install \
"shap-supervisor[tables]", or ask for text/csv or application/x-npy."""

    code, status = "no_columnar", 501


class TooManyColumnar(Problem):
    """{limit} results are being written as Parquet or Arrow already. Try again, or ask for text/csv or \
application/x-npy."""

    code, status = "too_many_columnar", 503


class NotAcceptable(Problem):
    """No format in Accept can be given. Ask for one of these: {available}."""

    code, status = "not_acceptable", 406


class HeadTooLarge(Problem):
    """The request's {field} take more than the {limit} {unit} allowed. Send fewer or shorter ones."""

    code, status = "head_too_large", 431


class UrlTooLong(Problem):
    """The request's URL is longer than the {limit_bytes} bytes allowed. Send long values in the body."""

    code, status = "url_too_long", 414


class SlowHead(Problem):
    """The request's head has not come in whole within {seconds:g} seconds. Send it again."""

    code, status = "slow_head", 408


class TooManyConnections(Problem):
    """This process has {limit} connections, with work under way on each; nothing was accepted, try again."""

    code, status = "too_many_connections", 503


class TooLarge(Problem):
    """{field} is larger than the {limit_bytes} bytes allowed. {way_out}"""

    code, status = "too_large", 413


class TooSlow(Problem):
    """Nothing, or next to nothing, of the request's body has come for {silence_s} seconds. Send it again, \
in smaller parts, or let the operator raise UPLOAD_SILENCE_S."""

    code, status = "too_slow", 408


class TooManyRequests(Problem):
    """A caller may send {limit} requests a minute (CALLER_REQUESTS_PER_MINUTE), and this minute's are used up. Try \
again in {retry_after_s} seconds."""

    code, status = "too_many_requests", 429


class TooManyJobs(Problem):
    """A caller may have {limit} jobs that have not ended (CALLER_WAITING_JOBS), and has them. Wait for one, or cancel \
one; nothing was accepted."""

    code, status = "too_many_jobs", 429


class TooManyBytes(Problem):
    """A caller may have {limit_bytes} bytes in the store (CALLER_STORED_MB): uploads of its jobs, results that are \
kept, and registered models. This would be more. Delete results or models, or wait until jobs end and results expire; \
nothing was accepted."""

    code, status = "too_many_bytes", 429


class Busy(Problem):
    """Too many uploads are coming in at once; nothing was accepted, try again."""

    code, status = "busy", 503


class UnsupportedMediaType(Problem):
    """{field}: {found} is not supported. Send one of these: {supported}."""

    code, status = "unsupported_media_type", 415


class PickleRefused(Problem):
    """{field} is a pickle (or joblib) file. Loading it runs code, so it is not accepted as an upload: \
`shap-supervisor convert` makes of one that you trust one of {supported} (`skops.io.dump` saves scikit-learn's), or \
let the operator place it in TRUSTED_MODEL_DIR."""

    code, status = "pickle_refused", 415


class IdempotencyMismatch(Problem):
    """The Idempotency-Key was used before with another request; its job is {job_id}. Use a new key for a new \
request."""

    code, status = "idempotency_mismatch", 422
