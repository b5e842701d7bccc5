"""What cells of text and categories are as numbers, and the way back."""

import math

import numpy as np
import pytest

from child.rows.words import Numbers, Words


def back(words, *cells):
    return words.cells(np.array([words.code(cell) for cell in cells])).tolist()


def test_known_cells_have_their_places_whatever_stands_around_them():
    words = Words(["Bern", "Lyon", " Oslo"], grows=True)
    assert [words.code(cell) for cell in ("Bern", "Lyon ", " Oslo")] == [0, 1, 2]


def test_what_is_missing_is_no_number_unless_it_is_a_known_word():
    words = Words(["Bern", None], grows=True)
    assert all(math.isnan(words.code(cell)) for cell in ("", "NA", "nan", None, float("nan")))
    assert back(words, "", "Bern") == [None, "Bern"]
    assert Words(["NA", "BE"], grows=True).code("NA") == 0


def test_others_get_a_place_where_the_list_grows_and_are_missing_where_not():
    grows, closed = Words(["a"], grows=True, taken="x"), Words(["a"], grows=False, taken="x")
    assert back(grows, "b", "a", "b", 3) == ["b", "a", "b", 3]
    assert math.isnan(closed.code("b"))
    for words in (grows, closed):
        (said,) = words.unknown.warnings("city")
        assert said.code == "unknown_category"
        assert said.message.startswith("city: 'b'")


def test_numbers_and_booleans_are_met_as_they_are_or_as_they_are_written():
    words = Words(["1", "2.5", "True"], grows=True)
    assert [words.code(cell) for cell in (1, 1.0, "1", "1.0", 2.5, True, "True")] == [0, 0, 0, 0, 1, 2, 2]
    mixed = Words([1, "a", False], grows=True)
    assert [mixed.code(cell) for cell in ("1", 1, "a", "false", False)] == [0, 0, 1, 2, 2]
    assert mixed.unknown.warnings("x") == []


def test_a_code_of_no_place_is_missing():
    cells = Words(["a"], grows=False).cells(np.array([-3.0, 0.0, 7.0, np.nan]))
    assert cells[1] == "a"
    assert all(math.isnan(cell) for cell in cells[[0, 2, 3]])


def test_only_a_few_of_the_unknown_are_named():
    words = Words(["a", "b", "c", "d"], grows=False, taken="explained as missing")
    for number in range(100):
        words.code(f"x{number}")
    (said,) = words.unknown.warnings("city")
    assert said.message == (
        "city: 'x0', 'x1', 'x2', … is none of the 4 categories in the model ('a', 'b', 'c', …): explained as missing."
    )


def test_numbers_that_are_in_no_list_are_remembered():
    known = Numbers([1, 2, 3], "explained as missing")
    known.look(np.array([1.0, np.nan, 3.0]))
    assert known.unknown.warnings("month") == []
    known.look(np.array([1.0, 13.0]))
    assert "13.0" in known.unknown.warnings("month")[0].message


@pytest.mark.parametrize("cell", [["a"], {"a": 1}])
def test_a_list_is_no_cell(cell):
    with pytest.raises(TypeError):
        Words(["a"], grows=True).code(cell)
