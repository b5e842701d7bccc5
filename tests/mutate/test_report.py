"""The table, and who is listed below it."""

from mutate.campaign import Verdict
from mutate.equivalents import Equivalent
from mutate.mutations import Mutant
from mutate.report import report


def mutant(room: str, line: int) -> Mutant:
    return Mutant(f"{room}/a.py", line, 0, "NumberReplacer", "", f"x = {line}", f"x = {line + 1}")


def verdict(outcome: str) -> Verdict:
    return Verdict("", outcome, "", 1.0)


KNOWN = [Equivalent("jobs/a.py", "x = 4", "nobody reads x", after="x = 5")]
TRIED = [
    (mutant("jobs", 1), verdict("caught")),
    (mutant("jobs", 2), verdict("timed_out")),
    (mutant("jobs", 3), verdict("survived")),
    (mutant("jobs", 4), verdict("survived")),
    (mutant("api", 1), verdict("caught")),
]


def test_a_line_a_room_and_equivalents_are_no_part_of_the_percentage():
    rows = [line.split() for line in report(TRIED, KNOWN).splitlines()]
    assert rows[1] == ["api", "1", "1", "0", "0", "0", "100.0"]
    assert rows[2] == ["jobs", "4", "1", "1", "1", "1", "66.7"]
    assert rows[3] == ["all", "5", "2", "1", "1", "1", "75.0"]


def test_survivors_and_equivalents_with_their_difference():
    text = report(TRIED, KNOWN)
    assert "survived: jobs/a.py:3 NumberReplacer\n  - x = 3\n  + x = 4\n" in text
    assert "equivalent: jobs/a.py:4 nobody reads x\n  - x = 4\n  + x = 5\n" in text
    assert text.count("survived: ") == 1


def test_what_a_test_catches_is_no_equivalent():
    assert "equivalent: " not in report([(mutant("jobs", 4), verdict("caught"))], KNOWN)
