"""What is asked of one job: the options that `submit` and `run` share. Runs in the command's own process.

Does not judge the values of options: the service does, and names what is wrong.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from cli.client import Client, Document
from jobs.foreign import CONVERT
from jobs.formats import DATA_FORMATS, MODEL_FORMATS
from jobs.options import EXPLAINERS

Command = TypeVar("Command", bound=Callable[..., Any])
EXISTING = click.Path(exists=True, dir_okay=False, path_type=Path)


@dataclass(frozen=True)
class Analysis:
    """Files and options of one job."""

    files: dict[str, Path]
    model_id: str | None
    options: Document

    def submit(self, client: Client) -> str:
        """The new job's id. Raises Refused, Unreachable."""
        return str(client.submit(self.files, self.options, model_id=self.model_id)["job_id"])


class OptionPair(click.ParamType[tuple[str, Any]]):
    """`name=value`; the value is JSON where it can be read as JSON, and text otherwise."""

    name = "key=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, Any]:
        name, sign, text = str(value).partition("=")
        if not sign or not name:
            self.fail(f"{value!r} is not key=value.", param, ctx)
        try:
            return name, json.loads(text)
        except ValueError:
            return name, text


class ModelPath(click.Path):
    """A model's file; of a directory it is said what makes a file of it."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if Path(value).is_dir():
            self.fail(f"{value} is a directory: of one that MLflow wrote, {CONVERT} makes a file.", param, ctx)
        return super().convert(value, param, ctx)


_OPTIONS = (
    click.option("--model", type=ModelPath(exists=True, path_type=Path), help=f"Model file: {MODEL_FORMATS}."),
    click.option("--model-id", help="Instead of --model: a model that the service knows by this name."),
    click.option("--data", type=EXISTING, required=True, help=f"Rows to explain: {DATA_FORMATS}."),
    click.option("--background", type=EXISTING, help="Typical rows, for explainers that need a background."),
    click.option("--expected", type=EXISTING, help="Your own predictions for the first rows, to be met."),
    click.option("--interactions", is_flag=True, help="SHAP interaction values (tree models)."),
    click.option("--explainer", help=f"One of {', '.join(EXPLAINERS)}."),
    click.option("--batch-size", help="The most rows in a chunk: a number, or auto."),
    click.option("--group", "groups", type=OptionPair(), multiple=True, help="Values added up: home=street,city."),
    click.option("--column", "columns", multiple=True, help="Only this feature or group in the result; repeatable."),
    click.option("--top-k", type=click.IntRange(min=1), help="Of each row only the largest values, and the rest."),
    click.option("--by", help="A column of the data: the summary for each of its values."),
    click.option("--reduce", type=click.Choice(["summary"]), help="Keep no rows, only the summary."),
    click.option("--option", "pairs", type=OptionPair(), multiple=True, help="Any other option, e.g. seed=7."),
)


def analysis_options(command: Command) -> Command:
    """The options of an analysis, on a command whose keyword arguments go to `analysis`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def analysis(
    *,
    model: Path | None,
    model_id: str | None,
    data: Path,
    background: Path | None,
    expected: Path | None,
    interactions: bool,
    explainer: str | None,
    batch_size: str | None,
    groups: tuple[tuple[str, Any], ...],
    columns: tuple[str, ...],
    pairs: tuple[tuple[str, Any], ...],
    **kept: Any,
) -> Analysis:
    """The analysis that the command line describes; `kept` are options by their own names. Raises click.UsageError."""
    if (model is None) == (model_id is None):
        raise click.UsageError("Give either --model FILE or --model-id NAME.")
    files = {"model": model, "data": data, "background": background, "expected": expected}
    options = dict(pairs) | {name: value for name, value in kept.items() if value is not None}
    if groups:
        options["groups"] = {name: str(members).split(",") for name, members in groups}
    if columns:
        options["columns"] = list(columns)
    if interactions:
        options["interactions"] = True
    if explainer:
        options["explainer"] = explainer
    if batch_size:
        options["batch_size"] = int(batch_size) if batch_size.isdigit() else batch_size
    return Analysis({name: path for name, path in files.items() if path}, model_id, options)
