"""Ways in which a scripted child runs out of memory, or takes what is not its own; see `scripted`.

Runs in children and templates. What returns True goes on and explains its rows.
"""

import contextlib
import ctypes
import gc
import mmap
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any, ClassVar

from jobs.protocol import Failed
from jobs.settings import MIB

LLVM_SOURCE = "define i64 @f() { ret i64 1 }"


class MemoryActs:
    """The argument is a number of megabytes, unless said otherwise."""

    held: ClassVar[list[Any]] = []
    """What a template keeps, for its children to inherit."""

    @staticmethod
    def report_memory(pipe: Any, _: str) -> None:
        """What a library does that finds the cap."""
        try:
            bytearray(8 * 1024 * MIB)
        except MemoryError as error:
            pipe.send(Failed(kind="memory", code="memory_cap", message=f"MemoryError: {error}"))

    @staticmethod
    def numpy(_: Any, megabytes: str) -> None:
        """Nobody catches it, so the process ends with it."""
        import numpy as np

        MemoryActs.held.append(np.ones(int(megabytes) * MIB // 8))

    @staticmethod
    def bad_alloc(_: Any, __: str) -> None:
        print("terminate called after throwing an instance of 'std::bad_alloc'", file=sys.stderr, flush=True)
        os.abort()

    @staticmethod
    def operator_new(_: Any, megabytes: str) -> None:
        """C++ code that does not catch its std::bad_alloc."""
        new = ctypes.CDLL("libstdc++.so.6")._Znwm
        new.argtypes, new.restype = [ctypes.c_size_t], ctypes.c_void_p
        for _ in range(int(megabytes)):
            new(MIB)

    @staticmethod
    def llvm(_: Any, __: str) -> None:
        """What LLVM does where it cannot allocate."""
        print("LLVM ERROR: out of memory\nAllocation failed", file=sys.stderr, flush=True)
        os.abort()

    @staticmethod
    def real_llvm(_: Any, __: str) -> None:
        """Compile until the cap."""
        from llvmlite import binding

        binding.initialize_native_target()
        binding.initialize_native_asmprinter()
        parsed = binding.parse_assembly(LLVM_SOURCE)
        filler = _fill_address_space(room=MIB)
        while True:
            MemoryActs.held.append((parsed.clone(), filler))

    @staticmethod
    def swallow(_: Any, megabytes: str) -> bool:
        """Go on as if nothing had happened."""
        for _ in range(3):
            with contextlib.suppress(MemoryError):
                bytearray(int(megabytes) * MIB)
        return True

    @staticmethod
    def swallow_and_grow(pipe: Any, megabytes: str) -> None:
        """Memory is refused; try it another way."""
        MemoryActs.swallow(pipe, megabytes)
        MemoryActs.companions(pipe, megabytes)

    @staticmethod
    def grow(_: Any, megabytes: str) -> None:
        """Between the soft limit, which a child may lift, and the hard one only the watch sees it."""
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
        MemoryActs.hold(None, megabytes)
        time.sleep(60)

    @staticmethod
    def hold(_: Any, megabytes: str) -> bool:
        """Take it, and keep it."""
        MemoryActs.held.append(_touched(int(megabytes)))
        return True

    @staticmethod
    def fill(pipe: Any, __: str) -> None:
        """Take all there is, and tell how much that was."""
        with contextlib.suppress(OSError):
            while True:
                MemoryActs.hold(None, "1")
        megabytes = len(MemoryActs.held)
        MemoryActs.held.clear()
        pipe.send(Failed(kind="memory", code="memory_cap", message=str(megabytes)))

    @staticmethod
    def hold_until(_: Any, argument: str) -> bool:
        """`MB,FILE`: take it, and go on when the file is there."""
        megabytes, _, path = argument.partition(",")
        MemoryActs.hold(None, megabytes)
        Path(f"{path}.held").touch()
        while not Path(path).exists():
            time.sleep(0.01)
        return True

    @staticmethod
    def wait_and_hold(_: Any, argument: str) -> bool:
        """`MB,FILE`: take it when the file is there."""
        megabytes, _, path = argument.partition(",")
        Path(f"{path}.waits").touch()
        while not Path(path).exists():
            time.sleep(0.01)
        return MemoryActs.hold(None, megabytes)

    @staticmethod
    def write_to_inherited(_: Any, seconds: str) -> bool:
        """Nothing is allocated: every page of the template's that is written to becomes this child's own."""
        for memory in MemoryActs.held:
            _touch(memory, 2)
        time.sleep(float(seconds))
        return True

    @staticmethod
    def companions(_: Any, megabytes: str) -> None:
        """Three processes that share what this one may not take alone."""
        for _ in range(3):
            if os.fork() == 0:
                MemoryActs.hold(None, str(int(megabytes) // 3))
                time.sleep(60)
        time.sleep(60)

    @staticmethod
    def escape(_: Any, path: str) -> bool:
        """Leave a process behind that is in no group of ours and has no parent; its pid is written to the path."""
        if os.fork() == 0:
            os.setsid()
            pid = os.fork()
            if pid:
                Path(path).write_text(str(pid))
                os._exit(0)
            time.sleep(600)
        os.wait()
        return True

    @staticmethod
    def lineage(_: Any, path: str) -> None:
        """Leave a process behind, and one that is its child; the pid of that one is written down."""
        if os.fork() == 0:
            os.setsid()
            if pid := os.fork():
                Path(path).write_text(str(pid))
            time.sleep(600)
        while not (Path(path).exists() and Path(path).read_text()):
            time.sleep(0.01)
        os._exit(3)

    @staticmethod
    def overflow(_: Any, __: str) -> None:
        """Recurse in C until the stack is used up."""
        resource.setrlimit(resource.RLIMIT_STACK, (MIB // 4, MIB // 4))
        sys.setrecursionlimit(1_000_000)

        @ctypes.CFUNCTYPE(None)
        def deeper() -> None:
            deeper()

        deeper()


def _touched(megabytes: int) -> mmap.mmap:
    """Memory of our own, resident. Raises OSError (Cannot allocate memory) at the cap."""
    memory = mmap.mmap(-1, megabytes * MIB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    _touch(memory, 1)
    return memory


def _touch(memory: mmap.mmap, value: int) -> None:
    for page in range(0, len(memory), mmap.PAGESIZE):
        memory[page] = value


def _fill_address_space(room: int) -> list[mmap.mmap]:
    """Take all that the cap leaves but `room` bytes, without making it resident."""
    gc.collect()
    taken, size = [], 64 * MIB
    while size >= room:
        try:
            taken.append(mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
        except OSError:
            size //= 2
    return taken
