"""A process that draws: `python -P -m plots.draw`, a JSON list of [format, specification] on stdin, pictures on stdout.

Each picture comes as its length (8 bytes, big-endian) and its bytes, in the order of the list. Runs alone, with limits
of its own, started and timed by `api.drawing`: vl-convert takes 160 to 300 MB. Nothing is loaded from anywhere.
"""

import json
import os
import resource
import sys
from typing import Any

FORMATS = ("svg", "png")
LENGTH_BYTES = 8
DATA_BYTES = 1200 * 1024 * 1024
"""Of memory that is written to; of address space its engine reserves 64 GB and uses next to nothing. Measured: 720 MB
of it, of which 230 MB were touched, for 10,000 points."""
CPU_S = 60
FONT = "Arial, Helvetica, sans-serif"
"""Alike in width wherever an SVG is looked at: with another font than it was measured with, labels are cut off."""
SCALE = 2.0
"""Pixels of a PNG for each of the specification."""


def main() -> None:
    """Draw what stdin asks for."""
    confine(DATA_BYTES, CPU_S)
    pictures = [draw(kind, specification) for kind, specification in json.load(sys.stdin.buffer)]
    for picture in pictures:
        sys.stdout.buffer.write(len(picture).to_bytes(LENGTH_BYTES) + picture)


def confine(data_bytes: int, cpu_s: int = resource.RLIM_INFINITY) -> None:
    """Before anything is imported: bounded memory and time, and the first to go where the machine's memory ends."""
    for limit, most in ((resource.RLIMIT_DATA, data_bytes), (resource.RLIMIT_CPU, cpu_s), (resource.RLIMIT_CORE, 0)):
        resource.setrlimit(limit, (most, most))
    try:
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
            file.write("1000")
    except OSError:  # not Linux
        os.nice(5)


def draw(kind: str, specification: dict[str, Any]) -> bytes:
    """One picture on white."""
    import vl_convert

    text = json.dumps({**specification, "background": "white"})
    how: dict[str, Any] = {"config": {"font": FONT}, "allowed_base_urls": []}
    if kind == "svg":
        return str(vl_convert.vegalite_to_svg(text, **how)).encode()
    return bytes(vl_convert.vegalite_to_png(text, scale=SCALE, **how))


if __name__ == "__main__":
    main()
