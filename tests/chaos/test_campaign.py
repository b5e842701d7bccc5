"""A short campaign with real processes: what `make chaos` does, for half a minute."""

import subprocess
import sys

import pytest

from cli.processes import ROOT


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_nothing_is_lost_in_a_short_campaign():
    command = [sys.executable, "-m", "chaos", "--seconds", "20", "--seed", "3", "--lease", "5"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=230)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "nothing lost, wrong, twice or stuck" in ended.stdout
