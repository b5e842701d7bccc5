"""Problems: every one has its own code, a status and a message that can be filled in."""

import re
import string

import pytest

from jobs.errors import Problem, all_problems


@pytest.mark.parametrize("problem", all_problems(), ids=lambda problem: problem.code)
def test_a_problem_names_itself(problem: type[Problem]) -> None:
    names = {name for _, name, _, _ in string.Formatter().parse(problem.__doc__ or "") if name}
    made = problem(**dict.fromkeys(names, 0.5))
    assert not re.search(r"{\w+}", made.message)
    assert len(made.message) > 10
    assert 400 <= problem.status < 600


def test_codes_are_unique() -> None:
    codes = [problem.code for problem in all_problems()]
    assert len(codes) == len(set(codes))
