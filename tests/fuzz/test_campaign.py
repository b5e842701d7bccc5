"""A short campaign with real processes: what `make fuzz` does, with every input that ever failed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cli.processes import ROOT
from fuzz.campaign import kept

INPUTS = 100
APART = Path(sys.prefix) / "dask"
"""Where what reads Parquet, Arrow and Excel lies: see requirements-dask.in."""


@pytest.mark.timeout(240)
def test_nothing_is_found_in_a_short_campaign():
    command = [sys.executable, "-m", "fuzz", "--inputs", str(INPUTS), "--seed", "4", "--no-contract"]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(APART), os.environ.get("PYTHONPATH", "")])}
    ended = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=230)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert f"{INPUTS + len(list(kept()))} inputs" in ended.stdout
    assert "every job ended by a name" in ended.stdout
