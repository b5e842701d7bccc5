"""What is said between supervisor and child while a chunk is worked on. Runs in the supervisor.

The child asks for bytes and is answered; everything else it says is given to the caller. Does not judge it.
"""

from collections.abc import AsyncIterator

from jobs.outcomes import Outcome
from jobs.protocol import (
    BadFrame,
    Converted,
    Data,
    Done,
    Failed,
    FromChild,
    Ids,
    Plan,
    Read,
    Ready,
    Unsuited,
    Values,
    Whole,
)
from supervisor.children.inputs import Parts, read_part
from supervisor.children.pipe import Pipe
from supervisor.children.spawner import Child

LastWord = Done | Failed | Ready


async def serve_reads(pipe: Pipe, parts: Parts) -> FromChild | None:
    """Answer a child's reads until it says something else; None when it has gone. Raises BadFrame."""
    while True:
        message = await pipe.receive()
        if not isinstance(message, Read):
            return message
        await pipe.send(Data(await read_part(parts, message)))


async def results(child: Child, parts: Parts) -> AsyncIterator[Plan | Ids | Values | Whole | LastWord]:
    """Everything a child says but its reads, up to its last word; nothing more when it has gone."""
    while True:
        try:
            message = await serve_reads(child.pipe, parts)
        except BadFrame:
            child.kill(Outcome.CRASHED)
            return
        if message is None:
            return
        if isinstance(message, Read | Converted | Unsuited):  # not from a child with a chunk
            child.kill(Outcome.CRASHED)
            return
        yield message
        if isinstance(message, LastWord | Whole):
            return
