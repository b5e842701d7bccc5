"""Processes with secrets are closed to others of their user: the function, and both processes that call it."""

import ctypes
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cli.processes import module_environment
from tests.ports import free_port

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux only")

UNPRIVILEGED = [
    *("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"),
    *("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"),
]
"""Still able to find this interpreter, wherever it is installed."""


def test_no_memory_for_others_and_no_core() -> None:
    code = "import ctypes, resource; from jobs.undumpable import close_to_others as f; f();"
    code += "print(ctypes.CDLL(None).prctl(3), *resource.getrlimit(resource.RLIMIT_CORE))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).split() == ["0", "0", "0"]
    assert ctypes.CDLL(None).prctl(3) == 1, "an ordinary process is open"


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("setpriv") is None, reason="only root can become somebody else")
@pytest.mark.parametrize("package", ["api", "supervisor"])
def test_both_processes_are_closed(package: str, valkey_url: str, tmp_path: Path) -> None:
    """The kernel gives their files in /proc to root: so they are not even their own user's."""
    tmp_path.chmod(0o777)
    env = {**os.environ, "REDIS_URL": valkey_url, "PORT": str(free_port()), "TMPDIR": str(tmp_path)}
    command = [*UNPRIVILEGED, sys.executable, "-P", "-m", package]
    process = subprocess.Popen(command, env=module_environment(env), stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        assert process.stdout.readline(), "it begins to log when it is closed"
        assert Path(f"/proc/{process.pid}/environ").stat().st_uid == 0
        assert Path(f"/proc/{process.pid}/status").read_text().split("Uid:")[1].split()[0] == "65534"
    finally:
        process.kill()  # what the supervisor has forked dies with it
        process.wait()
