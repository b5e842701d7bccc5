"""What is refused at the door becomes a file that is not: real pickles, a real old binary, MLflow's directories."""

import base64
import pickle
import zlib
from pathlib import Path
from typing import Any

import cloudpickle
import joblib
import numpy as np
import pandas as pd
import pytest
import xgboost as xgb
from catboost import CatBoostClassifier
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from cli.converter import kinds, work
from cli.converter.problem import Unconvertible
from jobs.formats import ModelFormat, sniff_model

RANDOM = np.random.default_rng(0)
TABLE = pd.DataFrame(
    {
        "big": RANDOM.normal(size=80) * 1000,
        "small": RANDOM.normal(size=80),
        "city": RANDOM.choice(["Bern", "Oslo"], 80),
        "said": RANDOM.choice(["good wine", "bad wine", "a beer"], 80),
    }
)
NUMBERS = TABLE[["big", "small"]]
CODED = NUMBERS.assign(city=TABLE["city"].astype("category"))
ONE = (TABLE["big"] > 0).astype(int).to_numpy()
NAMED = np.array(["no", "yes"])[ONE]
OLD_BINARY = zlib.decompress(
    base64.b85decode(
        "c-l+K%u8cnV6bOqfB;4$njK2R#Aprpp>$GaUSd(DRZf0-W^qYoG8<GlJ*lK9HI<$YA_sun#*D;g9t3Xs4+J20F+sQuA1b?df$0BG"
        "02187&9NV*7A6+?o6UY!ORy6ILxCeu`Cf#HKOA)SJ=%}pzi_bo@xUJ4&wQ{5O)V~o&n!tTN-W9D&x6IDfdH~}9w>6-b24)?OJE8N"
        "IiZaFq^#8BlFYJH7pOqBQeI+is*;rwT2fKcQ7TGJkI%_3E{-oqEK1B(vZ_`pPEO28jW5VAjxSHmOwT9*YBN--tpxxS6Isd"
    )
)
"""By XGBoost 1.7.6 itself: one tree of binary:logistic over three features."""


def pipeline(last: Any) -> Any:
    """Of the whole table."""
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    columns = make_column_transformer(
        (numbers, ["big", "small"]), (OneHotEncoder(), ["city"]), (CountVectorizer(), "said")
    )
    return make_pipeline(columns, last)


SMALL: dict[str, Any] = {"n_estimators": 3, "n_jobs": 1}
MODELS: dict[str, Any] = {
    "a forest": (lambda: RandomForestClassifier(3).fit(NUMBERS, NAMED), ".skops", ModelFormat.SKOPS),
    "a forest of an array": (
        lambda: RandomForestClassifier(3).fit(NUMBERS.to_numpy(), ONE),
        ".skops",
        ModelFormat.SKOPS,
    ),
    "a pipeline": (lambda: pipeline(RandomForestClassifier(3)).fit(TABLE, NAMED), ".skops", ModelFormat.SKOPS),
    "a pipeline of XGBoost": (
        lambda: pipeline(xgb.XGBClassifier(**SMALL)).fit(TABLE, ONE),
        ".skops",
        ModelFormat.SKOPS,
    ),
    "a search": (lambda: GridSearchCV(Ridge(), {"alpha": [1, 2]}).fit(NUMBERS, ONE), ".skops", ModelFormat.SKOPS),
    "histogram boosting": (
        lambda: HistGradientBoostingClassifier(max_iter=3, categorical_features="from_dtype").fit(CODED, ONE),
        ".skops",
        ModelFormat.SKOPS,
    ),
    "XGBoost's wrapper": (lambda: xgb.XGBClassifier(**SMALL).fit(NUMBERS, ONE), ".json", ModelFormat.XGBOOST_JSON),
    "XGBoost with categories": (
        lambda: xgb.XGBRegressor(**SMALL, enable_categorical=True).fit(CODED, ONE),
        ".json",
        ModelFormat.XGBOOST_JSON,
    ),
    "LightGBM's wrapper": (lambda: LGBMRegressor(**SMALL).fit(CODED, ONE), ".txt", ModelFormat.LIGHTGBM_TEXT),
    "LightGBM with named classes": (lambda: LGBMClassifier(**SMALL).fit(NUMBERS, NAMED), ".skops", ModelFormat.SKOPS),
    "CatBoost with text": (
        lambda: CatBoostClassifier(n_estimators=3, verbose=0, allow_writing_files=False, cat_features=["city"]).fit(
            TABLE[["big", "city"]], NAMED
        ),
        ".cbm",
        ModelFormat.CATBOOST,
    ),
    "one in a dict": (lambda: {"model": Ridge().fit(NUMBERS, ONE), "columns": ["big"]}, ".skops", ModelFormat.SKOPS),
}


def asked(path: Path, **changed: Any) -> dict[str, Any]:
    """The request for this file, whose conversion is written beside it."""
    return {"path": str(path), "format": "pickle", "ending": "", "into": str(path.with_name("out")), **changed}


def pickled(folder: Path, model: Any) -> Path:
    path = folder / "model.pkl"
    path.write_bytes(pickle.dumps(model))
    return path


@pytest.mark.parametrize("name", MODELS)
def test_a_pickle_becomes_what_the_service_takes(name: str, tmp_path: Path) -> None:
    make, ending, found = MODELS[name]
    report = work.convert(asked(pickled(tmp_path, make())))
    assert report["ending"] == ending
    assert sniff_model((tmp_path / f"out{ending}").read_bytes()) is found
    assert report["difference"] == 0
    assert report["rows"] > 0


@pytest.mark.parametrize("dump", [joblib.dump, lambda model, path: joblib.dump(model, path, compress=("lzma", 1))])
def test_joblib_and_what_it_compresses(dump: Any, tmp_path: Path) -> None:
    dump(Ridge().fit(NUMBERS, ONE), tmp_path / "model.joblib")
    assert work.convert(asked(tmp_path / "model.joblib"))["model"] == "Ridge"


def test_the_users_own_rows(tmp_path: Path) -> None:
    """In any order of columns, beside others."""
    path = pickled(tmp_path, pipeline(LogisticRegression()).fit(TABLE, NAMED))
    TABLE[["said", "city", "small", "big"]].assign(target=ONE).to_csv(tmp_path / "rows.csv", index=False)
    report = work.convert(asked(path, data=str(tmp_path / "rows.csv")))
    assert (report["rows"], report["own_rows"]) == (len(TABLE), True)
    NUMBERS.to_csv(tmp_path / "rows.csv", index=False)
    with pytest.raises(Unconvertible, match="no column city, said"):
        work.convert(asked(path, data=str(tmp_path / "rows.csv")))


class Doubled(TransformerMixin, BaseEstimator):
    """A step of the user's own."""

    def fit(self, X: Any, y: Any = None) -> "Doubled":
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X: Any) -> Any:
        return X * 2


def test_a_step_of_the_users_own_is_named(tmp_path: Path) -> None:
    report = work.convert(asked(pickled(tmp_path, make_pipeline(Doubled(), Ridge()).fit(NUMBERS, ONE))))
    assert any("test_converter.Doubled" in note and "TRUSTED_MODEL_DIR" in note for note in report["notes"])


def test_a_function_has_no_safe_format(tmp_path: Path) -> None:
    model = make_pipeline(FunctionTransformer(lambda rows: rows * 2), Ridge()).fit(NUMBERS, ONE)
    (tmp_path / "model.pkl").write_bytes(cloudpickle.dumps(model))
    with pytest.raises(Unconvertible, match="no safe format"):
        work.convert(asked(tmp_path / "model.pkl"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (TABLE, r"pandas\.DataFrame"),
        (Ridge(), "not fitted"),
        (xgb.XGBRegressor(), "not fitted"),
        ({"model": Ridge().fit(NUMBERS, ONE), "scaler": StandardScaler().fit(NUMBERS)}, "'model', 'scaler' are fitted"),
        ({"columns": ["big"]}, "no model among them"),
        (StandardScaler().fit(NUMBERS), "predicts nothing"),
    ],
)
def test_what_is_no_fitted_model_is_named(content: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(Unconvertible, match=said):
        work.convert(asked(pickled(tmp_path, content)))


def test_a_module_that_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_bytes(b"cnowhere_at_all\nModel\n.")
    with pytest.raises(Unconvertible, match=r"needs the module nowhere_at_all.*--python"):
        work.convert(asked(tmp_path / "model.pkl"))


class Aged:
    """Unpickled, it is a model of another scikit-learn: what that warns of when it loads one."""

    def __reduce__(self) -> Any:
        code = """import warnings; from sklearn.exceptions import InconsistentVersionWarning as Warned
said = {"estimator_name": "Ridge", "current_sklearn_version": "1.9.1", "original_sklearn_version": "1.2.2"}
warnings.warn(Warned(**said))"""
        return exec, (code,)


def test_a_model_of_another_scikit_learn_is_left_to_that(tmp_path: Path) -> None:
    """Saved again it would say that it is of this one, and the service could not tell."""
    path = pickled(tmp_path, [Aged(), Ridge().fit(NUMBERS, ONE)])
    with pytest.raises(Unconvertible, match=r"scikit-learn 1\.2\.2.*has 1\.9\.1.*--python"):
        work.convert(asked(path))


def test_a_format_that_changes_predictions_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = Ridge().fit(NUMBERS, -ONE)
    monkeypatch.setattr(kinds.Sklearn, "read", lambda self, path: other)
    assert work.convert(asked(pickled(tmp_path, Ridge().fit(NUMBERS, ONE))))["difference"] > 0.1


def test_an_old_binary_names_the_version_that_reads_it(tmp_path: Path) -> None:
    """This XGBoost does not any more."""
    (tmp_path / "model.bin").write_bytes(OLD_BINARY)
    assert "old binary format (`shap-supervisor convert`" in str(sniff_model(OLD_BINARY))
    with pytest.raises(Unconvertible, match=r"XGBoost 3\..* cannot read.*up to 3\.0.*--python"):
        work.convert(asked(tmp_path / "model.bin", format="xgboost-binary"))
