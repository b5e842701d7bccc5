"""Lean and full processes: what each answers to Load, and that a lean one stays lean."""

import io
import json
import subprocess
import sys

import joblib
import lightgbm as lgb
import numpy as np
import pytest
import xgboost as xgb
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeRegressor

from child import stack
from jobs.protocol import MOST_VALUES, Converted, Done, Failed, Unsuited
from tests.child.support import Supervisor, explained, npy, skops_bytes
from tests.child.test_models import LIGHT_EDITS, XGB_EDITS, edited

MOST_RSS = 50 * 2**20


@pytest.fixture
def lean(monkeypatch):
    """This process takes itself for a lean one; it does have all libraries, which a test of its own looks at."""
    monkeypatch.setattr(stack, "_stack", ["lean"])


def answer(model, kind, background=None, *, trusted=False, **load):
    """The one message that a template which does not stay sends."""
    parts = {"model": model} | ({"background": background} if background else {})
    supervisor = Supervisor(parts, trusted=trusted)
    heard = supervisor.load(**load)
    assert supervisor.prepared is None
    return heard.one(kind)


def from_file(path, data, background=None, **options):
    """Values and info, of a job whose template maps this file; the model itself is never asked for."""
    parts = {"data": data, "model": b"never read"} | ({"background": background} if background else {})
    supervisor = Supervisor(parts)
    supervisor.load(ensemble=path, **options)
    heard = supervisor.open(10**5, 2**34)
    heard.one(Done)
    return heard.values(), supervisor.info


@pytest.fixture(scope="module")
def models(boosted, light):
    """The same as JSON and UBJSON, and a text."""
    return bytes(boosted.save_raw("json")), bytes(boosted.save_raw("ubj")), light.encode()


@pytest.mark.usefixtures("lean")
@pytest.mark.parametrize("with_background", [False, True])
@pytest.mark.parametrize("place", range(3))
def test_boosters_pass_through_a_file_without_their_library(samples, models, tmp_path, place, with_background):
    model, background = models[place], npy(samples.x[:30]) if with_background else None
    answer(model, Converted, background, into=tmp_path / "trees")
    values, info = from_file(tmp_path / "trees", npy(samples.x), background)
    stack.declare("full")
    direct, _, expected = explained(model, npy(samples.x), background)
    assert info == expected
    np.testing.assert_allclose(values, direct.ravel(), rtol=0, atol=1e-6 if place == 0 else 1e-12)


def estimators(samples):
    gaps = np.where(samples.x > 1.5, np.nan, samples.x)
    gaps[:, 0] = np.arange(len(gaps)) % 5
    yield "forest", RandomForestClassifier(5, random_state=0).fit(samples.x, samples.two), samples.x
    histogram = HistGradientBoostingClassifier(max_iter=5, categorical_features=[0])
    yield "histogram", histogram.fit(gaps, samples.three), gaps


def test_scikit_learn_is_converted_by_a_full_process_and_served_by_a_lean_one(samples, tmp_path, monkeypatch):
    for name, estimator, rows in estimators(samples):
        model = skops_bytes(estimator)
        direct, _, expected = explained(model, npy(rows))
        answer(model, Converted, into=tmp_path / name)
        with monkeypatch.context() as patch:
            patch.setattr(stack, "_stack", ["lean"])
            values, info = from_file(tmp_path / name, npy(rows))
        assert info == expected
        np.testing.assert_array_equal(values, direct.ravel())


def test_wrappers_keep_their_labels(samples, tmp_path):
    labels = np.array(["no", "perhaps", "yes"])[samples.three]
    estimator = lgb.LGBMClassifier(n_estimators=3, verbose=-1).fit(samples.x, labels)
    file = io.BytesIO()
    joblib.dump(estimator, file)
    answer(file.getvalue(), Converted, into=tmp_path / "trees", trusted=True)
    assert from_file(tmp_path / "trees", npy(samples.x))[1].outputs == ["no", "perhaps", "yes"]


def test_what_a_lean_process_leaves_to_a_full_one(samples, boosted, lean, tmp_path):
    into = tmp_path / "trees"
    background = npy(samples.x[:20])
    skops = skops_bytes(LogisticRegression().fit(samples.x, samples.two))
    raw = bytes(boosted.save_raw("json"))
    linear = xgb.train({"booster": "gblinear", "nthread": 1}, xgb.DMatrix(samples.x, samples.number), 2)
    assert "skops" in answer(skops, Unsuited, into=into).reason
    assert "pickle" in answer(b"\x80\x05anything", Unsuited, into=into, trusted=True).reason
    assert "explainer=kernel" in answer(raw, Unsuited, background, into=into, explainer="kernel").reason
    assert "gblinear" in answer(bytes(linear.save_raw("ubj")), Unsuited, background, into=into).reason
    strange = edited(boosted, lambda d: d["learner"]["objective"].__setitem__("name", "\ud800"))
    assert r"\ud800" in answer(strange, Unsuited, background, into=into).reason  # which no message could hold
    invented = edited(boosted, lambda d: d["learner"]["objective"].__setitem__("name", "invented"))
    assert "invented" in answer(invented, Unsuited, into=into).reason
    assert not into.exists()
    answer(raw, Converted, into=into)
    parts = {"model": raw, "background": background}
    for options in ({"explainer": "permutation"}, {"explainer": "linear"}):
        supervisor = Supervisor(parts)
        assert supervisor.load(ensemble=into, **options).one(Unsuited).reason
    full = Supervisor(parts | {"data": npy(samples.x[:3])})
    stack.declare("full")
    full.load(ensemble=into, explainer="kernel", nsamples=20)
    assert full.info.explainer == "kernel"


def test_probabilities_of_several_classes_are_left_to_a_full_process(samples, lean, tmp_path):
    params = {"objective": "multi:softprob", "num_class": 3, "nthread": 1}
    raw = bytes(xgb.train(params, xgb.DMatrix(samples.x, samples.three), 2).save_raw("json"))
    asked = {"background": npy(samples.x[:9]), "model_output": "probability"}
    assert "one by one" in answer(raw, Unsuited, into=tmp_path / "a", **asked).reason
    answer(raw, Converted, into=tmp_path / "b")
    assert "one by one" in answer(raw, Unsuited, ensemble=tmp_path / "b", **asked).reason
    failed = answer(raw, Failed, into=tmp_path / "c", explainer="tree", **asked)
    assert failed.code == "unsupported_combination"


def test_more_values_a_row_than_a_summary_holds_are_refused_by_their_numbers():
    x = np.random.default_rng(0).normal(size=(20, 4))
    tree = DecisionTreeRegressor(max_depth=1, random_state=0)
    few = skops_bytes(tree.fit(x, np.repeat(x[:, :1], MOST_VALUES // 4, axis=1)))
    assert explained(few, npy(x[:6]))[1].one(Done).summary["rows"] == 6
    many = skops_bytes(tree.fit(x, np.repeat(x[:, :1], MOST_VALUES // 4 + 1, axis=1)))
    failed = answer(many, Failed)
    assert failed.code == "too_many_values"
    assert "4 features and 32501 outputs: 130004 values" in failed.message


def test_other_explainers_of_trees_stay_with_the_full_process(samples, forest, tmp_path):
    supervisor = Supervisor({"model": forest, "data": npy(samples.x[:3]), "background": npy(samples.x[:10])})
    supervisor.load(into=tmp_path / "trees", explainer="permutation", max_evals=11)
    assert supervisor.info.explainer == "permutation"
    assert not (tmp_path / "trees").exists()


@pytest.mark.parametrize("name", [name for name in XGB_EDITS if name != "unknown objective"])
def test_hostile_xgboost_is_refused_alike(boosted, lean, tmp_path, name):
    harmed = edited(boosted, XGB_EDITS[name])
    failed = answer(harmed, Failed, into=tmp_path / "trees")
    stack.declare("full")
    if name != "threshold":  # where XGBoost's parser is the one to complain
        found = answer(harmed, Failed)
        assert (failed.message, failed.detail) == (found.message, found.detail)
    assert failed.code == "unreadable_model"
    assert not (tmp_path / "trees").exists()


@pytest.mark.parametrize("name", LIGHT_EDITS)
def test_hostile_lightgbm_is_refused_alike(light, lean, tmp_path, name):
    harmed = LIGHT_EDITS[name](light).encode()
    failed = answer(harmed, Failed, into=tmp_path / "trees")
    stack.declare("full")
    assert (failed.code, failed.message) == ("unreadable_model", answer(harmed, Failed).message)


def test_garbage_is_refused_by_a_lean_process(boosted, lean, tmp_path):
    codes = {
        b"": "unreadable_model",
        b"GIF89a": "unsupported_media_type",
        b"{}": "unsupported_media_type",
        b"tree\n": "unreadable_model",
        b"\x80\x05anything": "pickle_refused",
        bytes(boosted.save_raw("json"))[:-9]: "unreadable_model",
        bytes(boosted.save_raw("ubj"))[:-9]: "unreadable_model",
    }
    for content, code in codes.items():
        assert answer(content, Failed, into=tmp_path / "trees").code == code


def test_a_damaged_file_is_left_to_a_full_process(samples, boosted, lean, tmp_path):
    raw = bytes(boosted.save_raw("json"))
    (tmp_path / "trees").write_bytes(b"shap-supervisor trees 1\n" + bytes(100))
    assert "version" in answer(raw, Unsuited, ensemble=tmp_path / "trees").reason
    stack.declare("full")
    supervisor = Supervisor({"model": raw})
    supervisor.load(ensemble=tmp_path / "trees")
    assert supervisor.info.explainer == "tree"


def test_a_disk_that_is_full_is_told(samples, boosted, lean, tmp_path):
    failed = answer(bytes(boosted.save_raw("json")), Failed, into=tmp_path / "no" / "such" / "place")
    assert failed.kind == "raised"
    assert "No such file" in failed.message


def test_not_a_number_in_json_as_xgboost_writes_it(samples, boosted, lean, tmp_path):
    """Gains may be infinite or NaN, which JSON does not have."""
    raw = bytes(boosted.save_raw("json"))
    gains = json.dumps(json.loads(raw)["learner"]["gradient_booster"]["model"]["trees"][0]["loss_changes"][0]).encode()
    place = raw.index(b'"loss_changes":[') + len(b'"loss_changes":[')
    end = raw.index(b",", place)
    assert float(raw[place:end]) == float(gains)
    answer(raw[:place] + b"NaN" + raw[end:], Converted, into=tmp_path / "trees")
    from_file(tmp_path / "trees", npy(samples.x))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what is resident")
def test_a_lean_process_is_lean(samples, boosted, light, tmp_path):
    """From warm to values, in a process of its own."""
    (tmp_path / "model").write_bytes(bytes(boosted.save_raw("json")))
    (tmp_path / "text").write_text(light)
    np.save(tmp_path / "rows.npy", samples.x)
    code = f"""
import sys
import child
child.warm("lean")
heavy = {{"scipy", "pandas", "sklearn", "shap", "xgboost", "lightgbm", "joblib", "skops", "numba"}}
def look():
    assert not heavy & set(sys.modules), heavy & set(sys.modules)
    sizes = dict(line.split(":", 1) for line in open("/proc/self/status") if line.startswith("Vm"))
    return int(sizes["VmRSS"].split()[0]) * 1024
resident = look()
warm = set(sys.modules)
from pathlib import Path
from jobs.protocol import Converted, Done
from tests.child.support import Supervisor
place = Path({str(tmp_path)!r})
rows = (place / "rows.npy").read_bytes()
for name in ("model", "text"):
    parts = {{"model": (place / name).read_bytes(), "data": rows, "background": rows}}
    Supervisor(parts).load(into=place / "trees").one(Converted)
    supervisor = Supervisor(parts)
    supervisor.load(ensemble=place / "trees")
    supervisor.open().one(Done)
look()
late = {{name for name in sys.modules if name.startswith(("child", "numpy"))}} - warm
assert not late, late
print(resident)
"""
    done = subprocess.run([sys.executable, "-c", code], check=False, timeout=60, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < MOST_RSS
