"""Figures of a report."""

from chaos.report import quantile


def test_quantiles_are_values_that_occurred():
    assert quantile([3.0, 1.0, 2.0], 0.99) == 3.0
    assert quantile([float(value) for value in range(1, 201)], 0.99) == 198.0
    assert quantile([5.0], 0.5) == 5.0
