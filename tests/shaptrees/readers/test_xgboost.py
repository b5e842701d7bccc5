"""XGBoost's JSON and UBJSON: what is checked is what is used, whoever decodes the numbers."""

import json

import numpy as np
import pytest

from shaptrees.errors import UnreadableModel, UnsupportedModel
from shaptrees.readers import xgboost as reader
from shaptrees.readers import xgboost_document
from shaptrees.rules import Link

xgboost = pytest.importorskip("xgboost")

RANDOM = np.random.default_rng(3)
X = RANDOM.normal(size=(200, 4))
X[:, 3] = RANDOM.integers(0, 40, 200)
Y = X[:, 0] + 3 * (X[:, 3] % 3 == 0)
ROWS = np.where(RANDOM.random(X.shape) < 0.1, np.nan, X)
KINDS = ["q", "q", "q", "c"]


def train(kinds=None, rounds=3, **options):
    data = xgboost.DMatrix(X, Y, feature_types=kinds, enable_categorical=bool(kinds))
    return xgboost.train({"nthread": 1, "max_depth": 3, **options}, data, rounds)


PLAIN, SETS = train(), train(KINDS)


def saved(booster, form="json"):
    return bytes(booster.save_raw(form))


def edited(edit, booster=PLAIN):
    document = json.loads(saved(booster))
    edit(document["learner"])
    return json.dumps(document).encode()


def forest(learner):
    return learner["gradient_booster"]["model"]["trees"]


def refused(content, words, **options):
    with pytest.raises(UnreadableModel, match=words):
        reader.read(content, **options)
    with pytest.raises(UnreadableModel, match=words):
        reader.check(content, **options)


def decoded():
    return {"with msgspec": None, "with numpy alone": xgboost_document._decode_slowly}


@pytest.fixture(params=decoded())
def decoder(request, monkeypatch):
    if chosen := decoded()[request.param]:
        monkeypatch.setattr(xgboost_document, "_decode", chosen)


# --- the document ----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("decoder")
@pytest.mark.parametrize("spelled", [{}, {"indent": 1}, {"separators": (",", ":")}, {"sort_keys": True}])
def test_json_is_read_however_it_is_spelled(spelled):
    text = json.dumps(json.loads(saved(PLAIN)), **spelled).encode()
    learner = xgboost_document.parse(text)
    assert isinstance(xgboost_document.forest(learner)["trees"], xgboost_document.JsonTrees)
    assert list(xgboost_document.forest(learner)["trees"]) == forest(json.loads(text)["learner"])
    np.testing.assert_array_equal(reader.read(text).trees.predict(ROWS), reader.read(saved(PLAIN)).trees.predict(ROWS))


@pytest.mark.usefixtures("decoder")
def test_trees_are_found_where_they_are_and_nowhere_else():
    right = reader.read(saved(PLAIN)).trees.predict(ROWS)
    names = ["trees", '"trees":[{', "a", "b"]
    for edit in (
        lambda learner: learner["attributes"].update({"trees": "x", "more": '"trees":[{}]'}),
        lambda learner: learner.update(feature_names=names),
    ):
        found = reader.read(edited(edit))
        np.testing.assert_array_equal(found.trees.predict(ROWS), right)
    assert found.about.features == names
    decoy = saved(PLAIN).replace(b'"learner":{', b'"trees":[{"a":1}],"learner":{', 1)
    np.testing.assert_array_equal(reader.read(decoy).trees.predict(ROWS), right)
    refused(saved(PLAIN).replace(b'"trees":[', b'"other":[', 1), "trees")


@pytest.mark.usefixtures("decoder")
@pytest.mark.parametrize(
    "key", ["learner", "gradient_booster", "model", "trees", "left_children", "num_nodes", "num_feature", "base_score"]
)
def test_a_key_twice_is_refused_at_every_level(key):
    text = saved(PLAIN)
    mark = b'"%b":' % key.encode()
    assert mark in text
    refused(text.replace(mark, mark + b"[]," + mark, 1), "twice")


@pytest.mark.usefixtures("decoder")
def test_a_key_twice_hidden_in_an_escape_is_refused():
    text = saved(PLAIN).replace(b'"left_children":', b'"left\\u005fchildren":[1,-1,-1],"left_children":', 1)
    refused(text, "escaped")


@pytest.mark.usefixtures("decoder")
def test_numbers_that_json_does_not_have_are_read():
    text = edited(lambda learner: forest(learner)[0]["loss_changes"].__setitem__(0, float("nan")))
    np.testing.assert_array_equal(reader.read(text).trees.predict(ROWS), reader.read(saved(PLAIN)).trees.predict(ROWS))


@pytest.mark.usefixtures("decoder")
@pytest.mark.parametrize("place", [b"]}", b"}]", b'"split_indices"', b'"trees"'])
def test_json_broken_at_any_place_is_refused(place):
    text = saved(PLAIN)
    refused(text.replace(place, b"?" + place, 1), "cannot be read")
    refused(text[: text.index(place)], "cannot be read")


def test_text_in_another_encoding_is_refused():
    refused(saved(PLAIN).decode().encode("utf-16-le"), "cannot be read")


# --- the head --------------------------------------------------------------------------------------------------


def decoy(learner):
    """Trees beside the trees: what is checked must be what is used."""
    learner["gradient_booster"]["gbtree"] = {"name": "gbtree", "model": {"trees": []}}
    forest(learner)[0]["left_children"][0] = 10**6


HEADS = {
    "trees beside the trees": (decoy, "tree 0: a child outside"),
    "dropout within dropout": (
        lambda learner: learner.update(
            gradient_booster={"name": "dart", "weight_drop": [], "gbtree": {"name": "dart", "model": {}}}
        ),
        "booster",
    ),
    "names": (lambda learner: learner.update(feature_names=["a"]), "1 feature names"),
    "classes of several targets": (
        lambda learner: learner["learner_model_param"].update(num_class="3", num_target="2"),
        "3 classes of 2 targets",
    ),
    "a best round that is not there": (lambda learner: learner["attributes"].update(best_iteration="7"), "best"),
    "a base that is no number": (lambda learner: learner["learner_model_param"].update(base_score="[NaN]"), "finite"),
}


@pytest.mark.parametrize("name", [name for name in HEADS if "base" not in name])
def test_a_head_that_lies_is_refused(name):
    edit, words = HEADS[name]
    refused(edited(edit), words)


def test_a_base_that_is_no_number_is_refused():
    with pytest.raises(UnreadableModel, match="finite"):
        reader.read(edited(HEADS["a base that is no number"][0]))


def test_trees_after_the_best_round_are_checked_and_left_out():
    def stop(learner):
        learner["attributes"]["best_iteration"] = "0"

    def harm(learner):
        stop(learner)
        forest(learner)[2]["left_children"][0] = 10**6

    assert reader.read(edited(stop)).trees.trees == 1
    refused(edited(harm), "tree 2: a child outside")


@pytest.mark.parametrize("name", [{"a": ["reg:squarederror"]}, float("nan"), [[]], 2**32, None])
def test_an_objective_that_is_no_text_is_kept_from_xgboost(name):
    content = edited(lambda learner: learner["objective"].update(name=name))
    refused(content, "objective's name is no text")
    with pytest.raises(UnreadableModel, match="objective's name is no text"):
        reader.check(content)


@pytest.mark.parametrize("version", ["0", [3, 2], [3, 2, 0.0], [3, 2, "0"], {"0": 3}, 3, None])
def test_a_version_that_is_none_is_kept_from_xgboost(version):
    """Its complaint holds the whole document, and ends the process where that has an array of 64-bit floats."""
    document = {**json.loads(saved(PLAIN)), "version": version}
    with pytest.raises(UnreadableModel, match="version is no list of three integers"):
        reader.check(json.dumps(document).encode())


def test_other_models_are_named():
    linear = train(booster="gblinear")
    with pytest.raises(UnsupportedModel, match="gblinear has no trees"):
        reader.read(saved(linear))
    reader.check(saved(linear))
    strange = edited(lambda learner: learner["objective"].update(name="reg:other"))
    with pytest.raises(UnsupportedModel, match="reg:other"):
        reader.read(strange)
    assert reader.read(strange, any_objective=True).trees.link == Link.IDENTITY


# --- categories ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["json", "ubj"])
def test_splits_on_categories_are_read_as_xgboost_reads_them(form):
    found = reader.read(saved(SETS, form)).trees
    assert found.rule[found.inner].any()
    data = xgboost.DMatrix(ROWS, feature_types=KINDS, enable_categorical=True)
    np.testing.assert_allclose(found.predict(ROWS)[:, 0], SETS.predict(data, output_margin=True), atol=1e-5)


def first_set(learner):
    return next(tree for tree in forest(learner) if tree["categories_nodes"])


SET_EDITS = {
    "another node": lambda tree: tree["categories_nodes"].__setitem__(0, 10**6),
    "a negative node": lambda tree: tree["categories_nodes"].__setitem__(0, -1),
    "a beginning": lambda tree: tree["categories_segments"].__setitem__(0, 10**6),
    "a negative beginning": lambda tree: tree["categories_segments"].__setitem__(0, -1),
    "a size": lambda tree: tree["categories_sizes"].__setitem__(0, 10**6),
    "an overflow": lambda tree: tree["categories_sizes"].__setitem__(0, 2**63 - 1),
    "no size": lambda tree: tree["categories_sizes"].__setitem__(0, 0),
    "too few sizes": lambda tree: tree["categories_sizes"].pop(),
    "a negative category": lambda tree: tree["categories"].__setitem__(0, -1),
    "a huge category": lambda tree: tree["categories"].__setitem__(0, 2**40),
    "an unknown type": lambda tree: tree["split_type"].__setitem__(0, 2),
    "too few types": lambda tree: tree["split_type"].pop(),
    "a type without a set": lambda tree: tree["split_type"].__setitem__(-1, 1 - tree["split_type"][-1]),
}


@pytest.mark.parametrize("name", SET_EDITS)
def test_hostile_sets_of_categories_are_refused(name):
    refused(edited(lambda learner: SET_EDITS[name](first_set(learner)), SETS), "categor|type")


def test_what_stands_beside_a_set_of_categories_is_not_read():
    """Before 3.0 it was whatever lay in memory; a threshold that is no number is refused all the same."""

    def edit(learner):
        for tree in forest(learner):
            for node in tree["categories_nodes"]:
                tree["split_conditions"][node] = float("nan")

    document = edited(edit, SETS)
    assert b"NaN" in document
    np.testing.assert_array_equal(reader.read(document).trees.values, reader.read(saved(SETS)).trees.values)
    refused(edited(lambda learner: forest(learner)[0]["split_conditions"].__setitem__(0, float("nan"))), "not finite")
