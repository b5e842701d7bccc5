"""Whole attempts over a socketpair: cutting, halving, closing, and every way to fail."""

import io
import sys
from dataclasses import replace

import lightgbm as lgb
import msgspec
import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import (
    GradientBoostingRegressor,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from child import models, summary
from child.models import conversion, ensemble_file
from child.parts import Source
from jobs import planner, protocol
from jobs.protocol import PIECE_BYTES, Done, Plan, Values
from shaptrees.readers import xgboost
from tests.child.support import (
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
    partials = b"".join(protocol.encode(chunk.one(Done).partial) for chunk in chunks)
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


@pytest.mark.parametrize("explainer", ["exact", "permutation", "kernel"])
def test_values_of_what_asks_the_model_do_not_depend_on_the_cut(samples, explainer, monkeypatch):
    from child.explainers import permutation

    monkeypatch.setattr(permutation, "ROWS_PER_SEED", 6)  # so that chunks begin inside groups and cross them
    model = skops_bytes(SVC().fit(samples.x, samples.two))
    background = samples.x[30:40].copy()
    background[:, 2] = samples.x[4, 2]  # a constant column that one row shares
    parts = {"model": model, "data": npy(samples.x[:16]), "background": npy(background)}
    supervisor = Supervisor(parts)
    supervisor.load(explainer=explainer, seed=5, max_evals=44, nsamples=20)
    whole = supervisor.open(100).values()
    for batch_size, halve in ((4, False), (7, True), (1, False)):
        np.testing.assert_allclose(all_chunks(supervisor, batch_size, halve)[0], whole, rtol=0, atol=1e-12)


def test_closing_gives_the_summary_of_one_chunk(samples, forest):
    supervisor = Supervisor({"model": forest, "data": npy(samples.x)})
    supervisor.load()
    one = supervisor.open(1000).one(Done).summary
    _, plan, partials = all_chunks(supervisor, 17)
    closed = supervisor.close(plan.layout, partials).one(Done).summary
    for means in ("mean_abs_shap", "mean_shap"):
        np.testing.assert_allclose(closed.pop(means), one.pop(means))
    assert [e["feature"] for e in closed.pop("top_features")] == [e["feature"] for e in one.pop("top_features")]
    assert closed["additivity"].pop("largest_error") == pytest.approx(one["additivity"].pop("largest_error"))
    assert closed == one


def test_chunks_that_an_older_version_has_explained_count(samples, forest):
    """Their sums are lists, in a job that was under way when this version came."""
    supervisor = Supervisor({"model": forest, "data": npy(samples.x)})
    supervisor.load()
    _, plan, frames = all_chunks(supervisor, 17)
    features, outputs = len(plan.layout.features), len(supervisor.info.outputs)
    older = bytearray()
    for part in summary.read_partials(io.BytesIO(frames)):
        kept = {name: getattr(part, name) for name in ("rows", "largest_error", "tolerance")}
        absolute, signed = np.frombuffer(part.sums).reshape(2, features, outputs).tolist()
        body = msgspec.msgpack.encode({**kept, "abs_sum": absolute, "value_sum": signed})
        older += protocol.LENGTH.pack(len(body)) + body
    now, before = (supervisor.close(plan.layout, bytes(of)).one(Done).summary for of in (frames, older))
    assert before == now


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


def test_rows_are_explained_block_by_block(samples, forest, monkeypatch):
    whole = explained(forest, npy(samples.x))
    monkeypatch.setattr(planner, "BLOCK_BYTES", 1)
    values, heard, _ = explained(forest, npy(samples.x))
    np.testing.assert_allclose(values, whole[0], rtol=1e-12)
    found, expected = heard.one(Done).summary, whole[1].one(Done).summary
    assert found["rows"] == len(samples.x)
    np.testing.assert_allclose(found["mean_abs_shap"], expected["mean_abs_shap"], rtol=1e-12)


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


def test_values_that_are_off_and_wanted_anyway_are_warned_of_once(samples, forest):
    supervisor = Supervisor({"model": forest, "data": npy(samples.x)})
    supervisor.load(check_additivity=False)
    plan = supervisor.open(50).one(Plan)
    good = supervisor.explain(plan.layout, plan.spans[0]).one(Done).partial
    assert good.warnings == []
    right = supervisor.prepared.explainer.explain
    supervisor.prepared.explainer.explain = lambda rows, first: right(rows, first) + 1
    off = [supervisor.explain(plan.layout, span).one(Done).partial for span in list(plan.spans)[1:]]
    frames = b"".join(map(protocol.encode, [good, *off]))
    summary = supervisor.close(plan.layout, frames).one(Done).summary
    assert [found["code"] for found in summary["warnings"]] == ["not_additive"]


def test_what_is_odd_about_a_loaded_model_is_said_of_its_trees(samples, forest):
    model = models.load(Source(field="model", file=io.BytesIO(forest), size=len(forest)), trusted=False)
    odd = replace(model, warnings=(("odd_model", "It is odd."),))
    assert conversion.convert(odd).about.warnings == odd.warnings


def test_what_is_odd_about_a_model_outlives_its_conversion(samples, boosted, tmp_path):
    found = xgboost.read(bytes(boosted.save_raw("ubj")))
    odd = replace(found, about=replace(found.about, warnings=(("odd_model", "It is odd. " * 99),)))
    ensemble_file.write(odd, tmp_path / "trees")
    supervisor = Supervisor({"model": b"", "data": npy(samples.x)})
    supervisor.load(ensemble=tmp_path / "trees")
    assert [(one.code, len(one.message)) for one in supervisor.info.warnings] == [("odd_model", 500)]
    assert [one["code"] for one in supervisor.open().one(Done).summary["warnings"]] == ["odd_model"]


def test_any_other_exception_is_named_without_a_traceback(samples, forest):
    supervisor = Supervisor({"model": forest, "data": npy(samples.x)})
    supervisor.load()
    supervisor.prepared.explainer.explain = lambda rows, first: 1 / 0
    failed = supervisor.open().failed
    assert (failed.kind, failed.code, failed.message) == ("raised", "raised", "ZeroDivisionError: division by zero")


@pytest.mark.parametrize("error", [ValueError, TypeError, IndexError])
def test_a_row_that_the_model_itself_refuses_is_named(samples, forest, error):
    """Its trees are explained, and its own output is asked for to compare."""
    supervisor = Supervisor({"model": forest, "data": npy(samples.x)})
    supervisor.load()
    explainer = supervisor.prepared.explainer
    own = explainer.output.call

    def call(rows):
        if samples.x[7, 0] in rows[:, 0]:
            raise error("Not on a Friday.")
        return own(rows)

    explainer.output = replace(explainer.output, call=call)
    failed = supervisor.open().failed
    assert (failed.code, failed.detail["row"]) == ("row_refused", 7)
    assert "Not on a Friday" in failed.message


def test_a_supervisor_that_goes_away_ends_the_child(samples, forest):
    import socket

    from child import run
    from child.pipe import PipeClosed

    ours, theirs = socket.socketpair()
    ours.close()
    with pytest.raises(PipeClosed):
        run(theirs, None)
    theirs.close()
