"""Results beside the values computed aside."""

import numpy

from chaos.sample_jobs import SampleJob, _npy, what_is_wrong

SAMPLE = SampleJob(name="x", weight=1, files={}, options={}, rows=2, expected=numpy.array([[1.0, 2.0], [3.0, 4.0]]))


def test_values_are_judged():
    assert what_is_wrong(SAMPLE, _npy(SAMPLE.expected)) is None
    assert "shape" in (what_is_wrong(SAMPLE, _npy(SAMPLE.expected[:1])) or "")
    assert "differ" in (what_is_wrong(SAMPLE, _npy(SAMPLE.expected[::-1].copy())) or "")
