"""Which libraries this process has: all of them, or numpy and the tree kernel alone. Set once, by the forkserver.

Does not import them: see `preload`.
"""

from typing import Literal

Stack = Literal["lean", "full"]
_stack: list[Stack] = ["full"]


class NeedsFullStack(Exception):
    """A lean process cannot do what was asked, a full one can; `reason` says why, to follow "as"."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class UnreadableEnsemble(NeedsFullStack):
    """The ensemble file is of another version, or damaged: no fault of the job, for the model is still there."""


def declare(stack: Stack) -> None:
    """Say what this process, and all that are forked from it, has."""
    _stack[0] = stack


def is_lean() -> bool:
    return _stack[0] == "lean"
