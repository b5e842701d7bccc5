"""Text of others' on a terminal: what would move its cursor, or its colours, is shown as what it is.

Runs in the command's own process. Files and JSON are left as they are: those escape it themselves.
"""

import codecs
from typing import BinaryIO


def printable(text: str, keep: str = "") -> str:
    r"""Control characters, and marks that turn the direction of text, as \x1b or \u202e; those of `keep` stay."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char in keep else char.encode("unicode_escape").decode() for char in text
    )


class TerminalSink:
    """Takes UTF-8 in pieces, and writes it as a terminal may have it."""

    def __init__(self, terminal: BinaryIO) -> None:
        self._terminal = terminal
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def write(self, data: bytes) -> int:
        """All of it; the rest of a character that was cut comes with the next piece."""
        self._terminal.write(printable(self._decoder.decode(data), keep="\n").encode())
        return len(data)
