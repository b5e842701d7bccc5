"""A short campaign with real processes: what `make fuzz` does, with every input that ever failed."""

import subprocess
import sys

import pytest

from cli.processes import ROOT
from fuzz.campaign import kept

INPUTS = 100


@pytest.mark.timeout(240)
def test_nothing_is_found_in_a_short_campaign():
    command = [sys.executable, "-m", "fuzz", "--inputs", str(INPUTS), "--seed", "4", "--no-contract"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=230)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert f"{INPUTS + len(list(kept()))} inputs" in ended.stdout
    assert "every job ended by a name" in ended.stdout
