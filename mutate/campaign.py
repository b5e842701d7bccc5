"""The trials: copies of the tree, the rooms' tests within them, side by side, and what a stopped campaign knows.

One process, one event loop; each trial is a pytest of its own. Nothing is written to the tree but in `.mutate/`.
"""

import asyncio
import contextlib
import hashlib
import json
import os
import shutil
import signal
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from mutate.mutations import Mutant
from mutate.order import FACTOR, Recording, load, order, plan, save

FOLDER = ".mutate"
NOT_COPIED = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist")
SOME_FAILED, PASSED = 1, {0, 5}  # pytest's exit codes; 5: no test is left
SUSPECTED = "suspected"
START_S = 60.0
UNSURE = 3  # tests that may fail in a trial without failing again alone


@dataclass(frozen=True)
class Verdict:
    """How a trial ended: caught, timed_out, survived, or suspected while only the first part of the tests has run."""

    key: str
    outcome: str
    by: str
    seconds: float


class Campaign:
    """One draw of mutants on copies of one tree."""

    def __init__(self, root: Path, rooms: list[str], name: str) -> None:
        self.root = root
        self.folder = root / FOLDER
        self.folder.mkdir(exist_ok=True)
        self._known = self.folder / f"verdicts-{name}-{digest(root, rooms)}.jsonl"
        self.recordings: dict[str, Recording] = {}

    def verdicts(self) -> dict[str, Verdict]:
        """What is known, by the mutant's key."""
        if not self._known.exists():
            return {}
        found = [Verdict(**json.loads(line)) for line in self._known.read_text().splitlines()]
        return {verdict.key: verdict for verdict in found}

    def forget_survivors(self) -> None:
        """So that they are tried again, with the tests as they are now."""
        kept = [asdict(verdict) for verdict in self.verdicts().values() if verdict.outcome != "survived"]
        self._known.write_text("".join(json.dumps(verdict) + "\n" for verdict in kept))

    async def record(self, copies: list[Path], rooms: Iterable[str], say: Callable[[str], None]) -> None:
        """Run each room's tests once without a mutation, unless that has been done for these sources."""
        waiting = iter(rooms)

        async def work(copy: Path) -> None:
            for room in waiting:
                file = self.folder / f"recording-{room}-{digest(self.root, [room])}.json"
                if not file.exists():
                    say(f"recording what the tests of {room} cover: once, and as long as these tests take")
                    await record(copy, room, file)
                self.recordings[room] = load(file)

        await _side_by_side(work(copy) for copy in copies)

    async def run(
        self,
        copies: list[Path],
        mutants: Iterable[Mutant],
        tried: Callable[[Mutant, Verdict], None],
        *,
        spared: Callable[[Mutant], bool] = lambda _: False,
    ) -> None:
        """First the tests that may notice, of all mutants; then for those that none of these caught, the rest.

        Who is `spared` the rest, as an equivalent, has survived then.
        """
        known = self.verdicts()
        suspects = deque(mutant for mutant in mutants if mutant.key in known)
        waiting = iter([mutant for mutant in mutants if mutant.key not in known])

        async def work(copy: Path) -> None:
            for mutant in waiting:
                if (await self._try(copy, mutant, tried, suspected=False)).outcome == SUSPECTED:
                    suspects.append(mutant)
            while suspects:
                if spared(mutant := suspects.popleft()):
                    self._note(mutant, Verdict(mutant.key, "survived", "", 0.0), tried)
                else:
                    await self._try(copy, mutant, tried, suspected=True)

        await _side_by_side(work(copy) for copy in copies)

    async def _try(
        self, copy: Path, mutant: Mutant, tried: Callable[[Mutant, Verdict], None], *, suspected: bool
    ) -> Verdict:
        verdict = await trial(copy, mutant, self.recordings[mutant.room], suspected=suspected)
        self._note(mutant, verdict, tried)
        return verdict

    def _note(self, mutant: Mutant, verdict: Verdict, tried: Callable[[Mutant, Verdict], None]) -> None:
        with self._known.open("a") as known:
            known.write(json.dumps(asdict(verdict)) + "\n")
        tried(mutant, verdict)


async def _side_by_side(works: Iterable[object]) -> None:
    async with asyncio.TaskGroup() as group:
        for work in works:
            group.create_task(work)  # type: ignore[arg-type]


def digest(root: Path, rooms: Iterable[str]) -> str:
    """Of the sources that are mutated: another one, other mutants."""
    found = hashlib.sha256()
    for room in rooms:
        for path in sorted((root / room).rglob("*")):
            if path.suffix in (".py", ".lua"):
                found.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return found.hexdigest()[:12]


def copy_tree(root: Path, to: Path) -> Path:
    """What tests need: no environment, no caches. The compiled kernel lies among the sources and comes along."""
    shutil.copytree(root, to, ignore=NOT_COPIED)
    (to / FOLDER).mkdir()
    return to


async def record(copy: Path, room: str, file: Path) -> None:
    """One run of a room's tests, into a file. Those that failed only because it was measured, or busy, are kept."""
    await _pytest(copy, f"tests/{room}", "--mutate-record", room, str(file), limit_s=3600)
    recording = load(file)
    ended = [(test, await _pytest(copy, test, limit_s=600)) for test in recording.failed]
    failed = [test for test, code in ended if code not in PASSED]
    save(replace(recording, failed=failed), file)


async def trial(copy: Path, mutant: Mutant, recording: Recording, *, suspected: bool) -> Verdict:
    """Mutate, run the first part of the tests (the rest, for a suspect) until one fails, and put the file back."""
    began = time.monotonic()
    file = copy / mutant.file
    original = file.read_text()
    try:
        _write(file, mutant.text)
        outcome, by = await _outcome(copy, mutant, recording, suspected=suspected)
    finally:
        _write(file, original)
    return Verdict(mutant.key, outcome, by, round(time.monotonic() - began, 1))


def _write(file: Path, text: str) -> None:
    """And forget what was compiled of it: Python takes a file of the same second and size for the same."""
    file.write_text(text)
    for compiled in (file.parent / "__pycache__").glob(f"{file.stem}.*.pyc"):
        compiled.unlink()


async def _outcome(copy: Path, mutant: Mutant, recording: Recording, *, suspected: bool) -> tuple[str, str]:
    """Caught by a test that fails alone too: one that only a busy machine or the order made fail is left out."""
    first, rest = order(mutant, recording)
    tests, without = (rest, first) if suspected else (first, rest)
    files = [f"tests/{mutant.room}"] if suspected else _files(copy, tests)
    limit_s = START_S + FACTOR * sum(recording.seconds[test] for test in tests)
    for _ in range(UNSURE if files else 0):
        kept = plan(tests, recording, without=without)
        ended, failed = await _planned(copy, files, kept, limit_s)
        if ended in PASSED:
            break
        if ended != SOME_FAILED or not failed:
            return ("timed_out", "") if ended is None else ("caught", "before any test")
        if (
            recording.is_quick(failed["test"])
            or (await _planned(copy, [failed["test"]], kept, limit_s))[0] not in PASSED
        ):
            return "timed_out" if "Timeout (>" in failed["text"] else "caught", failed["test"]
        without = [*without, failed["test"]]
    return ("survived" if suspected else SUSPECTED), ""


def _files(copy: Path, tests: list[str]) -> list[str]:
    """Where they stand, and no more: that much sooner does pytest begin. Some may be gone since the recording."""
    files = dict.fromkeys(test.split("::", maxsplit=1)[0] for test in tests)
    return [file for file in files if (copy / file).exists()]


async def _planned(
    copy: Path, tests: list[str], kept: dict[str, object], limit_s: float
) -> tuple[int | None, dict[str, str]]:
    """The exit code and the test that failed."""
    file = copy / FOLDER / "plan.json"
    file.write_text(json.dumps(kept))
    ended = await _pytest(copy, *tests, "-x", "--mutate-plan", str(file), limit_s=limit_s)
    failed = file.with_suffix(".failed")
    return ended, json.loads(failed.read_text()) if failed.exists() else {}


async def _pytest(copy: Path, *arguments: str, limit_s: float) -> int | None:
    """The exit code, or None where time ran out."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "mutate.plugin", *arguments]
    async with _process(command, copy) as process:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                return await process.wait()
    return None


@contextlib.asynccontextmanager
async def _process(command: list[str], copy: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process in a group of its own, gone afterwards. It is asked first, so that fixtures end what they began."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}  # they choose tests
    with (copy / FOLDER / "output").open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *command, cwd=copy, env=environment, stdout=output, stderr=output, start_new_session=True
        )
        try:
            yield process
        finally:
            for last, grace_s in ((signal.SIGINT, 20), (signal.SIGKILL, 20)):
                if process.returncode is None:
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(process.pid, last)
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(process.wait(), grace_s)
