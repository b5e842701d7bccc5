"""What runs inside a child, and nowhere else. Importing this package is light; each entry point imports what it needs.

    forkserver: warm() ──fork──▶ template: prepare() ──fork──▶ child: run(), one chunk, then gone

- `preload`: the imports, once, in the forkserver: all of them, or few. `stack`: which of both this process has.
- `template`: a model becomes what chunks need (`prepared`). `chunk`: one of them, `opening` the data before the first.
- `expected`: the caller's own predictions against the model's output; `likely_causes`: why they differ.
- `pipe`: the socket. `parts`: a job's parts as files. `failure`: from an exception to a message.
- `refused`: which row a model does not take. `finite`: numbers that are none.
- `memory`: the account that a child gives of itself.
- `rows/`: data files: one format a file, cut into byte ranges, read back into numbers in the model's order.
- `models/`: model files: one family a file, every index checked before native code follows it.
- `pipelines/`: pipelines, taken apart: what their columns are made of, and the way back.
- `explainers/`: which explainer, and the values, by `shaptrees` or `shap`; `additivity`: checked against the model.
- `kept`: what the options keep of the values. `tally`: a chunk's sums, `cohorts` of its rows among them.
- `summary`: the global picture out of the chunks' partials.
"""

import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from child.prepared import Prepared
    from child.stack import Stack


def warm(stack: "Stack" = "full") -> None:
    """Import what a job may need: `full` is everything, `lean` what trees need that are arrays already.

    Raises when that fails or leaves a second thread behind.
    """
    from child import preload

    preload.warm(stack)


def prepare(connection: socket.socket) -> "Prepared | None":
    """In a template: answer `Load` with `Ready` and return what chunks need.

    Any other answer is this process's last, and the return value None: `Converted`, `Unsuited` or `Failed`.
    """
    from child import template

    return template.prepare(connection)


def run(connection: socket.socket, prepared: "Prepared | None") -> None:
    """In a child: do one `Open`, `Explain` or `Close` (which needs nothing prepared) and send how it ended."""
    from child import chunk

    chunk.run(connection, prepared)
