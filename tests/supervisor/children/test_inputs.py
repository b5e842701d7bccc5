"""Parts of a job that are fetched as they are read."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from jobs.blobs import BlobGone
from jobs.errors import UnknownModel
from jobs.protocol import PIECE_BYTES, SMALL_BYTES, Read
from jobs.records import Input
from supervisor.children import inputs
from supervisor.children.inputs import FilePart, Part, PartialsPart, read_ahead, read_part

pytestmark = pytest.mark.anyio
FRAMES = [b"first", b"2", b"the third one", b"last"]


class Asked:
    """In the place of the queue: notes which frames are asked for."""

    def __init__(self) -> None:
        self.most_frames = 0

    async def partials(self, job_id: str, first: int, count: int) -> bytes:
        assert job_id == "job"
        self.most_frames = max(self.most_frames, count)
        return b"".join(FRAMES[first : first + count])


@pytest.fixture
def asked() -> Asked:
    return Asked()


@pytest.fixture
def part(asked: Asked) -> PartialsPart:
    queue: Any = asked
    return PartialsPart(queue, "job", [len(frame) for frame in FRAMES])


@pytest.mark.parametrize("length", [1, 3, 8, 100])
async def test_partials_are_read_back_at_any_offset(part: PartialsPart, length: int) -> None:
    whole = b"".join(FRAMES)
    assert part.size == len(whole)
    for offset in range(part.size + 2):
        assert await part.read(offset, length) == whole[offset : offset + length]


async def test_no_more_frames_are_fetched_than_hold_what_is_read(part: PartialsPart, asked: Asked) -> None:
    assert await part.read(7, 3) == b"he "
    assert asked.most_frames == 1


def test_every_part_has_a_name_for_its_content(part: PartialsPart, tmp_path: Path) -> None:
    file = tmp_path / "model"
    parts: list[Part] = [part, *(FilePart(file, size, changed_ns) for size, changed_ns in ((1, 2), (3, 2), (1, 4)))]
    names = {found.identity for found in parts}
    assert len(names) == 4
    assert all(isinstance(name, str) for name in names)


async def test_of_no_partials_there_is_nothing(asked: Asked) -> None:
    queue: Any = asked
    part = PartialsPart(queue, "job", [])
    assert (part.size, await part.read(0, 10)) == (0, b"")


class Upload:
    """Bytes that can be read in strips, too."""

    content = bytes(range(200)) * 2_000
    size = len(content) // 2
    """What the chunk may read of it."""
    identity = "upload"

    async def read(self, offset: int, length: int) -> bytes:
        return self.content[offset : offset + length]

    async def read_strips(self, offset: int, length: int, step: int, count: int) -> bytes:
        return b"".join([await self.read(offset + strip * step, length) for strip in range(count)])


@pytest.mark.parametrize(
    "asked",
    [
        Read("data", 0, 10, Upload.size, 2),
        Read("data", Upload.size - 15, 10, 10, 2),
        Read("data", 0, PIECE_BYTES // 2 + 1, 1, 2),
        Read("data", -1, 10, 1, 2),
        Read("data", 0, -10, 1, 2),
        Read("data", Upload.size, 1),
    ],
)
async def test_no_strip_reaches_behind_what_may_be_read(asked: Read) -> None:
    assert await read_part({"data": Upload()}, asked) == b""


async def test_strips_of_a_part(part: PartialsPart) -> None:
    assert await read_part({"data": Upload()}, Read("data", 5, 2, 100, 3)) == bytes([5, 6, 105, 106, 5, 6])
    assert await read_part({"partials": part}, Read("partials", 0, 1, 1, 2)) == b"", "these are read whole"


async def test_an_operators_model_is_read_from_its_file_and_others_are_not_known(tmp_path: Path) -> None:
    (tmp_path / "known.json").write_bytes(b"0123456789")
    unused: Any = None
    part = inputs._part(unused, Input(trusted_name="known.json"), tmp_path)
    assert (part.size, await part.read(2, 3)) == (10, b"234")
    for name, directory in (("other.json", tmp_path), ("../known.json", tmp_path), ("known.json", None)):
        with pytest.raises(UnknownModel):
            inputs._part(unused, Input(trusted_name=name), directory)


class Reads:
    """A part that notes what is read of it; `broken`: reading it fails."""

    identity = "reads"

    def __init__(self, size: int, *, broken: bool = False) -> None:
        self.size = size
        self.asked: list[int] = []
        self._broken = broken

    async def read(self, offset: int, length: int) -> bytes:
        self.asked.append(length)
        if self._broken:
            raise BlobGone("it")
        return bytes(length)


@pytest.mark.parametrize(("size", "read"), [(0, 0), (7, 7), (SMALL_BYTES, SMALL_BYTES), (SMALL_BYTES + 1, 0)])
async def test_only_what_is_small_is_read_ahead(size: int, read: int) -> None:
    part = Reads(size)
    async with read_ahead(part) as found:
        assert await found == bytes(read)
    assert part.asked == ([read] if read else [])


async def test_what_cannot_be_read_ahead_is_told_who_wants_it() -> None:
    async with read_ahead(Reads(7, broken=True)) as found:
        with pytest.raises(BlobGone):
            await found
    async with read_ahead(Reads(7, broken=True)):
        await asyncio.sleep(0)  # and nobody else
