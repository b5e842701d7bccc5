"""Tests of what runs inside a child, with the environment that `jobs.work.preload` gives it."""

import os

from jobs.work.preload import ENVIRONMENT

for name, value in ENVIRONMENT.items():
    os.environ.setdefault(name, value)
