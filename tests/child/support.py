"""A supervisor for tests: a thread that plays its end of the socket, and what every test of this room needs."""

import io
import json
import socket
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import child
from jobs import planner, protocol
from jobs.options import Options
from jobs.protocol import Close, Data, Done, Explain, Failed, Load, Open, Plan, Read, Ready, Values, Whole
from jobs.records import Layout, ModelInfo
from jobs.spans import Span

CAP = 512 * 1024 * 1024


@dataclass
class Heard:
    """Everything one process of ours sent, except what it asked for."""

    messages: list[Any] = field(default_factory=list)
    at_once: bool = False
    """A small job was told as a whole: `messages` are its parts."""
    longest_read: int = 0
    reads: int = 0

    def one(self, kind: type) -> Any:
        found = [message for message in self.messages if isinstance(message, kind)]
        assert len(found) == 1, self.messages
        return found[0]

    @property
    def failed(self) -> Failed:
        return self.one(Failed)

    def values(self) -> np.ndarray:
        raw = b"".join(message.data for message in self.messages if isinstance(message, Values))
        return np.frombuffer(raw, "<f8")


class Supervisor:
    """Sends one request to `child.prepare` or `child.run` over a socketpair and answers every Read."""

    def __init__(self, parts: dict[str, bytes], *, trusted: bool = False) -> None:
        self.parts, self.trusted = parts, trusted
        self.prepared: Any = None
        self.info: ModelInfo | None = None

    @property
    def sizes(self) -> dict[str, int]:
        return {name: len(content) for name, content in self.parts.items()}

    def ask(self, request: Any, function: Any, *arguments: Any) -> tuple[Any, Heard]:
        ours, theirs = socket.socketpair()
        heard = Heard()
        thread = threading.Thread(target=self._listen, args=(ours, request, heard))
        thread.start()
        try:
            result = function(theirs, *arguments)
        finally:
            theirs.close()
            thread.join(30)
            ours.close()
        return result, heard

    def _listen(self, ours: socket.socket, request: Any, heard: Heard) -> None:
        file = ours.makefile("rwb")
        file.write(protocol.encode(request))
        file.flush()
        while header := file.read(protocol.LENGTH.size):
            message = protocol.decode_from_child(file.read(protocol.frame_length(header)))
            if isinstance(message, Whole):
                heard.at_once = True
                heard.messages += [message.plan, Values(message.values), message.done]
                continue
            if not isinstance(message, Read):
                heard.messages.append(message)
                continue
            heard.reads += 1
            heard.longest_read = max(heard.longest_read, message.length)
            file.write(protocol.encode(Data(self._strips(message))))
            file.flush()

    def _strips(self, asked: Read) -> bytes:
        starts = [asked.offset + strip * asked.step for strip in range(asked.count)]
        return b"".join(self.parts[asked.part][start : start + asked.length] for start in starts)

    def load(self, *, into: Path | None = None, ensemble: Path | None = None, **options: Any) -> Heard:
        request = Load(
            options=Options(**options),
            sizes=self.sizes,
            trusted=self.trusted,
            into=str(into) if into else None,
            ensemble=str(ensemble) if ensemble else None,
        )
        self.prepared, heard = self.ask(request, child.prepare)
        if self.prepared is not None:
            self.info = heard.one(Ready).model
        return heard

    def open(
        self,
        batch_size: int | str = 500,
        cap_bytes: int = CAP,
        *,
        dry_run: bool = False,
        slots: int = 1,
        given: bool = False,
    ) -> Heard:
        request = Open(sizes=self.sizes, batch_size=batch_size, cap_bytes=cap_bytes, dry_run=dry_run, slots=slots)
        request.data = self.parts["data"] if given else b""
        return self.ask(request, child.run, self.prepared)[1]

    def explain(self, layout: Layout, span: Span, *, rows: int = 0, given: bool = False) -> Heard:
        request = Explain(sizes=self.sizes, layout=layout, span=span, rows=rows)
        request.data = self.parts["data"] if given else b""
        return self.ask(request, child.run, self.prepared)[1]

    def close(self, layout: Layout, partials: bytes) -> Heard:
        assert self.info
        sizes = {"partials": len(partials)}
        player = Supervisor({"partials": partials})
        request = Close(sizes=sizes, model=self.info, layout=layout, options=self.prepared.options)
        return player.ask(request, child.run, None)[1]


def explained(
    model: bytes, data: bytes, background: bytes | None = None, **options: Any
) -> tuple[np.ndarray, Heard, ModelInfo]:
    """A small job from its files to its values, shaped (rows, features[, features], outputs)."""
    trusted = options.pop("trusted", False)
    parts = {"model": model, "data": data} | ({"background": background} if background else {})
    supervisor = Supervisor(parts, trusted=trusted)
    loaded = supervisor.load(**options)
    assert supervisor.info, loaded.messages
    heard = supervisor.open(batch_size=100_000, cap_bytes=2**34)
    assert not [message for message in heard.messages if isinstance(message, Failed)], heard.messages
    heard.one(Done)
    plan = heard.one(Plan)
    width = len(supervisor.info.values_of(plan.layout))
    inner = (width, width) if options.get("interactions") else (width,)
    chunks = [supervisor.explain(plan.layout, span) for span in plan.spans] if len(plan.spans) > 1 else [heard]
    values = np.concatenate([chunk.values() for chunk in chunks])
    return values.reshape(plan.spans.rows, *inner, -1), heard, supervisor.info


def refusal(model, data=None, background=None, **options) -> Failed:
    """The problem that a job ends with, wherever it comes to light."""
    parts = {"model": model, "data": data if data is not None else npy(np.zeros((3, 5)))}
    supervisor = Supervisor(parts | ({"background": background} if background else {}))
    loaded = supervisor.load(**options)
    failed = loaded.failed if supervisor.prepared is None else supervisor.open().failed
    assert "{" not in failed.message.replace("{{", "")
    assert "Traceback" not in failed.message
    return failed


def npy(rows: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, rows)
    return file.getvalue()


def csv_bytes(columns: list[str], rows: np.ndarray) -> bytes:
    lines = [",".join(columns), *(",".join("" if np.isnan(x) else repr(float(x)) for x in row) for row in rows)]
    return ("\n".join(lines) + "\n").encode()


def json_bytes(columns: list[str], rows: np.ndarray) -> bytes:
    return json.dumps({"columns": columns, "data": rows.tolist()}).encode()


def skops_bytes(estimator: Any) -> bytes:
    import skops.io

    return skops.io.dumps(estimator)


def halves(span: Span) -> list[Span]:
    if span.rows == 1:
        return [span]
    return [
        Span(first=first, last=last, span_first=span.span_first, start=span.start, end=span.end)
        for first, last in planner.halves(span.first, span.last)
    ]


def records_bytes(columns, rows):
    return json.dumps([dict(zip(columns, row, strict=True)) for row in rows.tolist()]).encode()


def tensors(*inputs, datatype="FP64", shape=None):
    """A request of the Open Inference Protocol."""
    documents = [
        {"name": name, "shape": shape or list(np.shape(data)), "datatype": datatype, "data": data}
        for name, data in inputs
    ]
    return json.dumps({"id": "1", "inputs": documents}).encode()
