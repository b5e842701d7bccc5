"""Ports that no earlier process of another test still knows: a server that counts up from a fixed one would be found
again by whoever was left behind.
"""

import socket


def free_port() -> int:
    """Free on loopback, and drawn by the system from its whole range."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
