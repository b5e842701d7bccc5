"""The checked-in list of mutations that change nothing: each entry is of today's sources, and has a reason."""

from pathlib import Path

import pytest

from mutate.equivalents import FILE, equivalents

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
