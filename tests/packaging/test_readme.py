"""README.md and reference pages against the code: settings, options, outcomes; the session with curl, run verbatim."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy
import pytest

from cli.failures import Failure
from cli.main import cli
from cli.processes import module_environment
from cli.stack import Stack
from jobs.options import EXPLAINERS, Options
from jobs.outcomes import Outcome
from jobs.settings import Settings

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def section(title: str) -> str:
    return README.split(f"\n## {title}\n")[1].split("\n## ")[0]


def page(name: str) -> str:
    return (ROOT / "docs" / f"{name}.md").read_text()


def rows(text: str) -> dict[str, str]:
    """First and second cells of the tables in a text."""
    return dict(re.findall(r"^\| `?([^`|]+?)`? \| (.+?) \|", text, re.MULTILINE))


def test_it_begins_with_the_two_commands():
    assert README.splitlines()[2:5] == ["```sh", *README.splitlines()[3:5]]
    assert README.splitlines()[3].startswith("make demo")
    assert README.splitlines()[4].startswith("make test")


@pytest.mark.parametrize("field", msgspec.structs.fields(Settings), ids=lambda field: field.name)
def test_every_setting_is_in_the_table_with_its_default(field):
    table = rows(page("settings"))
    assert field.name.upper() in table
    default = field.default
    if default in (None, ()):
        assert "`" not in table[field.name.upper()]
    else:
        text = str(default).lower() if isinstance(default, bool) else str(default).removesuffix(".0")
        assert table[field.name.upper()] == f"`{text}`"


def test_no_setting_is_invented():
    known = {field.name.upper() for field in msgspec.structs.fields(Settings)}
    assert set(rows(page("settings"))) - {"variable", "---"} <= known


def test_every_option_is_in_the_table():
    table = rows(page("options"))
    for field in msgspec.structs.fields(Options):
        assert field.name in table
        if field.default is not None:
            assert table[field.name].strip("`") == str(field.default).lower()


def test_every_explainer_is_named_with_its_option():
    line = next(line for line in page("options").splitlines() if line.startswith("| `explainer` |"))
    assert {name for name in EXPLAINERS if f"`{name}`" in line} == set(EXPLAINERS)


def test_every_outcome_is_in_the_table():
    assert {outcome.value for outcome in Outcome} <= set(rows(page("api")))


def test_every_command_and_exit_code_is_named():
    text = page("command-line")
    assert all(f"`{name}`" in text for name in cli.commands)
    assert {str(kind.exit_code) for kind in Failure.__subclasses__()} | {"0"} <= set(rows(text))


@pytest.mark.skipif(shutil.which("curl") is None, reason="the session uses curl")
def test_the_session_works_verbatim(tmp_path):
    blocks = re.findall(r"```sh\n(.*?)```", section("A session with curl"), re.DOTALL)
    script = "\n".join(block for block in blocks if block.strip() != "make up")
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (tmp_path / ".venv/bin/shap-supervisor").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m cli "$@"\n')
    for name in ("python", "shap-supervisor"):
        (tmp_path / ".venv/bin" / name).chmod(0o755)
    with Stack(os.environ, private=True) as stack:
        ended = subprocess.run(
            ["sh", "-eu", "-c", script.replace("http://127.0.0.1:8000", stack.url)],
            cwd=tmp_path,
            env=module_environment(os.environ),
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
        )
    assert ended.returncode == 0, ended.stderr
    assert '"status":"queued"' in ended.stdout
    assert '"top_features"' in ended.stdout
    assert "mean |SHAP|" in ended.stdout
    assert len((tmp_path / "values.csv").read_text().splitlines()) == 443
    assert numpy.load(tmp_path / "values.npy").shape == (442, 10)
