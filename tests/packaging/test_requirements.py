"""What is pinned, what is declared, and what the import contracts list: none may fall behind another."""

import ast
import configparser
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STEMS = [
    f"requirements{of}"
    for of in ("", "-build", "-dev", "-dask", "-generator", "-docs", "-mlflow", "-bench", "-mutate", "-fuzz")
]
PIN = re.compile(r"^([a-z0-9._-]+)==\S+( ; .+)?$")
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}")


def config() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return parser


def names(text: str) -> set[str]:
    """Distribution names in requirements as people write them."""
    lines = (line.split("#")[0].strip() for line in text.splitlines())
    return {re.split(r"[ ;<>=!~\[]", line)[0] for line in lines if line and not line.startswith("-r")}


def pins(file: str) -> dict[str, list[str]]:
    """Every pin, with the lines of its hashes."""
    found: dict[str, list[str]] = {}
    for line in (ROOT / file).read_text().splitlines():
        text = line.removesuffix(" \\")
        if text.startswith("    --hash"):
            assert HASH.fullmatch(text), line
            found[list(found)[-1]].append(text)
        elif text and text[0] not in " #":
            assert PIN.match(text), line
            found[text] = []
    return found


def pinned(file: str) -> set[str]:
    return {pin.split("==")[0] for pin in pins(file)}


@pytest.mark.parametrize("stem", STEMS)
def test_everything_asked_for_is_pinned(stem):
    assert names((ROOT / f"{stem}.in").read_text()) <= pinned(f"{stem}.txt")


def test_the_package_declares_what_requirements_name():
    assert names(config()["options"]["install_requires"]) == names((ROOT / "requirements.in").read_text())


def test_development_uses_the_same_versions():
    runtime, development = (
        {pin.split(" ;")[0] for pin in pins(file)} for file in ("requirements.txt", "requirements-dev.txt")
    )
    assert runtime <= development


@pytest.mark.parametrize("stem", STEMS)
def test_every_pin_has_the_hashes_of_its_files(stem):
    assert [pin for pin, hashes in pins(f"{stem}.txt").items() if not hashes] == []


def test_nothing_is_installed_without_its_hash():
    """What builds is pinned and installed like the rest, so that pip fetches nothing by itself."""
    for file in ("Makefile", "render.yaml"):
        text = (ROOT / file).read_text().replace("$(PINNED)", "install --require-hashes")
        for line in text.splitlines():
            if re.search(r"-r requirements\S*\.txt", line):
                assert "--require-hashes" in line, line
            if "--editable" in line:
                assert "--no-deps --no-build-isolation" in line, line


@pytest.mark.parametrize(
    ("room", "builders"),
    [("", {"setuptools", "vl-convert-python"}), ("shaptrees", {"setuptools"}), ("client", {"setuptools"})],
)
def test_what_builds_is_what_is_pinned(room, builders):
    required = tomllib.loads((ROOT / room / "pyproject.toml").read_text())["build-system"]["requires"]
    pinned_here = {pin.split(" ;")[0] for pin in pins("requirements-build.txt")}
    assert {name.replace(" ", "") for name in required} == {
        pin for pin in pinned_here if pin.split("==")[0] in builders
    }
    assert {pin.split("==")[0] for pin in pinned_here} == {"setuptools", "vl-convert-python"}


def test_shap_and_numpy_depend_on_the_python_version():
    text = "\n".join(pins("requirements.txt"))
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
    written = re.search(r"^ROOMS = (\(.+\))$", (ROOT / "setup.py").read_text(), re.MULTILINE)
    rooms = set(ast.literal_eval(written[1])) if written else set()
    assert rooms == set(config()["importlinter"]["root_packages"].split())
    assert rooms == set(config()["importlinter:contract:circles"]["ancestors"].split())
