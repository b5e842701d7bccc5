"""Models that were turned into arrays, as files that lean templates map. Runs in the supervisor.

A file is named for its model's content, so it serves every job with that model, and outlives the supervisor. Children
write and read the files; here they are named, kept within a bound, and forgotten, the least recently used first.
"""

import contextlib
import hashlib
import os
import tempfile
import time
from pathlib import Path

import structlog

from supervisor.children.inputs import Parts

log = structlog.get_logger()

SUFFIX = ".trees"
UNFINISHED = ".unfinished"
UNFINISHED_S = 3_600.0
"""What a killed child left behind is removed at a start after so long."""


class UnsafeDirectory(Exception):
    """The directory could be written to by others, who could then change what jobs are answered."""


class Ensembles:
    """The files in a directory, together at most `most_bytes`, but always room for one."""

    def __init__(self, directory: Path | None, *, most_bytes: int) -> None:
        self._directory = directory or Path(tempfile.gettempdir(), f"shap-supervisor-{os.getuid()}")
        self._most_bytes = most_bytes

    def prepare(self) -> None:
        """Make the directory, for us alone. Raises UnsafeDirectory, OSError."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = self._directory.lstat()
        if found.st_uid != os.getuid() or found.st_mode & 0o022:
            raise UnsafeDirectory(f"{self._directory} belongs to another user, or others may write to it")
        for left in self._directory.glob(f"*{UNFINISHED}"):
            with contextlib.suppress(OSError):
                if time.time() - left.stat().st_mtime > UNFINISHED_S:
                    left.unlink()

    def find(self, parts: Parts) -> Path | None:
        """The part `model` as arrays, if it is there; now it is the most recently used."""
        path = self._path(parts)
        try:
            os.utime(path)
        except OSError:
            return None
        return path

    def place(self) -> Path:
        """Where a child may write them; see `keep`."""
        descriptor, name = tempfile.mkstemp(suffix=UNFINISHED, dir=self._directory)
        os.close(descriptor)
        return Path(name)

    def keep(self, parts: Parts, written: Path) -> Path:
        """From now on `find` finds them; older ones go where there are too many."""
        path = self._path(parts)
        written.rename(path)
        self._make_room(path)
        return path

    def forget(self, parts: Parts) -> None:
        """They were of no use."""
        self._path(parts).unlink(missing_ok=True)

    def _path(self, parts: Parts) -> Path:
        return self._directory / (hashlib.sha256(parts["model"].identity.encode()).hexdigest() + SUFFIX)

    def _make_room(self, newest: Path) -> None:
        """A file that is still mapped stays readable for those that map it."""
        found = [(path.stat(), path) for path in self._directory.glob(f"*{SUFFIX}")]
        total = sum(stat.st_size for stat, _ in found)
        for stat, path in sorted(found, key=lambda pair: pair[0].st_mtime):
            if total <= self._most_bytes or path == newest:
                return
            path.unlink(missing_ok=True)
            total -= stat.st_size
            log.info("ensemble_forgotten", file=path.name, size_bytes=stat.st_size)
