"""The caller's own predictions against the model's output: what is met, what differs, and why."""

import json
from typing import ClassVar

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
import xgboost as xgb
from sklearn.cluster import KMeans
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.svm import SVC

from child import expected
from jobs.protocol import Done, Failed, Values
from tests.child.support import Supervisor, csv_bytes, npy, skops_bytes

QUIET = {"verbose": -1, "num_threads": 1, "min_data_in_leaf": 5}
THREE = {**QUIET, "objective": "multiclass", "num_class": 3}


def opened(model, data, predictions, background=None, batch_size=500, **options):
    """What the opening child says."""
    parts = {"model": model, "data": data, "expected": predictions}
    supervisor = Supervisor(parts | ({"background": background} if background else {}))
    supervisor.load(**options)
    assert supervisor.prepared
    return supervisor.open(batch_size)


def refused(*arguments, **options):
    heard = opened(*arguments, **options)
    assert not any(isinstance(message, Values) for message in heard.messages), "nothing is explained"
    failed = heard.failed
    assert failed.kind == "refused"
    assert "Traceback" not in failed.message
    return failed


def met(*arguments, **options):
    heard = opened(*arguments, **options)
    return not any(isinstance(message, Failed) for message in heard.messages) and bool(heard.one(Done))


@pytest.fixture(scope="module")
def boosted_bytes(boosted):
    return bytes(boosted.save_raw("json"))


@pytest.fixture(scope="module")
def margin(samples, boosted):
    return boosted.predict(xgb.DMatrix(samples.x), output_margin=True)


def text(rows):
    return "\n".join(",".join(map(repr, map(float, row))) for row in np.atleast_2d(rows.T).T).encode()


class TestForms:
    @pytest.mark.parametrize("rows", [1, 30, 120])
    def test_the_first_rows_are_compared_over_chunks(self, samples, boosted_bytes, margin, rows):
        assert met(boosted_bytes, npy(samples.x), npy(margin[:rows]), batch_size=7)
        wrong = margin[:rows].copy()
        wrong[-1] += 0.01
        failed = refused(boosted_bytes, npy(samples.x), npy(wrong), batch_size=7)
        assert failed.code == "expected_differs"
        assert failed.detail["row"] == rows - 1
        assert (failed.detail["differing"], failed.detail["rows"]) == (1, rows)
        assert failed.detail["expected"] == pytest.approx(wrong[-1], rel=1e-6)
        assert failed.detail["found"] == pytest.approx(margin[rows - 1], rel=1e-5)

    def test_any_usual_form(self, samples, boosted_bytes, margin):
        series, column = pd.Series(margin), margin[:, None].astype(float)
        forms = [
            npy(margin),
            npy(column),
            npy(np.asfortranarray(column)),
            text(margin),
            b"\xef\xbb\xbfmargin\r\n" + text(margin).replace(b"\n", b"\r\n"),
            series.to_csv().encode(),
            series.to_csv(index=False).encode(),
            json.dumps(margin.tolist()).encode(),
            json.dumps(column.tolist()).encode(),
            json.dumps({"predictions": margin.tolist(), "model": "m"}).encode(),
            series.to_frame("p").to_json(orient="split").encode(),
            series.to_frame("p").to_json(orient="records", double_precision=15).encode(),
        ]
        for form in forms:
            assert met(boosted_bytes, npy(samples.x), form), form[:60]

    def test_predicted_labels_of_what_says_nothing_else(self, samples):
        clusters = KMeans(3, n_init=1, random_state=0).fit(samples.x)
        own, parts = clusters.predict(samples.x[:9]), (skops_bytes(clusters), npy(samples.x[:9]))
        assert met(*parts, npy(own), npy(samples.x[:5]))
        assert refused(*parts, npy((own + 1) % 3), npy(samples.x[:5])).code == "expected_differs"

    def test_several_outputs(self, samples):
        model = lgb.train(THREE, lgb.Dataset(samples.x, samples.three), 4)
        saved, data = model.model_to_string().encode(), npy(samples.x)
        margin = model.predict(samples.x, raw_score=True)
        assert met(saved, data, npy(margin))
        assert met(saved, data, npy(np.asfortranarray(margin)))
        assert met(saved, data, csv_bytes(["a", "b", "c"], margin))
        assert refused(saved, data, npy(margin[:, [1, 0, 2]])).code == "expected_differs"
        failed = refused(saved, data, npy(model.predict(samples.x)))
        assert failed.detail["cause"] == "probability_for_margin"

    def test_one_of_two_complementary_classes_says_both(self, samples):
        forest = RandomForestClassifier(5, random_state=0).fit(samples.x, samples.two)
        both = forest.predict_proba(samples.x)
        for given in (both, both[:, 1], both[:, 1:]):
            assert met(skops_bytes(forest), npy(samples.x), npy(given))
        failed = refused(skops_bytes(forest), npy(samples.x), npy(both[:, 0]))
        assert failed.detail["cause"] == "other_class"

    BAD: ClassVar = {
        "more rows": (npy(np.zeros(121)), "it has 121 rows and data has 120"),
        "columns": (npy(np.zeros((5, 3))), "it has 3 columns, and the margin that is explained has 1"),
        "labels": (b"yes\nno\nno\n", "labels cannot be compared"),
        "labels in json": (b'["yes", "no"]', "row 0 holds 'yes'"),
        "labels in npy": (npy(np.array(["yes", "no"])), "labels cannot be compared"),
        "objects": (npy(np.zeros((2, 2, 2))), "it must be (rows,) or (rows, outputs)"),
        "missing": (b"p\n1\nnan\n", "row 1 is missing or infinite"),
        "infinite": (npy(np.array([1.0, np.inf])), "row 1 is missing or infinite"),
        "ragged": (b"[[1], [1, 2]]", "row 1 has 2 numbers"),
        "no list": (b'{"a": 1}', "the JSON holds no list"),
        "two lists": (b'{"a": [1], "b": [2]}', "the JSON holds no list"),
        "only a header": (b"p\n", "holds no numbers"),
        "no rows": (npy(np.zeros((0, 4))), "holds no numbers"),
        "no columns": (npy(np.zeros((4, 0))), "holds no numbers"),
        "an endless cell": (b"p\n" + b"x" * 200_000, "row 0 holds 'xxx"),
        "cut off": (npy(np.zeros(50))[:-8], "truncated"),
        "vast": (npy(np.zeros(11)).replace(b"(11,), }        ", b"(99999999,), }  "), "truncated"),
        "negative": (npy(np.zeros(11)).replace(b"(11,), } ", b"(-11,), }"), "truncated"),
        "torn header": (npy(np.zeros(11)).replace(b"(11,), }", b"(11,)   "), "NPY header"),
        "no header": (npy(np.zeros(11)).replace(b"(11,)", b"(1+,)"), "NPY header"),
    }

    @pytest.mark.parametrize("name", BAD)
    def test_what_cannot_be_compared_is_named(self, samples, boosted_bytes, name):
        content, said = self.BAD[name]
        failed = refused(boosted_bytes, npy(samples.x), content)
        assert (failed.code, failed.detail["field"]) == ("bad_expected", "expected")
        assert said in failed.message

    @pytest.mark.parametrize(("content", "code"), [(b"[1, 2", "malformed_json"), (b"\xff\n1\n", "not_utf8")])
    def test_what_is_no_text_of_its_kind(self, samples, boosted_bytes, content, code):
        failed = refused(boosted_bytes, npy(samples.x), content)
        assert (failed.code, failed.detail["field"]) == (code, "expected")

    def test_a_dry_run_compares_too(self, samples, boosted_bytes, margin):
        parts = {"model": boosted_bytes, "data": npy(samples.x), "expected": npy(margin + 1)}
        supervisor = Supervisor(parts)
        supervisor.load()
        assert supervisor.open(dry_run=True).failed.code == "expected_differs"

    def test_32_bits_are_no_difference(self):
        output = np.array([[1e6, 0.5], [3.0, -0.5]])
        assert np.allclose(expected.tolerance(output), [[12.0, 6e-6], [2.00003, 6e-6]])


class TestCauses:
    def cause(self, model, rows, predictions, background=None, **options):
        failed = refused(model, rows if isinstance(rows, bytes) else npy(rows), npy(predictions), background, **options)
        assert failed.code == "expected_differs"
        assert failed.detail["hint"] in failed.message
        return failed.detail["cause"]

    def test_a_probability_where_the_margin_is_explained(self, samples, boosted, boosted_bytes):
        given = boosted.predict(xgb.DMatrix(samples.x))
        assert self.cause(boosted_bytes, samples.x, given) == "probability_for_margin"
        assert self.cause(boosted_bytes, samples.x, np.c_[1 - given, given]) == "probability_for_margin"

    def test_a_margin_where_the_probability_is_explained(self, samples, boosted_bytes, margin):
        background = npy(samples.x[:20])
        found = self.cause(boosted_bytes, samples.x, margin, background, model_output="probability")
        assert found == "margin_for_probability"
        assert met(
            boosted_bytes, npy(samples.x), npy(1 / (1 + np.exp(-margin))), background, model_output="probability"
        )

    def test_a_prediction_behind_a_log_link(self, samples):
        model = lgb.train({**QUIET, "objective": "poisson"}, lgb.Dataset(samples.x, np.abs(samples.number)), 3)
        saved, given = model.model_to_string().encode(), model.predict(samples.x)
        assert self.cause(saved, samples.x, given) == "prediction_for_margin"

    def test_classes(self, samples, boosted_bytes, margin):
        assert self.cause(boosted_bytes, samples.x, (margin > 0).astype(int)) == "labels"
        forest = RandomForestClassifier(5, random_state=0).fit(samples.x, samples.two)
        assert self.cause(skops_bytes(forest), samples.x, forest.predict(samples.x)) == "labels"

    def test_rounded_numbers(self, samples, boosted_bytes, margin):
        failed = refused(boosted_bytes, npy(samples.x), npy(np.round(margin.astype(float), 3)))
        assert failed.detail["cause"] == "rounded"
        assert "3 digits" in failed.message

    @pytest.mark.parametrize("kind", ["xgboost", "lightgbm"])
    def test_another_best_iteration(self, samples, kind):
        if kind == "xgboost":
            model = xgb.train({"nthread": 1}, xgb.DMatrix(samples.x, samples.number), 9)
            saved, given = bytes(model.save_raw("ubj")), model.predict(xgb.DMatrix(samples.x), iteration_range=(0, 5))
        else:
            model = lgb.train(QUIET, lgb.Dataset(samples.x, samples.number), 9)
            saved, given = model.model_to_string().encode(), model.predict(samples.x, num_iteration=5)
        failed = refused(saved, npy(samples.x), npy(given))
        assert failed.detail["cause"] == "fewer_trees"
        assert "first 5 of the model's 9 trees" in failed.message

    def test_columns_in_another_order(self, samples, forest):
        given = RandomForestRegressor(5, random_state=0).fit(samples.x, samples.number).predict(samples.x)
        order = [3, 0, 4, 1, 2]
        shuffled = csv_bytes([f"c{place}" for place in order], samples.x[:, order])
        failed = refused(forest, shuffled, npy(given))
        assert failed.detail["cause"] == "column_order"
        assert "(c0, c1, c2, c3, c4)" in failed.message

    def test_columns_in_another_order_of_a_model_that_is_no_tree(self, samples):
        model = SVC().fit(samples.x, samples.two)
        given = model.decision_function(samples.x)
        found = self.cause(skops_bytes(model), samples.x[:, ::-1], given, npy(samples.x[:9]), model_output="raw")
        assert found == "column_order"

    def test_many_columns_of_which_two_are_swapped(self):
        x = np.random.default_rng(3).normal(size=(90, 15))
        model = lgb.train(QUIET, lgb.Dataset(x, x @ np.arange(15.0)), 20)
        swapped = np.ascontiguousarray(x[:, [0, 1, 2, 9, 4, 5, 6, 7, 8, 3, *range(10, 15)]])
        assert self.cause(model.model_to_string().encode(), swapped, model.predict(x)) == "column_order"

    def test_codes_that_begin_at_one(self, samples):
        codes = np.random.default_rng(5).integers(0, 6, size=len(samples.x))
        x = np.c_[samples.x[:, :2], codes]
        model = lgb.train(QUIET, lgb.Dataset(x, samples.number + 3 * np.sin(5 * codes)), 20)
        given, sent = model.predict(x), x + np.array([0, 0, 1])
        failed = refused(model.model_to_string().encode(), csv_bytes(["a", "b", "colour"], sent), npy(given))
        assert failed.detail["cause"] == "category_codes"
        assert "colour is larger by -1" in failed.message

    def test_another_base(self, samples, boosted_bytes, margin):
        assert self.cause(boosted_bytes, samples.x, margin + 0.5) == "constant"
        assert self.cause(boosted_bytes, samples.x, margin * 3) == "factor"

    def test_something_else(self, samples, boosted_bytes, margin):
        noise = np.random.default_rng(1).normal(size=len(margin))
        failed = refused(boosted_bytes, npy(samples.x), npy(margin + noise))
        assert failed.detail["cause"] == "unknown"
        assert "another version of the library" in failed.message

    def test_few_rows_are_not_searched(self, samples, boosted_bytes, margin):
        assert self.cause(boosted_bytes, samples.x, margin[:2] + np.array([0.1, 0.2])) == "unknown"
