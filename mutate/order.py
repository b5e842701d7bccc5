"""Which of a room's tests come first: a mutant is caught sooner, and none is left out."""

import json
from dataclasses import asdict, dataclass
from itertools import accumulate
from pathlib import Path

from mutate.mutations import Mutant

QUICK_S = 0.5
FIRST_S = 20.0
GRACE_S, FACTOR = 15.0, 5.0  # how long a test may take under a mutation: much longer than it took without


@dataclass(frozen=True)
class Recording:
    """One run of a room's tests without a mutation: how long each took, which lines it ran, which were in trouble."""

    seconds: dict[str, float]
    lines: dict[str, dict[str, list[str]]]
    failed: list[str]
    start_s: float = 0.0
    """What a run of pytest costs before its first test."""

    @property
    def tests_s(self) -> float:
        return sum(self.seconds.values())

    def is_quick(self, test: str) -> bool:
        """Whether it waits for nothing that a busy machine could hold up."""
        return self.seconds.get(test, QUICK_S) < QUICK_S


def load(file: Path) -> Recording:
    return Recording(**json.loads(file.read_text()))


def save(recording: Recording, file: Path) -> None:
    file.write_text(json.dumps(asdict(recording)))


def order(mutant: Mutant, recording: Recording) -> tuple[list[str], list[str]]:
    """The room's tests in two parts: those that may notice, and the rest. Short ones first.

    The first part: those that ran the line, or any line of the module if nobody did (constants are read at import), and
    the module's own test file; of all these, what can be had in FIRST_S. What runs in a process that a test starts is
    in no recording: the rest catches that.
    """
    lines = recording.lines.get(mutant.file, {})
    covering = set(lines.get(str(mutant.line), ())) - {""} or {test for tests in lines.values() for test in tests}
    own = f"/test_{Path(mutant.file).stem}.py::"
    tests = [test for test in recording.seconds if test not in recording.failed]
    tests.sort(key=lambda test: (test not in covering, own not in test, recording.seconds[test]))
    likely = [test for test in tests if test in covering or own in test]
    spent = accumulate(recording.seconds[test] for test in likely)
    first = [test for test, so_far in zip(likely, spent, strict=True) if so_far <= FIRST_S]
    return first, tests[len(first) :]


def plan(tests: list[str], recording: Recording, *, without: list[str]) -> dict[str, object]:
    """What the plugin keeps to: the tests in order, each with the seconds it may take, and those that it leaves out."""
    limits = {test: GRACE_S + FACTOR * recording.seconds.get(test, 0.0) for test in tests}
    return {"limits": limits, "without": [*recording.failed, *without]}
