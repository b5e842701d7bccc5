"""What can go wrong, and the sequence of it that a seed gives. Pure.

Does not carry anything out: see `injector`. Whether a fault finds a target depends on the moment; the draws do not.
"""

import math
import random
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import NamedTuple

SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 0.15, 0.45


class Kind(StrEnum):
    """One way in which something fails."""

    KILL_CHILD = "kill child"
    KILL_TEMPLATE = "kill template"
    KILL_FORKSERVER = "kill forkserver"
    KILL_SAME_NAME = "kill supervisor, same name"  # and start it again at once
    KILL_OTHER_NAME = "kill supervisor, other name"  # and start another one at once
    KILL_AND_WAIT = "kill supervisor, nobody"  # and start another one only after a while
    STOP = "stop and continue supervisor"
    TERM = "terminate supervisor"  # in order, and start it again
    CLOCK = "clock of a supervisor jumps"
    KILL_WEB = "kill web"
    TERM_WEB = "terminate web"
    KILL_STORE = "kill store"
    FULL_STORE = "store full"
    CUT = "cut connections"
    LOSE_REPLIES = "lose replies"
    REFUSE = "refuse connections"
    DELAY = "delay commands"
    STALL = "stall commands"


class _Draw(NamedTuple):
    """How often a kind comes, and how long it lasts: log-uniform between two bounds, in seconds."""

    weight: float
    shortest_s: float = 0.0
    longest_s: float = 0.0


DRAWS = {
    Kind.KILL_CHILD: _Draw(22),
    Kind.KILL_TEMPLATE: _Draw(9),
    Kind.KILL_FORKSERVER: _Draw(1.5),
    Kind.KILL_SAME_NAME: _Draw(6),
    Kind.KILL_OTHER_NAME: _Draw(6),
    Kind.KILL_AND_WAIT: _Draw(0.8, 1, 25),
    Kind.STOP: _Draw(1, 1, 40),
    Kind.TERM: _Draw(2),
    Kind.CLOCK: _Draw(5, 1, 7200),
    Kind.KILL_WEB: _Draw(4),
    Kind.TERM_WEB: _Draw(2),
    Kind.KILL_STORE: _Draw(4, 0.01, 1.5),
    Kind.FULL_STORE: _Draw(4, 0.2, 3),
    Kind.CUT: _Draw(10),
    Kind.LOSE_REPLIES: _Draw(8, 0.02, 0.3),
    Kind.REFUSE: _Draw(4, 0.2, 3),
    Kind.DELAY: _Draw(4, 0.5, 4),
    Kind.STALL: _Draw(2, 3, 9),
}


class Fault(NamedTuple):
    """One draw. `seconds`: how long it lasts, or how far a clock jumps; `share`: which of several, from 0 to 1."""

    number: int
    pause_s: float
    kind: Kind
    share: float
    seconds: float


def sequence(seed: int, kinds: Sequence[Kind] = tuple(Kind)) -> Iterator[Fault]:
    """Without end; the same for the same seed and kinds."""
    draw = random.Random(f"faults {seed}")
    weights = [DRAWS[kind].weight for kind in kinds]
    number = 0
    while True:
        number += 1
        (kind,) = draw.choices(kinds, weights)
        low, high = DRAWS[kind].shortest_s, DRAWS[kind].longest_s
        seconds = math.exp(draw.uniform(math.log(low), math.log(high))) if high else 0.0
        pause_s = draw.uniform(SHORTEST_PAUSE_S, LONGEST_PAUSE_S)
        yield Fault(number, pause_s, kind, draw.random(), seconds)
