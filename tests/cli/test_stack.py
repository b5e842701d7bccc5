"""Starting, losing and stopping the processes of a private service; what a killed command leaves behind."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import urlopen

import numpy
import psutil
import pytest

from cli.failures import Unreachable
from cli.processes import ROOT, Process, module_environment
from cli.stack import Stack, require_free
from tests.cli.conftest import FEATURES, ROWS
from tests.processes import gone

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux ties a process to its parent's life")


def until(condition: Callable[[], object], seconds: float = 60) -> None:
    """Ask again and again, within bounds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.02)


def ready(url: str) -> bool:
    try:
        return bool(urlopen(f"{url}/readyz", timeout=5).status == 200)
    except OSError:
        return False


def family(pid: int) -> list[psutil.Process]:
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]


def families(stack: Stack) -> list[psutil.Process]:
    return [process for pid in stack.pids.values() for process in family(pid)]


def test_a_private_service_is_its_commands_whatever_callers_the_environment_names():
    with Stack({**os.environ, "API_TOKENS": "alice=a"}, private=True) as stack:
        assert urlopen(f"{stack.url}/jobs", timeout=5).status == 200


def test_what_dies_is_started_again_and_nothing_is_left_at_the_end():
    lines: list[str] = []
    with Stack(os.environ, private=True) as stack:
        everything = families(stack)
        directory = stack.directory
        for name in ("supervisor", "web"):
            before = stack.pids[name]
            os.kill(before, signal.SIGKILL)
            until(lambda name=name, before=before: stack.tend(lines.append) or stack.pids[name] != before)
        until(lambda: ready(stack.url))
        everything += families(stack)
    assert lines == [
        "supervisor ended (signal SIGKILL) and was started again",
        "web ended (signal SIGKILL) and was started again",
    ]
    until(lambda: all(map(gone, everything)), 10)
    assert not directory.exists()


def test_a_lost_store_is_said():
    with Stack(os.environ, private=True) as stack:
        os.kill(stack.pids["store"], signal.SIGKILL)
        with pytest.raises(Unreachable, match="store ended"):
            until(lambda: stack.tend(print))


def test_a_process_that_cannot_start_shows_its_last_lines():
    with (
        pytest.raises(Unreachable, match=r"(?s)supervisor ended at its start \(exit code 2\).*MEMORY_LIMIT_MB"),
        Stack({**os.environ, "MEMORY_LIMIT_MB": "60"}, private=True),
    ):
        pytest.fail("it must not start")


def test_a_busy_port_is_named():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Unreachable, match=f"Port {port} on 127.0.0.1 cannot be used"):
            require_free("127.0.0.1", port)


def test_restarts_come_once_a_second_at_most():
    process = Process("short", [sys.executable, "-c", ""], os.environ, log=None)
    process.start()
    until(lambda: process.ending)
    started = time.monotonic()
    until(process.tend, 10)
    until(process.tend, 10)
    assert time.monotonic() - started > 2


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A short TMPDIR, as sockets need one, that is removed with what a killed command had no time to remove."""
    with tempfile.TemporaryDirectory(prefix="up-", ignore_cleanup_errors=True) as name:
        yield Path(name)


def start_up(temporary: Path) -> subprocess.Popen[bytes]:
    """`shap-supervisor up` on a free port, once it is ready."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    env = module_environment({**os.environ, "PORT": str(port), "REDIS_URL": "", "TMPDIR": str(temporary)})
    log = (temporary / "log").open("wb")
    up = subprocess.Popen([sys.executable, "-m", "cli", "up"], cwd=ROOT, env=env, stdout=log, stderr=log)
    log.close()
    until(lambda: ready(f"http://127.0.0.1:{port}") or up.poll() is not None)
    return up


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_up_stops_in_order(temporary, number):
    up = start_up(temporary)
    everything = family(up.pid)
    assert len(everything) > 3
    up.send_signal(number)
    assert up.wait(30) == 0
    until(lambda: all(map(gone, everything)), 10)
    assert "Traceback" not in (temporary / "log").read_text()
    left = {path.name for path in temporary.iterdir()}
    assert left == {"log", f"shap-supervisor-{os.getuid()}"}, (
        "nothing but the log and the models that are kept as arrays"
    )


@LINUX
def test_up_that_is_killed_leaves_no_process(temporary):
    up = start_up(temporary)
    everything = family(up.pid)
    assert len(everything) > 3
    up.kill()
    up.wait(10)
    until(lambda: all(map(gone, everything)), 10)


def test_run_from_files_to_values(command, files, tmp_path):
    output = tmp_path / "values.npy"
    ended = command(
        *("run", "--model", files / "model.json", "--data", files / "rows.npy"),
        *("--batch-size", 7, "--output", output, "--report", tmp_path / "report.html", "--json"),
        env={"STARTED_BY": str(tmp_path)},
    )
    assert ended.returncode == 0, ended.stderr
    report = json.loads(ended.stdout.splitlines()[-1])
    assert set(report) == {
        *("job_id", "status", "rows", "features", "outputs", "seconds", "peak_child_bytes"),
        *("chunks", "attempts", "engine", "error"),
    }
    assert (report["status"], report["rows"], report["features"], report["outputs"]) == ("finished", ROWS, FEATURES, 1)
    assert report["chunks"] == 6
    assert report["error"] is None
    assert numpy.load(output).shape == (ROWS, FEATURES)
    assert f"Over {ROWS} rows" in (tmp_path / "report.html").read_text()
    started = [
        p for p in psutil.process_iter(["environ"]) if (p.info["environ"] or {}).get("STARTED_BY") == str(tmp_path)
    ]
    assert started == []


def test_the_demo_explains_compares_and_cleans_up(command):
    ended = command("demo")
    assert ended.returncode == 0, ended.stderr
    assert "worst perimeter" in ended.stdout
    assert "difference from shap" in ended.stdout
    assert "\x1b" not in ended.stdout + ended.stderr
