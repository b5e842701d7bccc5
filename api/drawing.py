"""Pictures of specifications, drawn by a process of their own (`plots.draw`), one at a time. In the web process.

That process is capped, timed and gone afterwards; it is given no secret and the web process never imports what draws.
"""

import asyncio
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import msgspec
import structlog

from api import own_process
from jobs.errors import DrawingFailed, NoDrawing, TooManyDrawings
from plots.draw import LENGTH_BYTES

TIMEOUT_S = 60.0
MOST_WAITING = 8
SHOWN_CHARS = 300
Picture = tuple[str, dict[str, Any]]
"""`svg` or `png`, and a Vega-Lite specification."""
log = structlog.get_logger()


def can_draw() -> bool:
    """Whether the package that draws is there."""
    return find_spec("vl_convert") is not None


class Drawing:
    """The way to that process."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._waiting = 0

    async def draw(self, pictures: Sequence[Picture]) -> list[bytes]:
        """Raises NoDrawing, TooManyDrawings, DrawingFailed."""
        if not can_draw():
            raise NoDrawing
        if self._waiting >= MOST_WAITING:
            raise TooManyDrawings(limit=MOST_WAITING)
        self._waiting += 1
        try:
            async with self._turn:
                return _apart(await _run(msgspec.json.encode(pictures)), len(pictures))
        finally:
            self._waiting -= 1


async def _run(asked: bytes) -> bytes:
    """What the process writes; killed when it takes too long, or nobody waits for it any more."""
    process = await own_process.start("plots.draw")
    try:
        async with asyncio.timeout(TIMEOUT_S):
            found, said = await process.communicate(asked)
    except TimeoutError:
        raise DrawingFailed(reason=f"it took over {TIMEOUT_S:.0f} seconds") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        log.warning("drawing_failed", exit_code=process.returncode, stderr=said[-SHOWN_CHARS:].decode(errors="replace"))
        raise DrawingFailed(reason=f"its process ended with {process.returncode}")
    return found


def _apart(raw: bytes, count: int) -> list[bytes]:
    """Raises DrawingFailed for anything but `count` whole pictures."""
    pictures, at = [], 0
    while at < len(raw):
        length = int.from_bytes(raw[at : at + LENGTH_BYTES])
        pictures.append(raw[at + LENGTH_BYTES : at + LENGTH_BYTES + length])
        at += LENGTH_BYTES + length
    if at != len(raw) or len(pictures) != count:
        raise DrawingFailed(reason="what it wrote was cut off")
    return pictures
