"""What every problem has. Used by the modules beside this one."""

from typing import Any, ClassVar


class Problem(Exception):
    """Something went wrong on our side; the logs of the service name the cause."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500

    def __init__(self, **detail: Any) -> None:
        self.detail = detail
        self.message = (type(self).__doc__ or "").format(**detail)
        super().__init__(self.message)
