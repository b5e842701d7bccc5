"""Stands in for `child` in a forkserver: starts a process that leaves its group, says which, and hangs like it."""

import os
import socket
import time

from jobs.protocol import Failed, encode


def warm(_: str) -> None:
    """Nothing to import."""


def run(connection: socket.socket, _: None) -> None:
    if os.fork() == 0:
        os.setsid()
        connection.sendall(encode(Failed(kind="raised", code="runaway", message=str(os.getpid()))))
    time.sleep(600)
