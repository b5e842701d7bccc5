"""Charts beside those of `shap.plots`, drawn by shap itself: the same order of features, the same values at marks."""

from collections.abc import Iterator
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
import shap
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier, RandomForestRegressor

from plots.explained import Asked, Explained, Sample
from plots.kinds import specification
from plots.partner import partner

mpl.use("Agg")
from matplotlib import pyplot as plt

TOP, ROWS = 6, 80
MODELS = {
    "regression": (load_diabetes, RandomForestRegressor(8, random_state=0)),
    "two classes": (load_breast_cancer, GradientBoostingClassifier(n_estimators=8, random_state=0)),
    "three classes": (load_wine, RandomForestClassifier(8, random_state=0)),
}
Pair = tuple[Explained, shap.Explanation, int]


@pytest.fixture(scope="module", params=MODELS)
def pair(request: Any) -> Pair:
    """A job as charts know it, shap's own Explanation of the same values, and the output that is drawn."""
    load, model = MODELS[request.param]
    x, y = load(return_X_y=True, as_frame=True)
    found = shap.TreeExplainer(model.fit(x, y))(x[:ROWS])
    values = np.asarray(found.values).reshape(ROWS, x.shape[1], -1)
    bases = np.ravel(np.asarray(found.base_values).reshape(ROWS, -1)[0])
    output = min(1, values.shape[2] - 1)
    job = Explained(
        features=list(x.columns),
        outputs=[f"class {k}" for k in range(values.shape[2])],
        base_values=bases.tolist(),
        explains="margin",
        rows=ROWS,
        mean_abs=np.abs(values).mean(axis=0).tolist(),
        sample=Sample(
            rows=list(range(ROWS)),
            data=x[:ROWS].to_numpy().tolist(),
            values=values.ravel().tolist(),
            predictions=(values.sum(axis=1) + bases).ravel().tolist(),
        ),
    )
    one = shap.Explanation(
        values[:, :, output], np.full(ROWS, bases[output]), x[:ROWS].to_numpy(), feature_names=list(x.columns)
    )
    return job, one, output


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    plt.close("all")


def labels(axes: Any, count: int) -> list[str]:
    return [label.get_text() for label in axes.get_yticklabels()][:count]


def asked(output: int, **more: Any) -> Asked:
    return Asked(output=f"class {output}", top=TOP, **more)


def test_bar(pair: Pair) -> None:
    job, one, output = pair
    axes = shap.plots.bar(one, max_display=TOP, show=False)
    bars = specification("bar", job, asked(output))["data"]["values"]
    assert [bar["label"] for bar in bars] == labels(axes, TOP)
    np.testing.assert_allclose([bar["value"] for bar in bars], [bar.get_width() for bar in axes.patches], rtol=1e-6)


def test_beeswarm(pair: Pair) -> None:
    job, one, output = pair
    axes = shap.plots.beeswarm(one, max_display=TOP, show=False)
    layers = specification("beeswarm", job, asked(output))["layer"][1:]
    points = [point for layer in layers for point in layer["data"]["values"]]
    theirs = [np.sort(np.asarray(dots.get_offsets())[:, 0]) for dots in axes.collections if len(dots.get_offsets()) > 1]
    for place, label in enumerate(labels(axes, TOP)):
        ours = sorted(point["value"] for point in points if point["label"] == label)
        np.testing.assert_allclose(ours, theirs[place], rtol=1e-6, atol=1e-12)
    assert layers[1]["encoding"]["y"]["sort"] == labels(axes, TOP)[::-1]


@pytest.mark.parametrize("row", [0, 17])
def test_waterfall(pair: Pair, row: int) -> None:
    job, one, output = pair
    shap.plots.waterfall(one[row], max_display=TOP, show=False)
    axes = plt.gcf().axes[0]
    bars = specification("waterfall", job, asked(output, row=row))["layer"][4]["data"]["values"]
    names = [label.split(" = ")[-1] for label in labels(axes, TOP)][::-1]
    assert [bar["label"].split(" = ")[-1] for bar in bars] == names
    written = {text.get_text().replace("\N{MINUS SIGN}", "-") for text in axes.texts}
    assert {f"{bar['value']:+.2f}".rstrip("0").rstrip(".") for bar in bars} <= {text.strip() for text in written}
    assert bars[-1]["start"] == pytest.approx(one.base_values[row])
    assert bars[0]["end"] == pytest.approx(one.base_values[row] + one.values[row].sum())


def test_dependence_has_shaps_partner(pair: Pair) -> None:
    job, one, output = pair
    for feature in np.flatnonzero(np.ptp(one.values, axis=0))[:4]:
        apart = one.data.copy()
        apart[:, feature] += np.arange(ROWS) * 1e-9  # shap leaves open in which order equal values come
        theirs = shap.utils.approximate_interactions(feature, one.values, apart)
        assert partner(job, int(feature), output) == theirs[0]
    name = job.features[2]
    points = specification("dependence", job, asked(output, feature=name))["layer"][1]["data"]["values"]
    assert [point["x"] for point in points] == one.data[:, 2].tolist()
    np.testing.assert_allclose([point["value"] for point in points], one.values[:, 2], rtol=1e-6, atol=1e-12)


def test_heatmap_and_decision_have_its_values(pair: Pair) -> None:
    job, one, output = pair
    axes = shap.plots.heatmap(one, max_display=TOP, instance_order=np.arange(ROWS), show=False)
    rects = specification("heatmap", job, asked(output))["vconcat"][1]
    assert rects["encoding"]["y"]["sort"] == labels(axes, TOP + 1)[1:]
    theirs = np.asarray(axes.images[0].get_array())
    cells = sorted(rects["data"]["values"], key=lambda cell: cell["row"])
    ours = np.array([cell["value"] for cell in cells]).reshape(ROWS, TOP).T
    np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-12)
    lines = specification("decision", job, asked(output))["layer"][1]["data"]["values"]
    ends = [point["value"] for point in lines if point["step"] == TOP]
    np.testing.assert_allclose(ends, one.base_values + one.values.sum(axis=1), rtol=1e-6, atol=1e-12)
