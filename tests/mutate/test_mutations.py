"""Where a file can be mutated, and the draw. What needs cosmic-ray runs where `make mutate` has installed it."""

from itertools import islice
from pathlib import Path

import pytest

from mutate.mutations import Mutant, Place, draw, lua_places, mutant, places, python_places

PYTHON = "def f(x: int | None, y):\n    log.info('f', x=x + 1)\n    return x < 3 and not y\n"
LUA = "-- 1 == 1\nlocal n = tonumber('7 > 1')\nif n <= 2 and more then n = n + 1 end\n"


def changes(found: list[Place], text: str) -> list[str]:
    return [mutant(place, name, text, change(text)).after for place in found for name, change in place.ways]


class TestLua:
    def test_comparisons_sums_words_and_numbers(self):
        assert changes(list(lua_places("a.lua", LUA)), LUA) == [
            "if n < 2 and more then n = n + 1 end",
            "if n <= 3 and more then n = n + 1 end",
            "if n <= 2 or more then n = n + 1 end",
            "if n <= 2 and more then n = n - 1 end",
            "if n <= 2 and more then n = n + 2 end",
        ]

    def test_no_comment_and_no_string(self):
        assert list(lua_places("a.lua", LUA[: LUA.index("if")])) == []


class TestPython:
    @pytest.fixture(autouse=True)
    def _tool(self):
        pytest.importorskip("cosmic_ray")

    def test_a_place_has_all_its_ways(self):
        found = list(python_places("a.py", "x = 1 < 2\n"))
        assert sorted(name.split("_", 1)[-1] for name, _ in found[1].ways) == ["Lt_GtE", "Lt_LtE"]
        assert changes(found[:1], "x = 1 < 2\n") == ["x = 2 < 2", "x = 0 < 2"]

    def test_an_exception_with_a_dotted_name_in_a_tuple(self):
        text = "try: ...\nexcept (a.B, C): ...\n"
        assert changes(list(python_places("a.py", text))[1:], text) == ["except (a.B, CosmicRayTestingException): ..."]
        (place,) = list(python_places("a.py", text))[:1]
        assert [change(text) for _, change in place.ways] == [None]

    def test_what_does_not_run_is_not_drawn(self, tmp_path: Path):
        (tmp_path / "jobs").mkdir()
        (tmp_path / "jobs" / "a.py").write_text(PYTHON)
        drawn = list(draw(tmp_path, places(tmp_path, ["jobs"]), seed=1))
        assert {one.line for one in drawn} == {3}
        assert {one.room for one in drawn} == {"jobs"}


def test_a_seed_gives_the_same_mutants(tmp_path: Path):
    (tmp_path / "a.lua").write_text(LUA * 20)
    found = list(lua_places("a.lua", LUA * 20))
    first, again, other = (list(islice(draw(tmp_path, found, seed), 10)) for seed in (1, 1, 2))
    assert first == again != other
    assert len({one.key for one in first}) == 10


def test_a_mutant_is_named_by_the_lines_that_differ():
    place = Place("jobs/a.py", 2, 4, ())
    changed = mutant(
        place, "RemoveDecorator", "class A:\n    @cache\n    def f(): ...\n", "class A:\n    def f(): ...\n"
    )
    assert changed == Mutant(
        "jobs/a.py", 2, 4, "RemoveDecorator", "class A:\n    def f(): ...\n", before="@cache", after=""
    )
