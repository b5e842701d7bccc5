"""In which stack a model is loaded: lean, unless it is known that this cannot be. Pure, in the supervisor.

A model that a full process has turned into arrays is lean again. Does not know why one cannot: see `child.template`.
"""

from collections.abc import Callable

from supervisor.children.spawner import StackName

MOST_REMEMBERED = 1_000


class StackChoice:
    """Remembers, by template key, what the lean stack was unsuited for, the latest at least."""

    def __init__(self) -> None:
        self._unsuited: dict[str, bool] = {}
        """True when it was given arrays."""

    def stack(self, key: str, has_arrays: Callable[[], bool]) -> StackName:
        """`has_arrays`, whether there are any of this model, is asked only where it matters."""
        given_arrays = self._unsuited.get(key)
        if given_arrays is None:
            return "lean"
        return "full" if given_arrays or not has_arrays() else "lean"

    def unsuited(self, key: str, *, given_arrays: bool) -> None:
        """The lean stack has said that it cannot, from the model's file or not even from arrays."""
        self._unsuited[key] = given_arrays
        while len(self._unsuited) > MOST_REMEMBERED:
            del self._unsuited[next(iter(self._unsuited))]
