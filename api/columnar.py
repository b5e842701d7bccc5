"""Results as Parquet and Arrow, written by a process of their own (`api.columnar_process`). In the web process.

What the formats need, pyarrow, is larger than this process may become; each such answer takes a process for as long as
it lasts, MOST of them at once. Values go to it as frames, and come back as the file. Who reads nothing for STALL_S
loses it, so that nobody keeps it from others. Does not know pyarrow.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, aclosing
from functools import cache
from importlib.util import find_spec
from typing import Any

import msgspec
import structlog

from api import own_process
from api.result_table import Incomplete, Table
from api.result_writers import IdsStand
from jobs.errors import TooManyColumnar
from jobs.results import Id

HEAD, IDS, VALUES, END = b"h", b"i", b"v", b"e"
LENGTH_BYTES = 8
METADATA = "shap-supervisor"
"""Where a file's schema keeps what JSON has around the values, as JSON."""
MOST = 4
STALL_S = 60.0
PIECE_BYTES = 256 * 1024
SHOWN_CHARS = 300
log = structlog.get_logger()


class Head(msgspec.Struct, kw_only=True):
    """What the process is told first."""

    kind: str
    keys: dict[str, str]
    """What the columns before the features are called: `row`, `base_value`, and where it has them `id`, `output`,
    `feature`."""
    features: list[str]
    named: list[str]
    """What the numbers in the first `places` of these columns are places of: see `Table`."""
    places: int
    outputs: list[str]
    base_values: list[float | None]
    first: int
    lines_per_row: int
    whole_ids: bool
    about: dict[str, Any]


@cache
def can_write() -> bool:
    """Whether the extra `tables` is there."""
    return find_spec("pyarrow") is not None


class Frames:
    """A Writer (see `result_writers`) whose bytes are for the process."""

    def __init__(self, suffix: str, table: Table) -> None:
        self.suffix, self._table = suffix, table
        self.ids: IdsStand = "" if table.id_column is None else "beside"

    def begin(self) -> bytes:
        table = self._table
        head = Head(
            kind=self.suffix,
            keys=_keys(table),
            features=table.features,
            named=list(table.named),
            places=table.places,
            outputs=table.outputs,
            base_values=list(table.base_values),
            first=table.first,
            lines_per_row=table.lines_per_row,
            whole_ids=table.whole_ids,
            about=table.about(),
        )
        return _frame(HEAD, msgspec.json.encode(head))

    def write(self, batch: bytes) -> bytes:
        return _frame(VALUES, batch)

    def give(self, ids: Sequence[Id], /) -> bytes:
        listed = ids if self._table.whole_ids else [None if found is None else str(found) for found in ids]
        return _frame(IDS, msgspec.json.encode(listed))

    def end(self) -> bytes:
        return _frame(END, b"")

    def length(self) -> int | None:
        return None


class Columnar:
    """The way to these processes."""

    def __init__(self) -> None:
        self._running = 0

    async def written(self, frames: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The file, as it comes, after an empty piece, until when it raises TooManyColumnar. Raises Incomplete."""
        with self._place() as place:
            process: Any = await own_process.start("api.columnar_process")
            place.callback(_kill, process)
            async with aclosing(_file(process, frames)) as pieces:  # type: ignore[type-var]  # it is a generator
                async for piece in pieces:
                    stalled = asyncio.get_running_loop().call_later(STALL_S, place.close)
                    yield piece
                    stalled.cancel()

    def _place(self) -> ExitStack:
        """Whoever closes it gives it back. Raises TooManyColumnar."""
        if self._running >= MOST:
            raise TooManyColumnar(limit=MOST)
        self._running += 1
        place = ExitStack()
        place.callback(self._given_back)
        return place

    def _given_back(self) -> None:
        self._running -= 1


async def _file(process: Any, frames: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """What it writes. Raises Incomplete, and what the frames raise."""
    feeding = asyncio.create_task(_feed(process, frames))
    try:
        yield b""
        while piece := await process.stdout.read(PIECE_BYTES):
            yield piece
        await feeding
        if code := await process.wait():
            said = (await process.stderr.read())[-SHOWN_CHARS:].decode(errors="replace")
            log.warning("columnar_failed", exit_code=code, stderr=said)
            raise Incomplete(f"the process that writes ended with {code}")
    finally:
        feeding.cancel()
        _kill(process)
        await process.communicate()  # whose pipes are read out, or asyncio would not hear of its end


def _kill(process: Any) -> None:
    if process.returncode is None:
        process.kill()


async def _feed(process: Any, frames: AsyncIterator[bytes]) -> None:
    """Its input; what is wrong with the values is raised, that it has gone is told by its end."""
    try:
        async with aclosing(frames):  # type: ignore[type-var]  # it is a generator
            async for frame in frames:
                process.stdin.write(frame)
                await process.stdin.drain()
    except (BrokenPipeError, ConnectionResetError):
        pass
    finally:
        process.stdin.close()


def _frame(kind: bytes, content: bytes) -> bytes:
    return kind + len(content).to_bytes(LENGTH_BYTES) + content


def _keys(table: Table) -> dict[str, str]:
    """The names of the columns before the features: with underscores after them until they differ from all of these."""
    there = {
        "row": True,
        "id": table.id_column is not None,
        "output": len(table.outputs) > 1,
        "feature": table.interactions,
        "base_value": True,
    }
    names: dict[str, str] = {}
    for key in (key for key, is_there in there.items() if is_there):
        wanted = (table.id_column or "") if key == "id" else key
        taken = {*table.features, *names.values()}
        names[key] = next(name for name in (wanted + "_" * count for count in itertools.count()) if name not in taken)
    return names
