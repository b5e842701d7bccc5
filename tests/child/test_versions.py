"""skops files of another scikit-learn: warned of where they mean the same, refused where they may not."""

import io
import json
import zipfile

import numpy as np
import pytest
import sklearn
from sklearn.ensemble import (
    AdaBoostClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
)
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from child.models import versions
from tests.child.support import Supervisor, explained, npy, refusal, skops_bytes

OLD = "1.6.1"


def aged(raw: bytes, *changes: tuple[str, str]) -> bytes:
    """The file as an older scikit-learn would have written it: its version, and what else is changed in its text."""
    into = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as archive, zipfile.ZipFile(into, "w") as old:
        for entry in archive.infolist():
            content = archive.read(entry)
            if entry.filename == versions.SCHEMA:
                text = content.decode()
                for before, after in ((f'\\"{sklearn.__version__}\\"', f'\\"{OLD}\\"'), *changes):
                    assert before in text, before
                    text = text.replace(before, after)
                content = text.encode()
            old.writestr(entry.filename, content)
    return into.getvalue()


def logistic(samples, target="three", **old):
    """With parameters that the installed class does not know."""
    estimator = LogisticRegression().fit(samples.x, getattr(samples, target))
    estimator.__dict__.update(old)
    return aged(skops_bytes(estimator))


def test_the_version_is_read_and_a_patch_is_no_other(samples):
    raw = skops_bytes(LogisticRegression().fit(samples.x, samples.two))
    assert versions.saved_by(raw) == sklearn.__version__
    assert versions.saved_by(aged(raw)) == OLD
    assert versions.saved_by(b"no archive") is None
    assert versions.is_other(OLD)
    assert not versions.is_other(".".join([*sklearn.__version__.split(".")[:2], "99"]))
    assert not versions.is_other(None)


def test_a_model_that_seems_to_mean_the_same_is_warned_of(samples):
    for estimator in (GradientBoostingRegressor(n_estimators=2), HistGradientBoostingRegressor(max_iter=2)):
        raw = skops_bytes(estimator.fit(samples.x, samples.number))
        assert explained(raw, npy(samples.x))[2].warnings == []
        values, _, info = explained(aged(raw), npy(samples.x))
        assert [odd.code for odd in info.warnings] == ["library_version"]
        assert OLD in info.warnings[0].message
        assert sklearn.__version__ in info.warnings[0].message
        own = estimator.predict(samples.x)
        np.testing.assert_allclose(values.sum(axis=1)[:, 0] + info.base_values, own, rtol=0, atol=1e-9)


REFUSED = {"multi_class": "ovr", "something": 3}
SAME = {"multi_class": "auto", "other": None, "another": "deprecated"}


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_installed_class_does_not_know_any_more_is_refused(samples, name):
    failed = refusal(logistic(samples, **{name: REFUSED[name]}), background=npy(samples.x[:9]))
    assert failed.code == "version_mismatch"
    for named in (OLD, sklearn.__version__, name, repr(REFUSED[name]), "`expected`"):
        assert named in failed.message


@pytest.mark.parametrize("name", SAME)
def test_what_says_nothing_is_not(samples, name):
    _, _, info = explained(logistic(samples, **{name: SAME[name]}), npy(samples.x), npy(samples.x[:9]))
    assert [odd.code for odd in info.warnings] == ["library_version"]


def test_of_two_classes_and_of_liblinear_multi_class_means_something_else(samples):
    few = npy(samples.x[:9])
    assert refusal(logistic(samples, "two", multi_class="multinomial"), background=few).code == "version_mismatch"
    assert explained(logistic(samples, "two", multi_class="ovr"), few, few)[2].warnings
    assert refusal(logistic(samples, multi_class="auto", solver="liblinear"), background=few).code == "version_mismatch"


def test_parts_deep_inside_are_looked_at(samples):
    few, ada = npy(samples.x[:9]), AdaBoostClassifier(n_estimators=2).fit(samples.x, samples.two)
    for algorithm, code in (("SAMME.R", "version_mismatch"), ("SAMME", "background_required")):
        ada.algorithm = algorithm
        found = refusal(aged(skops_bytes(ada)), background=few if code == "version_mismatch" else None)
        assert found.code == code
    pipeline = make_pipeline(StandardScaler(), LogisticRegression()).fit(samples.x, samples.three)
    pipeline[-1].multi_class = "ovr"
    assert refusal(aged(skops_bytes(pipeline)), background=few).code == "version_mismatch"


def test_a_loss_that_is_unknown_is_refused(samples):
    estimator = GradientBoostingClassifier(n_estimators=2).fit(samples.x, samples.two)
    estimator.loss = "deviance"
    failed = refusal(aged(skops_bytes(estimator)))
    assert (failed.code, "'deviance'" in failed.message) == ("version_mismatch", True)


def test_predictions_that_are_sent_along_decide(samples):
    """Whether they are met is for whoever compares them: nothing else stands against the model then."""
    parts = {"model": logistic(samples, multi_class="ovr"), "data": npy(samples.x), "background": npy(samples.x[:9])}
    supervisor = Supervisor(parts)
    supervisor.load()
    assert supervisor.open().failed.code == "version_mismatch"
    supervisor.parts["expected"] = npy(samples.x[:1, :1])
    assert getattr(supervisor.open().messages[-1], "code", "") != "version_mismatch"


def test_losses_where_they_were_until_1_8_are_found(samples):
    """Their module had no package's name then."""
    moved = ('"__module__": "sklearn._loss._loss"', '"__module__": "_loss"')
    estimator = HistGradientBoostingRegressor(max_iter=2).fit(samples.x, samples.number)
    values, _, _ = explained(aged(skops_bytes(estimator), moved), npy(samples.x))
    np.testing.assert_array_equal(values, explained(skops_bytes(estimator), npy(samples.x))[0])


def test_losses_as_older_skops_wrote_them_are_known(samples):
    """As plain objects, which have no state."""
    estimator = HistGradientBoostingRegressor(max_iter=2).fit(samples.x, samples.number)
    raw = skops_bytes(estimator)
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        text = archive.read(versions.SCHEMA).decode()
    start = text.rindex("{", 0, text.index('"CyHalfSquaredError"'))
    loss, end = json.JSONDecoder().raw_decode(text, start)
    nothing = {
        "__class__": "str",
        "__module__": "builtins",
        "__loader__": "JsonNode",
        "content": "null",
        "is_json": True,
    }
    old = {**loss, "__loader__": "ObjectNode", "content": nothing | {"__id__": 1}}
    plain = aged(raw, (text[start:end], json.dumps(old)))
    values, _, _ = explained(plain, npy(samples.x))
    np.testing.assert_array_equal(values, explained(skops_bytes(estimator), npy(samples.x))[0])


def test_a_type_that_is_gone_names_both_versions_and_others_do_not(samples):
    estimator = HistGradientBoostingRegressor(max_iter=2).fit(samples.x, samples.number)
    raw = skops_bytes(estimator)
    gone = aged(raw, ('"__module__": "sklearn._loss._loss"', '"__module__": "sklearn.ensemble._gb_losses"'))
    failed = refusal(gone)
    assert (failed.code, OLD in failed.message) == ("version_mismatch", True)
    evil = aged(raw, ('"__module__": "sklearn._loss._loss"', '"__module__": "evil"'))
    assert refusal(evil).code == "untrusted_types"
