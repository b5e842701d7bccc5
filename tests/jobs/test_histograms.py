"""Histograms: their bounds. What is observed: see `test_outcomes` and the state machine."""

import pytest

from jobs.histograms import BOUNDS


@pytest.mark.parametrize("name", BOUNDS)
def test_bounds_go_up_and_are_positive(name: str) -> None:
    """A share of the cap of 1 is told from more, as more is what nobody may have."""
    bounds = BOUNDS[name]
    assert list(bounds) == sorted(set(bounds))
    assert min(bounds) > 0
    assert name != "peak_cap_ratio" or 1 in bounds
