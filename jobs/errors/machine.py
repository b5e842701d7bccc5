"""Problems of this machine and of the job store, which another one might not have. Raised by every process."""

from jobs.errors.problem import Problem


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


class UnreadableRecord(Problem):
    """The record of {what} in the job store cannot be read ({reason}): somebody edited it, a part of it was lost, or \
another version wrote it. The operator's `shap-supervisor repair --apply` ends such a job; submit it again."""

    code, status = "unreadable_record", 409


class StorageUnavailable(Problem):
    """The job store cannot be reached right now, or it has lost what was just sent; send the request again."""

    code, status = "storage_unavailable", 503


class StorageDenied(Problem):
    """The job store refuses this service: a wrong password, or rights that are missing. Sending the request again \
does not help; its operator must mend that, and `shap-supervisor doctor` says how."""

    code, status = "storage_denied", 500


class StorageFull(Problem):
    """The job store is full right now; nothing was accepted, try again."""

    code, status = "storage_full", 503
