"""What is kept of the sampled rows: the same however the data was cut, and the values that the result has."""

import numpy as np
import pandas as pd
import pytest
import xgboost as xgb
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestRegressor
from sklearn.pipeline import make_pipeline

from child import run
from child.sample import cut
from jobs.protocol import Done, Explain, Open, Plan
from jobs.sample import TEXT_BYTES, drawn
from tests.child.support import CAP, Supervisor, csv_bytes, halves, npy, skops_bytes


def open_(supervisor, batch_size, most):
    request = Open(sizes=supervisor.sizes, batch_size=batch_size, cap_bytes=CAP, sample_rows=most)
    return supervisor.ask(request, run, supervisor.prepared)[1]


def explain(supervisor, layout, span, total, most):
    request = Explain(sizes=supervisor.sizes, layout=layout, span=span, rows=total, sample_rows=most)
    return supervisor.ask(request, run, supervisor.prepared)[1].one(Done).sample


@pytest.fixture
def supervisor(samples, boosted):
    rows = samples.x.copy()
    rows[:, 3] = np.nan
    found = Supervisor({"model": bytes(boosted.save_raw("json")), "data": npy(rows)})
    found.load(seed=3)
    return found


def test_it_holds_rows_as_given_with_their_values(supervisor, samples):
    heard = open_(supervisor, 1000, 30)
    sample, values = heard.one(Done).sample, heard.values().reshape(len(samples.x), 5)
    assert sample.rows == drawn(0, 119, total=120, most=30, seed=3)
    np.testing.assert_array_equal(np.frombuffer(sample.values).reshape(30, 5), values[sample.rows])
    sums = values[sample.rows].sum(axis=1) + supervisor.info.base_values[0]
    np.testing.assert_allclose(np.frombuffer(sample.predictions), sums)
    assert [row[3] for row in sample.data] == [None] * 30
    assert [row[2] for row in sample.data] == samples.x[sample.rows, 2].tolist()


def test_no_cut_changes_it(supervisor):
    whole = open_(supervisor, 1000, 30).one(Done).sample
    plan = open_(supervisor, 7, 30).one(Plan)
    parts = [explain(supervisor, plan.layout, half, 120, 30) for span in plan.spans for half in halves(span)]
    found = [part for part in parts if part]
    assert None in parts, "a chunk without a row of the sample keeps nothing"
    assert [row for part in found for row in part.rows] == whole.rows
    assert [row for part in found for row in part.data] == whole.data
    np.testing.assert_allclose(np.frombuffer(b"".join(part.values for part in found)), np.frombuffer(whole.values))
    assert open_(supervisor, 1000, 0).one(Done).sample is None


def test_interactions_are_added_up_and_their_means_summed(samples, light, monkeypatch):
    from child import summary
    from jobs import planner

    monkeypatch.setattr(planner, "BLOCK_BYTES", 8 * 25 * planner.ROWS_PER_PASS)  # two blocks
    supervisor = Supervisor({"model": light.encode(), "data": npy(samples.x)})
    supervisor.load(interactions=True)
    heard = open_(supervisor, 1000, 1000)
    matrices = heard.values().reshape(120, 5, 5)
    done = heard.one(Done)
    np.testing.assert_allclose(np.frombuffer(done.sample.values).reshape(120, 5), matrices.sum(axis=2))
    means, names = np.abs(matrices).mean(axis=0), done.summary["features"]
    order = [names.index(name) for name in done.summary["interactions"]["features"]]
    assert [names[index] for index in order] == [top["feature"] for top in done.summary["top_features"]]
    np.testing.assert_allclose(np.array(done.summary["interactions"]["mean_abs"])[..., 0], means[np.ix_(order, order)])
    monkeypatch.setattr(summary, "MOST_PAIRS", 24)
    assert open_(supervisor, 1000, 0).one(Done).summary["interactions"] is None


def test_what_a_pipeline_mixes_has_no_values_of_its_own(samples):
    """The columns of the data that went into it stay what they were."""
    mixed = ColumnTransformer([("pca", PCA(2), [0, 1]), ("same", "passthrough", [2])])
    pipeline = make_pipeline(mixed, RandomForestRegressor(3, random_state=0)).fit(samples.x[:, :3], samples.number)
    found = Supervisor({"model": skops_bytes(pipeline), "data": csv_bytes(["a", "b", "c"], samples.x[:, :3])})
    found.load()
    sample, names = open_(found, 1000, 10).one(Done).sample, found.info.columns
    assert len(names) == 3
    cells = dict(zip(names, zip(*sample.data, strict=True), strict=True))
    assert [name for name, column in cells.items() if set(column) != {None}] == [
        name for name in names if name in ("a", "b", "c")
    ]
    assert len(sample.values) == 8 * 10 * 3


def test_text_is_kept_as_it_was_given_and_cut():
    frame = pd.DataFrame({"city": ["Bern", "Oslo", None] * 10, "size": np.arange(30.0)})
    frame["city"] = frame["city"].astype("category")
    model = xgb.XGBRegressor(n_estimators=2, enable_categorical=True).fit(frame, frame["size"])
    data = frame.to_csv(index=False).encode()
    found = Supervisor({"model": bytes(model.get_booster().save_raw("json")), "data": data})
    found.load()
    sample = open_(found, 1000, 30).one(Done).sample
    assert sample.data[:3] == [["Bern", 0.0], ["Oslo", 1.0], [None, 2.0]]
    assert cut("a" * 99) == "a" * TEXT_BYTES
    assert cut("\u20ac" * 99) == "\u20ac" * (TEXT_BYTES // 3)
    assert len(cut("\U0001f600" * 99).encode()) <= TEXT_BYTES


def test_rows_have_the_ids_that_the_job_names(samples, light):
    names = [f"r{row}" for row in range(120)]
    table = pd.DataFrame(samples.x, columns=[f"Column_{index}" for index in range(5)]).assign(name=names)
    found = Supervisor({"model": light.encode(), "data": table.to_csv(index=False).encode()})
    found.load(id_column="name")
    sample = open_(found, 1000, 7).one(Done).sample
    assert sample.ids == [names[row] for row in sample.rows]
    plan = open_(found, 50, 7).one(Plan)
    parts = [explain(found, plan.layout, span, 120, 7) for span in plan.spans]
    assert [one for part in parts for one in part.ids] == sample.ids
