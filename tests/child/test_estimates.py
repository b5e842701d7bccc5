"""What a child will take is told before it starts: near what is measured, and hardly ever below it."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

MIB = 1024 * 1024
ABOVE, BELOW = 0.25, 0.10
SMALL_BYTES = 1 * MIB
"""Pages that any child touches: what is smaller than that is not measured by it."""

TREES = [
    {"model": "trees", "rows": 500, "features": 50},
    {"model": "trees", "rows": 20_000, "features": 50},
    {"model": "trees", "rows": 5_000, "features": 50, "outputs": 8},
    {"model": "trees", "rows": 500, "features": 50, "options": {"interactions": True}},
    {"model": "trees", "rows": 300, "features": 200, "options": {"interactions": True}},
    {"model": "trees", "rows": 20, "features": 300, "options": {"interactions": True}},
    {"model": "trees", "rows": 1, "features": 1_000, "options": {"interactions": True}},
    {"model": "trees", "rows": 200, "features": 50, "outputs": 6, "options": {"interactions": True}},
    {"model": "trees", "rows": 5_000, "features": 50, "background": 100},
    {"model": "trees", "rows": 20_000, "features": 20, "background": 1_000},
    {"model": "trees", "rows": 300, "features": 100, "background": 100, "options": {"interactions": True}},
]
NUMPY = [*TREES[:4], {"model": "trees", "rows": 2_000, "features": 20, "background": 200}]
"""Without the C kernel, which takes longer."""
OTHERS = [
    {"model": "linear", "rows": 5_000, "features": 50, "background": 100},
    {"model": "linear", "rows": 20_000, "features": 100, "background": 100},
    {"model": "network", "rows": 10, "features": 8, "background": 100, "options": {"explainer": "exact"}},
    {"model": "network", "rows": 2, "features": 11, "background": 10_000, "options": {"explainer": "exact"}},
    {"model": "network", "rows": 20, "features": 50, "background": 300, "options": {"explainer": "permutation"}},
    {"model": "network", "rows": 5, "features": 100, "background": 500, "options": {"explainer": "permutation"}},
    {"model": "network", "rows": 2, "features": 20, "background": 100, "options": {"explainer": "kernel"}},
    {
        "model": "network",
        "rows": 2,
        "features": 40,
        "background": 200,
        "outputs": 3,
        "options": {"explainer": "kernel"},
    },
]


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
@pytest.mark.parametrize(("stack", "cases"), [("lean", TREES), ("full", OTHERS), ("numpy", NUMPY)])
def test_estimates_are_near_the_measured_peak(stack: str, cases: list[dict[str, Any]]) -> None:
    env = {**os.environ, "MALLOC_ARENA_MAX": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.child.peaks", stack, *map(json.dumps, cases)]
    ended = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 0, ended.stderr
    found = [json.loads(line) for line in ended.stdout.splitlines()]
    off = [
        f"{json.dumps(case)}: {got['estimated'] / MIB:.1f} MB for {got['measured'] / MIB:.1f} MB"
        for case, got in zip(cases, found, strict=True)
        if not within(got["estimated"], got["measured"])
    ]
    assert not off, "\n".join(off)


def within(estimated: int, measured: int) -> bool:
    return (1 - BELOW) * measured - SMALL_BYTES <= estimated <= (1 + ABOVE) * measured + SMALL_BYTES
