"""What AGGRESSIVE_MEMORY_MANAGEMENT is worth: jobs that need the libraries, then trees, which do not."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import lightgbm
import numpy as np
import pytest
import skops.io
from sklearn.linear_model import Ridge

from jobs.settings import MIB
from tests.memory.campaign import FEW, Submission, npy
from tests.memory.conftest import machine
from tests.memory.test_campaign import Service

LIMIT_MB = 2048
JOBS = 4
LIBRARIES_MB = 100
"""A full forkserver takes at least so much of its own."""
LET_GO_S, JOB_S = 60.0, 300.0


def linear() -> Iterator[Submission]:
    """Each another model, with the same few rows."""
    x = np.random.default_rng(0).normal(size=(40, FEW))
    for number in range(JOBS):
        model = skops.io.dumps(Ridge(alpha=number + 1).fit(x, x[:, 0]))
        options = {"explainer": "permutation", "batch_size": 10}
        yield Submission(kind="ridge", model=model, data=npy(x), background=npy(x[:10]), options=options)


def trees() -> Iterator[Submission]:
    x = np.random.default_rng(0).normal(size=(400, FEW))
    for number in range(JOBS):
        booster = lightgbm.LGBMRegressor(n_estimators=20, verbose=-1, random_state=number).fit(x, x[:, 0]).booster_
        yield Submission(kind="lightgbm", model=booster.model_to_string().encode(), data=npy(x))


def peak_bytes(service: Service, jobs: Iterable[Submission]) -> int:
    """Of all processes together, while the jobs run."""
    service.most_in_use_bytes = 0
    for job_id in [service.submit(submission) for submission in jobs]:
        job = service.ended(job_id, JOB_S)
        assert job["status"] == "finished", job["error"]
    return service.most_in_use_bytes


def peaks(cgroups: Path, valkey_url: str, directory: Path, aggressive: bool) -> tuple[int, int]:
    """While jobs need the libraries, and while others run some time after."""
    directory.mkdir()
    env = {
        "REDIS_URL": valkey_url,
        "CHILD_MEMORY_MB": "256",
        "AGGRESSIVE_MEMORY_MANAGEMENT": str(aggressive).lower(),
        "MODEL_CACHE_DIR": str(directory / "models"),
    }
    with machine(cgroups, directory, LIMIT_MB, **env) as found:
        service = Service(found)
        first = peak_bytes(service, linear())
        if aggressive:
            found.until(lambda: found.events("supervisor", "forkserver_let_go"), LET_GO_S)
        second = peak_bytes(service, trees())
        assert bool(found.events("supervisor", "forkserver_let_go")) is aggressive
        return first, second


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_aggressive_memory_management_holds_less(cgroups: Path, valkey_url: str, tmp_path: Path) -> None:
    thrifty = peaks(cgroups, valkey_url, tmp_path / "true", aggressive=True)
    eager = peaks(cgroups, valkey_url, tmp_path / "false", aggressive=False)
    for name, (first, second) in (("true", thrifty), ("false", eager)):
        print(f"{name:5}: peak {first / MIB:.0f} MB with the libraries, {second / MIB:.0f} MB later, with trees")
    assert thrifty[0] < eager[0]
    assert thrifty[1] < eager[1] - LIBRARIES_MB * MIB
