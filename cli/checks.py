"""What `verify` looks at, one function a check, each over documents that the service has sent. Pure.

Does not ask the service for anything: see `verify`.
"""

from typing import Any, NamedTuple

from cli import reference_model
from cli.client import Document
from cli.failures import Failure, JobFailed
from cli.tables import MIB, in_mb

TOLERANCE = 1e-6
SMALL_BYTES = 80 * MIB
"""What web process and supervisor promise to stay below."""
OVERSHOOT = 1.1
"""A child's growth may pass its cap by so much between two looks of the watch."""
STATES = ("queued", "started", "finished")


class Check(NamedTuple):
    """One line of the report. `status`: ok, warn, failed or skipped; `way_out` says what to do about it."""

    name: str
    status: str
    found: str
    way_out: str = ""


def health(document: Document) -> Check:
    """Passes, warns or fails as the service itself says."""
    outputs = [
        f"{name}: {check['output']}" for name, check in (document.get("checks") or {}).items() if "output" in check
    ]
    found = "; ".join(outputs) or str(document.get("output") or document.get("status"))
    if document.get("status") == "pass":
        return Check("health", "ok", f"version {document.get('version')}, every check passes")
    status = "warn" if document.get("status") == "warn" else "failed"
    return Check("health", status, found, "See `shap-supervisor info` and the logs of what is named here.")


def readiness(document: Document) -> Check:
    """Whether Redis answers and a supervisor takes work."""
    missing = document.get("missing") or []
    if not missing:
        return Check("ready", "ok", "the store answers and a supervisor takes work")
    ways_out = {
        "redis": "Start the store, or correct REDIS_URL of the web process.",
        "supervisors": "Start `python -m supervisor` with the web process's REDIS_URL, or read why it does not start.",
    }
    way_out = " ".join(ways_out.get(name, "") for name in missing).strip()
    return Check("ready", "failed", f"missing: {', '.join(missing)}", way_out or "See the web process's logs.")


def states(seen: list[str]) -> Check:
    """The states that were seen come in their order, none of them twice."""
    found = " -> ".join(seen)
    in_order = [state for state in STATES if state in seen] == seen and seen[-1] == STATES[-1]
    return Check(
        "states", "ok" if in_order else "failed", found, "" if in_order else "See the job's error and its log."
    )


def counts(job: Document) -> Check:
    """Every row and chunk is there, once, and the chunks' attempts say so too."""
    rows = len(reference_model.ROWS)
    numbers = (job.get("rows"), job.get("rows_done"), job.get("features"))
    whole = numbers == (rows, rows, len(reference_model.FEATURES)) and job.get("chunks") == job.get("chunks_done")
    found = (
        f"{job.get('rows_done')} of {job.get('rows')} rows in {job.get('chunks_done')} of {job.get('chunks')} chunks"
    )
    return Check(
        "rows", "ok" if whole else "failed", found, "" if whole else f"Expected {rows} rows, all of them done."
    )


def values(result: Document) -> Check:
    """Against the definition of SHAP values, computed here."""
    expected = reference_model.values()
    order = [
        reference_model.FEATURES.index(name) for name in result.get("features", []) if name in reference_model.FEATURES
    ]
    found = result.get("values") or []
    wanted = [[row[column] for column in order] for row in expected]
    if [len(row) for row in found] != [len(row) for row in wanted] or len(order) != len(reference_model.FEATURES):
        return Check(
            "values", "failed", f"shape {result.get('shape')}", "The result does not fit the upload: report this."
        )
    pairs = zip([reference_model.base_value(), *_flat(wanted)], [*result["base_values"], *_flat(found)], strict=True)
    difference = max(abs(left - (float("inf") if right is None else right)) for left, right in pairs)
    line = f"differ from their definition by {difference:.1g} at most ({result.get('engine')})"
    way_out = "Web and worker may run different versions: deploy both again, and run `make test` there."
    return Check("values", "ok", line) if difference <= TOLERANCE else Check("values", "failed", line, way_out)


def additivity(summary: Document) -> Check:
    """Base value and values meet the model's own output."""
    document = summary.get("additivity") or {}
    found = f"base value + values miss the model's output by {document.get('largest_error'):.1g} at most"
    return Check(
        "additivity", "ok" if document.get("ok") else "failed", found, "" if document.get("ok") else "Report this."
    )


def refusal(answer: Document | Failure) -> Check:
    """A job that cannot succeed is a problem that names its cause, never a result."""
    if isinstance(answer, JobFailed) and answer.code == "feature_names":
        return Check("refusal", "ok", "a job without the model's columns is answered with its cause")
    found = answer.message if isinstance(answer, Failure) else f"answered with status {answer.get('status')}"
    way_out = "Web and worker may run different versions, or a proxy on the way changes answers: deploy both again."
    return Check("refusal", "failed", f"a job without the model's columns: {found}", way_out)


def caps(job: Document) -> Check:
    """The known job's children stayed within their cap."""
    return _below("child", job.get("peak_child_bytes"), int((job.get("cap_bytes") or 0) * OVERSHOOT), "its cap")


def memory(document: Document) -> list[Check]:
    """Web process, supervisors and their children against what they promise."""
    checks = [_below("web", document["web"]["rss_bytes"], SMALL_BYTES, "80 MB")]
    for supervisor in document["supervisors"]:
        checks.append(_below(f"supervisor {supervisor['name']}", supervisor["rss_bytes"], SMALL_BYTES, "80 MB"))
        limit = supervisor["limit_bytes"]
        name = f"all processes of {supervisor['name']}"
        checks.append(_below(name, supervisor["family_bytes"], limit, f"the limit of {in_mb(limit)}"))
    return checks


def _below(name: str, size: int | None, limit: int, what: str) -> Check:
    found = f"{in_mb(size)}, below {what}" if size is not None else "unknown"
    if size is not None and size <= limit:
        return Check(f"memory of {name}", "ok", found)
    found = f"{in_mb(size)} where {what} is promised"
    return Check(f"memory of {name}", "failed", found, "See `GET /admin/memory`, and report this.")


def _flat(rows: list[list[Any]]) -> list[Any]:
    return [value for row in rows for value in row]
