"""What the command line asks of a job, as the service's options."""

from pathlib import Path
from typing import Any

import click
import pytest

from cli.analysis import Analysis, analysis, analysis_options


@click.command()
@analysis_options
def command(**asked: Any) -> Analysis:
    return analysis(**asked)


def options(*arguments: str) -> dict[str, Any]:
    given = ["--model-id", "m", "--data", str(Path(__file__)), *arguments]
    found: Analysis = command.main(given, standalone_mode=False)
    return found.options


def test_nothing_is_asked_for_by_default() -> None:
    assert options() == {}


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        (["--group", "home=street,city", "--group", "x=7"], {"groups": {"home": ["street", "city"], "x": ["7"]}}),
        (["--column", "a", "--column", "b, c"], {"columns": ["a", "b, c"]}),
        (["--top-k", "3", "--by", "town"], {"top_k": 3, "by": "town"}),
        (["--reduce", "summary", "--interactions"], {"reduce": "summary", "interactions": True}),
        (["--batch-size", "auto", "--option", "seed=7"], {"batch_size": "auto", "seed": 7}),
    ],
)
def test_options_have_their_own_names(arguments: list[str], asked: dict[str, Any]) -> None:
    assert options(*arguments) == asked
