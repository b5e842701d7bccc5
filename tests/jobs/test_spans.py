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


def test_a_span_counts_its_rows_from_the_first_to_the_last() -> None:
    span = Span(first=3, last=7, span_first=0, start=0, end=1)
    assert (span.rows, span.chunk_id) == (5, "3-7")


def test_a_last_span_may_be_full_and_an_only_one_short() -> None:
    full = Spans.at(4, 2, [(0, 5), (5, 9)])
    assert [(span.first, span.last) for span in full] == [(0, 1), (2, 3)]
    short = Spans.at(1, 500, [(2, 3)])
    assert [(span.first, span.last, span.start, span.end) for span in short] == [(0, 0, 2, 3)]


@pytest.mark.parametrize(
    ("rows", "per_chunk", "places"), [(-1, 1, b""), (1, 0, b""), (2, 1, bytes(16)), (1, 1, bytes(17))]
)
def test_places_of_another_number_are_refused(rows: int, per_chunk: int, places: bytes) -> None:
    with pytest.raises(ValueError, match="do not go together"):
        Spans(rows=rows, per_chunk=per_chunk, places=places)
