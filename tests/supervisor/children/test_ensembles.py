"""Models as files of arrays: kept within a bound, the least recently used forgotten first; what a killed child left."""

import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from supervisor.children.ensembles import UNFINISHED_S, Ensembles, UnsafeDirectory


@pytest.fixture
def ensembles(tmp_path: Path) -> Ensembles:
    found = Ensembles(tmp_path / "cache", most_bytes=25)
    found.prepare()
    return found


def parts(model: str) -> Any:
    return {"model": SimpleNamespace(identity=model)}


def kept(ensembles: Ensembles, model: str, age_s: float) -> Path:
    """Ten bytes that were used so long ago."""
    written = ensembles.place()
    written.write_bytes(b"x" * 10)
    os.utime(written, (time.time() - age_s,) * 2)
    return ensembles.keep(parts(model), written)


def test_what_was_kept_is_found_until_it_is_forgotten(ensembles: Ensembles) -> None:
    assert ensembles.find(parts("a")) is None
    path = kept(ensembles, "a", 0)
    assert ensembles.find(parts("a")) == path
    ensembles.forget(parts("a"))
    assert ensembles.find(parts("a")) is None


def test_the_least_recently_used_go_where_there_are_too_many(ensembles: Ensembles) -> None:
    for model, age_s in (("a", 300), ("b", 200)):
        kept(ensembles, model, age_s)
    assert ensembles.find(parts("a")), "just used"
    kept(ensembles, "c", 100)
    assert [bool(ensembles.find(parts(model))) for model in "abc"] == [True, False, True]


def test_there_is_always_room_for_one(tmp_path: Path) -> None:
    ensembles = Ensembles(tmp_path / "cache", most_bytes=5)
    ensembles.prepare()
    kept(ensembles, "a", 0)
    assert ensembles.find(parts("a"))


def test_what_a_killed_child_left_goes_at_a_start_and_what_one_writes_now_stays(ensembles: Ensembles) -> None:
    left, under_way = ensembles.place(), ensembles.place()
    os.utime(left, (time.time() - UNFINISHED_S - 60,) * 2)
    os.utime(under_way, (time.time() - UNFINISHED_S + 60,) * 2)
    ensembles.prepare()
    assert (left.exists(), under_way.exists()) == (False, True)


def test_a_directory_that_others_may_write_to_is_refused(tmp_path: Path) -> None:
    for mode in (0o720, 0o702):
        tmp_path.chmod(mode)
        with pytest.raises(UnsafeDirectory):
            Ensembles(tmp_path, most_bytes=1).prepare()
    tmp_path.chmod(0o755)
    Ensembles(tmp_path, most_bytes=1).prepare()
