"""Values of a pipeline's columns, brought back to the table's."""

import numpy as np
import pytest

from child.pipelines.columns import Column, groups

TABLE = ["a", "b", "c"]


def column(name, *sources, by=""):
    return Column(name, frozenset(sources), by=by)


def test_columns_of_one_source_are_added_up_in_the_tables_order():
    found = groups([column("b_1", 1), column("a", 0), column("b_2", 1)], TABLE, "auto")
    assert found.names == TABLE
    values = np.arange(6.0).reshape(2, 3, 1)
    assert found.add_up(values)[..., 0].tolist() == [[1, 2, 0], [4, 8, 0]]


def test_interactions_are_added_up_along_both_axes():
    found = groups([column("b_1", 1), column("a", 0), column("b_2", 1)], TABLE, "auto")
    matrix = np.arange(9.0).reshape(1, 3, 3, 1)
    assert found.add_up(matrix)[0, :, :, 0].tolist() == [[4, 8, 0], [8, 16, 0], [0, 0, 0]]


def test_values_that_are_in_order_already_are_not_copied():
    found = groups([column("x", 0), column("y", 1), column("z", 2)], TABLE, "auto")
    values = np.ones((2, 3, 1))
    assert found.add_up(values) is values


def test_what_is_mixed_keeps_its_name_after_the_tables_columns_that_stand_alone():
    found = groups([column("pca0", 0, 1, by="PCA"), column("a", 0), column("pca1", 0, 1, by="PCA")], TABLE, "auto")
    assert found.names == ["a", "c", "pca0", "pca1"]
    assert found.add_up(np.array([[[1.0], [2.0], [3.0]]]))[0, :, 0].tolist() == [2, 0, 1, 3]


def test_for_the_tables_columns_what_mixes_is_named_and_words_of_one_text_are_added_up():
    words = [column("w1", 1, by="TfidfVectorizer"), column("w2", 1, by="TfidfVectorizer")]
    assert groups(words, TABLE, "auto").names == ["a", "c", "w1", "w2"]
    assert groups(words, TABLE, "input").names == TABLE
    assert groups([*words, column("pca0", 0, 1, by="PCA")], TABLE, "input") == "PCA"


def test_transformed_columns_all_keep_their_names_and_none_comes_twice():
    found = groups([column("a", 0), column("a", 0), column("b", 1)], TABLE, "transformed")
    assert found.names == ["a", "a (2)", "b"]
    mixed = groups([column("a", 0), column("a", 0, 1, by="PCA")], TABLE, "auto")
    assert mixed.names == ["a", "c", "a (2)"]


@pytest.mark.parametrize("wanted", ["auto", "input"])
def test_a_constant_has_no_source_and_its_value_of_zero_goes_anywhere(wanted):
    found = groups([column("1"), column("a", 0), column("b", 1), column("c", 2)], TABLE, wanted)
    assert found.names == TABLE
    assert found.add_up(np.array([[[0.0], [2.0], [3.0], [4.0]]]))[0, :, 0].tolist() == [2, 3, 4]
