"""Tests of what runs inside a child, with the environment that `child.preload` gives it."""

import os

from child.preload import ENVIRONMENT

for name, value in ENVIRONMENT.items():
    os.environ.setdefault(name, value)
