"""Models whose base value or values are no finite numbers: the job fails by name, whatever it was asked for."""

import numpy as np
import pytest
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsRegressor
from sklearn.svm import SVC, SVR

from child import finite
from jobs.errors import NotFinite
from tests.child.support import npy, refusal, skops_bytes

EDITS = {
    "intercept": (LinearRegression, lambda e: setattr(e, "intercept_", np.float64("nan"))),
    "coefficient": (LinearRegression, lambda e: e.coef_.__setitem__(0, 1e308)),
    "infinite coefficient": (LogisticRegression, lambda e: e.coef_.__setitem__((0, 0), np.inf)),
    "targets": (lambda: KNeighborsRegressor(algorithm="brute"), lambda e: e._y.__setitem__(slice(None), 1e308)),
    "constant": (DummyRegressor, lambda e: setattr(e, "constant_", np.array([[np.nan]]))),
    "dual coefficients": (SVC, lambda e: e._dual_coef_.__setitem__((0, 0), np.nan)),
    "support vectors": (SVR, lambda e: e.support_vectors_.__setitem__((0, 0), np.nan)),
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("options", [{}, {"check_additivity": False}, {"explainer": "permutation"}], ids=str)
@pytest.mark.parametrize("name", EDITS)
def test_a_model_of_no_numbers_fails_by_name(samples, name, options):
    kind, edit = EDITS[name]
    estimator = kind().fit(samples.x, samples.two.astype(float))
    edit(estimator)
    failed = refusal(skops_bytes(estimator), npy(samples.x[:3]), npy(samples.x[:9]), **options)
    assert (failed.kind, failed.code) in {("refused", "not_finite"), ("refused", "unreadable_model")}


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e301])
def test_values_are_refused_by_row_and_feature(bad):
    values = np.zeros((3, 2, 2))
    values[1, 1, 0] = bad
    with pytest.raises(NotFinite, match="row 8, feature b of m") as caught:
        finite.check(values, "m", 7, ["a", "b"])
    assert caught.value.detail["value"] == str(bad)
    finite.check(np.zeros((3, 2, 2)), "m", 7, None)
