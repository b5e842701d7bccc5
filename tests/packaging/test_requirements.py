"""What is pinned, what is declared, and what the import contracts list: none may fall behind another."""

import configparser
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STEMS = [f"requirements{of}" for of in ("", "-dev", "-dask", "-bench", "-mutate")]
PIN = re.compile(r"^([a-z0-9._-]+)==\S+( ; .+)?$")


def config() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return parser


def names(text: str) -> set[str]:
    """Distribution names in requirements as people write them."""
    lines = (line.split("#")[0].strip() for line in text.splitlines())
    return {re.split(r"[ ;<>=!~\[]", line)[0] for line in lines if line and not line.startswith("-r")}


def pinned(file: str) -> set[str]:
    lines = [line for line in (ROOT / file).read_text().splitlines() if line and line[0] not in " #"]
    assert [line for line in lines if not PIN.match(line)] == []
    return {line.split("==")[0] for line in lines}


@pytest.mark.parametrize("stem", STEMS)
def test_everything_asked_for_is_pinned(stem):
    assert names((ROOT / f"{stem}.in").read_text()) <= pinned(f"{stem}.txt")


def test_the_package_declares_what_requirements_name():
    assert names(config()["options"]["install_requires"]) == names((ROOT / "requirements.in").read_text())


def test_development_uses_the_same_versions():
    runtime, development = (
        {line.split(" ;")[0] for line in (ROOT / file).read_text().splitlines() if PIN.match(line)}
        for file in ("requirements.txt", "requirements-dev.txt")
    )
    assert runtime <= development


def test_shap_and_numpy_depend_on_the_python_version():
    text = (ROOT / "requirements.txt").read_text()
    assert "shap==0.51.0 ; python_full_version < '3.12'" in text
    assert re.search(r"^shap==0\.(5[4-9]|[6-9]\d)\S* ; python_full_version >= '3\.12'$", text, re.MULTILINE)
    assert re.search(r"^numba==0\.6\d\S* ; python_full_version < '3\.12'$", text, re.MULTILINE)


def test_no_address_of_an_index_is_written_down():
    for file in (*(f"{stem}.txt" for stem in STEMS), "setup.cfg", "pyproject.toml", "Makefile", ".ci/run"):
        text = (ROOT / file).read_text()
        assert not re.search(
            r"--(extra-)?index-url|--find-links|--trusted-host", text.replace("--no-emit-index-url", "")
        )


def test_the_import_contracts_hold_for_every_room():
    """A package that no contract knows could import what it likes."""
    rooms = {name.rstrip("*") for name in config()["options.packages.find"]["include"].split()}
    assert rooms == set(config()["importlinter"]["root_packages"].split())
    assert rooms == set(config()["importlinter:contract:circles"]["ancestors"].split())
