"""Which service a command speaks to: the option --url and its environment. Runs in the command's own process."""

import os
from collections.abc import Callable
from typing import Any, TypeVar

import click

from cli.client import Client
from jobs.settings import load_settings

Command = TypeVar("Command", bound=Callable[..., Any])


def url_option(command: Command) -> Command:
    """`--url`, or SHAP_SUPERVISOR_URL."""
    option = click.option("--url", envvar="SHAP_SUPERVISOR_URL", show_envvar=True, help="Address of the service.")
    return option(command)


def connect(url: str | None, realm: str = "API") -> Client:
    """A client for the service at `url`, by default the one that `up` starts here.

    The token comes from API_TOKEN, for the operator's routes (`realm="ADMIN"`) from ADMIN_TOKEN.
    """
    address = url or f"http://127.0.0.1:{load_settings({'PORT': os.environ.get('PORT', '')}).port}"
    return Client(address, os.environ.get(f"{realm}_TOKEN") or None)
