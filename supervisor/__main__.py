"""`python -m supervisor [--burst]`: the worker process. Reads the settings, connects, and runs the daemon.

Exit codes: 0 after an orderly end, 2 when the environment, the memory limit or Redis does not allow it to work.
"""

import argparse
import asyncio
import os
import socket
import sys

import structlog
import uvloop

from jobs import traces
from jobs.access import ADVICE
from jobs.allocator import return_large_buffers
from jobs.blob_location import check_blobs, open_blobs
from jobs.connection import connect, connect_blocking
from jobs.logs import configure
from jobs.queue import Queue
from jobs.settings import InvalidSettings, Settings, load_settings
from jobs.undumpable import close_to_others
from supervisor.children.memory import NoRoom
from supervisor.children.sandbox import SandboxMissing
from supervisor.children.spawner import ForkserverLost
from supervisor.daemon import Daemon
from supervisor.redis_link import Denied

log = structlog.get_logger()

EXIT_UNUSABLE = 2


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m supervisor", description="Work on jobs.")
    parser.add_argument("--burst", action="store_true", help="leave when the queue is drained")
    options = parser.parse_args(arguments)
    try:
        settings = load_settings(listens=False)
        check_blobs(settings)
    except InvalidSettings as error:
        print(error, file=sys.stderr)
        return EXIT_UNUSABLE
    close_to_others()
    return_large_buffers()
    configure(settings.log_level, settings.log_format)
    with traces.sent("shap-supervisor-worker"), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(settings, burst=options.burst))


async def _serve(settings: Settings, *, burst: bool) -> int:
    redis, blocking = connect(settings), connect_blocking(settings)
    name = settings.supervisor_name or f"{socket.gethostname()}-{os.getpid()}"
    queue = Queue(
        redis,
        blocking,
        supervisor=name,
        lease_s=settings.lease_s,
        job_ttl_s=settings.job_ttl_s,
        blobs=open_blobs(settings, redis),
    )
    try:
        await Daemon(settings, queue, redis, burst=burst).run()
    except NoRoom as error:
        log.critical("no_room", reason=str(error))
        return EXIT_UNUSABLE
    except SandboxMissing as error:
        log.critical("no_sandbox", reason=str(error))
        return EXIT_UNUSABLE
    except Denied as error:
        log.critical("redis_denied", reason=str(error), redis=settings.redis_address, advice=ADVICE)
        return EXIT_UNUSABLE
    except (ForkserverLost, TimeoutError):
        log.critical("forkserver_not_started", reason="The process that imports shap ended or hung; see its stderr.")
        return EXIT_UNUSABLE
    finally:
        await redis.aclose()
        await blocking.aclose()
    return 0


if __name__ == "__main__":
    sys.exit(main())
