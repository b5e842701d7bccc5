"""shaptrees as a distribution of its own: built, installed, and run where there is nothing but NumPy and XGBoost.

Also what importing it costs there: less than a fifth of a second and 45 MB.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
import xgboost

pytestmark = [pytest.mark.timeout(600), pytest.mark.slow]  # compiles the kernel
ROOT = Path(__file__).parents[2]
IMPORT = """
import json, resource, sys, time
before = time.perf_counter()
import numpy
start = time.perf_counter()
import shaptrees
from shaptrees import TreeExplainer
seconds = time.perf_counter() - start
rss = int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()
found = {"seconds": seconds, "numpy": start - before, "rss": rss, "modules": sorted(sys.modules)}
print(json.dumps({"file": shaptrees.__file__, **found}))
"""
TWO_LINES = """
import importlib.util, sys
import numpy as np
import xgboost
for absent in ("shap", "sklearn", "pandas", "msgspec", "redis", "jobs", "child"):
    assert importlib.util.find_spec(absent) is None, absent
X = np.random.default_rng(0).normal(size=(50, 4))
model = xgboost.train({"nthread": 1}, xgboost.DMatrix(X, X[:, 0] * X[:, 1]), 5)

from shaptrees import TreeExplainer
values = TreeExplainer(model).shap_values(X)

theirs = model.predict(xgboost.DMatrix(X), pred_contribs=True)
assert np.allclose(values, theirs[:, :-1], atol=1e-5)
found = TreeExplainer(model)(X)
assert type(found).__module__ == "shaptrees.explanation", type(found)
assert found[:, 0].shape == (50,)
assert TreeExplainer(bytes(model.save_raw("json"))).shap_values(X).shape == (50, 4)
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the installed distribution, NumPy and XGBoost, and nothing else."""
    source, site = tmp_path_factory.mktemp("source") / "shaptrees", tmp_path_factory.mktemp("site")
    shutil.copytree(
        ROOT / "shaptrees", source, ignore=shutil.ignore_patterns("__pycache__", "*.so", "build", "*.egg-info")
    )
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", site, source], check=True, capture_output=True)
    for package in (numpy, xgboost):
        home = Path(package.__file__).parent
        for part in (home, home.parent / f"{home.name}.libs"):
            if part.exists():
                (site / part.name).symlink_to(part)
    scipy = Path(xgboost.__file__).parents[1] / "scipy"  # which XGBoost imports
    (site / "scipy").symlink_to(scipy)
    if (libraries := scipy.with_name("scipy.libs")).exists():
        (site / "scipy.libs").symlink_to(libraries)
    return site


def run(site: Path, script: str) -> str:
    """In an interpreter that sees the standard library and this directory."""
    command = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.append({str(site)!r})\n{script}"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=site, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_two_lines_explain_with_numpy_and_the_model_s_library_alone(site: Path) -> None:
    run(site, TWO_LINES)


def test_the_kernel_is_built_for_every_python_from_here_on(site: Path) -> None:
    assert [path.name for path in (site / "shaptrees").glob("_kernel*")] == ["_kernel.abi3.so"]


def test_importing_it_is_quick_small_and_brings_nothing_else(site: Path) -> None:
    """The time is what it adds to NumPy's, the best of some; where the machine is busy, NumPy takes long as well."""
    found = [json.loads(run(site, IMPORT)) for _ in range(5)]
    assert found[0]["file"].startswith(str(site))
    assert any(each["seconds"] < max(0.2, each["numpy"]) for each in found)
    assert max(each["rss"] for each in found) < 45_000_000
    roots = {name.split(".")[0] for name in found[0]["modules"]}
    assert not roots & {"xgboost", "scipy", "jobs", "child", "msgspec"}
