"""One specimen through the running service, over HTTP, as any caller would send it; and the verdict on the answer."""

import json
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import numpy as np

from crosscheck.comparison import Answer, compared

WAIT_S = 60
DOUBTS = frozenset({"parallel_trees_unknown"})
"""Warnings which say that values may be wrong, and why."""


class Verdict(msgspec.Struct, kw_only=True):
    """What became of a specimen. `outcome`: same, adds up, warned (wrong, as the job says it may be), wrong, raised, or
    refused.
    """

    number: int
    family: str
    kind: str
    library: str
    outcome: str
    explainer: str = ""
    engine: str = ""
    explains: str = ""
    code: str = ""
    """Of the problem, where it was refused."""
    detail: str = ""
    error: float = 0.0
    """As a share of what is allowed."""
    warnings: list[str] = []
    with_background: bool = False

    @property
    def ok(self) -> bool:
        return self.outcome not in ("wrong", "raised")


def examine(http: httpx2.Client, directory: Path) -> Verdict:
    """Send it, wait for its values, compare."""
    about = json.loads((directory / "about.json").read_text())
    files = {
        name: (name, path.read_bytes())
        for name in ("model", "data", "background")
        if (path := directory / name).exists()
    }
    if about["expected"]:
        files["expected"] = ("expected", (directory / "expected.npy").read_bytes())
    answer = http.post(
        "/analyze", files=files, data={"options": json.dumps(about["options"])}, headers={"Prefer": f"wait={WAIT_S}"}
    )
    known = {name: about[name] for name in ("number", "family", "kind", "library")}
    verdict = Verdict(**known, outcome="refused", with_background="background" in files)
    if answer.status_code != 200:
        return _refused(verdict, answer)
    return _explained(verdict, answer.json(), http, directory)


def _refused(verdict: Verdict, answer: Any) -> Verdict:
    problem = answer.json()
    verdict.code, verdict.detail = str(problem.get("code")), str(problem.get("detail"))
    if answer.status_code >= 500 or answer.status_code == 202 or verdict.code in ("raised", "crashed"):
        verdict.outcome = "raised"
    return verdict


def _explained(verdict: Verdict, result: dict[str, Any], http: httpx2.Client, directory: Path) -> Verdict:
    job = http.get(f"/jobs/{result['job_id']}").raise_for_status().json()
    verdict.warnings = [found["code"] for found in job["warnings"]]
    shape = (len(result["values"]), len(result["features"]), len(result["outputs"]))
    answer = Answer(
        values=np.array(result["values"], dtype=np.float64).reshape(shape),
        base_values=np.array(result["base_values"], dtype=np.float64),
        explains=job["explains"],
        explainer=job["explainer"],
        engine=job["engine"],
        first_only="first_output" in verdict.warnings,
    )
    said = dict(np.load(directory / "said.npz"))
    verdict.outcome, verdict.error, verdict.detail = compared(answer, said)
    if verdict.outcome == "wrong" and DOUBTS.intersection(verdict.warnings):
        verdict.outcome = "warned"
    verdict.explainer, verdict.engine, verdict.explains = answer.explainer, answer.engine, answer.explains
    return verdict
