"""What a fork does to itself, in processes of their own, as most of it cannot be undone."""

import subprocess
import sys

import pytest

from supervisor.children.confinement import EXIT_UNREPORTED, LINUX

PARENT_OF_INIT = """
import os
os.getppid = lambda: 1
from supervisor.children.confinement import die_with_parent
die_with_parent()
"""


@pytest.mark.skipif(not LINUX, reason="elsewhere a closed connection is what ends a child")
def test_whose_parent_has_died_already_ends_too() -> None:
    """It would never hear of it: init is its parent by then."""
    assert subprocess.run([sys.executable, "-c", PARENT_OF_INIT], check=False).returncode == EXIT_UNREPORTED
