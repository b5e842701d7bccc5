"""Opening data: rows that fit a child, pace, dry runs, and how often it is asked for."""

import math

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestRegressor
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

from child import memory, opening
from jobs import planner, protocol
from jobs.protocol import Done, Plan, Values
from jobs.spans import Span
from tests.child.support import (
    Supervisor,
    csv_bytes,
    json_bytes,
    npy,
    skops_bytes,
)


def test_the_cap_sets_the_rows_of_a_chunk(samples, forest):
    supervisor = Supervisor({"model": forest, "data": npy(samples.x)})
    supervisor.load()
    cap = math.ceil(supervisor.prepared.needs_bytes(10) / planner.CAP_SHARE)
    assert supervisor.open(500, cap_bytes=cap).one(Plan).spans[0].rows == 10


def test_a_row_that_fits_no_child_is_refused_with_the_numbers(samples):
    supervisor = Supervisor(
        {"model": skops_bytes(SVC().fit(samples.x, samples.two)), "data": npy(samples.x), "background": npy(samples.x)}
    )
    supervisor.load(explainer="kernel", nsamples=5000)
    failed = supervisor.open(500, cap_bytes=10_000).failed
    assert (failed.kind, failed.code) == ("refused", "memory_cap")
    assert failed.detail["needed_bytes"] > failed.detail["room_bytes"] == 10_000
    assert "smaller background" in failed.message


@pytest.mark.parametrize("explainer", ["exact", "kernel", "permutation"])
def test_a_background_is_cut_to_what_fits_where_the_job_allows_it(samples, explainer, monkeypatch):
    parts = {"model": skops_bytes(SVC().fit(samples.x, samples.two)), "data": npy(samples.x)}
    supervisor = Supervisor({**parts, "background": npy(np.tile(samples.x, (20, 1)))})
    supervisor.load(explainer=explainer)
    whole = supervisor.prepared.explainer
    room = int(whole.needs_against(100, 1) / planner.CAP_SHARE) + 1
    monkeypatch.setattr(memory, "room_bytes", lambda: room)
    supervisor.load(explainer=explainer)
    assert supervisor.info.engine == whole.engine
    supervisor.load(explainer=explainer, may_shrink=True)
    assert supervisor.info.engine.endswith(f"(100 of {20 * len(samples.x)} background rows)")


@pytest.mark.parametrize("explainer", ["tree", "permutation"])
def test_a_dry_run_says_what_it_would_take(samples, forest, explainer):
    supervisor = Supervisor({"model": forest, "data": npy(samples.x), "background": npy(samples.x[:20])})
    supervisor.load(explainer=explainer)
    heard = supervisor.open(7, dry_run=True)
    assert not any(isinstance(message, Plan | Values) for message in heard.messages)
    found = heard.one(Done).summary
    rows = len(samples.x)
    assert (found["rows"], found["rows_per_chunk"], found["chunks"]) == (rows, 7, -(-rows // 7))
    assert found["explainer"] == explainer
    assert found["bytes_per_chunk"] >= supervisor.prepared.needs_bytes(7)
    assert found["seconds"] >= rows / found["rows_per_s"]


class Paced:
    """Something that is explained in time that nobody waits for."""

    def __init__(self, monkeypatch, *, rows_per_pass, a_row, fixed=0.0, first=0.0, reading=0.0):
        self.rows_per_pass, self.a_row, self.fixed, self.first, self.reading = (
            rows_per_pass,
            a_row,
            fixed,
            first,
            reading,
        )
        self.explained, self.now = [], 0.0
        monkeypatch.setattr(opening.time, "process_time", lambda: self.now)

    def read(self, source, span, found):
        self.now += self.reading * span.rows
        return np.zeros((span.rows, 2))

    def explain(self, rows, first):
        self.now += self.fixed + self.a_row * len(rows) + self.first * (not self.explained)
        self.explained.append(len(rows))

    def pace(self, rows=1_000):
        return opening._pace(None, Span(first=0, last=rows - 1, span_first=0, start=0, end=1), None, self)


@pytest.mark.parametrize(
    ("rows_per_pass", "a_row", "expected"),
    [
        (64, 1e-9, [64, 64, 256, 1_000]),
        (64, 1e-4, [64, 64, 256]),
        (1, 1e-3, [1, 1, 4, 16]),
        (1, 0.3, [1]),
    ],
)
def test_the_pace_is_taken_with_more_and_more_rows_until_it_shows(monkeypatch, rows_per_pass, a_row, expected):
    paced = Paced(monkeypatch, rows_per_pass=rows_per_pass, a_row=a_row)
    assert paced.pace().rows_per_s == pytest.approx(1 / a_row, rel=0.02)
    assert paced.explained == expected


def test_what_each_child_pays_is_not_what_a_row_takes(monkeypatch):
    """A pipeline's steps take 20 ms for 64 rows as for 600, and 40 ms in a child that has not run them."""
    found = Paced(monkeypatch, rows_per_pass=64, a_row=1e-4, fixed=0.02, first=0.02, reading=2e-5).pace()
    assert found.rows_per_s == pytest.approx(1 / 1.2e-4)
    assert found.fixed_s == pytest.approx(planner.FIXED_S + 0.04)


def test_who_has_no_more_rows_is_not_asked_again(monkeypatch):
    paced = Paced(monkeypatch, rows_per_pass=64, a_row=1e-3)
    assert paced.pace(rows=20) == planner.Pace(pytest.approx(1_000))
    assert paced.explained == [20]


def test_a_dry_run_tells_what_its_own_child_took_where_that_is_more(samples, monkeypatch):
    """A model's own arrays are in no formula."""
    supervisor = Supervisor(
        {
            "model": skops_bytes(SVC().fit(samples.x, samples.two)),
            "data": npy(samples.x[:9]),
            "background": npy(samples.x[:5]),
        }
    )
    supervisor.load(max_evals=11)
    monkeypatch.setattr(memory, "report", lambda start: protocol.MemoryReport(peak_bytes=77 * 2**20))
    assert supervisor.open(dry_run=True).one(Done).summary["bytes_per_chunk"] == 77 * 2**20


def test_a_free_planner_cuts_by_the_measured_pace(samples, forest, monkeypatch):
    supervisor = Supervisor({"model": forest, "data": npy(samples.x)})
    supervisor.load()
    monkeypatch.setattr(opening, "_pace", lambda *_: planner.Pace(10.0))
    spans = supervisor.open("auto").one(Plan).spans
    assert spans[0].rows == planner.rows_worth_a_child(len(samples.x), planner.Pace(10.0), 1) < len(samples.x)


@pytest.mark.parametrize("write", [csv_bytes, json_bytes])
def test_small_data_is_asked_for_once(samples, forest, write):
    supervisor = Supervisor({"model": forest, "data": write(samples.columns, samples.x)})
    supervisor.load()
    heard = supervisor.open(1_000)
    assert heard.one(Done).partial
    assert heard.reads == 1


def test_small_data_that_came_along_is_not_asked_for(samples, forest):
    supervisor = Supervisor({"model": forest, "data": csv_bytes(samples.columns, samples.x)})
    supervisor.load()
    asked = supervisor.open(1_000)
    given = supervisor.open(1_000, given=True)
    assert (asked.reads, given.reads) == (1, 0)
    assert np.array_equal(asked.values(), given.values())
    plan = supervisor.open(10).one(Plan)
    for span in plan.spans:
        asked, given = (supervisor.explain(plan.layout, span, given=known) for known in (False, True))
        assert given.reads == 0 < asked.reads
        assert np.array_equal(asked.values(), given.values())


@pytest.mark.parametrize(
    ("rows", "batch_size", "options", "at_once"),
    [
        (20, 1_000, {}, True),
        (20, 10, {}, False),
        (20, 1_000, {"explainer": "permutation"}, False),
        (20, 1_000, {"id_column": "a"}, False),
        (20, 1_000, {"reduce": "summary"}, True),
        (2_000, 10_000, {}, False),
        (2_000, 10_000, {"reduce": "summary"}, False),
    ],
)
def test_small_jobs_are_told_at_once(samples, forest, *, rows, batch_size, options, at_once):
    """Where it takes long, or is much, the plan comes first: somebody may look how far it is."""
    x = np.resize(samples.x, (rows, samples.x.shape[1]))
    columns = [*samples.columns, "a"] if "id_column" in options else samples.columns
    x = np.column_stack([x, np.arange(rows)]) if "id_column" in options else x
    parts = {"model": forest, "data": csv_bytes(columns, x), "background": csv_bytes(samples.columns, samples.x[:2])}
    supervisor = Supervisor(parts if "explainer" in options else {name: parts[name] for name in ("model", "data")})
    supervisor.load(**options)
    assert supervisor.open(batch_size).at_once is at_once


@pytest.mark.parametrize("width", [2, 2_000])
def test_estimates_count_the_width_of_text(width, monkeypatch):
    """A dry run tells it, and a chunk has the fewer rows for it."""
    monkeypatch.setattr(memory, "report", lambda start: protocol.MemoryReport(peak_bytes=0))
    texts = [f"{word} {'ab ' * (width // 3)}" for word in ("red", "green", "blue")]
    frame = pd.DataFrame({"text": texts * 200, "x": np.arange(600.0)})
    steps = ColumnTransformer([("words", CountVectorizer(), "text")], remainder="passthrough")
    model = make_pipeline(steps, RandomForestRegressor(2, max_depth=2, random_state=0)).fit(frame, frame["x"])
    found = Supervisor({"model": skops_bytes(model), "data": frame.to_csv(index=False).encode()})
    found.load()
    told = found.open(600, dry_run=True).one(Done).summary["bytes_per_chunk"]
    narrow = Supervisor({"model": skops_bytes(model), "data": frame.assign(text="red").to_csv(index=False).encode()})
    narrow.load()
    without = narrow.open(600, dry_run=True).one(Done).summary["bytes_per_chunk"]
    assert told - without >= 3 * 600 * (width - 2)
    cap = int(without / planner.CAP_SHARE) + 1_000_000
    few = found.open(600, cap_bytes=cap).one(Plan).spans
    assert (len(few) > 1) == (width > 2)
