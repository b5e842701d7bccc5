"""The C kernel by itself: hostile arrays are refused before it runs, and it is clean under sanitizers."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shaptrees import engine, levels
from shaptrees.arrays import Trees
from shaptrees.errors import UnreadableModel
from tests.shaptrees.ensembles import ensemble, rows
from tests.shaptrees.hostile import (
    HOSTILE,
    HOSTILE_PAIRS,
    SHAPE,
    arguments,
    call,
    call_background,
    call_pairs,
    call_predict,
)

kernel = pytest.importorskip("shaptrees._kernel")
SOURCE = Path(engine.__file__).with_name("kernel.c")


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_arrays_are_refused(name: str) -> None:
    arrays = arguments(ensemble(SHAPE))
    call(arrays)
    HOSTILE[name](arrays)
    with pytest.raises(ValueError, match=r"\w"):
        call(arrays)
    if name in {"blocks too short", "phi too short"}:
        return  # the others make their own
    with pytest.raises(ValueError, match=r"\w"):
        call_pairs(arrays)
    with pytest.raises(ValueError, match=r"\w"):
        call_background(arrays)
    if name != "a shared child":  # which rows pass like any other
        with pytest.raises(ValueError, match=r"\w"):
            call_predict(arrays)


def test_sizes_types_and_levels_are_checked() -> None:
    arrays = arguments(ensemble(SHAPE))
    for wrong in (
        {"rows": 0},
        {"rows": 10**9},
        {"slots": 0},
        {"slots": 3},
        {"features": -1},
        {"features": 2**40},
        {"outputs": 3},
        {"level": 99},
    ):
        with pytest.raises(ValueError, match=r"\w"):
            call(arrays, **wrong)
    arrays["left"] = arrays["left"].astype(np.int64)
    with pytest.raises(TypeError, match="left"):
        call(arrays)


@pytest.mark.parametrize("name", HOSTILE_PAIRS)
def test_hostile_pairs_are_refused(name: str) -> None:
    arrays = arguments(ensemble(SHAPE))
    call_pairs(arrays)
    with pytest.raises(ValueError, match=r"\w"):
        call_pairs(arrays, **HOSTILE_PAIRS[name])


def test_pairs_are_two_arrays_of_whole_numbers() -> None:
    arrays = arguments(ensemble(SHAPE))
    zeros = np.zeros(5, dtype=np.int32)
    for pairs in (zeros, (zeros,), (zeros, zeros.astype(np.int64)), (zeros.astype(float), zeros), (None, zeros)):
        with pytest.raises(TypeError):
            call(arrays, pairs)  # type: ignore[arg-type]


def test_only_pairs_have_fewer_lanes() -> None:
    arrays = arguments(ensemble(SHAPE))
    arrays["phi"] = arrays["phi"][..., :24].copy()
    with pytest.raises(ValueError, match="size"):
        call(arrays, lanes=24)


SPOILT: dict[str, dict[str, Any]] = {
    "a child before its parent": {"left": 0},
    "a child of nowhere": {"right": 10**6},
    "an unknown feature": {"feature": 99},
    "a rule": {"rule": 9},
    "a missing kind": {"missing": 9},
    "a cover": {"cover": -1.0},
    "an infinite cover": {"cover": np.inf},
    "a threshold": {"threshold": np.nan},
}


@pytest.mark.parametrize("name", SPOILT)
def test_malformed_trees_are_refused_with_the_reason(name: str) -> None:
    good = ensemble(SHAPE)
    changed = {field: getattr(good, field).copy() for field in SPOILT[name]}
    for field, value in SPOILT[name].items():
        changed[field][0] = value
    with pytest.raises(UnreadableModel, match="tree arrays"):
        Trees(**{**vars_of(good), **changed})


def vars_of(trees: Trees) -> dict[str, Any]:
    return {name: getattr(trees, name) for name in Trees.__dataclass_fields__}


LITTLE_MEMORY = """
import resource, sys
import numpy as np
from shaptrees import engine
from tests.shaptrees.ensembles import Shape, ensemble, rows
shape = Shape(seed=1, trees=1, features=40, outputs=200, depth=140, spine=True, whole=True, strict=False)
trees, x, many = ensemble(shape), rows(shape, 4), rows(shape, 4000)
against = engine.Background(trees, many)
calls = {
    "values": lambda: engine.shap_values(trees, x),
    "interactions": lambda: engine.interaction_values(trees, x),
    "predict": lambda: engine.predict(trees, many),
    "against": lambda: against.values(x),
    "against, interactions": lambda: against.interactions(x),
}
calls["values"]()
now = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (now + (2 << 20), now + (2 << 20)))
for name, call in calls.items():
    try:
        call()
    except MemoryError:
        print(name)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_AS is enforced on Linux only")
def test_more_memory_than_there_is_is_an_error_and_not_the_end() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LITTLE_MEMORY], capture_output=True, text=True, check=False, timeout=60
    )
    expected = ["values", "interactions", "predict", "against", "against, interactions"]
    assert (done.returncode, done.stdout.splitlines()) == (0, expected), done.stderr


CHILD = """
import os, sys
import numpy as np
from shaptrees import engine
from shaptrees.arrays import Trees
from shaptrees.build import Part, assemble
depth, trees, features = 13, 64, 50
nodes, inner, random = 2 ** (depth + 1) - 1, 2**depth - 1, np.random.default_rng(0)
place = np.arange(nodes)
left = np.where(place < inner, 2 * place + 1, -1)
part = lambda: Part(left=left, right=np.where(place < inner, 2 * place + 2, -1), missing=place % 2,
                    feature=random.integers(0, features, nodes), threshold=random.normal(size=nodes),
                    cover=np.ones(nodes), values=random.normal(size=(nodes, 1)))
forest = assemble([part() for _ in range(trees)], output=0, base=np.zeros(1), features=features)
x = random.normal(size=(500, features))
x[0, 0] = np.nan
engine.prepare(forest)
def private():
    return sum(int(line.split()[1]) for line in open("/proc/self/smaps_rollup") if line.startswith("Private_Dirty"))
engine.shap_values(forest, x[:1])
ends = os.pipe()
if not os.fork():
    before = private()
    values = engine.shap_values(forest, x)
    engine.predict(forest, x)
    os.write(ends[1], str(private() - before).encode())
    os._exit(0)
os.wait()
print(len(forest.left), int(os.read(ends[0], 100)))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_child_that_explains_500_rows_with_a_million_nodes_adds_little_memory() -> None:
    done = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, check=True, timeout=100)
    nodes, kilobytes = map(int, done.stdout.split())
    assert nodes > 10**6
    assert kilobytes < 10_000


SANITIZED = """
import sys
import numpy as np
sys.path.insert(0, sys.argv[1])
import importlib.util
spec = importlib.util.spec_from_file_location("shaptrees._kernel", sys.argv[2])
module = importlib.util.module_from_spec(spec)
sys.modules["shaptrees._kernel"] = module
import shaptrees
shaptrees._kernel = module
spec.loader.exec_module(module)
from shaptrees import engine, levels
from tests.shaptrees import hostile
from tests.shaptrees.ensembles import Shape, ensemble, rows
assert levels.kernel is module
for seed in range(12):
    shape = Shape(seed=seed, trees=3, features=1 + 3 * seed, outputs=1 + seed % 3, depth=5 * (seed % 7),
                  spine=bool(seed % 2), whole=bool(seed % 3), strict=False)
    trees, x = ensemble(shape), rows(shape, 21)
    for level in module.levels():
        engine.shap_values(trees, x, level=level)
        engine.interaction_values(trees, x[:3], level=level)
        engine.predict(trees, x, level=level)
        against = engine.Background(trees, rows(shape, 90)[21:], level=level)
        against.values(x)
        against.interactions(x[:5])
for spoil in hostile.HOSTILE.values():
    arrays = hostile.arguments(ensemble(hostile.SHAPE))
    spoil(arrays)
    calls = (hostile.call, hostile.call_pairs, hostile.call_predict, hostile.call_background)
    for call in calls:
        try:
            call(arrays)
        except ValueError:
            continue
        if call is hostile.call:
            raise SystemExit("hostile arrays were taken")
for spoilt in hostile.HOSTILE_PAIRS.values():
    try:
        hostile.call_pairs(hostile.arguments(ensemble(hostile.SHAPE)), **spoilt)
    except ValueError:
        continue
    raise SystemExit("hostile pairs were taken")
print("clean")
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_clean_under_address_and_undefined_behaviour_sanitizers(tmp_path: Path) -> None:
    library = tmp_path / "_kernel.abi3.so"
    flags = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer", "-std=c11", "-O1"]
    include = f"-I{sysconfig.get_paths()['include']}"
    built = subprocess.run(
        ["gcc", *flags, "-g", "-fPIC", "-shared", include, str(SOURCE), "-o", str(library)], check=False
    )
    if built.returncode:
        pytest.skip("no compiler with sanitizers")
    runtime = subprocess.run(["gcc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True)
    environment = {**os.environ, "LD_PRELOAD": runtime.stdout.strip(), "ASAN_OPTIONS": "detect_leaks=0"}
    command = [sys.executable, "-c", SANITIZED, str(SOURCE.parents[3]), str(library)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=600)
    assert done.stdout.endswith("clean\n"), done.stderr[-3000:]


def test_without_the_kernel_numpy_takes_over_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    trees, x = ensemble(SHAPE), rows(SHAPE, 5)
    expected = engine.shap_values(trees, x)
    monkeypatch.setattr(levels, "kernel", None)
    assert engine.available() == ("numpy",)
    name, reason = engine.chosen()
    assert name == "numpy"
    assert "not installed" in reason
    assert np.allclose(engine.shap_values(trees, x), expected, rtol=0, atol=1e-12)
