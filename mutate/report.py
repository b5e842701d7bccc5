"""What a campaign found: one line a room, then each survivor. Does not run anything."""

from collections import Counter
from collections.abc import Iterable

from mutate.campaign import Verdict
from mutate.equivalents import Equivalent, reason
from mutate.mutations import Mutant

COLUMNS = ("mutants", "caught", "timed out", "survived", "equivalent")


def report(tried: Iterable[tuple[Mutant, Verdict]], known: list[Equivalent]) -> str:
    """The table and the survivors, as text."""
    judged = [(mutant, _column(mutant, verdict, known)) for mutant, verdict in tried]
    rooms = sorted({mutant.room for mutant, _ in judged})
    lines = [f"{'room':12}" + "".join(f"{column:>12}" for column in COLUMNS) + f"{'percent':>12}"]
    lines += [_row(room, Counter(column for mutant, column in judged if mutant.room == room)) for room in rooms]
    lines += [_row("all", Counter(column for _, column in judged))]
    for mutant, column in judged:
        if column == "survived":
            lines += ["", f"survived: {mutant.file}:{mutant.line} {mutant.name}", difference(mutant)]
    for mutant, column in judged:
        if column == "equivalent":
            lines += ["", f"equivalent: {mutant.file}:{mutant.line} {reason(mutant, known)}", difference(mutant)]
    return "\n".join(lines) + "\n"


def difference(mutant: Mutant) -> str:
    return "\n".join(
        [f"  - {line}" for line in mutant.before.splitlines()] + [f"  + {line}" for line in mutant.after.splitlines()]
    )


def _column(mutant: Mutant, verdict: Verdict, known: list[Equivalent]) -> str:
    """A mutant that a test catches is none that changes nothing, whatever the file says."""
    if verdict.outcome == "survived" and reason(mutant, known):
        return "equivalent"
    return verdict.outcome.replace("_", " ")


def _row(name: str, counts: Counter[str]) -> str:
    """Equivalents count as mutants and are no part of the percentage."""
    numbers = [counts.total(), *(counts[column] for column in COLUMNS[1:])]
    caught, open_to_tests = counts["caught"] + counts["timed out"], counts.total() - counts["equivalent"]
    percent = f"{100 * caught / open_to_tests:.1f}" if open_to_tests else "-"
    return f"{name:12}" + "".join(f"{number:>12}" for number in numbers) + f"{percent:>12}"
