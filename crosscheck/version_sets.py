"""Versions of the libraries that were in use together, and an environment for each set: made once, of wheels alone.

The environment that runs the campaign is the newest set.
"""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

OWN = "installed"
OLD_PYTHON = "3.11"
"""The one Python for which all of the old versions have wheels."""


class VersionSet(NamedTuple):
    """A name, and what is installed."""

    name: str
    packages: str


OLD = (
    VersionSet(
        "sklearn-1.2",
        "numpy==1.23.5 scipy==1.10.1 pandas==1.5.3 scikit-learn==1.2.2 skops==0.6.0 xgboost==1.0.2 lightgbm==2.3.1 "
        "catboost==1.2 setuptools==75.8.0",
    ),
    VersionSet(
        "sklearn-1.3",
        "numpy==1.24.4 scipy==1.11.4 pandas==2.0.3 scikit-learn==1.3.2 skops==0.9.0 xgboost==1.4.2 lightgbm==3.2.1 "
        "catboost==1.2.2 setuptools==75.8.0",
    ),
    VersionSet(
        "sklearn-1.4",
        "numpy==1.26.4 scipy==1.11.4 pandas==2.1.4 scikit-learn==1.4.2 skops==0.10.0 xgboost==1.7.6 lightgbm==3.3.5 "
        "catboost==1.2.3",
    ),
    VersionSet(
        "sklearn-1.5",
        "numpy==1.26.4 scipy==1.13.1 pandas==2.2.3 scikit-learn==1.5.2 skops==0.10.0 xgboost-cpu==2.1.4 "
        "lightgbm==4.1.0 catboost==1.2.5",
    ),
    VersionSet(
        "sklearn-1.6",
        "numpy==2.1.3 scipy==1.14.1 pandas==2.2.3 scikit-learn==1.6.1 skops==0.11.0 xgboost-cpu==3.0.5 "
        "lightgbm==4.5.0 catboost==1.2.8",
    ),
    VersionSet(
        "sklearn-1.8",
        "numpy==2.2.6 scipy==1.16.3 pandas==2.3.3 scikit-learn==1.8.0 skops==0.13.0 xgboost-cpu==3.1.3 "
        "lightgbm==4.6.0 catboost==1.2.9",
    ),
)


def interpreters(directory: Path, *, old: bool) -> dict[str, str]:
    """Name of each set → its Python, installed where it was not yet: about 1 GB each.

    Raises RuntimeError where there is no Python for old versions, and CalledProcessError where one cannot be installed.
    """
    found = {one.name: _made(directory / one.name, one) for one in OLD} if old else {}
    return {**found, OWN: sys.executable}


def _made(directory: Path, wanted: VersionSet) -> str:
    python, mark = directory / "bin" / "python", directory / ".installed"
    if not mark.exists() or mark.read_text() != wanted.packages:
        shutil.rmtree(directory, ignore_errors=True)
        subprocess.run([_old_python(), "-m", "venv", str(directory)], check=True)
        pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--only-binary", ":all:"]
        subprocess.run([*pip, *wanted.packages.split()], check=True)
        mark.write_text(wanted.packages)
    return str(python)


def _old_python() -> str:
    if f"{sys.version_info[0]}.{sys.version_info[1]}" == OLD_PYTHON:
        return str(getattr(sys, "_base_executable", sys.executable))
    if found := shutil.which(f"python{OLD_PYTHON}"):
        return found
    raise RuntimeError(f"old versions of the libraries need Python {OLD_PYTHON}, and there is no python{OLD_PYTHON}")
