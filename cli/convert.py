"""`convert`: a model that is refused at the door, in a safe format that is not. Runs in the command's own process.

It loads nothing itself: `converter` does, in a process of the Python that the model was made with.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import click

from cli import mlflow_directory
from cli.analysis import EXISTING
from cli.client import Document
from cli.failures import Failure, Refused
from cli.printable import printable
from jobs.foreign import is_old_xgboost
from jobs.formats import SNIFF_BYTES, ModelFormat, sniff_model

CONVERTER = Path(__file__).parent / "converter"
BOOT = """
import importlib.util as util, sys
name, place = "shap_supervisor_converter", sys.argv[1]
spec = util.spec_from_file_location(name, place + "/__init__.py", submodule_search_locations=[place])
sys.modules[spec.name] = util.module_from_spec(spec)
spec.loader.exec_module(sys.modules[spec.name])
import shap_supervisor_converter.work
shap_supervisor_converter.work.main(*sys.argv[2:])
"""
"""Runs the package where it lies, and nothing else of ours: a Python with other libraries must not find our room."""
PICKLE = "pickle"
COMPRESSED_PICKLES = (b"BZh", b"\xfd7zXZ", b'\x04"M\x18', b"ccopy_reg\n")
"""As joblib compresses them, or of the oldest protocol."""
TOLERANCE = 1e-6
"""Of the largest prediction: what a format that writes decimals may round."""


class Changed(Failure):
    """What was written does not predict as the model does."""

    exit_code, default_code = 1, "predictions_differ"


@click.command()
@click.argument("model", type=click.Path(exists=True, path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--trust", is_flag=True, help="Load a pickle, which runs the code in it with your rights.")
@click.option("--data", type=EXISTING, help="Rows to compare predictions on (CSV, JSON, Parquet, NPY); drawn without.")
@click.option(
    "--python", type=EXISTING, default=sys.executable, help="The Python whose libraries the model was made with."
)
def convert(model: Path, out: Path, *, trust: bool, data: Path | None, python: Path) -> None:
    """Write a model in a format that the service takes: from a pickle (joblib, cloudpickle), an old XGBoost binary, or
    a directory of MLflow.

    XGBoost becomes JSON or UBJSON (OUT.json, OUT.ubj), LightGBM text (OUT.txt), CatBoost CBM (OUT.cbm), scikit-learn's
    estimators and pipelines skops (OUT.skops). Without an ending OUT gets the one that keeps most. The model is loaded
    by its own libraries in a process of its own, read back from OUT, and both are asked for the same rows.
    """
    source, flavour = mlflow_directory.model_file(model) if model.is_dir() else (model, "")
    kind = _kind(source)
    if kind is None:
        _keep(source, out, flavour)
        return
    if kind == PICKLE and not trust:
        raise Refused(
            f"{source} is a pickle: loading it runs whatever code is in it, with your rights. If you trust everyone "
            "who could have written it, say so with --trust."
        )
    _convert(source, kind, out, data, python)


def _kind(source: Path) -> str | None:
    """How it is loaded; None where it needs no conversion. Raises Refused."""
    head = _head(source)
    found = sniff_model(head)
    if found is ModelFormat.PICKLE or head.startswith(COMPRESSED_PICKLES):
        return PICKLE
    if isinstance(found, ModelFormat):
        return None
    if is_old_xgboost(head):
        return "xgboost-binary"
    raise Refused(f"{source} is {found}. Taken are pickles, old XGBoost binaries and directories of MLflow.")


def _head(source: Path) -> bytes:
    with source.open("rb") as file:
        return file.read(SNIFF_BYTES)


def _keep(source: Path, out: Path, flavour: str) -> None:
    """What needs no conversion: of a directory it is copied as it is. Raises Refused."""
    found = sniff_model(_head(source))
    assert isinstance(found, ModelFormat)
    if not flavour:
        raise Refused(f"{source} is {found.label} already, which the service takes: send it as it is.")
    shutil.copyfile(source, out)
    click.echo(f"Copied {source} to {out}: MLflow keeps {flavour} models as {found.label}, which the service takes.")


def _convert(source: Path, kind: str, out: Path, data: Path | None, python: Path) -> None:
    """Raises Refused, Changed."""
    if not out.absolute().parent.is_dir():
        raise Refused(f"{out.parent}: there is no such directory.")
    with tempfile.TemporaryDirectory(dir=out.absolute().parent, prefix=f".{out.name}.") as folder:
        request = {
            "path": str(source.absolute()),
            "format": kind,
            "ending": out.suffix.lower(),
            "into": str(Path(folder, "model")),
            "data": str(data.absolute()) if data else None,
        }
        report = _run(python, request, Path(folder))
        if "error" in report:
            raise Refused(f"{source}: {report['error']}")
        if report["difference"] > TOLERANCE:
            raise Changed(f"{source}: {_said(report)}. Nothing was written.")
        written = out if out.suffix else out.with_name(out.name + report["ending"])
        os.replace(report["written"], written)
    _show(source, written, report)


def _run(python: Path, request: Document, folder: Path) -> Document:
    """The converter's report. What libraries print goes to stderr. Raises Refused where it died."""
    asked, answer = folder / "request.json", folder / "report.json"
    asked.write_text(json.dumps(request))
    command = [str(python), "-c", BOOT, str(CONVERTER), str(asked), str(answer)]
    ended = subprocess.run(command, stdout=sys.stderr, check=False)  # noqa: S603 - the user's own Python
    if ended.returncode or not answer.is_file():
        raise Refused(
            f"{python} ended with {ended.returncode} while it converted the model; what it said stands above."
        )
    report: Document = json.loads(answer.read_text())
    return report


def _show(source: Path, out: Path, report: Document) -> None:
    lines = [f"Read {source}: {report['model']}, by {report['library']}."]
    lines += [f"Wrote {out}: {report['format']}, {out.stat().st_size:,} bytes."]
    lines += [f"Checked: {_said(report)}."]
    lines += [f"Note: {note}." for note in report["notes"]]
    click.echo(printable("\n".join(lines), keep="\n"))


def _said(report: Document) -> str:
    rows = f"{report['rows']:,} rows " + ("of --data" if report["own_rows"] else "drawn from what the model has learnt")
    if not report["difference"]:
        return f"on {rows} it predicts the same, to the last digit"
    return f"on {rows} predictions differ by up to {report['difference']:.2g} of the largest"
