"""Where files can be mutated and how, and the draw among them. Does not run anything."""

import difflib
import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mutate.meaning import meaning

# Of cosmic-ray's operators those that give the nearest other program. The rest (`a << b` for `a + b`) mostly raise at
# once, and would be caught by any test at all.
COMPARISONS = "Eq_NotEq NotEq_Eq Lt_LtE Lt_GtE LtE_Lt LtE_Gt Gt_GtE Gt_LtE GtE_Gt GtE_Lt Is_IsNot IsNot_Is"
BINARY = "Add_Sub Sub_Add Mul_Div Div_Mul Mul_FloorDiv FloorDiv_Mul Mod_FloorDiv Pow_Mul BitOr_BitAnd BitAnd_BitOr"
OTHERS = (
    "AddNot ReplaceUnaryOperator_Delete_Not ReplaceUnaryOperator_USub_UAdd ReplaceTrueWithFalse ReplaceFalseWithTrue "
    "ReplaceAndWithOr ReplaceOrWithAnd ReplaceBreakWithContinue ReplaceContinueWithBreak ExceptionReplacer "
    "NumberReplacer RemoveDecorator ZeroIterationForLoop"
)
OPERATORS = (
    *(f"ReplaceComparisonOperator_{pair}" for pair in COMPARISONS.split()),
    *(f"ReplaceBinaryOperator_{pair}" for pair in BINARY.split()),
    *OTHERS.split(),
)
LUA_SWAPS = {"==": "~=", "~=": "==", "<": "<=", "<=": "<", ">": ">=", ">=": ">", " + ": " - ", " - ": " + "}
LUA_SWAPS |= {"and": "or", "or": "and", "true": "false", "false": "true"}
LUA_TOKENS = re.compile(r"--.*|'[^'\n]*'|\"[^\"\n]*\"|[=~<>]=|[<>]| [+-] |\b(?:and|or|true|false|\d+)\b")

Change = Callable[[str], str | None]


@dataclass(frozen=True)
class Place:
    """A place in a file that can be mutated, in one way or several."""

    file: str
    line: int
    column: int
    ways: tuple[tuple[str, Change], ...]


@dataclass(frozen=True)
class Mutant:
    """One change of one file. `before` and `after` are the lines that differ, without what surrounds them."""

    file: str
    line: int
    column: int
    name: str
    text: str
    before: str
    after: str

    @property
    def room(self) -> str:
        return self.file.split("/")[0]

    @property
    def is_number(self) -> bool:
        """Whether it is another number, and nothing else."""
        return self.name == "NumberReplacer" or re.fullmatch(r"Lua \d+ \d+", self.name) is not None

    @property
    def key(self) -> str:
        return f"{self.file}:{self.line}:{self.column} {self.name}"


def python_places(file: str, text: str) -> Iterator[Place]:
    """Every place that one of the operators can change. A comparison or a number is one place, not one a way."""
    from cosmic_ray.ast import ast_nodes, get_ast
    from cosmic_ray.plugins import get_operator

    nodes = list(ast_nodes(get_ast(text)))
    ways: dict[tuple[int, int], list[tuple[str, Change]]] = defaultdict(list)
    for name in OPERATORS:
        operator = get_operator(f"core/{name}")()
        starts = (start for node in nodes for start, _ in operator.mutation_positions(node))
        for occurrence, start in enumerate(starts):
            ways[start].append((name, partial(_mutated, operator=operator, occurrence=occurrence)))
    for (line, column), found in sorted(ways.items()):
        yield Place(file, line, column, tuple(found))


def _mutated(text: str, *, operator: object, occurrence: int) -> str | None:
    """None for what the operator finds and cannot change: it knows no dotted name in a tuple of exceptions."""
    from cosmic_ray.mutating import mutate_code

    try:
        changed: str | None = mutate_code(text, operator, occurrence)
    except AttributeError:
        return None
    return changed


def lua_places(file: str, text: str) -> Iterator[Place]:
    """Comparisons, sums, truth values and numbers of a script, outside of comments and strings."""
    for number, line in enumerate(text.splitlines(), 1):
        for token in LUA_TOKENS.finditer(line):
            for other in _lua_others(token[0]):
                change = partial(_replaced, number=number, span=token.span(), other=other)
                yield Place(file, number, token.start(), ((f"Lua {token[0].strip()} {other.strip()}", change),))


def _lua_others(token: str) -> tuple[str, ...]:
    if token.isdigit():
        return (str(int(token) + 1),)
    return (LUA_SWAPS[token],) if token in LUA_SWAPS else ()


def _replaced(text: str, *, number: int, span: tuple[int, int], other: str) -> str:
    lines = text.splitlines(keepends=True)
    lines[number - 1] = lines[number - 1][: span[0]] + other + lines[number - 1][span[1] :]
    return "".join(lines)


def places(root: Path, rooms: Iterable[str]) -> Iterator[Place]:
    """Those of every module and script of the rooms, in a fixed order."""
    for room in rooms:
        for path in sorted((root / room).rglob("*")):
            find = {".py": python_places, ".lua": lua_places}.get(path.suffix)
            if find:
                yield from find(path.relative_to(root).as_posix(), path.read_text())


def draw(root: Path, candidates: Iterable[Place], seed: int) -> Iterator[Mutant]:
    """Mutants in an order that the seed gives: each place once, in one of its ways, if that changes what runs."""
    chance = random.Random(seed)  # noqa: S311
    shuffled = sorted(candidates, key=lambda place: (place.file, place.line, place.column))
    chance.shuffle(shuffled)
    for place in shuffled:
        name, change = chance.choice(place.ways)
        text = (root / place.file).read_text()
        after = change(text)
        if after is not None and (not place.file.endswith(".py") or _differs(text, after)):
            yield mutant(place, name, text, after)


def _differs(text: str, after: str) -> bool:
    """Whether it still compiles, and runs as something else."""
    try:
        return meaning(text) != meaning(after)
    except SyntaxError:
        return False


def mutant(place: Place, name: str, text: str, after: str) -> Mutant:
    """What lies between two texts of a place's file."""
    old, new = text.splitlines(), after.splitlines()
    _, start, stop, new_start, new_stop = next(
        code for code in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes() if code[0] != "equal"
    )
    return Mutant(
        place.file, place.line, place.column, name, after, _bare(old[start:stop]), _bare(new[new_start:new_stop])
    )


def _bare(lines: list[str]) -> str:
    return "\n".join(line.strip() for line in lines if line.strip())
