"""A process that writes Parquet or Arrow: `python -P -m api.columnar_process`, frames on stdin, the file on stdout.

A frame is a letter, a length (8 bytes, big-endian) and so many bytes: first `h`, a `Head` as JSON; then, a batch of
lines at a time, `i`, their ids as a JSON list, where the head names an id column, and `v`, their values; `e` ends it. A
file that is not ended so was broken off, and this process fails. Holds GROUP_BYTES of values, whatever the rows. Runs
alone, started by `api.columnar`: pyarrow takes more than the web process may.
"""

import json
import os
import sys
from collections.abc import Iterator
from typing import IO, Any

import msgspec

from api.columnar import END, HEAD, IDS, LENGTH_BYTES, METADATA, VALUES, Head
from plots.draw import confine

GROUP_BYTES = 4 * 1024 * 1024
"""Of values, in a row group or a record batch."""
DATA_BYTES = 1024 * 1024 * 1024
KEYS = ("output", "feature")


def main() -> None:
    """Write what stdin holds."""
    confine(DATA_BYTES)
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    import pyarrow as pa

    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    frames = _frames(sys.stdin.buffer)
    head = msgspec.json.decode(next(frames)[1], type=Head)
    columns = Columns(head)
    with _writer(head, columns.schema, _Sink(sys.stdout.buffer)) as writer:
        sys.stdout.flush()
        for ids, values in _groups(frames):
            writer.write_batch(columns.batch(ids, values))
            sys.stdout.flush()


class Columns:
    """Lines of values as columns: row, the ids, output, feature, base_value, and the features under their own names."""

    def __init__(self, head: Head) -> None:
        import pyarrow as pa

        self._head, self._line = head, 0
        self._outputs, self._features = pa.array(head.outputs), pa.array(head.features)
        self._named = pa.array(head.named, pa.string())
        word = pa.dictionary(pa.int32(), pa.string())
        id_type = pa.int64() if head.whole_ids else pa.string()
        key_types = {"row": pa.int64(), "id": id_type, "output": word, "feature": word, "base_value": pa.float64()}
        fields = [(head.keys[key], kind) for key, kind in key_types.items() if key in head.keys]
        fields += [(name, word if place < head.places else pa.float64()) for place, name in enumerate(head.features)]
        self.schema = pa.schema(fields, metadata={METADATA: json.dumps(head.about)})

    def batch(self, ids: list[Any], values: bytes) -> Any:
        """The next lines."""
        import numpy as np
        import pyarrow as pa

        head = self._head
        outputs, features = len(head.outputs), len(head.features)
        cells = np.frombuffer(values, "<f8").reshape(-1, features, outputs)
        lines = np.arange(self._line, self._line + len(cells))
        self._line += len(cells)
        found = {
            "row": head.first + np.repeat(lines // head.lines_per_row, outputs),
            "id": pa.array(ids, self.schema.field(1).type).take(np.repeat(np.arange(len(ids)), outputs)) if ids else [],
            "output": self._words(np.tile(np.arange(outputs), len(cells)), self._outputs),
            "feature": self._words(np.repeat(lines % features, outputs), self._features),
            "base_value": np.tile(np.array(head.base_values, float), len(cells)),
        }
        keys = [found[key] for key in found if key in head.keys]
        own = [cells[:, place].reshape(-1) for place in range(features)]
        own[: head.places] = [self._words(places, self._named) for places in own[: head.places]]
        return pa.record_batch([*keys, *own], schema=self.schema)

    def _words(self, codes: Any, words: Any) -> Any:
        import pyarrow as pa

        return pa.DictionaryArray.from_arrays(codes.astype("int32"), words)


class _Sink:
    """A pipe that knows how many bytes went into it, as a file of either kind tells where its parts are."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe, self._at, self.closed = pipe, 0, False

    def write(self, piece: Any) -> int:
        self._at += len(piece)
        return self._pipe.write(piece)

    def tell(self) -> int:
        return self._at

    def flush(self) -> None:
        self._pipe.flush()

    def close(self) -> None:
        self.flush()


def _writer(head: Head, schema: Any, sink: _Sink) -> Any:
    import pyarrow as pa
    from pyarrow import parquet

    if head.kind == "parquet":
        keys = [head.keys[key] for key in KEYS if key in head.keys]
        return parquet.ParquetWriter(sink, schema, compression="zstd", use_dictionary=keys)
    return {"arrow": pa.ipc.new_file, "arrows": pa.ipc.new_stream}[head.kind](sink, schema)


def _groups(frames: Iterator[tuple[bytes, bytes]]) -> Iterator[tuple[list[Any], bytes]]:
    """Ids and values of as many lines as go into one group."""
    ids: list[Any] = []
    values = bytearray()
    for kind, content in frames:
        if kind == IDS:
            ids += json.loads(content)
        elif kind == VALUES:
            values += content
        if values and (kind == END or len(values) >= GROUP_BYTES):
            yield ids, bytes(values)
            ids = []
            values.clear()


def _frames(file: IO[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Each frame, the last of which ends it. Raises EOFError where it does not come."""
    kind = HEAD
    while kind != END:
        start = file.read(1 + LENGTH_BYTES)
        kind, length = start[:1], int.from_bytes(start[1:])
        content = file.read(length)
        if not kind or len(content) < length:
            raise EOFError("the values were broken off")
        yield kind, content


if __name__ == "__main__":
    main()
