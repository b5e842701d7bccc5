"""Which tests come first."""

from mutate.mutations import Mutant
from mutate.order import FACTOR, FIRST_S, GRACE_S, Recording, order, plan

OWN, OTHER, REST = "tests/jobs/test_queue.py::", "tests/jobs/test_store.py::", "tests/jobs/test_rest.py::"
SECONDS = {f"{REST}a": 0.1, f"{OWN}slow": 9.0, f"{OWN}quick": 0.5, f"{OWN}beside": 0.2, f"{OTHER}b": 0.3}
LINES = {"jobs/queue.py": {"7": [f"{OWN}slow", f"{OWN}quick", f"{OTHER}b"]}}
MUTANT = Mutant("jobs/queue.py", 7, 0, "AddNot", "", "if a:", "if not a:")


def test_those_that_ran_the_line_and_the_modules_own_file_then_the_rest():
    first, rest = order(MUTANT, Recording(SECONDS, LINES, failed=[]))
    assert first == [f"{OWN}quick", f"{OWN}slow", f"{OTHER}b", f"{OWN}beside"]
    assert rest == [f"{REST}a"]


def test_of_a_line_that_no_test_ran_those_that_ran_another_of_the_module():
    first, rest = order(MUTANT, Recording(SECONDS, {"jobs/queue.py": {"7": [""], "8": [f"{OTHER}b"]}}, failed=[]))
    assert first == [f"{OTHER}b", f"{OWN}beside", f"{OWN}quick", f"{OWN}slow"]
    assert rest == [f"{REST}a"]


def test_what_fails_without_a_mutation_says_nothing():
    recording = Recording(SECONDS, LINES, failed=[f"{OWN}quick"])
    first, rest = order(MUTANT, recording)
    assert f"{OWN}quick" not in [*first, *rest]
    assert plan(first, recording, without=[f"{OTHER}b"])["without"] == [f"{OWN}quick", f"{OTHER}b"]


def test_a_test_may_take_longer_than_without_a_mutation_but_not_for_ever():
    recording = Recording(SECONDS, LINES, failed=[])
    assert plan([f"{OWN}slow"], recording, without=[])["limits"] == {f"{OWN}slow": GRACE_S + FACTOR * 9.0}


def test_the_first_part_is_short():
    tests = {f"{OWN}{number}": 1.0 + number for number in range(20)}
    first, rest = order(MUTANT, Recording(tests, {}, failed=[]))
    assert sum(tests[test] for test in first) <= FIRST_S
    assert [*first, *rest] == list(tests)
    assert rest
