"""The rows of explainers: complete, in an order that prefers what is exact, and each with what its file must offer."""

import inspect
import weakref
from types import SimpleNamespace

import pytest
from sklearn.ensemble import GradientBoostingClassifier

from child.explainers import choose, kinds, permutation
from child.explainers.kinds import KINDS, Code
from child.models import conversion
from jobs.options import EXPLAINERS, Options
from tests.child.support import explained, npy, skops_bytes


def test_every_name_that_a_job_may_ask_for_has_its_row():
    assert [kind.name for kind in kinds.of_family(None)] == [name for name in EXPLAINERS if name != "auto"]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.module)
def test_every_file_offers_what_choosing_and_building_call(kind):
    for function in ("obstacle", "build"):
        expected = list(inspect.signature(getattr(Code, function)).parameters)[1:]
        assert list(inspect.signature(getattr(kind.code, function)).parameters) == expected


def test_a_familys_own_row_takes_the_place_of_the_one_for_any():
    own, others = kinds.of_family("catboost"), kinds.of_family("xgboost")
    assert [kind.name for kind in own] == [kind.name for kind in others]
    assert (own[0].module, others[0].module) == ("child.explainers.catboost_native", "child.explainers.trees")


def test_the_first_without_an_obstacle_is_taken_and_told_what_stood_against_those_before(monkeypatch):
    def row(name, obstacle, reason):
        code = SimpleNamespace(obstacle=lambda subject: obstacle)
        flags = dict.fromkeys(("needs_background", "gives_interactions", "at_last_step"), False)
        return SimpleNamespace(name=name, way=f"by {name}", code=code, reason=reason, stack="full", **flags)

    rows = [row("tree", "a", str), row("linear", "b", str), row("permutation", None, "{0}: {1}".format)]
    monkeypatch.setattr(kinds, "of_family", lambda family: rows)
    subject = SimpleNamespace(
        options=Options(), about=SimpleNamespace(name="M", family=None), is_loaded=True, has_background=False
    )
    subject.core = subject
    assert choose.choose(subject) == (rows[2], "M: not explained by tree, as a; nor by linear, as b")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, True),
        ({"explainer": "tree"}, True),
        ({"explainer": "kernel"}, False),
        ({"explainer": "linear", "interactions": True}, False),
    ],
)
def test_what_a_lean_process_may_be_asked(options, expected):
    assert choose.may_be_lean(Options(**options)) is expected


def test_trees_that_are_not_taken_are_not_held(samples, monkeypatch):
    """A large forest beside what explains the model instead could be more than the cap."""
    converted, held = [], []
    convert, build = conversion.convert, permutation.build

    def remembered(model):
        found = convert(model)
        converted.append(weakref.ref(found))
        return found

    def looking(subject, background):
        held.append(converted[0]())
        return build(subject, background)

    monkeypatch.setattr(conversion, "convert", remembered)
    monkeypatch.setattr(permutation, "build", looking)
    model = skops_bytes(GradientBoostingClassifier(n_estimators=3).fit(samples.x, samples.three))
    explained(model, npy(samples.x[:3]), npy(samples.x[:10]), model_output="probability", max_evals=11)
    assert held == [None]
