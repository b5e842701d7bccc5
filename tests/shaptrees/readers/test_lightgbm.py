"""LightGBM's text: what is read is what LightGBM's own loader makes of the same bytes, or the file is refused."""

import re

import numpy as np
import pytest

from shaptrees.errors import UnreadableModel
from shaptrees.readers import lightgbm as reader

lightgbm = pytest.importorskip("lightgbm")

RANDOM = np.random.default_rng(2)
X = RANDOM.normal(size=(200, 4))
X[:, 3] = RANDOM.integers(0, 40, 200)
Y = X[:, 0] + 3 * (X[:, 3] % 3 == 0)
ROWS = np.where(RANDOM.random((300, 4)) < 0.1, np.nan, np.vstack([X, X[:100] * 1.3]))


def train(target=Y, **options):
    options = {"verbose": -1, "num_threads": 1, "num_leaves": 7, "cat_smooth": 1, "min_data_per_group": 2, **options}
    return lightgbm.train(options, lightgbm.Dataset(X, target, categorical_feature=[3]), 3).model_to_string()


SIZED = train()
TEXT = re.sub(r"(?m)^tree_sizes=.*\n", "", SIZED)
"""Where trees begin is then said by the lines alone, so that edits may change lengths."""


def agree(text):
    found = reader.read(text.encode()).trees.predict(ROWS)[:, 0]  # first, as LightGBM follows whatever it is given
    own = lightgbm.Booster(model_str=text).predict(ROWS, raw_score=True, num_threads=1)
    np.testing.assert_allclose(found, own, rtol=0, atol=1e-12)


def refused(content, words):
    with pytest.raises(UnreadableModel, match=words) as caught:
        reader.read(content if isinstance(content, bytes) else content.encode())
    assert caught.value.format == "lightgbm-text"


def edit(pattern, replacement, text=TEXT):
    found, count = re.subn(pattern, replacement, text, count=1, flags=re.MULTILINE)
    assert count, pattern
    return found


def second_threshold(text=TEXT):
    return edit(r"^threshold=\S+ \S+", "threshold=0.5 0.5", text)


ALIKE = {
    "as it was saved": SIZED,
    "without sizes": TEXT,
    "more blank lines between trees": TEXT.replace("\n\n\nTree=1", "\n\n\n\n\nTree=1"),
    "fewer blank lines between trees": TEXT.replace("\n\n\nTree=1", "\n\nTree=1"),
    "blank lines in the head": TEXT.replace("\nmax_feature_idx", "\n\nmax_feature_idx"),
    "a head key without a value": edit("^objective=", "something\nobjective="),
    "a name with an equals sign": edit("^feature_names=Column_0", "feature_names=a=b=c"),
    "no counts": re.sub(r"(?m)^(leaf|internal)_count=.*\n", "", TEXT),
    "empty counts": re.sub(r"(?m)^((leaf|internal)_count)=.*$", r"\1=", TEXT),
    "unused values left out": re.sub(r"(?m)^(leaf_weight|split_gain|internal_value|internal_weight)=.*\n", "", TEXT),
    "keys after the end of trees": TEXT.replace("end of trees", "end of trees\nthreshold=1 2 3\nnum_leaves=99\n"),
    "trees after the end of trees": TEXT.replace("end of trees", "end of trees\n\n" + TEXT[TEXT.index("Tree=2") :]),
    "more blanks between numbers": edit("^leaf_value=", "leaf_value=  "),
    "an infinite threshold": edit(r"^threshold=(\S+) \S+", r"threshold=\1 inf"),
    "another threshold": second_threshold(),
}


@pytest.mark.parametrize("name", ALIKE)
def test_a_file_is_read_as_lightgbm_reads_it(name):
    agree(ALIKE[name])


def test_line_ends_of_other_systems_change_nothing():
    right = reader.read(SIZED.encode()).trees.predict(ROWS)
    for end in (b"\r\n", b"\r"):
        found = reader.read(SIZED.encode().replace(b"\n", end))
        np.testing.assert_array_equal(found.trees.predict(ROWS), right)


REFUSED = {
    "a blank line within a tree": (edit("^threshold=", "\nthreshold=", second_threshold()), "tree 0: a blank line"),
    "a blank line, and a key again": (edit("^left_child=", "\nthreshold=0.9\nleft_child="), "tree 0: a blank line"),
    "a blank line after the title": (TEXT.replace("Tree=1\n", "Tree=1\n\n"), "tree 1: a blank line"),
    "a blank line before the last key": (edit("^shrinkage=", "\nshrinkage="), "tree 0: a blank line"),
    "a line of blanks within a tree": (edit("^threshold=", " \nthreshold="), "tree 0: a line that is no key"),
    "a key twice": (edit("^threshold=", "threshold=0.9 0.9\nthreshold="), "tree 0: threshold twice"),
    "a key of the head twice": (edit("^objective=", "objective=poisson\nobjective="), "objective twice"),
    "a line without a value": (edit("^threshold=", "something\nthreshold="), "tree 0: a line that is no key"),
    "a value without a key": (edit("^threshold=", "=something\nthreshold="), "tree 0: a line that is no key"),
    "more lines than are read": (
        edit("^shrinkage=", "".join(f"key{i}=1\n" for i in range(9)) + "shrinkage="),
        "tree 0: 2. lines, of which LightGBM reads 22",
    ),
    "no blank line after a tree": (re.sub(r"\n+Tree=1", "\nTree=1", TEXT), "tree 0: no blank line"),
    "words between trees": (TEXT.replace("\n\nTree=1", "\n\nsomething\n\nTree=1"), "tree 0: a blank line"),
    "trees that are counted wrong": (TEXT.replace("Tree=1", "Tree=5"), "tree 1: it is numbered 5"),
    "sizes of fewer trees": (edit(r"^(tree_sizes=\S+ \S+).*$", r"\1", SIZED), "tree_sizes"),
    "sizes that point elsewhere": (second_threshold(SIZED), "tree_sizes"),
    "two equals signs in the head": (edit("^objective=", "objective=a="), "no key and value"),
    "an equals sign before a key": (edit("^objective=", "=objective="), "no key and value"),
    "no end of trees": (TEXT.replace("end of trees", "end"), "truncated"),
    "no trees": (TEXT[: TEXT.index("Tree=0")] + "end of trees\n", "truncated"),
    "no number of classes": (edit(r"^num_class=.*\n", ""), "num_class"),
    "no label": (edit(r"^label_index=.*\n", ""), "label_index"),
    "no feature infos": (edit(r"^feature_infos=.*\n", ""), "feature_infos"),
    "no number of categories": (edit(r"^num_cat=.*\n", ""), "num_cat"),
    "classes without a tree each": (edit("^objective=.*$", "objective=multiclass num_class:3"), "for each class"),
    "an unknown missing type": (edit(r"^decision_type=\d+", "decision_type=12"), "missing type"),
    "an unknown decision type": (edit(r"^decision_type=\d+", "decision_type=256"), "decision type"),
    "half a number": (edit(r"^num_leaves=7", "num_leaves=7.5"), "not whole numbers"),
    "a zero byte": (TEXT.replace("shrinkage=", "shrinkage=\0", 1), "zero byte"),
    "another beginning": ("x" + TEXT, "does not begin"),
    "no text": (b"tree\n\xff\xfe" + TEXT.encode(), "utf-8"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_lightgbm_reads_otherwise_is_refused_by_name(name):
    refused(*REFUSED[name])


def test_a_blank_line_within_a_tree_means_something_else_to_lightgbm():
    """Why it is refused: LightGBM drops what follows, or fails, and with sizes it goes on with the next tree."""
    text = edit("^shrinkage=", "\nshrinkage=")
    assert lightgbm.Booster(model_str=text).num_trees() < 3
    refused(text, "blank line")


SETS = {
    "an infinite place": (edit(r"^threshold=\S+", "threshold=inf"), "set of categories"),
    "a set too many": (edit(r"^num_cat=\d+", "num_cat=9"), "sets of categories"),
    "bounds that go back": (edit(r"^cat_boundaries=0 \d+", "cat_boundaries=0 99"), "sets of categories"),
    "a set that is not there": (edit(r"^(cat_boundaries=0).*$", r"\1"), "sets of categories"),
    "words too few": (edit(r"^cat_threshold=\d+", "cat_threshold="), "sets of categories"),
    "a word too large": (edit(r"^cat_threshold=\d+", "cat_threshold=4294967296"), "outside"),
}


@pytest.mark.parametrize("name", SETS)
def test_sets_of_categories_that_do_not_match_are_refused(name):
    refused(*SETS[name])


def test_trees_of_one_leaf_and_of_several_classes_are_read():
    agree(train(np.zeros(len(X))))
    text = train(np.arange(len(X)) % 3, objective="multiclass", num_class=3)
    found = reader.read(text.encode())
    assert found.about.outputs["probability"] == ["0", "1", "2"]
    own = lightgbm.Booster(model_str=text).predict(ROWS, raw_score=True, num_threads=1)
    np.testing.assert_allclose(found.trees.predict(ROWS), own, rtol=0, atol=1e-12)


def test_a_parameter_without_brackets_is_kept_from_lightgbm():
    """Which ends the process over it."""
    refused(edit(r"^\[num_leaves: .*$", "true"), "a line that is no parameter: 'true'")
    refused(edit(r"^\[num_leaves: .*$", "[num_leaves 7]"), "a line that is no parameter")
