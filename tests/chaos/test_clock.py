"""A wall clock that jumps."""

import os
import subprocess
import sys
from pathlib import Path

from chaos import clock


def test_a_clock_jumps_while_its_process_runs(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(Path(clock.__file__).read_text())
    code = (
        "import time, sys; sys.path.append(''); before = time.monotonic(), time.time()\n"
        f"open({str(tmp_path / 'offset')!r}, 'w').write('-7200')\n"
        "print(time.monotonic() - before[0], time.time() - before[1], time.time_ns() / 1e9 - before[1])"
    )
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    printed = subprocess.run([sys.executable, "-c", code], env=env, check=True, capture_output=True, text=True).stdout
    monotonic, wall, wall_ns = map(float, printed.split())
    assert 0 <= monotonic < 5
    assert -7200 <= wall < -7190
    assert -7200 <= wall_ns < -7190
