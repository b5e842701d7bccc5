"""Store, supervisor and web app as child processes of one command, from the first start to the last stop.

Runs in the command's own process; used by `up`, `demo`, `run`, the benchmark and the tests. Not for deployments: there
each process is started by the platform.
"""

import json
import shutil
import socket
import time
from collections.abc import Callable, Mapping
from http.client import HTTPException
from types import TracebackType
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

import click

from cli.failures import Unreachable
from cli.processes import Process, module_command, module_environment
from cli.signals import noting_signals
from cli.store import embedded_store, private_directory
from jobs.settings import load_settings

READY_TIMEOUT_S, STORE_TIMEOUT_S = 60.0, 15.0
MARGIN_S = 5.0
"""Beyond the time that a supervisor gives its children, before it is killed."""
POLL_S = 0.05
TAIL_LINES = 20
LOCAL = "127.0.0.1"
EVERYWHERE = frozenset({"0.0.0.0", "::"})  # noqa: S104
_direct = build_opener(ProxyHandler({}))


class Stack:
    """`with Stack(env, private=True) as stack: ... stack.url`.

    A private one takes a free port on loopback and an embedded store whatever the environment says, has one caller, and
    keeps its logs in a file, whose end is shown when something fails. Otherwise HOST, PORT and REDIS_URL hold, an
    embedded store stands in for a REDIS_URL that is not set, and the logs go where the command's output goes.
    `stopping` is asked while the processes come up.
    """

    def __init__(self, env: Mapping[str, str], *, private: bool, stopping: Callable[[], bool] = lambda: False) -> None:
        own_env = {**env, "HOST": LOCAL, "DRAIN_GRACE_S": "1", "API_TOKENS": ""} if private else dict(env)
        settings = load_settings(own_env)
        self._grace_s = settings.drain_grace_s + MARGIN_S
        self.host = settings.host
        self.port = _free_port() if private else settings.port
        self.directory = private_directory()
        self._log = self.directory / "service.log" if private else None
        self._stopping = stopping
        self._processes: list[Process] = []
        child_env = module_environment({**own_env, "PORT": str(self.port)})
        self._foreign_store = "" if private or not env.get("REDIS_URL", "").strip() else settings.redis_address
        if not self._foreign_store:
            store, child_env["REDIS_URL"] = embedded_store(self.directory, child_env)
            self._processes.append(store)
        for name, package in (("supervisor", "supervisor"), ("web", "api")):
            self._processes.append(Process(name, module_command(package), child_env, log=self._log))

    @property
    def url(self) -> str:
        """The address for callers on this machine."""
        host = LOCAL if self.host in EVERYWHERE else self.host
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    @property
    def pids(self) -> dict[str, int]:
        """Process ids by name: store, supervisor, web."""
        return {process.name: process.pid for process in self._processes if process.pid}

    def __enter__(self) -> "Stack":
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def tend(self, report: Callable[[str], None]) -> None:
        """Start again what has died. The store is not: with it every job is gone, and that must be said."""
        for process in self._processes:
            if process.name == "store":
                if process.ending:
                    raise Unreachable(f"The embedded store ended ({process.ending}), and its jobs with it.")
            elif ending := process.tend():
                report(f"{process.name} ended ({ending}) and was started again")

    def stop(self) -> None:
        """Stop in the order of a request's way: no new jobs, then no new chunks, then the store."""
        with noting_signals():
            for process in reversed(self._processes):
                process.stop(self._grace_s)
            shutil.rmtree(self.directory, ignore_errors=True)

    def tail(self) -> str:
        """The last lines that the processes have logged; empty where the logs go to the terminal."""
        if self._log is None or not self._log.exists():
            return ""
        lines = self._log.read_text(errors="replace").splitlines()
        return "\n".join(["", *lines[-TAIL_LINES:]])

    def _start(self) -> None:
        require_free(self.host, self.port)
        for process in self._processes:
            process.start()
        started = time.monotonic()
        while missing := self._missing():
            self._require_alive()
            if self._stopping():
                raise click.exceptions.Exit(0)
            self._require_progress(missing, time.monotonic() - started)
            time.sleep(POLL_S)

    def _missing(self) -> list[str]:
        """What /readyz still waits for, or the web process itself; nothing once the service is ready."""
        try:
            with _direct.open(f"{self.url}/readyz", timeout=5):
                return []
        except HTTPError as answer:
            return _named(answer) or ["readiness"]
        except (OSError, HTTPException):
            return ["web"]

    def _require_progress(self, missing: list[str], seconds: float) -> None:
        """Raises Unreachable when it takes too long; a store that somebody else runs is not there after a while, or
        not at this address.
        """
        if self._foreign_store and "redis" in missing and seconds > STORE_TIMEOUT_S:
            raise Unreachable(
                f"The store at REDIS_URL ({self._foreign_store}) has not answered for {STORE_TIMEOUT_S:.0f} s. Start "
                f"it, correct REDIS_URL, or leave it unset for an embedded store.{self.tail()}"
            )
        if seconds > READY_TIMEOUT_S:
            raise Unreachable(
                f"The service was not ready after {READY_TIMEOUT_S:.0f} s (missing: {', '.join(missing)}); "
                f"`shap-supervisor doctor` looks for the reason.{self.tail()}"
            )

    def _require_alive(self) -> None:
        for process in self._processes:
            if process.ending:
                raise Unreachable(f"{process.name} ended at its start ({process.ending}).{self.tail()}")


def _named(answer: HTTPError) -> list[str]:
    """What a 503 of /readyz says that is missing."""
    try:
        return [str(name) for name in json.loads(answer.read())["missing"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _free_port() -> int:
    with socket.create_server((LOCAL, 0)) as server:
        return int(server.getsockname()[1])


def require_free(host: str, port: int) -> None:
    """Raises Unreachable when somebody else listens there, before anything is started."""
    try:
        socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except PermissionError:
        raise Unreachable(f"Port {port} needs rights that you do not have; choose one above 1023 with PORT.") from None
    except OSError as error:
        raise Unreachable(
            f"Port {port} on {host} cannot be used ({error.strerror}). Choose another: PORT={port + 1}"
        ) from None
