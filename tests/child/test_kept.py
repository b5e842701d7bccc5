"""What the options keep of values equals the same done by hand on the whole result."""

import numpy as np
import pandas as pd
import pytest
import xgboost as xgb

from jobs import kept, protocol
from jobs.protocol import Done, Plan
from jobs.records import MOST_COHORTS
from tests.child.support import Supervisor, explained, npy, refusal

EXACT = {"rtol": 0, "atol": 1e-12}
GROUPS = {"home": ["b", "d"], "alone": ["e"]}
NAMES = list("abcde")


@pytest.fixture(scope="module")
def model(samples) -> bytes:
    """Three outputs, five features with names."""
    matrix = xgb.DMatrix(pd.DataFrame(samples.x, columns=NAMES), samples.three)
    booster = xgb.train({"objective": "multi:softprob", "num_class": 3, "nthread": 1}, matrix, 8)
    return bytes(booster.save_raw("ubj"))


@pytest.fixture(scope="module")
def data(samples) -> bytes:
    towns = np.array(["Ulm", "Bonn", "", "Ulm"])[np.arange(len(samples.x)) % 4]
    return pd.DataFrame(samples.x, columns=NAMES).assign(town=towns).to_csv(index=False).encode()


def job(model, data, batch_size=1000, **options):
    """Values as they are stored, (rows, numbers a row); the layout, and the summary."""
    player = Supervisor({"model": model, "data": data})
    player.load(**options)
    heard = player.open(batch_size)
    plan = heard.one(Plan)
    if len(plan.spans) == 1:
        return heard.values().reshape(plan.spans.rows, -1), plan.layout, heard.one(Done).summary
    parts = [player.explain(plan.layout, span, rows=plan.spans.rows) for span in plan.spans]
    frames = b"".join(protocol.encode(part.one(Done).partial) for part in parts)
    values = np.concatenate([part.values() for part in parts]).reshape(plan.spans.rows, -1)
    return values, plan.layout, player.close(plan.layout, frames).one(Done).summary


def by_hand(values, axis=1):
    """The groups above, where their first feature was: a, home, c, alone."""
    a, b, c, d, e = (values.take([place], axis) for place in range(5))
    return np.concatenate([a, b + d, c, e], axis)


def test_groups_are_added_up(model, data):
    whole = explained(model, data)[0]
    grouped, layout, summary = job(model, data, groups=GROUPS)
    right = by_hand(whole)
    np.testing.assert_allclose(grouped.reshape(right.shape), right, **EXACT)
    assert layout.grouped == summary["features"] == ["a", "home", "c", "alone"]
    np.testing.assert_allclose(summary["mean_abs_shap"], np.abs(right).mean(axis=0), **EXACT)
    np.testing.assert_allclose(summary["mean_shap"], right.mean(axis=0), **EXACT)


def test_groups_of_interactions_and_some_of_their_columns(model, data):
    whole = explained(model, data, interactions=True)[0]
    right = by_hand(by_hand(whole), axis=2)[:, [3, 1]][:, :, [3, 1]]
    values, _, summary = job(model, data, groups=GROUPS, columns=["alone", "home"], interactions=True)
    np.testing.assert_allclose(values.reshape(right.shape), right, **EXACT)
    assert len(summary["features"]) == 4, "the summary tells of all"
    order = [["alone", "home"].index(name) for name in summary["interactions"]["features"]]
    means = np.abs(right).mean(axis=0)[np.ix_(order, order)]
    np.testing.assert_allclose(summary["interactions"]["mean_abs"], means, **EXACT)


def test_the_largest_of_each_row_and_the_rest(model, data):
    whole = explained(model, data)[0]
    values = job(model, data, top_k=2)[0].reshape(len(whole), 5, 3)
    for row, output in np.ndindex(len(whole), 3):
        one = whole[row, :, output]
        best = sorted(range(5), key=lambda place: (-abs(one[place]), place))[:2]
        assert values[row, :2, output].tolist() == best
        right = [*one[best], sum(one[place] for place in range(5) if place not in best)]
        np.testing.assert_allclose(values[row, 2:, output], right, **EXACT)


@pytest.mark.parametrize("batch_size", [1000, 7])
def test_cohorts_are_summed_up_alone(model, data, samples, batch_size):
    whole = explained(model, data)[0]
    _, _, summary = job(model, data, batch_size, by="town")
    found, at = summary["cohorts"], np.arange(len(samples.x)) % 4
    assert found["column"] == "town"
    assert [(one["value"], one["rows"]) for one in found["cohorts"]] == [("Ulm", 60), ("Bonn", 30), (None, 30)]
    for one, mine in zip(found["cohorts"], (whole[at % 3 == 0], whole[at == 1], whole[at == 2]), strict=True):
        np.testing.assert_allclose(one["mean_abs_shap"], np.abs(mine).mean(axis=0), **EXACT)
        np.testing.assert_allclose(one["mean_shap"], mine.mean(axis=0), **EXACT)


@pytest.mark.parametrize("batch_size", [1000, 7])
def test_a_summary_without_rows(model, data, batch_size):
    whole = explained(model, data, interactions=True)[0]
    values, _, summary = job(model, data, batch_size, reduce="summary", interactions=True)
    assert not values.size
    effects, found = whole.sum(axis=2), summary["quantiles"]
    assert found["rows"] == len(effects)
    np.testing.assert_allclose(found["values"], np.quantile(effects, found["at"], axis=0), **EXACT)
    np.testing.assert_allclose(summary["mean_abs_shap"], np.abs(effects).mean(axis=0), **EXACT)
    assert summary["interactions"]["features"] == NAMES
    np.testing.assert_allclose(summary["interactions"]["mean_abs"], np.abs(whole).mean(axis=0), **EXACT)


def test_of_many_rows_some_are_drawn_for_quantiles(model, data, monkeypatch):
    monkeypatch.setattr(kept, "QUANTILE_NUMBERS", 30 * 15)
    (one, *_), (other, *_) = ([job(model, data, size, reduce="summary")[2]["quantiles"]] for size in (1000, 7))
    assert one["rows"] == 30
    np.testing.assert_allclose(one["values"], other["values"], **EXACT)


REFUSED = [
    ({"columns": ["a", "x"]}, "columns", "'x' is not there"),
    ({"columns": ["b"], "groups": GROUPS}, "columns", "'b' is not there"),
    ({"groups": {"home": ["b", "x"]}}, "groups", "'x' of 'home' is not there"),
    ({"groups": {"a": ["b", "c"]}}, "groups", "'a' is the name of a feature"),
    ({"top_k": 6}, "top_k", "it is 6, and a row has 5 values"),
]


@pytest.mark.parametrize(("options", "field", "reason"), REFUSED)
def test_what_is_not_there_is_named_with_what_there_is(model, data, options, field, reason):
    failed = refusal(model, data, **options)
    assert (failed.code, failed.detail["field"]) == ("bad_result_option", field)
    assert reason in failed.message
    assert failed.message.endswith("e." if field != "columns" or "groups" not in options else "home, c, alone.")


def test_a_matrix_too_large_to_be_kept(model, data, monkeypatch):
    from child import kept as of_child

    monkeypatch.setattr(of_child, "MOST_PAIRS", 74)
    failed = refusal(model, data, reduce="summary", interactions=True)
    assert "75 numbers, over the 74 that are kept: name some `columns`, or add up `groups`" in failed.message


def test_cohorts_that_are_none(model, data, samples):
    several = refusal(model, data, by="a")
    assert (several.code, several.detail["column"]) == ("bad_cohorts", "a")
    assert f"more than {MOST_COHORTS} different values" in several.message
    assert "it has no such column" in refusal(model, data, by="nowhere").message
    assert "its columns have no names" in refusal(model, npy(samples.x), by="a").message
