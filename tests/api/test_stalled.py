"""Whose connection gives way to others: the order among those who do not read. Over real ones: see `test_door`."""

from types import SimpleNamespace
from typing import Any, cast

from api.door import Door


def test_of_those_who_do_not_read_the_longest_come_first() -> None:
    """And who reads is not among them, nor who looks."""
    doors = [SimpleNamespace(_stalled_since=since) for since in (5.0, None, 2.0, 9.0)]
    seen = Door._stalled(cast("Any", SimpleNamespace(connections=[*doors], _stalled_since=1.0)))
    assert [other._stalled_since for other in cast("list[Any]", seen)] == [2.0, 5.0, 9.0]
