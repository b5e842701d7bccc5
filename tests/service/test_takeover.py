"""A model that takes over the process which loads it: nothing of it gets out, and the next job is right."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import skops.io
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.linear_model import LinearRegression

from supervisor.children.sandbox import LAYERS, look
from tests.service.conftest import npy, running

pytestmark = pytest.mark.skipif(look() != list(LAYERS), reason="this platform lacks a part of the sandbox")

PAYLOAD = """
import ctypes, glob, os, signal, socket, subprocess, sys
def parent_of(pid):
    return int(open(f"/proc/{pid}/status").read().split("PPid:")[1].split()[0])
def open_socket():
    socket.create_connection(("127.0.0.1", 6379), 1)
def fill_memory():
    os.ftruncate(os.memfd_create("x"), 1 << 30)
def trace(pid):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(16, pid, 0, 0) < 0:
        raise OSError(ctypes.get_errno(), "trace")
forkserver = os.getppid()
supervisor = parent_of(forkserver)
attempts = {
    "environment": lambda: open(f"/proc/{supervisor}/environ").read(),
    "memory": lambda: open(f"/proc/{supervisor}/mem", "r+b"),
    "store": open_socket,
    "kill supervisor": lambda: os.kill(supervisor, signal.SIGCONT),
    "kill forkserver": lambda: os.kill(forkserver, signal.SIGCONT),
    "memfd": fill_memory,
    "tmpfs": lambda: open("/dev/shm/takeover", "w"),
    "disk": lambda: open(os.path.join(CACHE, "takeover"), "w"),
    "cache": lambda: os.listdir(CACHE),
    "read": lambda: open("/etc/passwd").read(),
    "program": lambda: subprocess.run(["true"]),
    "processes": lambda: os.fork() or os._exit(0),
    "web": lambda: [open(f"/proc/{pid}/environ") for pid in range(1, 99999) if os.path.exists(f"/proc/{pid}/environ")],
    "trace": lambda: trace(supervisor),
    "other models": lambda: open(OTHER, "r+b"),
}
got_out = []
for name, attempt in attempts.items():
    try:
        attempt()
    except PermissionError:
        continue
    except OSError as error:
        name += repr(error)
    got_out.append(name)
raise RuntimeError("got out: " + ", ".join(got_out or ["nothing"]))
"""


class Takeover:
    """Unpickled, it runs PAYLOAD."""

    def __init__(self, cache: Path, other: Path) -> None:
        self._code = f"CACHE, OTHER = {str(cache)!r}, {str(other)!r}\n{PAYLOAD}"

    def __reduce__(self) -> tuple[object, tuple[str, dict[str, str]]]:
        return exec, (self._code, {})


def test_a_pickle_that_takes_its_process_over(tmp_path: Path) -> None:
    trusted, cache = tmp_path / "trusted", tmp_path / "cache"
    trusted.mkdir()
    rows = np.random.default_rng(0).normal(size=(20, 3))
    fitted = LinearRegression().fit(rows, rows @ [1.0, 2.0, 3.0])
    trees = skops.io.dumps(GradientBoostingRegressor(n_estimators=3).fit(rows, rows[:, 0]))
    for service in running(
        {"TRUSTED_MODEL_DIR": str(trusted), "MODEL_CACHE_DIR": str(cache), "WORKER_SLOTS": "1", "SANDBOX": "require"}
    ):
        before = service.values(service.ended(service.submit(trees, npy(rows)))["job_id"])
        (arrays,) = cache.glob("*.trees")
        (trusted / "hostile.pkl").write_bytes(pickle.dumps(Takeover(cache, arrays)))
        answer = service.http.post("/analyze", files={"data": npy(rows)}, data={"model_id": "hostile.pkl"})
        job = service.ended(answer.json()["job_id"])
        assert job["status"] == "failed"
        assert "got out: nothing" in job["error"]["message"], job["error"]
        good = service.ended(service.submit(skops.io.dumps(fitted), npy(rows), background=npy(rows)))
        assert good["status"] == "finished", good["error"]
        values = service.values(good["job_id"])
        assert np.allclose(values.sum(axis=1), fitted.predict(rows) - fitted.predict(rows).mean())
        again = service.ended(service.submit(trees, npy(rows), explainer="tree"))
        assert np.array_equal(service.values(again["job_id"]), before)
        arrays.write_bytes(arrays.read_bytes().replace(b"\x00" * 8, b"\x01" * 8))  # somebody else of this user's
        again = service.ended(service.submit(trees, npy(rows), explainer="tree", seed=7))
        assert np.array_equal(service.values(again["job_id"]), before)
        health = service.http.get("/health").json()["checks"]["sandbox"]
        assert health == {"status": "pass", "active": sorted(LAYERS)}
