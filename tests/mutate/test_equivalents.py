"""The checked-in list of mutations that change nothing: each entry is of today's sources, and has a reason."""

from pathlib import Path

import pytest

from mutate.equivalents import FILE, Equivalent, equivalents
from mutate.mutations import Mutant

ROOT = Path(__file__).parents[2]


def test_every_entry_names_lines_that_are_there():
    gone = [
        entry for entry in equivalents(ROOT) if entry.before not in bare((ROOT / entry.file).read_text().splitlines())
    ]
    assert gone == []


def bare(lines: list[str]) -> str:
    return "\n".join(line.strip() for line in lines if line.strip())


def test_every_entry_has_a_reason_and_changes_something():
    assert [entry for entry in equivalents(ROOT) if len(entry.reason) < 15 or entry.before == entry.after] == []


def test_an_entry_without_a_reason(tmp_path: Path):
    (tmp_path / "tests").mkdir()
    (tmp_path / FILE).write_text("[[mutant]]\nfile = 'a.py'\nbefore = 'x'\nafter = 'y'\n")
    with pytest.raises(TypeError, match="reason"):
        equivalents(tmp_path)


def mutant(name: str, after: str) -> Mutant:
    return Mutant("jobs/a.py", 1, 0, name, "", "PAUSE_S = 2 * 3", after)


def test_an_entry_is_of_one_change_or_of_any_other_number():
    one = Equivalent("jobs/a.py", "PAUSE_S = 2 * 3", "a pace, and no promise", after="PAUSE_S = 2 * 4")
    assert [one.is_of(mutant("NumberReplacer", f"PAUSE_S = 2 * {number}")) for number in (4, 2)] == [True, False]
    any_number = Equivalent("jobs/a.py", "PAUSE_S = 2 * 3", "a pace, and no promise")
    assert any_number.is_of(mutant("NumberReplacer", "PAUSE_S = 1 * 3"))
    assert any_number.is_of(mutant("Lua 2 3", "PAUSE_S = 3 * 3"))
    assert not any_number.is_of(mutant("ReplaceBinaryOperator_Mul_Div", "PAUSE_S = 2 / 3"))
