"""Every chart of every sort of job: texts are data, numbers are numbers, and the order is that of what matters."""

import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from plots.explained import Asked, Explained, Interactions, NotThere, Sample, Unavailable
from plots.kinds import KINDS, specification
from plots.partner import partner
from plots.spec import total
from tests.plots.conftest import AWKWARD, Make

ALLOWED = {"datum.value < 0.5 ? 'Low' : 'High'", "height"}


def walk(found: Any) -> Iterator[tuple[str, Any]]:
    """Every member of every object, by name."""
    for name, inner in found.items() if isinstance(found, dict) else enumerate(found):
        if isinstance(inner, dict | list):
            yield from walk(inner)
        yield str(name), inner


def marks(chart: dict[str, Any]) -> list[dict[str, Any]]:
    """All data of a chart."""
    return [
        row
        for name, rows in walk(chart)
        if name == "values" and isinstance(rows, list)
        for row in rows
        if isinstance(row, dict) and row
    ]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("outputs", [1, 3])
def test_a_chart_says_what_it_shows_and_runs_nothing(kind: str, outputs: int, make: Make) -> None:
    """No expression, address or field is made of a job's texts; what JSON cannot say is not in it."""
    chart = specification(kind, make(outputs, note="Only a part."), Asked())
    assert len(chart["description"]) > 30
    assert chart["description"].endswith("Only a part.")
    assert chart["title"]["subtitle"][-1] == "Only a part."
    json.dumps(chart, allow_nan=False)
    named = list(walk(chart))
    assert {inner for name, inner in named if name in {"expr", "labelExpr", "calculate", "filter", "href"}} <= ALLOWED
    assert not [inner for name, inner in named if name in {"url", "signal", "href"}]
    assert not [inner for name, inner in named if name in {"field", "as"} and AWKWARD in str(inner)]


@pytest.mark.parametrize("kind", KINDS)
def test_one_row_and_one_feature_are_enough(kind: str, make: Make) -> None:
    whole = make(1, rows=1)
    assert whole.sample
    assert specification(kind, whole, Asked(top=1))["description"]


@pytest.mark.parametrize("kind", [kind for kind, row in KINDS.items() if row.needs_sample])
def test_without_a_sample(kind: str, make: Make) -> None:
    with pytest.raises(Unavailable, match="sample"):
        specification(kind, make(sample=None), Asked())


def test_others_are_added_up(make: Make) -> None:
    job = make()
    whole = marks(specification("bar", job, Asked()))
    some = marks(specification("bar", job, Asked(top=3)))
    assert [bar["label"] for bar in whole][:2] == ["age", "colour"]
    assert [bar["label"] for bar in some] == ["age", "colour", "Sum of 5 other features"]
    assert some[-1]["value"] == pytest.approx(sum(bar["value"] for bar in whole[2:]))
    swarm = marks(specification("beeswarm", job, Asked(top=3)))
    assert {point["label"] for point in swarm} == {bar["label"] for bar in some}
    assert all("rank" not in point for point in swarm if point["label"].startswith("Sum"))


def test_what_is_missing_or_text_is_neither_low_nor_high(make: Make) -> None:
    points = marks(specification("beeswarm", make(), Asked()))
    grey = {(point["label"], point["cell"]) for point in points if "rank" not in point}
    assert {("age", "missing"), ("colour", "red"), ("city", "Bern")} <= grey
    assert {point["rank"] for point in points if point["label"] == "same"} == {0.5}
    ages = [point for point in points if point["label"] == "age" and "rank" in point]
    assert max(ages, key=lambda point: float(point["cell"]))["rank"] == 1
    assert min(ages, key=lambda point: float(point["cell"]))["rank"] == 0


def test_a_waterfall_leads_from_the_base_to_the_prediction(make: Make) -> None:
    job = make(3)
    assert job.sample
    chart = specification("waterfall", job, Asked(row=9, output="class 1", top=4))
    bars = chart["layer"][4]["data"]["values"]
    assert bars[-1]["label"] == "4 other features"
    assert bars[-1]["start"] == 2.0
    assert bars[0]["end"] == pytest.approx(job.sample.predictions[3 * 3 + 1])
    assert all(above["start"] == below["end"] for above, below in pairwise(bars))
    assert sum(bar["value"] for bar in bars) + 2.0 == pytest.approx(bars[0]["end"])
    labels = {point.get("label") for point in marks(specification("waterfall", job, Asked(row=9)))}
    assert {f"{job.sample.data[3][1]:.0f} = age", f"{job.sample.data[3][2]} = colour", "1 = same"} <= labels
    missing = {point.get("label") for point in marks(specification("waterfall", job, Asked(row=0)))}
    assert "missing = age" in missing


@pytest.mark.parametrize(
    ("asked", "what"), [(Asked(row=1), "row"), (Asked(output="no"), "output"), (Asked(output="3"), "output")]
)
def test_what_is_not_there(asked: Asked, what: str, make: Make) -> None:
    job: Explained = make(3)
    with pytest.raises(NotThere) as found:
        specification("waterfall", job, asked)
    assert found.value.what == what
    assert job.sample
    assert found.value.available == {"row": job.sample.rows, "output": job.outputs}[what]


def test_what_is_made_of_others_has_no_values_of_its_own(make: Make) -> None:
    job = make(derived=["age"])
    labels = {point.get("label") for point in marks(specification("waterfall", job, Asked(row=9)))}
    assert "age" in labels
    for kind in ("dependence", "cohorts"):
        with pytest.raises(Unavailable, match="age is made of other columns"):
            specification(kind, job, Asked())
        assert specification(kind, job, Asked(feature="colour"))


def test_the_partner_is_what_values_follow_where_the_feature_does_not_vary(make: Make) -> None:
    """As shap finds it: see `test_like_shap`."""
    job = make()
    assert job.sample
    ages = [cell or 0.0 for cell in job.cells(3)]
    rows = [job.of_row(row, 0) for row in range(len(job.sample.rows))]
    values = [value for row, age in zip(rows, ages, strict=True) for value in [*row[:4], age, *row[5:]]]
    sample = Sample(rows=job.sample.rows, data=job.sample.data, values=values, predictions=job.sample.predictions)
    assert partner(make(sample=sample), 4, 0) == 3
    assert partner(make(1, rows=1), 4, 0) is None


def test_what_rounding_leaves_is_zero() -> None:
    assert total(0.3, [-0.1, -0.2]) == 0.0
    assert total(0.0, []) == 0.0
    assert total(1e-20, [2e-20]) == pytest.approx(3e-20, rel=1e-9, abs=0)


def test_cohorts_part_the_rows(make: Make) -> None:
    for feature, names in (("colour", {"red", "blue"}), ("same", {"1"}), ("city", {"Bern"})):
        bars = marks(specification("cohorts", make(), Asked(feature=feature)))
        assert {bar["cohort"].split(" (")[0] for bar in bars} == names
    thirds = marks(specification("cohorts", make(rows=300), Asked(feature="age")))
    cohorts = list(dict.fromkeys(bar["cohort"] for bar in thirds))
    assert [cohort.split()[0] for cohort in cohorts][::3] == ["up", "missing"]
    assert sum(int(cohort.split("(")[1].split()[0]) for cohort in cohorts) == 300


def test_a_decision_ends_at_f_of_x_and_draws_no_more_lines_than_can_be_told_apart(make: Make) -> None:
    job = make(rows=500)
    points = marks(specification("decision", job, Asked(row=3, top=3)))
    assert len({point["row"] for point in points}) <= 201
    ends = [point for point in points if point["label"] == "age"]
    assert all(point["value"] == pytest.approx(point["result"], abs=1e-5) for point in ends)
    assert next(point["value"] for point in points if point["label"] == "E[f(X)]") == 2.0


def test_pairs_that_hardly_act_together_are_not_written_out(make: Make) -> None:
    found = Interactions(features=["a", "b"], mean_abs=[[[1.0], [0.1234]], [[0.00001], [2.0]]])
    cells = marks(specification("interactions", make(1, interactions=found), Asked()))
    assert [cell["text"] for cell in cells] == ["1", "0.12", "", "2"]
    assert cells[2]["value"] == 0.00001
