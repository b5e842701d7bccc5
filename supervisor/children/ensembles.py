"""Models that were turned into arrays, as files that lean templates map. Runs in the supervisor.

A file is named for its model's content, so it serves every job with that model, and outlives the supervisor. No child
can open one: it writes to a file without a name, which is copied when it has gone, and reads what it is given. The name
has the content's hash too, keyed with what no child can read, and it is compared before a template maps the file. Here
files are named, kept within a bound, and forgotten, the least recently used first.
"""

import asyncio
import contextlib
import hashlib
import hmac
import os
import secrets
import tempfile
import time
from pathlib import Path
from typing import IO

import structlog

from supervisor.children.inputs import Parts

log = structlog.get_logger()

SUFFIX = ".trees"
UNFINISHED = ".unfinished"
UNFINISHED_S = 3_600.0
"""What a killed supervisor left behind is removed at a start after so long."""
KEY, KEY_BYTES = "key", 32
"""The directory's: supervisors that share it read each other's files."""
COPY_BYTES = 1 << 20


class UnsafeDirectory(Exception):
    """The directory could be written to by others, who could then change what jobs are answered."""


class Ensembles:
    """The files in a directory, together at most `most_bytes`, but always room for one."""

    def __init__(self, directory: Path | None, *, most_bytes: int) -> None:
        self._directory = directory or Path(tempfile.gettempdir(), f"shap-supervisor-{os.getuid()}")
        self._most_bytes = most_bytes
        self._key = b""

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
        self._key = self._shared_key()

    def find(self, parts: Parts) -> bool:
        """Whether the part `model` is there as arrays; now it is the most recently used."""
        for path in self._paths(parts):
            with contextlib.suppress(OSError):
                os.utime(path)
                return True
        return False

    async def open(self, parts: Parts) -> IO[bytes] | None:
        """To be read, as they were written; None where there are none. What somebody has changed is forgotten."""
        for path in self._paths(parts):
            with contextlib.suppress(OSError):
                file = path.open("rb", buffering=0)
                if hmac.compare_digest(path.name, self._name(parts, await asyncio.to_thread(self._hash, file))):
                    file.seek(0)  # who gets the descriptor shares its position
                    return file
                file.close()
                log.warning("ensemble_changed", file=path.name)
                path.unlink()
        return None

    def place(self) -> IO[bytes]:
        """Where a child may write them; see `keep`. It has no name, and goes when it is closed."""
        return tempfile.TemporaryFile(dir=self._directory)

    async def keep(self, parts: Parts, written: IO[bytes]) -> Path:
        """Copied, so that whoever still holds `written` changes nothing. From now on `find` finds them; older ones go
        where there are too many.
        """
        path = await asyncio.to_thread(self._copy, parts, written)
        self._forget_all_but(path, parts)
        self._make_room(path)
        return path

    def forget(self, parts: Parts) -> None:
        """They were of no use."""
        self._forget_all_but(None, parts)

    def _copy(self, parts: Parts, written: IO[bytes]) -> Path:
        with tempfile.NamedTemporaryFile(suffix=UNFINISHED, dir=self._directory, delete=False) as copy:
            unfinished = Path(copy.name)
            try:
                path = self._directory / self._name(parts, self._hash(written, copy))
                unfinished.rename(path)
            except BaseException:
                unfinished.unlink(missing_ok=True)
                raise
        return path

    def _forget_all_but(self, kept: Path | None, parts: Parts) -> None:
        for path in self._paths(parts):
            if path != kept:
                path.unlink(missing_ok=True)

    def _paths(self, parts: Parts) -> list[Path]:
        """One, or none; more where several supervisors have written it at once."""
        return list(self._directory.glob(self._name(parts, "*")))

    def _name(self, parts: Parts, found: str) -> str:
        return f"{hashlib.sha256(parts['model'].identity.encode()).hexdigest()}.{found}{SUFFIX}"

    def _hash(self, file: IO[bytes], copy: IO[bytes] | None = None) -> str:
        found = hashlib.blake2b(key=self._key, digest_size=KEY_BYTES)
        file.seek(0)
        while piece := file.read(COPY_BYTES):
            found.update(piece)
            if copy:
                copy.write(piece)
        if copy:
            copy.flush()
        return found.hexdigest()

    def _shared_key(self) -> bytes:
        """That of the directory; drawn by who comes first."""
        path = self._directory / KEY
        with tempfile.NamedTemporaryFile(dir=self._directory, suffix=UNFINISHED) as drawn:
            drawn.write(secrets.token_bytes(KEY_BYTES))
            drawn.flush()
            with contextlib.suppress(FileExistsError):
                os.link(drawn.name, path)
        return path.read_bytes()

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
