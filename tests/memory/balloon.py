"""A process that takes memory beside the service: a number of megabytes on stdin is what it holds from then on."""

import mmap
import sys

MIB = 1024 * 1024

held: list[mmap.mmap] = []
for line in sys.stdin:
    while len(held) > int(line):
        held.pop().close()
    while len(held) < int(line):
        piece = mmap.mmap(-1, MIB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        piece.write(b"x" * MIB)
        held.append(piece)
    print(len(held), flush=True)
