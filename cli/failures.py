"""How a command ends when it does not succeed: one class an exit code, its message one line for people.

Runs in the command's own process. Exit code 2 for wrong usage is click's own, and ours for what the service refused.
"""

from typing import ClassVar

import click

from cli.printable import printable


class Failure(click.ClickException):
    """`code` names the cause for programs: a problem's code where the service sent one."""

    default_code: ClassVar[str]

    def __init__(self, message: str, code: str | None = None) -> None:
        self.code = code or self.default_code
        super().__init__(printable(f"{message} [{code}]" if code else message, keep="\n"))


class JobFailed(Failure):
    """The job ended without values."""

    exit_code, default_code = 1, "failed"


class Refused(Failure):
    """The service answered with a problem: what was asked cannot be done."""

    exit_code, default_code = 2, "refused"


class Unreachable(Failure):
    """There is nobody to ask, or a process of ours did not come up."""

    exit_code, default_code = 3, "unreachable"


class TimedOut(Failure):
    """The job has not ended in the time that was given."""

    exit_code, default_code = 4, "timeout"
