"""A service of one's own, on an embedded store: started here and stopped with this process.

Runs in the caller's process, on a machine where shap-supervisor is installed, which is imported by name and only here.
"""

import atexit
import os
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from shap_supervisor.errors import NotInstalled, Unavailable


def start(env: Mapping[str, str]) -> Any:
    """The running processes: `.url`, `.stop()`. `env` goes before the environment, such as WORKER_SLOTS.

    Raises NotInstalled, and Unavailable with the reason where it does not start.
    """
    try:
        stack_of = import_module("cli.stack").Stack
    except (ImportError, AttributeError):
        raise NotInstalled(
            "Client.local() needs the service itself: pip install shap-supervisor. Or name one: Client(url)",
            "not_installed",
        ) from None
    try:
        stack = stack_of({**os.environ, **env}, private=True).__enter__()
    except Exception as error:
        raise Unavailable(f"The service did not start: {error}", "not_started") from error
    atexit.register(stack.stop)
    return stack


def stop(stack: Any) -> None:
    """Harmless twice."""
    atexit.unregister(stack.stop)
    stack.stop()
