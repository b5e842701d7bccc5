"""Where rows lie: spans of bytes, a sequence that makes them when asked."""

import pytest

from jobs.spans import Span, Spans


def test_spans_are_made_when_they_are_asked_for() -> None:
    spans = Spans.at(5, 2, [(10, 30), (30, 50), (50, 60)])
    found = [
        Span(first=a, last=b, span_first=a, start=start, end=end)
        for a, b, start, end in ((0, 1, 10, 30), (2, 3, 30, 50), (4, 4, 50, 60))
    ]
    assert (list(spans), len(spans), spans[-1]) == (found, 3, found[-1])
    assert not Spans.at(0, 2, [])
    with pytest.raises(IndexError):
        spans[3]
