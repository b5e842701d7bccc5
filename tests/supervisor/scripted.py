"""Stands in for `child` in a forkserver: children that end as their job's data tells them to.

The data part is a JSON script: {"rows": 4, "per_chunk": 2, "scratch": DIR, "acts": {"0-1": ["sigkill", "ok"]}}. Each
attempt of a chunk plays the next of its acts, the last one for ever; "open" and "load" are acts too. The value of a
row is its number, so that order and completeness can be checked.
"""

import json
import os
import resource
import signal
import socket
import struct
import sys
import time
from pathlib import Path
from typing import Any

from jobs.protocol import (
    LENGTH,
    Close,
    Converted,
    Data,
    Done,
    Explain,
    Failed,
    FromChild,
    FromSupervisor,
    Load,
    MemoryReport,
    Open,
    Plan,
    Read,
    Ready,
    Unsuited,
    Values,
    decode_from_supervisor,
    encode,
)
from jobs.records import Layout, ModelInfo, Partial
from jobs.spans import Span, Spans
from tests.supervisor.lies import lie, never
from tests.supervisor.memory_acts import MemoryActs
from tests.supervisor.whole_acts import WholeActs

MODEL = ModelInfo(
    family="scripted",
    name="Scripted",
    n_features=1,
    features=["x"],
    outputs=["y"],
    base_values=[0.0],
    explainer="tree",
    engine="scripted",
    reason="The test says so.",
    explains="prediction",
)
LAYOUT = Layout(format="json", columns=["x"], features=["x"])
PARTIAL = Partial(rows=1, sums=struct.pack("<2d", 1.0, 1.0), largest_error=0.0, tolerance=1.0)
ARRAYS = "arrays"


class Process:
    """What this process is."""

    stack = ""


def warm(stack: str) -> None:
    """Nothing to import."""
    Process.stack = stack


class Connection:
    """The child's end of its pipe."""

    def __init__(self, connection: socket.socket) -> None:
        self._file = connection.makefile("rwb", buffering=0)

    def send(self, message: FromChild) -> None:
        self.send_bytes(encode(message))

    def send_bytes(self, raw: bytes) -> None:
        while raw:
            raw = raw[self._file.write(raw) or 0 :]

    def receive(self) -> FromSupervisor:
        (length,) = LENGTH.unpack(self._exactly(LENGTH.size))
        return decode_from_supervisor(self._exactly(length))

    def read_json(self, part: str, size: int) -> Any:
        self.send(Read(part, 0, size))
        answer = self.receive()
        assert isinstance(answer, Data)
        return json.loads(answer.data)

    def _exactly(self, length: int) -> bytes:
        raw = b""
        while len(raw) < length:
            piece = self._file.read(length - len(raw))
            if not piece:
                os._exit(0)
            raw += piece
        return raw


def prepare(connection: socket.socket) -> dict[str, Any] | None:
    pipe = Connection(connection)
    request = pipe.receive()
    assert isinstance(request, Load)
    if request.ensemble and _text(request.ensemble) != ARRAYS:
        pipe.send(Unsuited("these are no arrays", unreadable=True))
        return None
    model = pipe.read_json("model", request.sizes["model"])
    if play(pipe, model, "load") is None:
        return None
    if "lies" in model:
        lie(model["lies"], model["bystander"])
    answer = loaded(model, request)
    pipe.send(answer)
    return {"model": model} if isinstance(answer, Ready) else None


def loaded(model: dict[str, Any], request: Load) -> Ready | Converted | Unsuited:
    """Model scripts: {"converts": "lean" or "full"}, a model of trees; {"needs": "full"}, any other; {"never": …}."""
    if "never" in model:
        return never(model["never"], request)
    needs = {request.options.explainer: model.get("needs_for", {}).get(request.options.explainer)}
    if Process.stack == "lean" and "full" in (model.get("needs"), *needs.values()):
        return Unsuited("the test says so")
    if Process.stack == "lean" and not request.ensemble and model.get("converts") == "full":
        return Unsuited("it cannot read this")
    if request.into and model.get("converts") == Process.stack and "full" not in needs.values():
        note(model, "converted")
        with open(request.into, "w", encoding="utf-8") as file:
            file.write(ARRAYS)
        return Converted()
    note(model, f"ready-{Process.stack}")
    return Ready(MODEL)


def _text(file: int | str) -> str:
    with open(file, encoding="utf-8") as opened:
        return opened.read()


def note(model: dict[str, Any], what: str) -> None:
    if "scratch" in model:
        with (Path(model["scratch"]) / "notes").open("a", encoding="utf-8") as file:
            file.write(f"{what}\n")


def run(connection: socket.socket, prepared: Any) -> None:
    pipe = Connection(connection)
    request = pipe.receive()
    if isinstance(request, Close):
        pipe.send(Done(memory=MemoryReport(), summary={"closed": True, "partial_bytes": request.sizes["partials"]}))
        return
    assert isinstance(request, Open | Explain)
    script = pipe.read_json("data", request.sizes["data"])
    if isinstance(request, Open):
        opened(pipe, script, request.sizes["data"])
    else:
        explained(pipe, script, request.span, summary=None)


def opened(pipe: Connection, script: dict[str, Any], size: int) -> None:
    """Every chunk reads the whole script."""
    if play(pipe, script, "open") is None:
        return
    rows, per_chunk = script["rows"], script["per_chunk"]
    spans = Spans.at(rows, per_chunk, [(0, size)] * -(-rows // per_chunk))
    pipe.send(Plan(layout=LAYOUT, spans=spans))
    if len(spans) == 1:
        explained(pipe, script, spans[0], summary={"closed": True})
    else:
        pipe.send(Done(memory=MemoryReport()))


def explained(pipe: Connection, script: dict[str, Any], span: Span, summary: dict[str, Any] | None) -> None:
    act = play(pipe, script, span.chunk_id)
    if act is None:
        return
    rows = range(span.first, span.last + (0 if act == "short" else 1))
    for row in rows:  # a piece a row: pieces need not be whole chunks
        pipe.send(Values(struct.pack("<d", row)))
    pipe.send(Done(memory=MemoryReport(peak_bytes=1234), partial=PARTIAL, summary=summary))


def play(pipe: Connection, script: dict[str, Any], name: str) -> str | None:
    """Do what the script says; None when nothing follows."""
    acts = script.get("acts", {}).get(name, ["ok"])
    act, _, argument = acts[min(_times_before(script, name), len(acts) - 1)].partition(":")
    if act in ("ok", "short"):
        return str(act)
    goes_on = next(getattr(of, act) for of in (Acts, MemoryActs, WholeActs) if hasattr(of, act))
    return "ok" if goes_on(pipe, argument) else None


def _times_before(script: dict[str, Any], name: str) -> int:
    """How often this was played before; each attempt leaves a file, for a child has no other memory."""
    if "scratch" not in script:
        return 0
    played = len(list(Path(script["scratch"]).glob(f"{name}.*")))
    unfinished = Path(script["scratch"]) / f".{name}.{played}"
    unfinished.write_text(str(os.getpid()))
    unfinished.rename(unfinished.with_name(f"{name}.{played}"))  # who finds it finds the pid in it
    return played


class Acts:
    """Ways to end; what returns True goes on."""

    @staticmethod
    def refuse(pipe: Connection, _: str) -> None:
        pipe.send(Failed(kind="refused", code="not_numeric", message="data: row 3", detail={"row": 3}))

    @staticmethod
    def fail(pipe: Connection, _: str) -> None:
        pipe.send(Failed(kind="raised", code="raised", message="ValueError: as told"))

    @staticmethod
    def alarms(_: Connection, __: str) -> bool:
        """From now on a signal every half millisecond, as when many children end."""
        signal.signal(signal.SIGALRM, lambda *_: None)
        signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
        return True

    @staticmethod
    def leave(_: Connection, code: str) -> None:
        os._exit(int(code))

    @staticmethod
    def sigkill(_: Connection, __: str) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    @staticmethod
    def sigsegv(_: Connection, __: str) -> None:
        os.kill(os.getpid(), signal.SIGSEGV)

    @staticmethod
    def hang(_: Connection, __: str) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(600)

    @staticmethod
    def grandchild(_: Connection, path: str) -> None:
        """Leave a process behind, whose pid is written down."""
        pid = os.fork()
        if pid == 0:
            time.sleep(600)
        Path(path).write_text(str(pid))
        os._exit(3)

    @staticmethod
    def wait(_: Connection, path: str) -> bool:
        """Go on when the file is there."""
        while not Path(path).exists():
            time.sleep(0.01)
        return True

    @staticmethod
    def garbage(pipe: Connection, _: str) -> None:
        pipe.send_bytes(LENGTH.pack(5) + b"\xc1\xc1\xc1\xc1\xc1")
        time.sleep(60)

    @staticmethod
    def no_text(pipe: Connection, _: str) -> None:
        pipe.send_bytes(LENGTH.pack(2) + b"\xa1\xff")
        time.sleep(60)

    @staticmethod
    def real_time_signal(_: Connection, __: str) -> None:
        os.kill(os.getpid(), signal.SIGRTMIN + 3)

    @staticmethod
    def read_afar(pipe: Connection, _: str) -> bool:
        """Bytes that no part has, of parts that there are and of others."""
        for part, offset, length in (("data", 2**63 - 1, 5), ("data", -1, 5), ("model", 0, -(2**63)), ("x", 0, 2**62)):
            pipe.send(Read(part, offset, length))
            assert pipe.receive() == Data(b"")
        return True

    @staticmethod
    def flood(pipe: Connection, _: str) -> None:
        """More values than its rows have."""
        for _ in range(64):
            pipe.send(Values(bytes(1 << 20)))
        time.sleep(60)

    @staticmethod
    def plan(pipe: Connection, _: str) -> None:
        """It is not its business; what it should say follows at once."""
        rows = [Values(struct.pack("<d", row)) for row in range(2)]
        words = [Plan(layout=LAYOUT, spans=Spans.at(2, 2, [(0, 1)])), *rows]
        pipe.send_bytes(b"".join(map(encode, [*words, Done(memory=MemoryReport(), partial=PARTIAL)])))
        time.sleep(60)

    @staticmethod
    def plan_for_many(pipe: Connection, _: str) -> None:
        """Rows that no upload of this size has."""
        pipe.send(Plan(layout=LAYOUT, spans=Spans.at(2**60, 2**60, [(0, 1)])))
        time.sleep(60)

    @staticmethod
    def plan_outside(pipe: Connection, _: str) -> None:
        pipe.send(Plan(layout=LAYOUT, spans=Spans.at(2, 2, [(0, 2**62)])))
        time.sleep(60)

    @staticmethod
    def ready(pipe: Connection, _: str) -> None:
        """A word of templates."""
        pipe.send(Ready(MODEL))
        time.sleep(60)

    @staticmethod
    def converted(pipe: Connection, _: str) -> None:
        pipe.send(Converted())
        time.sleep(60)

    @staticmethod
    def long_words(pipe: Connection, _: str) -> None:
        pipe.send(Failed(kind="raised", code="raised", message="x" * 1_000_000, detail={"x": "y" * 1_000_000}))

    @staticmethod
    def look_around(pipe: Connection, path: str) -> None:
        """Write down what this child can see: descriptors, environment, group, limits."""
        seen = {
            "descriptors": {
                name: os.readlink(f"/proc/self/fd/{name}")
                for name in os.listdir("/proc/self/fd")
                if os.path.lexists(f"/proc/self/fd/{name}")
            },
            "environment": dict(os.environ),
            "process_group": os.getpgid(0),
            "pid": os.getpid(),
            "limit": resource.getrlimit(resource.RLIMIT_AS),
            "oom_score_adj": int(Path("/proc/self/oom_score_adj").read_text()),
            "niceness": os.getpriority(os.PRIO_PROCESS, 0),
            "modules": sorted(sys.modules),
        }
        Path(path).write_text(json.dumps(seen))
        pipe.send(Failed(kind="refused", code="looked", message="looked around"))
