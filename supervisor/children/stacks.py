"""A stack of libraries and the forkserver that has imported it: started when wanted, again when it died.

Runs in the supervisor. The lean one is kept alive; the full one is started on first need and let go when nothing needs
it. Does not fork: a forkserver's spawner does.
"""

import asyncio
import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec
import structlog

from jobs.settings import MIB
from supervisor.children.budget import Reservation
from supervisor.children.fork_protocol import Warm
from supervisor.children.sandbox import Policy, SandboxMissing
from supervisor.children.spawner import ForkserverLost, Spawner, StackName

log = structlog.get_logger()

THREAD_LIMITS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "MALLOC_ARENA_MAX",
)
"""Set to 1 before the first import: a thread's stack and arena are address space, and forks inherit no threads."""
INHERITED = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "TZ",
    "PYTHONPATH",
    "PYTHONHASHSEED",
    "NUMBA_CACHE_DIR",
)
"""All that the forkserver gets of our environment: no Redis address, no token."""
ROOT = Path(__file__).parents[2]
"""Where our packages are, installed or not."""
WARM_TIMEOUT_S = 120.0
FULL_STACK_BYTES = 260 * MIB
"""What a full forkserver is taken to need before one has been measured: shap 0.51 with its libraries."""
RETRY_S = 1.0
START_TRIES = 5


class RunningForkserver:
    """A forkserver that is up."""

    def __init__(self, spawner: Spawner, warm: Warm) -> None:
        self.spawner = spawner
        self.warm = warm

    @property
    def lost(self) -> bool:
        return self.spawner.lost.is_set()


class Stack:
    """The libraries that a forkserver imports, lean or full, and the one that has imported them, while it is up."""

    def __init__(self, work_module: str, stack: StackName, policy: Policy) -> None:
        self.stack = stack
        self.policy = policy
        self.sandbox_active: list[str] = []
        self.sandbox_missing: list[str] = []
        """Layers, once it was up; see `sandbox`."""
        self.expected_bytes = FULL_STACK_BYTES
        """What it takes when it is up: measured, once it was."""
        self.reservation: Reservation | None = None
        self._work_module = work_module
        self._forkserver: RunningForkserver | None = None
        self._starting = asyncio.Lock()

    @property
    def forkserver(self) -> RunningForkserver | None:
        """None while it is down."""
        return None if self._forkserver is None or self._forkserver.lost else self._forkserver

    async def up(self) -> RunningForkserver:
        """Start it if need be. Raises ForkserverLost, TimeoutError, SandboxMissing."""
        async with self._starting:
            if self._forkserver and self._forkserver.lost:
                log.error("forkserver_lost", stack=self.stack, child_pid=self._forkserver.warm.pid)
                await self._forkserver.spawner.leave()
                self._forkserver = None
            if self._forkserver is None:
                started = await start_forkserver(self._work_module, self.stack, self.policy)
                self._forkserver = RunningForkserver(*started)
                await self._check_sandbox(self._forkserver.warm)
                self.expected_bytes = self._forkserver.warm.rss_bytes
            return self._forkserver

    async def _check_sandbox(self, warm: Warm) -> None:
        """Raises SandboxMissing."""
        self.sandbox_active, self.sandbox_missing = warm.sandbox_active, warm.sandbox_missing
        if self.policy.mode == "require" and warm.sandbox_missing:
            await self.down()
            raise SandboxMissing(warm.sandbox_missing)

    async def begin(self) -> RunningForkserver:
        """As `up`, at the start of a supervisor: one that was killed meanwhile is started again, START_TRIES in all."""
        for left in reversed(range(START_TRIES)):
            try:
                return await self.up()
            except ForkserverLost:
                log.warning("forkserver_not_started", stack=self.stack, tries_left=left)
                if not left:
                    raise
        raise AssertionError

    async def keep(self) -> None:
        """Have it up again whenever it died; never returns."""
        while True:
            try:
                forkserver = await self.up()
                await forkserver.spawner.lost.wait()
            except (ForkserverLost, TimeoutError) as error:
                log.warning("forkserver_not_started", stack=self.stack, reason=type(error).__name__)
                await asyncio.sleep(RETRY_S)

    async def down(self) -> None:
        """Let it go, and with it all that it has forked."""
        forkserver, self._forkserver = self._forkserver, None
        reservation, self.reservation = self.reservation, None
        if forkserver:
            await forkserver.spawner.leave()
        if reservation:
            reservation.shrink(0)


async def start_forkserver(
    work_module: str, stack: StackName, policy: Policy, env: Mapping[str, str] = os.environ
) -> tuple[Spawner, Warm]:
    """Start a forkserver and wait until it has imported its stack. Raises ForkserverLost, TimeoutError."""
    ours, theirs = socket.socketpair()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",  # the working directory may hold anything
        "-m",
        "supervisor.children.forkserver",
        str(theirs.fileno()),
        work_module,
        stack,
        msgspec.json.encode(policy).decode(),
        pass_fds=[theirs.fileno()],
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        env=_environment(env),
    )
    theirs.close()
    spawner = Spawner(ours, process)
    try:
        async with asyncio.timeout(WARM_TIMEOUT_S):
            warm = await spawner.warm
    except BaseException:
        await spawner.leave()
        raise
    log.info("forkserver_warm", stack=stack, pid=warm.pid, rss_bytes=warm.rss_bytes, vm_size_bytes=warm.vm_size_bytes)
    return spawner, warm


def _environment(env: Mapping[str, str]) -> dict[str, str]:
    kept = {name: env[name] for name in INHERITED if name in env}
    path = os.pathsep.join(filter(None, [str(ROOT), kept.get("PYTHONPATH")]))
    return kept | dict.fromkeys(THREAD_LIMITS, "1") | {"PYTHONPATH": path}
