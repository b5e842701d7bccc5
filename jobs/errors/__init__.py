"""Everything that can be wrong with a request, its data, its model or the machine: a class each.

The class's docstring is the message, its detail the data. Raised by the web process at the door and by children while
they work; either way the user reads the same code. `status` is the HTTP status at the door. Does not cover how an
attempt died: see `outcomes`.
"""

from jobs.errors.data import *  # noqa: F403
from jobs.errors.machine import *  # noqa: F403
from jobs.errors.model import *  # noqa: F403
from jobs.errors.problem import Problem as Problem
from jobs.errors.request import *  # noqa: F403


def all_problems() -> list[type[Problem]]:
    """Every problem, as the modules have them."""
    return Problem.__subclasses__()
