"""Which format an Accept header asks for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.negotiation import choose

JSON, CSV, NPY = "application/json", "text/csv", "application/x-npy"


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, JSON),
        ("", JSON),
        ("*/*", JSON),
        ("text/csv", CSV),
        ("TEXT/CSV; charset=utf-8", CSV),
        ("text/*", CSV),
        ("application/*", JSON),
        ("text/csv, */*", CSV),
        ("text/csv;q=0.5, application/x-npy;q=0.8", NPY),
        ("text/csv;q=0.5, application/json", JSON),
        ("application/json;q=0, */*;q=0.1", CSV),
        ("text/html,application/xhtml+xml,*/*;q=0.8", JSON),
        ("text/html", None),
        ("*/*;q=0", None),
        ("text/csv;q=nan, application/x-npy;q=0.1", NPY),
        (",;=//,", JSON),
    ],
)
def test_choose(accept: str | None, chosen: str | None) -> None:
    assert choose(accept, [JSON, CSV, NPY]) == chosen


@given(st.text())
def test_any_header_gives_an_answer(accept: str) -> None:
    assert choose(accept, [JSON, CSV]) in (JSON, CSV, None)
