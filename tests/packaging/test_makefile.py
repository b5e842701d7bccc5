"""The Makefile: which Python it takes, what it says about one that is too old, and how long a check took."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make here")


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    """As if no other make had started us: one that is asked by another tells which directory it enters and leaves."""
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)


def test_an_old_python_is_named_before_anything_is_installed(tmp_path):
    old = tmp_path / "python3.9"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    ended = make("install", f"PYTHON={old}", f"VENV={tmp_path}/venv")
    assert ended.returncode != 0
    assert "Python 3.11 or newer" in ended.stdout
    assert not (tmp_path / "venv").exists()


def test_a_check_ends_with_the_seconds_it_took(tmp_path):
    """The tools are stand-ins that take a while: whoever waits for them is measured."""
    (tmp_path / "bin").mkdir()
    for tool in ("ruff", "mypy", "lint-imports"):
        (tmp_path / "bin" / tool).write_text(f"#!/bin/sh\nsleep {2 if tool == 'mypy' else 0}\n")
        (tmp_path / "bin" / tool).chmod(0o755)
    ended = make("check", f"VENV={tmp_path}", f"--assume-old={tmp_path}/.installed-dev")
    assert ended.returncode == 0, ended.stderr
    took = re.fullmatch(r"Checked in (\d+) s\.", ended.stdout.splitlines()[-1])
    assert took
    assert int(took[1]) >= 2


def test_help_is_the_default():
    assert make().stdout == make("help").stdout
    assert "make demo" in make().stdout
