"""Mutations that change nothing anybody could see, each with the reason: tests/equivalent_mutants.toml."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

from mutate.mutations import Mutant

FILE = "tests/equivalent_mutants.toml"


@dataclass(frozen=True)
class Equivalent:
    """Named by the lines that differ, not by their numbers: those change with every edit above.

    Without `after`, any other number in that line would do as well: a pace, a size of pieces.
    """

    file: str
    before: str
    reason: str
    after: str | None = None

    def is_of(self, mutant: Mutant) -> bool:
        alike = mutant.is_number if self.after is None else self.after == mutant.after
        return alike and (self.file, self.before) == (mutant.file, mutant.before)


def equivalents(root: Path) -> list[Equivalent]:
    """What the file says. Raises TypeError for an entry with a field too many or too few."""
    entries = tomllib.loads((root / FILE).read_text()).get("mutant", [])
    return [Equivalent(**entry) for entry in entries]


def reason(mutant: Mutant, known: list[Equivalent]) -> str | None:
    """Why it is none that a test could catch; None where nobody has said so."""
    return next((equivalent.reason for equivalent in known if equivalent.is_of(mutant)), None)
