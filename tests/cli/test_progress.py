"""What a bar says beside its bar, and what is said of a file that was written."""

from pathlib import Path
from typing import Any

import pytest

from cli.output import written
from cli.progress import BAR_CELLS, ProgressBar

JOB = {"status": "started", "rows": 1000, "rows_done": 0, "chunks": 10, "chunks_done": 0}


def test_a_bar_says_rows_chunks_speed_and_the_time_left() -> None:
    now = 100.0
    bar = ProgressBar(clock=lambda: now)
    assert bar.words({"status": "queued", "rows": None, "chunks": None}) == "queued"
    assert bar.words(JOB) == "0/1,000 rows, 0/10 chunks"
    assert bar.words({**JOB, "rows_done": 100}) == "100/1,000 rows, 0/10 chunks", "one look is no speed"
    now += 2
    told = bar.words({**JOB, "rows_done": 300, "chunks_done": 3})
    assert told == "300/1,000 rows, 3/10 chunks, 100 rows/s, 7 s left"
    large = {**JOB, "rows": 10**6, "rows_done": 10**5, "chunks": 2000, "chunks_done": 200}
    assert len(bar.words(large)) <= 80 - BAR_CELLS - 4


@pytest.mark.parametrize(
    ("more", "axes"),
    [
        ({}, "3 rows x 2 features"),
        ({"outputs": 4}, "3 rows x 2 features x 4 outputs"),
        ({"options": {"interactions": True}}, "3 rows x 2 features x 2 features"),
    ],
)
def test_a_file_is_said_to_hold_what_it_holds(tmp_path: Path, more: dict[str, Any], axes: str) -> None:
    output = tmp_path / "values.npy"
    output.write_bytes(bytes(2**20))
    job = {"rows": 3, "features": 2, "outputs": 1, "options": {}, **more}
    assert written(output, job) == f"Wrote the values of {axes} to {output} (1.0 MB)."
