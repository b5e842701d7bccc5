"""The Redis schema. Every key of ours is made here and nowhere else.

    shap:turns                      list    callers that have jobs in `ready`, rotated: slots go round them first
    shap:ready[:<caller>]           list    ids of a caller's jobs that have pending chunks, rotated for fairness
    shap:leases                     zset    "<job>/<chunk>" by the lease's deadline, seconds of the server's clock
    shap:token                      int     the last fencing token
    shap:jobs[:<caller>]            zset    a caller's job ids by creation time, for listing
    shap:callers                    set     names of callers that have ever had anything here
    shap:caller:<caller>            hash    "jobs" that have not ended; "bytes" of theirs, of kept results and of models
    shap:caller:<caller>:kept       zset    "<job>:<bytes>" of results by their expiry, seconds of the server's clock
    shap:caller:<caller>:requests:<minute>  int  requests that web processes may take in it, expires
    shap:supervisors                zset    supervisor names by their last heartbeat
    shap:outcomes                   hash    attempts by outcome, over all jobs
    shap:histograms                 hash    durations and peaks of attempts by bucket, see `histograms`
    shap:failures                   list    the last attempts that did not succeed, newest first
    shap:idempotency:[<caller>:]<key>  string  "<fingerprint> <job>"
    shap:followups                  zset    ids of ended jobs whose end is still to be told, by when they are due
    shap:sweep                      string  somebody has swept the object store lately, expires
    shap:supervisor:<name>          string  snapshot (JSON), expires
    shap:supervisor:<name>:leased   list    "<job>/<chunk>" that this supervisor is working on
    shap:supervisor:<name>:recent   stream  its memory, second by second for minutes
    shap:supervisor:<name>:hour     stream  the same, fewer points for an hour
    shap:blob:<id>                  hash    piece number -> bytes of an upload, "readers:<piece>" -> unfinished chunks;
                                            with BLOB_URL no bytes, but "objects" -> 1
                                            of a registered model also "registered", "users" (jobs), "info" (JSON),
                                            and "caller" and "bytes": who is charged for it, and how much
    shap:models[:<caller>]          hash    name -> JSON record, see `registered.RegisteredModel`
    shap:job:<id>                   hash    the job record, see `records.Job`
    shap:job:<id>:chunks            hash    chunk id -> JSON record, see `records.Chunk`
    shap:job:<id>:pending           list    chunk ids that wait for a slot
    shap:job:<id>:attempts          list    JSON of every attempt, see `outcomes.Attempt`
    shap:job:<id>:values            hash    "<chunk>:<token>:<piece>" -> bytes of float64; "…:ids" -> MessagePack
    shap:job:<id>:results           zset    "<chunk>:<token>" of the committed values, by first row
    shap:job:<id>:partials          hash    chunk id -> what the summary needs of it (a frame)
    shap:job:<id>:sample            hash    chunk id -> its rows of the sample (MessagePack), see `sample.SampledRows`

While a job lives none of its keys expires; when it ends all get a TTL and its uploads are deleted. An upload that was
never submitted expires by itself. The unnamed caller's name is empty: its keys are those without a name, as versions
that knew no callers wrote them.
"""

PREFIX = "shap:"
TURNS = f"{PREFIX}turns"
READY = f"{PREFIX}ready"
LEASES = f"{PREFIX}leases"
TOKEN = f"{PREFIX}token"
JOBS = f"{PREFIX}jobs"
SUPERVISORS = f"{PREFIX}supervisors"
OUTCOMES = f"{PREFIX}outcomes"
HISTOGRAMS = f"{PREFIX}histograms"
FAILURES = f"{PREFIX}failures"
MODELS = f"{PREFIX}models"
SWEEP = f"{PREFIX}sweep"
FOLLOW_UPS = f"{PREFIX}followups"
CALLERS = f"{PREFIX}callers"
ENDED_CHANNEL = f"{PREFIX}ended"
"""Pub/sub channel: the id of every job that ends."""

JOB_PREFIX = f"{PREFIX}job:"
CALLER_PREFIX = f"{PREFIX}caller:"
BLOB_PREFIX = f"{PREFIX}blob:"
SUPERVISOR_PREFIX = f"{PREFIX}supervisor:"


def job(job_id: str) -> str:
    return f"{JOB_PREFIX}{job_id}"


def chunks(job_id: str) -> str:
    return f"{job(job_id)}:chunks"


def pending(job_id: str) -> str:
    return f"{job(job_id)}:pending"


def attempts(job_id: str) -> str:
    return f"{job(job_id)}:attempts"


def values(job_id: str) -> str:
    return f"{job(job_id)}:values"


def results(job_id: str) -> str:
    return f"{job(job_id)}:results"


def partials(job_id: str) -> str:
    return f"{job(job_id)}:partials"


def sample(job_id: str) -> str:
    return f"{job(job_id)}:sample"


def blob(blob_id: str) -> str:
    return f"{BLOB_PREFIX}{blob_id}"


def own(key: str, caller: str) -> str:
    """A caller's own READY, JOBS or MODELS."""
    return f"{key}:{caller}" if caller else key


def idempotency(key: str, caller: str = "") -> str:
    return f"{own(f'{PREFIX}idempotency', caller)}:{key}"


def requests(caller: str, minute: int) -> str:
    return f"{CALLER_PREFIX}{caller}:requests:{minute}"


def snapshot(supervisor: str) -> str:
    return f"{SUPERVISOR_PREFIX}{supervisor}"


def leased(supervisor: str) -> str:
    return f"{SUPERVISOR_PREFIX}{supervisor}:leased"


def history(supervisor: str) -> tuple[str, str]:
    """The stream of the last minutes, and that of the hour."""
    return f"{SUPERVISOR_PREFIX}{supervisor}:recent", f"{SUPERVISOR_PREFIX}{supervisor}:hour"


def of_job(job_id: str) -> list[str]:
    """The KEYS that every script on a job takes, in the order that `scripts/prelude.lua` names them."""
    return [
        job(job_id),
        chunks(job_id),
        pending(job_id),
        attempts(job_id),
        values(job_id),
        results(job_id),
        partials(job_id),
        READY,
        LEASES,
        TOKEN,
        JOBS,
        OUTCOMES,
        FAILURES,
        sample(job_id),
    ]
