"""Where a result goes: the file's ending says which format is asked for. Runs in the command's own process.

The service makes the format; this only writes the bytes as they come, under a temporary name until all have arrived.
"""

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

import click

from cli.client import Client, Document
from cli.tables import in_mb

FORMATS = {
    ".npy": "application/x-npy",
    ".csv": "text/csv",
    ".json": "application/json",
    ".parquet": "application/vnd.apache.parquet",
    ".arrow": "application/vnd.apache.arrow.file",
    ".arrows": "application/vnd.apache.arrow.stream",
}
"""Parquet and Arrow need the extra `tables` in the service; `.arrow` is a file (Feather), `.arrows` a stream."""


class OutputPath(click.ParamType[Path]):
    """A file whose ending names one of the formats."""

    def __init__(self, endings: Iterable[str] = FORMATS) -> None:
        self._endings = tuple(endings)
        self.name = f"path{'|'.join(self._endings)}"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        path = Path(value)
        if path.suffix.lower() not in self._endings:
            self.fail(f"{path}: the name must end in {', '.join(self._endings)}.", param, ctx)
        if not path.absolute().parent.is_dir():
            self.fail(f"{path.parent}: there is no such directory.", param, ctx)
        return path


json_option = click.option("--json", "as_json", is_flag=True, help="Print the service's own document.")
output_option = click.option("--output", type=OutputPath(), help="File for the values.")


def written(output: Path, job: Document) -> str:
    """What a file of values holds now, in a line."""
    options = job.get("options") or {}
    features = len(options.get("columns") or ()) or job["features"]
    axes = [f"{job['rows']:,} rows", f"{options.get('top_k') or features:,} features"]
    axes += [axes[1]] if options.get("interactions") else []
    axes += [f"{job['outputs']:,} outputs"] if (job.get("outputs") or 1) > 1 else []
    ids = (job.get("options") or {}).get("id_column")
    apart = f" NPY holds no ids: they are at /jobs/{job['job_id']}/ids." if ids and output.suffix == ".npy" else ""
    return f"Wrote the values of {' x '.join(axes)} to {output} ({in_mb(output.stat().st_size)}).{apart}"


def fetch(client: Client, job_id: str, output: Path | None, *, rows: str | None = None) -> int:
    """Write the values to `output`, or read and drop them without one; returns their size in bytes."""
    if output is None:
        with open(os.devnull, "wb") as sink:
            return client.download(job_id, sink, accept=FORMATS[".npy"], rows=rows)
    with tempfile.NamedTemporaryFile(dir=output.absolute().parent, prefix=f".{output.name}.", delete=False) as sink:
        return _fetch_into(client, job_id, output, sink, rows)


def _fetch_into(client: Client, job_id: str, output: Path, sink: IO[bytes], rows: str | None) -> int:
    try:
        size = client.download(job_id, sink, accept=FORMATS[output.suffix.lower()], rows=rows)
        os.replace(sink.name, output)
    except BaseException:
        os.unlink(sink.name)
        raise
    return size
