"""A supervisor as a process of its own whose children do as their job's data tells them; see tests/supervisor."""

import asyncio
import sys

import msgspec

from jobs.connection import connect, connect_blocking
from jobs.logs import configure
from jobs.queue import Queue
from jobs.settings import load_settings
from supervisor.daemon import Daemon
from tests.supervisor.conftest import SCRIPTED


async def serve() -> None:
    settings = msgspec.structs.replace(load_settings(), sandbox="off")  # the scripts of these children write files
    redis, blocking = connect(settings), connect_blocking(settings)
    queue = Queue(redis, blocking, supervisor="scripted", lease_s=settings.lease_s, job_ttl_s=settings.job_ttl_s)
    configure("INFO", "json")
    try:
        await Daemon(settings, queue, redis, work_module=SCRIPTED).run()
    finally:
        await redis.aclose()
        await blocking.aclose()


if __name__ == "__main__":
    sys.exit(asyncio.run(serve()))
