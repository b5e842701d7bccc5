"""Requests and answers held against /openapi.json by schemathesis, a process of its own. Runs beside the campaign.

Left out where schemathesis is not installed (requirements-fuzz.txt). That a request which the document allows is
accepted is not asked: what a part holds stands in no schema.
"""

import asyncio
import sys
from importlib.util import find_spec
from pathlib import Path

from chaos.findings import Findings

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "allow_header_conformance",
)
EXAMPLES = 30
SHOWN_LINES = 60


def is_installed() -> bool:
    return find_spec("schemathesis") is not None


async def check(url: str, job_id: str, seed: int, directory: Path, findings: Findings) -> None:
    """`job_id`: one that is there, or all that could be asked of a job is whether it is unknown.

    Raises nothing: what schemathesis says is a finding, and stands in whole in its log.
    """
    log, config = directory / "schemathesis.txt", directory / "schemathesis.toml"
    config.write_text(f'[[operations]]\ninclude-method = "GET"\nparameters = {{ job_id = "{job_id}" }}\n')
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(config)),
        *("run", f"{url}/openapi.json", "--checks", ",".join(CHECKS)),
        *("--max-examples", str(EXAMPLES), "--seed", str(seed), "--request-timeout", "30", "--continue-on-failure"),
        *("--no-color", "--generation-database", "none", "--exclude-path", "/admin/events"),  # which never ends
    ]
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(*command, stdout=output, stderr=output, cwd=directory)
        ended = await process.wait()
    if ended:
        lines = log.read_text(errors="replace").splitlines()
        findings.add("contract", "\n      ".join([f"exit code {ended}; the end of {log}:", *lines[-SHOWN_LINES:]]))
