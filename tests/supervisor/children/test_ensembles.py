"""Models as files of arrays: kept within a bound, the least recently used forgotten first; as they were written."""

import errno
import io
import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from supervisor.children.ensembles import KEY, UNFINISHED_S, Ensembles, UnsafeDirectory

pytestmark = pytest.mark.anyio


@pytest.fixture
def ensembles(tmp_path: Path) -> Ensembles:
    found = Ensembles(tmp_path / "cache", most_bytes=25)
    found.prepare()
    return found


def parts(model: str) -> Any:
    return {"model": SimpleNamespace(identity=model)}


async def kept(ensembles: Ensembles, model: str, age_s: float) -> Path:
    """Ten bytes that were used so long ago."""
    with ensembles.place() as written:
        written.write(model.encode() * 10)
        path = await ensembles.keep(parts(model), written)
    os.utime(path, (time.time() - age_s,) * 2)
    return path


async def test_what_was_kept_is_found_until_it_is_forgotten(ensembles: Ensembles) -> None:
    assert not ensembles.find(parts("a"))
    await kept(ensembles, "a", 0)
    assert ensembles.find(parts("a"))
    opened = await ensembles.open(parts("a"))
    assert opened
    with opened:
        assert opened.read() == b"a" * 10
        assert not opened.writable()
    ensembles.forget(parts("a"))
    assert not ensembles.find(parts("a"))
    assert await ensembles.open(parts("a")) is None


async def test_who_still_holds_the_file_that_it_wrote_changes_nothing(ensembles: Ensembles) -> None:
    with ensembles.place() as written:
        written.write(b"x" * 10)
        path = await ensembles.keep(parts("a"), written)
        written.write(b"y" * 10)
        written.flush()
    assert path.read_bytes() == b"x" * 10


def test_what_is_being_written_has_no_name(ensembles: Ensembles, tmp_path: Path) -> None:
    with ensembles.place():
        assert {path.name for path in (tmp_path / "cache").iterdir()} == {KEY}


async def test_what_somebody_has_changed_is_not_read(ensembles: Ensembles) -> None:
    path = await kept(ensembles, "a", 0)
    path.write_bytes(b"y" * 10)
    assert await ensembles.open(parts("a")) is None
    assert not path.exists()


async def test_one_models_arrays_are_not_taken_for_anothers(ensembles: Ensembles) -> None:
    first, second = await kept(ensembles, "a", 0), await kept(ensembles, "b", 0)
    second.rename(first)
    assert await ensembles.open(parts("a")) is None


async def test_another_supervisor_reads_them_if_it_has_the_directorys_key(ensembles: Ensembles, tmp_path: Path) -> None:
    path = await kept(ensembles, "a", 0)
    for found in (True, False):
        another = Ensembles(tmp_path / "cache", most_bytes=25)
        another.prepare()
        opened = await another.open(parts("a"))
        assert bool(opened) is found
        if opened:
            opened.close()
        (tmp_path / "cache" / KEY).unlink()
    assert not path.exists(), "it cannot tell who has written it"


async def test_what_is_written_anew_takes_the_place_of_what_was_there(ensembles: Ensembles, tmp_path: Path) -> None:
    path = await kept(ensembles, "a", 0)
    with ensembles.place() as written:
        written.write(b"z")
        assert await ensembles.keep(parts("a"), written) != path
    (left,) = (tmp_path / "cache").glob("*.trees")
    assert left.read_bytes() == b"z"


def test_nobody_else_reads_the_key(ensembles: Ensembles, tmp_path: Path) -> None:
    assert (tmp_path / "cache" / KEY).stat().st_mode & 0o077 == 0


async def test_the_least_recently_used_go_where_there_are_too_many(ensembles: Ensembles) -> None:
    for model, age_s in (("a", 300), ("b", 200)):
        await kept(ensembles, model, age_s)
    assert ensembles.find(parts("a")), "just used"
    await kept(ensembles, "c", 100)
    assert [ensembles.find(parts(model)) for model in "abc"] == [True, False, True]


async def test_there_is_always_room_for_one(tmp_path: Path) -> None:
    ensembles = Ensembles(tmp_path / "cache", most_bytes=5)
    ensembles.prepare()
    await kept(ensembles, "a", 0)
    assert ensembles.find(parts("a"))


def test_what_a_killed_supervisor_left_goes_at_a_start_and_what_one_writes_now_stays(
    ensembles: Ensembles, tmp_path: Path
) -> None:
    left, under_way = (tmp_path / "cache" / f"{name}.unfinished" for name in "ab")
    left.touch()
    under_way.touch()
    os.utime(left, (time.time() - UNFINISHED_S - 60,) * 2)
    os.utime(under_way, (time.time() - UNFINISHED_S + 60,) * 2)
    ensembles.prepare()
    assert (left.exists(), under_way.exists()) == (False, True)


class Unreadable(io.BytesIO):
    """Of a broken disk, whose directory is tidied up meanwhile."""

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self._directory = directory

    def read(self, size: int | None = -1) -> bytes:
        for path in self._directory.glob("*.unfinished"):
            path.unlink()
        raise OSError(errno.EIO, "broken")


async def test_what_cannot_be_read_is_said_also_when_the_copy_has_gone(ensembles: Ensembles, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="broken"):
        await ensembles.keep(parts("a"), Unreadable(tmp_path / "cache"))


def test_a_directory_that_others_may_write_to_is_refused(tmp_path: Path) -> None:
    for mode in (0o720, 0o702):
        tmp_path.chmod(mode)
        with pytest.raises(UnsafeDirectory):
            Ensembles(tmp_path, most_bytes=1).prepare()
    tmp_path.chmod(0o755)
    Ensembles(tmp_path, most_bytes=1).prepare()
