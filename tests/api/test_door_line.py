"""The line of a connection as uvicorn sees it, over a transport of uvloop's own."""

import asyncio
import socket

import pytest
import uvloop

from api.line import Line


def test_an_answer_to_who_has_just_gone_is_dropped() -> None:
    """uvloop's transports raise then, and a handler hears of it a moment later: a traceback for what is no fault."""

    async def answer_after_the_end() -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            transport, _ = await asyncio.get_running_loop().connect_accepted_socket(asyncio.Protocol, ours)
            transport.abort()
            await asyncio.sleep(0)
            with pytest.raises(RuntimeError):
                transport.write(b"HTTP/1.1 200 OK")
            Line(transport, None).write(b"HTTP/1.1 200 OK")

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(answer_after_the_end())
