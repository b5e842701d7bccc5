"""What runs inside a child, and nowhere else. Importing this package is light; each entry point imports what it needs.

    forkserver: warm() ──fork──▶ template: prepare() ──fork──▶ child: run(), one chunk, then gone

- `preload`: the imports, once, in the forkserver: all of them, or few. `stack`: which of both this process has.
- `attempt`: the pipeline of a template and of a child; every failure becomes a `Failed` message here.
- `pipe`: the socket; a job's parts as files. `memory`: the account that a child gives of itself.
- `rows/`: data files: one format a file, cut into byte ranges, read back into numbers in the model's order.
- `models/`: model files: one family a file, every index checked before native code follows it.
- `trees/`: exact SHAP values of tree ensembles, in C or NumPy.
- `explainers/`: which explainer, and the values, by `trees` or through `shap`; `additivity`: checked against the model.
- `summary`: the global picture out of the chunks' partials.
"""

import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from child.attempt import Prepared
    from child.stack import Stack


def warm(stack: "Stack" = "full") -> None:
    """Import what an attempt may need: `full` is everything, `lean` what trees need that are arrays already.

    Raises when that fails or leaves a second thread behind.
    """
    from child import preload

    preload.warm(stack)


def prepare(connection: socket.socket) -> "Prepared | None":
    """In a template: answer `Load` with `Ready` and return what chunks need.

    Any other answer is this process's last, and the return value None: `Converted`, `Unsuited` or `Failed`.
    """
    from child import attempt

    return attempt.prepare(connection)


def run(connection: socket.socket, prepared: "Prepared | None") -> None:
    """In a child: do one `Open`, `Explain` or `Close` (which needs nothing prepared) and send how it ended."""
    from child import attempt

    attempt.run(connection, prepared)
