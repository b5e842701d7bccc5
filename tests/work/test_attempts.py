"""Whole attempts over a socketpair: cutting, halving, closing, and every way to fail."""

import math
import subprocess
import sys
from types import SimpleNamespace

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
import xgboost as xgb
from sklearn.ensemble import (
    GradientBoostingRegressor,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from jobs import codec, planner
from jobs.codec import PIECE_BYTES, Done, Plan, Values
from jobs.work import memory, opening
from tests.work.support import (
    Supervisor,
    csv_bytes,
    explained,
    halves,
    json_bytes,
    npy,
    records_bytes,
    refusal,
    skops_bytes,
)


def all_chunks(supervisor, batch_size, halve=False):
    """Values of every chunk, each explained for itself, and the partials."""
    opened = supervisor.open(batch_size)
    plan = opened.one(Plan)
    spans = [half for span in plan.spans for half in halves(span)] if halve else plan.spans
    chunks = [supervisor.explain(plan.layout, span) for span in spans]
    partials = b"".join(codec.encode(chunk.one(Done).partial) for chunk in chunks)
    return np.concatenate([chunk.values() for chunk in chunks]), plan, partials


@pytest.mark.parametrize("file_format", ["npy", "csv", "json", "records"])
def test_cutting_and_halving_never_change_values(samples, forest, file_format):
    write = {"npy": lambda c, x: npy(x), "csv": csv_bytes, "json": json_bytes, "records": records_bytes}[file_format]
    data = write(samples.columns, samples.x)
    whole = explained(forest, data)[0].ravel()
    supervisor = Supervisor({"model": forest, "data": data})
    supervisor.load()
    for batch_size, halve in ((50, False), (50, True), (7, True)):
        np.testing.assert_array_equal(all_chunks(supervisor, batch_size, halve)[0], whole)


@pytest.mark.parametrize("explainer", ["permutation", "kernel"])
def test_sampled_values_do_not_depend_on_the_cut(samples, explainer, monkeypatch):
    from jobs.work.explainers import sampling

    monkeypatch.setattr(sampling, "BLOCK_ROWS", 6)  # so that chunks begin inside blocks and cross them
    model = skops_bytes(SVC().fit(samples.x, samples.two))
    background = samples.x[30:40].copy()
    background[:, 2] = samples.x[4, 2]  # a constant column that one row shares
    parts = {"model": model, "data": npy(samples.x[:16]), "background": npy(background)}
    supervisor = Supervisor(parts)
    supervisor.load(explainer=explainer, seed=5, max_evals=22, nsamples=20)
    whole = supervisor.open(100).values()
    for batch_size, halve in ((4, False), (7, True), (1, False)):
        np.testing.assert_allclose(all_chunks(supervisor, batch_size, halve)[0], whole, rtol=0, atol=1e-12)


def test_closing_gives_the_summary_of_one_chunk(samples, forest):
    supervisor = Supervisor({"model": forest, "data": npy(samples.x)})
    supervisor.load()
    one = supervisor.open(1000).one(Done).summary
    _, plan, partials = all_chunks(supervisor, 17)
    closed = supervisor.close(plan.layout, partials).one(Done).summary
    np.testing.assert_allclose(closed.pop("mean_abs_shap"), one.pop("mean_abs_shap"))
    assert [e["feature"] for e in closed.pop("top_features")] == [e["feature"] for e in one.pop("top_features")]
    assert closed["additivity"].pop("largest_error") == pytest.approx(one["additivity"].pop("largest_error"))
    assert closed == one


def test_frames_and_reads_are_pieces(samples, forest):
    x = np.tile(samples.x, (100, 1))
    supervisor = Supervisor({"model": forest, "data": csv_bytes(samples.columns, x)})
    supervisor.load()
    heard = supervisor.open(10**6, cap_bytes=2**34)
    pieces = [len(m.data) for m in heard.messages if isinstance(m, Values)]
    assert len(pieces) > 1
    assert max(pieces) <= PIECE_BYTES
    assert heard.longest_read <= PIECE_BYTES
    assert heard.one(Done).memory.vm_hwm_bytes > 0 or sys.platform != "linux"


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


@pytest.mark.parametrize("explainer", ["kernel", "permutation"])
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


def test_rows_are_explained_block_by_block(samples, forest, monkeypatch):
    whole = explained(forest, npy(samples.x))
    monkeypatch.setattr(planner, "BLOCK_BYTES", 1)
    values, heard, _ = explained(forest, npy(samples.x))
    np.testing.assert_allclose(values, whole[0], rtol=1e-12)
    found, expected = heard.one(Done).summary, whole[1].one(Done).summary
    assert found["rows"] == len(samples.x)
    np.testing.assert_allclose(found["mean_abs_shap"], expected["mean_abs_shap"], rtol=1e-12)


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


@pytest.mark.parametrize(("lanes", "expected"), [(64, [64, 256]), (1, [1, 4, 16, 64, 256])])
def test_the_pace_is_taken_with_as_many_rows_as_go_side_by_side(lanes, expected):
    explained = []
    prepared = SimpleNamespace(
        lanes=lanes,
        read=lambda source, span, found: np.zeros((span.rows, 2)),
        explain=lambda rows, first: explained.append(len(rows)),
    )
    span = codec.Span(first=0, last=999, span_first=0, start=0, end=1)
    assert opening._pace(None, span, None, prepared) > 1_000
    assert explained == expected


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
    monkeypatch.setattr(memory, "report", lambda start: codec.MemoryReport(peak_bytes=77 * 2**20))
    assert supervisor.open(dry_run=True).one(Done).summary["bytes_per_chunk"] == 77 * 2**20


def test_a_free_planner_cuts_by_the_measured_pace(samples, forest, monkeypatch):
    supervisor = Supervisor({"model": forest, "data": npy(samples.x)})
    supervisor.load()
    monkeypatch.setattr(opening, "_pace", lambda *_: 10.0)
    spans = supervisor.open("auto").one(Plan).spans
    assert spans[0].rows == planner.rows_worth_a_child(len(samples.x), 10.0, 1) < len(samples.x)


def named(samples, columns):
    frame = pd.DataFrame(samples.x, columns=columns)
    return skops_bytes(RandomForestRegressor(5, random_state=0).fit(frame, samples.number))


def test_columns_are_brought_into_the_models_order(samples):
    model = named(samples, samples.columns)
    order = [3, 0, 4, 2, 1]
    straight, heard, _ = explained(model, csv_bytes(samples.columns, samples.x))
    shuffled_data = csv_bytes([samples.columns[i] for i in order], samples.x[:, order])
    mixed, shuffled, _ = explained(model, shuffled_data)
    np.testing.assert_array_equal(straight, mixed)
    assert shuffled.one(Plan).layout.features == samples.columns
    assert heard.one(Plan).layout.order is None


def test_the_background_is_brought_into_order_too(samples):
    model = named(samples, samples.columns)
    background = samples.x[:20]
    straight = explained(model, npy(samples.x), csv_bytes(samples.columns, background))[0]
    mixed = explained(model, npy(samples.x), csv_bytes(samples.columns[::-1], background[:, ::-1]))[0]
    np.testing.assert_array_equal(straight, mixed)


def test_spaces_in_names_are_the_underscores_that_lightgbm_made_of_them(samples):
    columns = ["of a", "of b", "of_c", "d", "e"]
    booster = lgb.train(
        {"verbose": -1, "num_threads": 1}, lgb.Dataset(pd.DataFrame(samples.x, columns=columns), samples.number), 5
    )
    model = booster.model_to_string().encode()
    expected = explained(model, npy(samples.x))[0]
    values, heard, _ = explained(model, csv_bytes(columns[::-1], samples.x[:, ::-1]))
    np.testing.assert_array_equal(values, expected)
    assert heard.one(Plan).layout.features == columns
    both = csv_bytes(["of a", "of_a", "of_c", "d", "e"], samples.x)  # which of the two is meant?
    assert refusal(model, both).code == "feature_names"


def test_other_columns_are_refused_by_name(samples):
    failed = refusal(named(samples, samples.columns), csv_bytes(["col0", "col1", "x", "col3", "col4"], samples.x))
    assert (failed.kind, failed.code) == ("refused", "feature_names")
    assert failed.detail == {"field": "data", "missing": "col2", "unknown": "x"}
    many = csv_bytes([f"other{i}" for i in range(15)], np.zeros((1, 15)))
    assert "and 5 more" in refusal(named(samples, samples.columns), many).message


def test_another_number_of_columns(samples, forest):
    assert refusal(forest, npy(np.zeros((2, 4)))).code == "feature_count"
    assert refusal(forest, None, npy(np.zeros((2, 4)))).detail["field"] == "background"


def test_missing_values_are_refused_where_the_model_does_not_take_them(samples):
    x = samples.x.copy()
    x[3, 2] = np.nan
    logistic = skops_bytes(LogisticRegression().fit(samples.x, samples.two))
    gradient = skops_bytes(GradientBoostingRegressor(n_estimators=3).fit(samples.x, samples.number))
    for failed in (refusal(logistic, npy(x), npy(samples.x)), refusal(gradient, npy(x))):
        assert failed.code == "missing_value"
        assert (failed.detail["row"], failed.detail["column"]) == (3, "f2")
    assert refusal(logistic, npy(samples.x), npy(x)).detail["field"] == "background"


def test_infinite_values_are_refused(samples, forest):
    for value in (np.inf, -np.inf, 1e39, -1e300):
        x = samples.x.copy()
        x[7, 1] = value
        failed = refusal(forest, npy(x))
        assert (failed.code, failed.detail["row"], failed.detail["column"]) == ("infinite_value", 7, "f1")


def test_rows_of_later_chunks_keep_their_numbers(samples, forest):
    x = samples.x.copy()
    x[77, 1] = np.inf
    supervisor = Supervisor({"model": forest, "data": npy(x)})
    supervisor.load()
    plan = supervisor.open(50).one(Plan)
    assert supervisor.explain(plan.layout, plan.spans[1]).failed.detail["row"] == 77


# --- how attempts fail -----------------------------------------------------------------------------------------


def test_any_other_exception_is_named_without_a_traceback(samples, forest):
    supervisor = Supervisor({"model": forest, "data": npy(samples.x)})
    supervisor.load()
    supervisor.prepared.explainer.explain = lambda rows, first: 1 / 0
    failed = supervisor.open().failed
    assert (failed.kind, failed.code, failed.message) == ("raised", "raised", "ZeroDivisionError: division by zero")


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("std::bad_alloc"),
        xgb.core.XGBoostError("Out of memory"),
        ValueError("Unable to allocate 3 GiB"),
    ],
)
def test_running_out_of_memory_is_told_apart(samples, forest, error):
    def explain(rows, first):
        raise error

    supervisor = Supervisor({"model": forest, "data": npy(samples.x)})
    supervisor.load()
    supervisor.prepared.explainer.explain = explain
    failed = supervisor.open().failed
    assert (failed.kind, failed.code) == ("memory", "memory_cap")


@pytest.mark.parametrize("write", [csv_bytes, json_bytes])
def test_small_data_is_asked_for_once(samples, forest, write):
    supervisor = Supervisor({"model": forest, "data": write(samples.columns, samples.x)})
    supervisor.load()
    heard = supervisor.open(1_000)
    assert heard.one(Done).partial
    assert heard.reads == 1


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
@pytest.mark.parametrize(("seconds", "looks"), [(0.001, False), (1.0, True)])
def test_only_who_took_its_time_looks_at_all_its_pages(monkeypatch, tmp_path, seconds, looks):
    (tmp_path / "shares").write_text("Private_Dirty:  9000000 kB\n")
    monkeypatch.setattr(memory, "SHARES", tmp_path / "shares")
    monkeypatch.setattr(memory.time, "process_time", lambda: seconds)
    anonymous = memory.anonymous_bytes()
    peak = memory.report(anonymous).peak_bytes
    assert (peak > 8_000_000 * 1024) is looks
    assert peak >= memory.copied_bytes()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux holds RLIMIT_AS")
def test_a_child_at_its_cap_still_reports():
    """In a process of its own, whose soft limit is a little above what it has and whose hard one is higher."""
    code = """
import resource, sys, numpy as np
from sklearn.ensemble import RandomForestRegressor
from jobs.codec import Failed
from tests.work.support import Supervisor, npy, skops_bytes
x = np.zeros((400_000, 8)); x[:, 0] = np.arange(400_000)
s = Supervisor({"model": skops_bytes(RandomForestRegressor(3, max_depth=3).fit(x[:100], x[:100, 0])), "data": npy(x)})
s.load()
size = next(int(l.split()[1]) for l in open("/proc/self/status") if l.startswith("VmSize")) * 1024
resource.setrlimit(resource.RLIMIT_AS, (size + 30 * 2**20, size + 50 * 2**20))
failed = s.open(10**6, 2**40).failed
assert (failed.kind, failed.code) == ("memory", "memory_cap"), failed
assert failed.memory.vm_peak_bytes > size, failed
assert resource.getrlimit(resource.RLIMIT_AS)[0] == size + 50 * 2**20
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_memory_error_may_hide_behind_another():
    def fail():
        try:
            raise MemoryError
        except MemoryError as inner:
            raise ValueError("cannot read") from inner

    with pytest.raises(ValueError, match="cannot read") as caught:
        fail()
    assert memory.is_out_of_memory(caught.value)
    assert not memory.is_out_of_memory(ValueError("cannot read"))


def test_a_supervisor_that_goes_away_ends_the_child(samples, forest):
    import socket

    from jobs.work import run
    from jobs.work.pipe import PipeClosed

    ours, theirs = socket.socketpair()
    ours.close()
    with pytest.raises(PipeClosed):
        run(theirs, None)
    theirs.close()


def test_importing_the_room_is_light_and_warming_it_keeps_one_thread():
    code = """
import sys, jobs.work
heavy = {"numpy", "sklearn", "shap", "xgboost", "lightgbm", "pandas"} & set(sys.modules)
assert not heavy, heavy
jobs.work.warm()
from jobs.work import preload
assert preload.thread_count() == 1
before = set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
